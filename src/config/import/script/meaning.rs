//! What the values of a backup script's variables mean.

use crate::domain::span::Span;

use super::shell::Script;
use super::variables::uses;

/// How long something is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Age {
    pub(super) span: Span,
    /// Whether the unit is assumed: neither the value nor its uses name one.
    pub(super) is_assumed: bool,
}

/// Reads an age as `date -d` takes it: `1 month`, `7 months ago`, `-30 days`; or a plain number,
/// whose unit is what the script writes behind it where it uses `name`, else `fallback`.
///
/// The error says what is wrong, behind "RETENTION_DAILY".
pub(super) fn age(value: &str, script: &Script, name: &str, fallback: &str) -> Result<Age, String> {
    let unit_of_use = unit_of_uses(script, name)?;
    let text = value.trim().to_lowercase();
    let (text, is_past) = match text.strip_suffix("ago") {
        Some(text) => (text.trim_end(), true),
        None => (text.as_str(), false),
    };
    let (text, is_negative) = match text.strip_prefix('-') {
        Some(text) => (text.trim_start(), true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    if is_past && is_negative {
        return Err("is an age in the future".to_owned());
    }
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(n_digits);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err("is no age that can be read".to_owned());
    }
    let (unit, is_assumed) = match (unit, unit_of_use) {
        ("", Some(unit)) => (unit, false),
        ("", None) => (fallback, true),
        (_, Some(twice)) => {
            return Err(format!("has a unit, and is used with another one behind it: {twice}"));
        }
        (unit, None) => (full_unit(unit).ok_or("has a unit that cannot be read")?, false),
    };
    let span: Result<Span, _> = format!("{number} {unit}").parse();
    Ok(Age { span: span.map_err(|err| format!("cannot be kept: {err}"))?, is_assumed })
}

/// Returns the unit that follows the variable wherever one does.
fn unit_of_uses(script: &Script, name: &str) -> Result<Option<&'static str>, String> {
    let mut found: Option<&'static str> = None;
    for (_, before, after) in uses(script, name) {
        let behind = after.trim_start_matches(['"', '\'', ' ', '\t']);
        let n = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = behind.get(..n).unwrap_or_default();
        // `date -v-30d` of BSD has letters.
        let unit = if before.ends_with("-v-") { bsd_unit(word) } else { full_unit(word) };
        let Some(unit) = unit else { continue };
        if found.is_some_and(|found| found != unit) {
            return Err("is used with different units".to_owned());
        }
        found = Some(unit);
    }
    Ok(found)
}

fn full_unit(word: &str) -> Option<&'static str> {
    match word {
        "hour" | "hours" => Some("hours"),
        "d" | "day" | "days" => Some("days"),
        "w" | "week" | "weeks" => Some("weeks"),
        "month" | "months" => Some("months"),
        "y" | "year" | "years" => Some("years"),
        _ => None,
    }
}

fn bsd_unit(letter: &str) -> Option<&'static str> {
    match letter {
        "H" => Some("hours"),
        "d" => Some("days"),
        "w" => Some("weeks"),
        "m" => Some("months"),
        "y" => Some("years"),
        _ => None,
    }
}

/// Reads a switch; none if it is neither on nor off.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "on" | "enable" | "enabled" => Some(true),
        "false" | "0" | "no" | "n" | "off" | "disable" | "disabled" => Some(false),
        _ => None,
    }
}

/// What a mode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Snapshots of the volumes of instances.
    Instances,
    /// Snapshots of volumes, each by itself.
    Volumes,
    /// Images of instances.
    Images,
    /// Nothing is changed.
    DryRun,
}

/// Reads a mode; none if it is not known.
pub(super) fn mode(value: &str) -> Option<Mode> {
    let word = value.trim().to_lowercase().replace(['_', ' '], "-");
    match word.as_str() {
        "instance" | "instances" | "ec2" | "server" | "servers" | "snapshot" | "snapshots" => {
            Some(Mode::Instances)
        }
        "volume" | "volumes" | "ebs" | "disk" | "disks" => Some(Mode::Volumes),
        "image" | "images" | "ami" | "amis" => Some(Mode::Images),
        "dry-run" | "dryrun" | "test" | "testing" | "simulate" | "simulation" | "noop" => {
            Some(Mode::DryRun)
        }
        _ => None,
    }
}
