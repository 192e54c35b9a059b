//! The variables of a home-made backup script, as a policy.
//!
//! The script meant here makes a snapshot of every volume of the running instances each day, and
//! deletes every snapshot that is older than `RETENTION_DAILY`, unless it was made on the 1st of a
//! month and is not older than `RETENTION_LIMIT`. It is read, never run.

mod cursor;
mod meaning;
mod shell;
mod variables;
mod word;

use std::str::FromStr as _;

use chrono_tz::Tz;

use crate::config::import::draft::{Draft, quoted, strings, table};
use crate::config::import::{ImportError, Imported};
use crate::domain::region::Region;
use crate::domain::span::Span;

use meaning::{Mode, age, mode, switch};
use shell::{Script, read};
use variables::{Found, find};

const REGIONS: &str = "AWS_REGION_ARR";
const DAILY: &str = "RETENTION_DAILY";
const LIMIT: &str = "RETENTION_LIMIT";
const BACKUP: &str = "BACKUP";
const MODE: &str = "SC_MODE";

const ABOUT: &str = "Made by `snapkeep import script`: what the script does each day as its \
                     variables say. The script itself was not run. Compare with `snapkeep plan` \
                     before the first run, and stop the script's cron job then.";

/// Filters of the AWS CLI that choose no less than all of an account.
const HARMLESS_FILTERS: [&str; 6] = [
    "instance-state-name",
    "instance-state-code",
    "owner-id",
    "status",
    "start-time",
    "attachment.status",
];

/// Words that choose among snapshots.
const NARROWING: [&str; 6] =
    ["VolumeId", "Description", "starts_with(", "contains(", "grep -v", "grep -E"];

/// Makes a configuration of a script's variables.
///
/// # Errors
///
/// If the text has none of the variables, or if no region can be known.
pub fn from_script(text: &str) -> Result<Imported, ImportError> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let script = read(&text);
    let found = |name| find(&script, name);
    if [REGIONS, DAILY, LIMIT, BACKUP, MODE].iter().all(|name| found(name) == Found::Absent) {
        return Err(ImportError::Unexpected(nothing_found(&text)));
    }
    let mut draft = Draft::new(ABOUT);
    for line in &script.sourcing {
        draft.remark(format!(
            "line {line} of the script reads or builds other commands, which may set variables, \
             too; they are not looked at"
        ));
    }
    draft.table("[[policy]]");
    draft.comment("The name is written on every snapshot; choose it before the first run.");
    draft.entry("name", "servers");
    regions(&mut draft, &script)?;
    time(&mut draft, &script);
    let mode = what(&mut draft, &script);
    create(&mut draft, &script);
    retention(&mut draft, &script);
    adopt(&mut draft, &script, mode);
    draft.finish()
}

fn nothing_found(text: &str) -> String {
    let names = [REGIONS, DAILY, LIMIT, BACKUP, MODE].join(", ");
    let hint = if text.trim_start().starts_with(['{', '[']) {
        "; it looks like JSON, for which there is `snapkeep import dlm`"
    } else {
        ""
    };
    format!("sets none of the variables {names}{hint}")
}

/// Writes where; without a region there is no policy.
fn regions(draft: &mut Draft, script: &Script) -> Result<(), ImportError> {
    let give = format!("write them into a copy of the script: {REGIONS}=(eu-west-1 us-east-1)");
    let setting = match find(script, REGIONS) {
        Found::Set(setting) => setting,
        Found::Absent => {
            let message = format!("does not set {REGIONS}, so the regions are not known; {give}");
            return Err(ImportError::NoEquivalent(message));
        }
        Found::Doubtful(why) => {
            let message = format!("the regions are not known: {REGIONS} {why}; {give}");
            return Err(ImportError::NoEquivalent(message));
        }
    };
    let line = setting.line;
    let mut regions: Vec<String> = Vec::new();
    let mut remarks: Vec<String> = setting
        .unknown
        .iter()
        .map(|raw| format!("{} in {REGIONS} (line {line}) is known to a shell only", quoted(raw)))
        .collect();
    let values = setting.values.iter().flat_map(|value| value.split([' ', ',', '\t', '\n']));
    for name in values.filter(|name| !name.is_empty()) {
        // `[0]=name` is an element, too.
        let name = name.split_once("]=").map_or(name, |(_, name)| name);
        match Region::from_str(name) {
            Ok(_) if regions.iter().any(|region| region == name) => {
                remarks.push(format!("{REGIONS} (line {line}) names {name} twice"));
            }
            Ok(_) => regions.push(name.to_owned()),
            Err(err) => remarks.push(format!("{err}, but is in {REGIONS} (line {line})")),
        }
    }
    if regions.is_empty() {
        let all = remarks.join("; ");
        let why = if all.is_empty() { format!("{REGIONS} (line {line}) is empty") } else { all };
        return Err(ImportError::NoEquivalent(format!("no region is known: {why}; {give}")));
    }
    for remark in remarks {
        draft.remark(remark);
    }
    if setting.is_default {
        draft.remark(overridable(REGIONS, line));
    }
    draft.entry("regions", strings(regions));
    Ok(())
}

/// Writes whose clocks, and when; only the crontab knows that.
fn time(draft: &mut Draft, script: &Script) {
    let zone = match find(script, "TZ") {
        Found::Set(setting) => match setting.values.as_slice() {
            [zone] if !setting.is_default && Tz::from_str(zone).is_ok() => Some(zone.clone()),
            _ => None,
        },
        Found::Absent | Found::Doubtful(_) => None,
    };
    if let Some(zone) = zone {
        draft.remark(
            "when it runs is not in the script but in its crontab: 03:00 stands for that here",
        );
        draft.entry("timezone", zone);
    } else {
        draft.remark(
            "when it runs, and by whose clock, is not in the script but in its crontab and its \
             machine: 03:00 UTC stands for that here",
        );
        draft.entry("timezone", "UTC");
    }
    draft.entry("schedule", "0 3 * * *");
}

/// Writes what is protected; returns the mode, none if it is not known.
fn what(draft: &mut Draft, script: &Script) -> Option<Mode> {
    let known = match setting_of(draft, script, MODE) {
        // Scripts of this kind that have no mode protect instances.
        Known::Absent => Some(Mode::Instances),
        Known::Undecided => None,
        Known::Value(line, value) => {
            let known = mode(&value);
            if known.is_none() {
                draft.remark(format!(
                    "{MODE}={} (line {line}) is not known; it has to be decided what it says",
                    quoted(&value)
                ));
            }
            if known == Some(Mode::DryRun) {
                draft.remark(format!(
                    "{MODE}={} (line {line}) is not taken over: `snapkeep plan` and `snapkeep run \
                     --dry-run` show what would be done",
                    quoted(&value)
                ));
            }
            known
        }
    };
    if known != Some(Mode::Volumes) {
        states(draft, script);
    }
    let running = || ("states".to_owned(), strings(["running"]));
    let resource = |name: &str| ("resource".to_owned(), name.into());
    match known {
        Some(Mode::Volumes) => {
            draft.comment(&format!("{MODE}: each volume by itself, attached or not."));
            draft.entry("select", table([resource("volume")]));
        }
        Some(Mode::Images) => {
            draft.comment(&format!("{MODE}: an image of each instance, without a reboot."));
            draft.entry("kind", "images");
            draft.entry("select", table([resource("instance"), running()]));
        }
        Some(Mode::Instances | Mode::DryRun) | None => {
            draft.entry("select", table([resource("instance"), running()]));
        }
    }
    known
}

/// Writes whether recovery points are made.
fn create(draft: &mut Draft, script: &Script) {
    match setting_of(draft, script, BACKUP) {
        Known::Absent => {}
        Known::Undecided => {
            draft.comment("Until that is decided, recovery points are made.");
            draft.disabled("create = true");
        }
        Known::Value(line, value) => {
            if let Some(is_on) = switch(&value) {
                draft.entry("create", is_on);
                return;
            }
            draft.remark(format!(
                "{BACKUP}={} (line {line}) is neither on nor off; until that is decided, recovery \
                 points are made",
                quoted(&value)
            ));
            draft.disabled("create = true");
        }
    }
}

/// Writes how long; without both ages everything is kept.
fn retention(draft: &mut Draft, script: &Script) {
    let daily = age_of(draft, script, DAILY, "days");
    let limit = age_of(draft, script, LIMIT, "months");
    let take = ("take".to_owned(), "first-day".into());
    if let (Some(daily), Some(limit)) = (daily, limit) {
        draft.table("[policy.retention]");
        draft.comment("Each snapshot:");
        draft.entry("every", daily.to_string());
        draft
            .comment("What was made on the 1st. When nothing ran on a 1st, that month keeps none:");
        let window = ("for".to_owned(), limit.to_string().into());
        draft.entry("monthly", table([window, take]));
        return;
    }
    draft.remark(format!(
        "until {DAILY} and {LIMIT} are both decided, everything is kept and nothing is deleted"
    ));
    draft.entry("retention", "forever");
    draft.comment("When they are, write in its place:");
    let shown = |age: Option<Span>| age.map_or("…".to_owned(), |age| age.to_string());
    draft.disabled("[policy.retention]");
    draft.disabled(&format!("every = \"{}\"", shown(daily)));
    draft.disabled(&format!("monthly = {{ for = \"{}\", take = \"first-day\" }}", shown(limit)));
}

fn age_of(draft: &mut Draft, script: &Script, name: &str, unit: &str) -> Option<Span> {
    let (line, value) = match setting_of(draft, script, name) {
        Known::Value(line, value) => (line, value),
        Known::Absent => {
            draft.remark(format!("the script does not set {name}"));
            return None;
        }
        Known::Undecided => return None,
    };
    match age(&value, script, name, unit) {
        Ok(age) => {
            if age.is_assumed {
                let other = if unit == "days" { "months" } else { "days" };
                draft.remark(format!(
                    "{name}={value} (line {line}) has no unit: {} assumed; write another one if \
                     the script counts {other}",
                    age.span
                ));
            }
            Some(age.span)
        }
        Err(why) => {
            draft.remark(format!("{name}={} (line {line}) {why}", quoted(&value)));
            None
        }
    }
}

/// Writes what is deleted that others made; only where it is certain that the script does so.
fn adopt(draft: &mut Draft, script: &Script, mode: Option<Mode>) {
    draft.gap();
    draft.comment(
        "Scripts of this kind delete whatever is old, whoever made it. Adopted is every snapshot \
         of the account in these regions, but for those that another service manages or that a \
         registered image needs.",
    );
    let of_mode = match mode {
        None => Some(format!("what {MODE} says is not known")),
        Some(Mode::Images) => Some("which images the script deletes is not known".to_owned()),
        Some(Mode::Instances | Mode::Volumes | Mode::DryRun) => None,
    };
    let doubts: Vec<String> = of_mode.into_iter().chain(narrower(script)).collect();
    if doubts.is_empty() {
        draft.table("[policy.adopt]");
        draft.entry("all", true);
        return;
    }
    for why in doubts {
        draft.remark(format!(
            "{why}; until it is decided what may be deleted that snapkeep did not make, nothing \
             of that is"
        ));
    }
    draft.disabled("[policy.adopt]");
    draft.disabled("all = true");
}

/// Returns why the script may protect or delete less than everything, if it may.
fn narrower(script: &Script) -> Option<String> {
    let chosen = |line: usize, by: &str| {
        Some(format!(
            "line {line} of the script chooses by {}, which is not taken over into `select`",
            quoted(by)
        ))
    };
    for (text, line) in script.code.lines().zip(1..) {
        for (_, filter) in text.match_indices("Name=").map(|(at, _)| text.split_at(at + 5)) {
            let end = filter.find(|c: char| !c.is_ascii_alphanumeric() && !"-:._".contains(c));
            let name = filter.get(..end.unwrap_or(filter.len())).unwrap_or_default();
            if !HARMLESS_FILTERS.contains(&name) {
                return chosen(line, name);
            }
        }
        let is_of_snapshots = text.contains("napshot");
        let of_snapshots = NARROWING.iter().filter(|_| is_of_snapshots);
        let words = ["Tags[", ".Tags"].iter().chain(of_snapshots);
        if let Some(word) = words.into_iter().find(|word| text.contains(**word)) {
            return chosen(line, word);
        }
    }
    let calls = script.code.contains("aws ") && script.code.contains(" ec2 ");
    (calls && !script.code.contains("delete-snapshot"))
        .then(|| "the script calls no `delete-snapshot`".to_owned())
}

/// Says where the script may look at instances that do not run.
fn states(draft: &mut Draft, script: &Script) {
    let mut filters = script.code.lines().zip(1..).filter_map(|(text, line)| {
        let filter = text.split("instance-state-name").nth(1)?;
        let values = filter.split("Values=").nth(1).unwrap_or_default();
        let end = values.find(|c: char| !c.is_ascii_alphanumeric() && !"-,*".contains(c));
        Some((line, values.get(..end.unwrap_or(values.len())).unwrap_or_default()))
    });
    if let Some((line, values)) = filters.find(|(_, values)| *values != "running") {
        draft.remark(format!(
            "line {line} of the script chooses instances by {}; here those that run are chosen: \
             see `states`",
            quoted(values)
        ));
    } else if script.code.contains("describe-instances") && !script.code.contains("running") {
        draft.remark(
            "the script does not say that instances have to run; here they do: see `states`",
        );
    }
}

/// A variable's only value, as far as the policy goes.
enum Known {
    Absent,
    /// A remark says why.
    Undecided,
    /// In this line, this.
    Value(usize, String),
}

fn setting_of(draft: &mut Draft, script: &Script, name: &str) -> Known {
    let setting = match find(script, name) {
        Found::Absent => return Known::Absent,
        Found::Doubtful(why) => {
            draft.remark(format!("{name} {why}; it has to be decided what it says"));
            return Known::Undecided;
        }
        Found::Set(setting) => setting,
    };
    let line = setting.line;
    match (setting.values.as_slice(), setting.unknown.as_slice()) {
        ([value], []) if value.trim().is_empty() => {
            draft.remark(format!("{name} (line {line}) is empty; it has to be decided"));
            Known::Undecided
        }
        ([value], []) => {
            if setting.is_default {
                draft.remark(overridable(name, line));
            }
            Known::Value(line, value.clone())
        }
        ([], [raw]) => {
            draft.remark(format!(
                "{name}={} (line {line}) is known to a shell only; it has to be decided",
                quoted(raw)
            ));
            Known::Undecided
        }
        _ => {
            draft.remark(format!("{name} (line {line}) is a list; it has to be decided"));
            Known::Undecided
        }
    }
}

fn overridable(name: &str, line: usize) -> String {
    format!("{name} (line {line}) is a default, which the environment or an argument may replace")
}
