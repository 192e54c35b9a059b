//! What people are told, as a message that any channel can carry.
//!
//! It says first what a person has to do. Whatever comes from an account is escaped, and no text
//! outgrows what a channel takes: what is left out is counted. Nothing here decides when to tell.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::domain::event::Event;
use crate::execute::outcome::Tally;
use crate::plan::reason::minute;
use crate::report::text::{count, printable};
use crate::report::trouble::{Cycle, Duty, Kind, Trouble};

mod body;
mod summary;

use body::Body;

/// SNS: "less than 100 characters long" (API reference, Publish).
const SUBJECT_CHARS_MAX: usize = 99;
/// SNS takes 256 KB; this is enough for anybody, whatever the characters.
const TEXT_CHARS_MAX: usize = 20_000;
/// Slack cuts texts, and refuses sections of 3,000 characters.
const SLACK_CHARS_MAX: usize = 2_900;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Why it is sent.
    pub event: Event,
    /// One line of ASCII.
    pub subject: String,
    /// Lines without control characters.
    pub text: String,
    slack: String,
}

/// What is known of an earlier message about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing was told.
    Nothing,
    /// The same, or part of it, was told, and is so since then.
    SoSince(DateTime<Utc>),
    /// It was told as recovered at this time.
    RecoveredAt(DateTime<Utc>),
}

impl Message {
    /// Returns what is told of `troubles`, of which there is at least one.
    pub fn of_troubles(troubles: &[Trouble], cycles: &[Cycle<'_>], before: Before) -> Self {
        let is_failure = troubles.iter().any(|trouble| trouble.event() == Event::Failure);
        let event = if is_failure { Event::Failure } else { Event::Refusal };
        let mut body = Body::default();
        tell_troubles(&mut body, troubles);
        match before {
            Before::Nothing => {}
            Before::SoSince(since) => {
                body.end(format!("Something has been wrong since {}.", minute(since)));
            }
            Before::RecoveredAt(at) => body.end(format!(
                "All was well at {}. What comes back is told as recovered only once it has stayed \
                 away for some time.",
                minute(at)
            )),
        }
        end(&mut body, cycles);
        Self::new(event, &subject_of(troubles), &body, cycles)
    }

    /// Returns that all is well again, which it was not since `since`; `keys` are what was wrong.
    pub fn of_recovery(
        since: DateTime<Utc>,
        keys: &BTreeSet<String>,
        cycles: &[Cycle<'_>],
    ) -> Self {
        let mut body = Body::default();
        body.first("Nothing to do: all is well again.".to_owned());
        body.list(format!("since {}", minute(since)), keys.iter().cloned());
        end(&mut body, cycles);
        Self::new(Event::Recovery, "all is well again", &body, cycles)
    }

    /// Returns how things are.
    pub fn of_summary(troubles: &[Trouble], cycles: &[Cycle<'_>]) -> Self {
        let mut body = Body::default();
        if troubles.is_empty() {
            body.first("Nothing to do: all is well.".to_owned());
        } else {
            tell_troubles(&mut body, troubles);
        }
        for cycle in cycles {
            summary::tell(&mut body, cycle);
        }
        end(&mut body, cycles);
        let what =
            if troubles.is_empty() { "all is well".to_owned() } else { subject_of(troubles) };
        Self::new(Event::Summary, &what, &body, cycles)
    }

    /// Returns a message that tries out whether messages arrive.
    pub fn of_test() -> Self {
        let mut body = Body::default();
        body.first("Nothing to do: somebody tries out whether messages arrive.".to_owned());
        Self::new(Event::Test, "this is how you are told", &body, &[])
    }

    fn new(event: Event, what: &str, body: &Body, cycles: &[Cycle<'_>]) -> Self {
        let account = match cycles {
            [cycle] => cycle.id().map_or(String::new(), |id| format!(" ({id})")),
            _ => String::new(),
        };
        let subject = subject(&format!("snapkeep {event}: {what}"), &account);
        let heading = format!("*{}*\n\n", for_slack(&subject));
        let room = SLACK_CHARS_MAX - heading.chars().count();
        let slack = format!("{heading}{}", body.fitted(room, for_slack));
        let text = body.fitted(TEXT_CHARS_MAX, str::to_owned);
        Self { event, subject, text, slack }
    }

    /// Returns it as Slack takes it, and whatever else takes what Slack takes.
    pub fn slack(&self) -> Value {
        json!({ "text": self.slack })
    }
}

fn tell_troubles(body: &mut Body, troubles: &[Trouble]) {
    let mut duties: BTreeSet<Duty> = troubles.iter().map(|trouble| trouble.duty).collect();
    // One number is enough for all policies and regions: the largest.
    let largest = duties.iter().rev().find(|duty| matches!(duty, Duty::Review(_))).copied();
    duties.retain(|duty| !matches!(duty, Duty::Review(_)) || Some(*duty) == largest);
    if 1 < duties.len() {
        duties.remove(&Duty::Watch);
    }
    for duty in duties {
        body.first(duty.words());
    }
    let lines = troubles.iter().map(|trouble| {
        let Trouble { kind, place, n, why, .. } = trouble;
        match kind {
            Kind::Configuration => format!("{place} is refused: {why}"),
            Kind::Unread | Kind::Unprotected => format!("{place}: {why}"),
            Kind::Failed if *n == 1 => format!("{place} failed: {why}"),
            Kind::Failed => format!("{place} failed {n} times, first: {why}"),
            Kind::Refused => format!("the plan for {place} is refused: {why}"),
            Kind::Withheld => {
                format!("{place}: {} withheld by a limit: {why}", count(*n, "deletion"))
            }
        }
    });
    body.list("what is wrong".to_owned(), lines);
}

/// Says when the cycle was, where, and what it did.
fn end(body: &mut Body, cycles: &[Cycle<'_>]) {
    let lines = cycles.iter().map(|cycle| {
        let Tally { n_done, n_failed, n_skipped, n_waiting, n_not_started } =
            Tally::of(cycle.outcomes);
        let name = cycle.account.or(cycle.id().map(AsRef::as_ref)).unwrap_or("the account");
        let mut line = format!("{name}, {}: {}", minute(cycle.plan.now), count(n_done, "action"));
        line.push_str(" done");
        for (n, word) in [
            (n_failed, "failed"),
            (n_skipped, "skipped"),
            (n_waiting + cycle.plan.waiting.len(), "waiting"),
            (n_not_started, "not started"),
            (cycle.plan.withheld.len(), "withheld"),
        ] {
            if 0 < n {
                let _ = write!(line, ", {n} {word}");
            }
        }
        line
    });
    body.list("this cycle".to_owned(), lines);
}

/// Returns the troubles as part of a subject.
fn subject_of(troubles: &[Trouble]) -> String {
    let n_of = |kind| -> usize {
        troubles.iter().filter(|trouble| trouble.kind == kind).map(|trouble| trouble.n).sum()
    };
    let mut parts = Vec::new();
    if 0 < n_of(Kind::Configuration) {
        parts.push("the configuration is refused".to_owned());
    }
    for (kind, noun, end) in [
        (Kind::Unread, "listing", "not read"),
        (Kind::Failed, "action", "failed"),
        (Kind::Refused, "plan", "refused"),
        (Kind::Withheld, "deletion", "withheld"),
        (Kind::Unprotected, "source", "unprotected"),
    ] {
        let of_kind: Vec<&Trouble> =
            troubles.iter().filter(|trouble| trouble.kind == kind).collect();
        match of_kind[..] {
            [] => {}
            [
                Trouble {
                    n: 1, kind: Kind::Unread | Kind::Failed | Kind::Unprotected, place, ..
                },
            ] => {
                parts.push(format!("{place} {end}"));
            }
            _ if kind == Kind::Refused => {
                parts.push(format!("{} {end}", count(of_kind.len(), noun)));
            }
            _ => parts.push(format!("{} {end}", count(n_of(kind), noun))),
        }
    }
    parts.join(", ")
}

/// Returns one line of printable ASCII, its end cut off rather than `end`.
fn subject(text: &str, end: &str) -> String {
    let ascii = |text: &str| -> String {
        text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
    };
    let (text, mut end) = (ascii(text), ascii(end));
    // Longer than any account is.
    end.truncate(SUBJECT_CHARS_MAX / 2);
    let room = SUBJECT_CHARS_MAX - end.len();
    if text.len() <= room {
        return text + &end;
    }
    format!("{}...{end}", &text[..room - 3])
}

/// Returns text in which Slack, and what takes the same, finds neither markup nor anybody to call.
fn for_slack(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // Some call `@channel` out of plain text; nobody is called what has no width in it.
    text.replace('@', "@\u{200b}")
}

/// Returns one line of text that a terminal, or a mail, shows as it is.
fn line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&text).into_owned()
}
