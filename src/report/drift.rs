//! Drift: what became of the actions of a saved plan that a fresh one does not contain.
//!
//! Decides nothing; whoever compares the two plans says why.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::plan::reason::minute;
use crate::report::text::{count, hanging, item, printable};

/// How a saved plan and a fresh one differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// The instant of judgement of the saved plan.
    pub saved_at: DateTime<Utc>,
    /// Whether the configuration has changed since.
    pub is_config_changed: bool,
    /// Actions of the saved plan that are not carried out, in its order.
    pub lines: Vec<DriftLine>,
    /// How many actions only the fresh plan has; they are not carried out either.
    pub n_new: usize,
}

/// An action of a saved plan that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftLine {
    /// Its id, as the file has it.
    pub id: String,
    /// What became of it.
    pub kind: DriftKind,
    /// Why, in words.
    pub reason: String,
    /// Which of its fields differ from the fresh action's.
    pub fields: Vec<String>,
}

/// Why an action of a saved plan is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    /// What it asked for is so already.
    Done,
    /// It is not due, or nobody asks for it any more.
    Gone,
    /// What it would delete is kept now.
    Kept,
    /// It waits for something now.
    Waits,
    /// A limit withholds it now.
    Withheld,
    /// Something could not be read on which it depends.
    Unread,
    /// A fresh plan has it, but not with the same content.
    Changed,
    /// A fresh plan has it, but not without another that is left out.
    LeftOut,
    /// The file has it twice.
    Twice,
}

impl DriftKind {
    /// Returns one word for it, or two.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Gone => "gone",
            Self::Kept => "kept",
            Self::Waits => "waiting",
            Self::Withheld => "withheld",
            Self::Unread => "unread",
            Self::Changed => "changed",
            Self::LeftOut => "left out",
            Self::Twice => "twice",
        }
    }
}

impl Drift {
    /// Returns it as text, to stand below what was done; nothing if there is nothing to tell.
    pub fn render(&self) -> String {
        let mut out = String::new();
        if self.is_config_changed {
            let text = "the configuration has changed since the plan was saved; what is done, it \
                        asks for now as it did then";
            out.push('\n');
            item(&mut out, &format!("warning: {text}"));
        }
        if !self.lines.is_empty() {
            let n = count(self.lines.len(), "action");
            let saved_at = minute(self.saved_at);
            let _ = writeln!(out, "\ndrift: {n} of the plan of {saved_at} not carried out");
            for (why, ids) in self.by_reason() {
                hanging(&mut out, "  ", &format!("{}: {why}", count(ids.len(), "action")));
                for id in ids {
                    let _ = writeln!(out, "    {}", printable(id));
                }
            }
        }
        if 0 < self.n_new {
            let n = count(self.n_new, "action");
            let _ = writeln!(out, "\n{n} that the saved plan does not have: left to the next run");
        }
        out
    }

    /// Returns the ids of what ended for the same reason, in the order of the saved plan.
    fn by_reason(&self) -> Vec<(String, Vec<&str>)> {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for line in &self.lines {
            let why = line.told();
            let n = *known.entry(why.clone()).or_insert(groups.len());
            if n == groups.len() {
                groups.push((why, Vec::new()));
            }
            groups[n].1.push(&line.id);
        }
        groups
    }
}

impl DriftLine {
    /// Returns its word and the reason, with the fields that differ.
    fn told(&self) -> String {
        let Self { kind, reason, fields, .. } = self;
        let fields =
            if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{}, {reason}{fields}", kind.word())
    }
}
