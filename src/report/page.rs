//! The service's page: what a person wants to know who opens it on a phone at night.
//!
//! Plain HTML without scripts. Everything that comes from an account or a configuration is text: maud
//! escapes it for HTML, [`printable`] shows control characters and marks that reorder what is read.
//! Bounded, whatever the size of the account: [`AccountView`] keeps so many lines and counts the rest.

use std::time::Duration;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::plan::reason::minute;
use crate::report::text::{count, printable};

mod view;

pub use view::{AccountView, Expected};

use view::{Line, Lines, Place};

/// What the page shows.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The present instant.
    pub now: DateTime<Utc>,
    /// What the service does.
    pub doing: Doing<'a>,
    /// Whether it only plans.
    pub is_dry_run: bool,
    /// The last cycle that ended.
    pub last: Option<&'a LastCycle>,
    /// What the last cycle that could be told of saw, by account.
    pub accounts: &'a [AccountView],
    /// What is wrong with the configuration that was read last, and since when.
    pub reload_error: Option<(DateTime<Utc>, &'a str)>,
}

/// What the service does.
#[derive(Debug, Clone, Copy)]
pub enum Doing<'a> {
    /// Nothing, until then.
    Idle(DateTime<Utc>),
    /// A cycle.
    Cycle,
    /// It waits for another process, as told.
    LockedOut(&'a str),
}

/// A cycle that has ended.
#[derive(Debug, Clone)]
pub struct LastCycle {
    /// Counted from the start of the service.
    pub number: u64,
    /// Its instant of judgement.
    pub begun_at: DateTime<Utc>,
    /// When it was over.
    pub ended_at: DateTime<Utc>,
    /// How long it took.
    pub took: Duration,
    /// With what `run` would have exited, and all else that applies.
    pub exit_codes: Vec<u8>,
    /// Why there is no report of it.
    pub error: Option<String>,
}

/// Returns the Content-Security-Policy under which the page works: nothing but its own stylesheet.
pub fn content_security_policy() -> String {
    let digest = base64(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Returns the page.
pub fn render(scene: &Scene<'_>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title(scene)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "snapkeep" @if scene.is_dry_run { " " span.tag { "dry run" } } }
                p { (doing(scene)) }
                @if let Some((at, error)) = scene.reload_error {
                    section.alarm {
                        h2 { "The configuration is not usable" }
                        p { "Read at " (minute(at)) "; what was read before is still followed." }
                        pre { (lines_shown(error)) }
                    }
                }
                (cycle(scene))
                @for account in scene.accounts { (self::account(account, scene.is_dry_run)) }
                footer {
                    p { "Shown " (minute(scene.now)) ". All times are UTC. " a href="/" { "Again" } }
                }
            }
        }
    };
    page.into_string()
}

fn title(scene: &Scene<'_>) -> String {
    let n_unprotected: usize = scene.accounts.iter().map(AccountView::n_unprotected).sum();
    let is_failed = scene.last.is_some_and(|last| last.exit_codes != [0]);
    if 0 < n_unprotected {
        format!("snapkeep: {n_unprotected} unprotected")
    } else if is_failed || scene.reload_error.is_some() {
        "snapkeep: look at this".to_owned()
    } else {
        "snapkeep".to_owned()
    }
}

fn doing(scene: &Scene<'_>) -> Markup {
    html! {
        @match scene.doing {
            Doing::Idle(until) => { "Idle until " (minute(until)) ", unless told otherwise." }
            Doing::Cycle => { "A cycle is under way." }
            Doing::LockedOut(what) => { (text(what)) "." }
        }
    }
}

fn cycle(scene: &Scene<'_>) -> Markup {
    let Some(last) = scene.last else {
        return html! { p { "No cycle has ended yet." } };
    };
    let class = if last.exit_codes == [0] { "good" } else { "bad" };
    html! {
        section {
            h2 { "Last cycle" }
            dl {
                dt { "begun" } dd { (minute(last.begun_at)) " (number " (last.number) ")" }
                dt { "took" } dd { (format!("{:.1} s", last.took.as_secs_f64())) }
                dt { "exit codes" }
                dd { span class=(class) { (codes(&last.exit_codes)) } }
            }
            @if let Some(error) = &last.error {
                p.bad { (text(error)) }
                @if !scene.accounts.is_empty() { p { "Below is what an earlier cycle saw." } }
            }
        }
    }
}

/// Returns exit codes with what they mean.
fn codes(codes: &[u8]) -> String {
    let meaning = |code: &u8| match code {
        0 => "0, all is done",
        1 => "1, something failed or was refused",
        2 => "2, the configuration is wrong",
        3 => "3, a limit withholds deletions",
        4 => "4, something could not be read",
        _ => "another one",
    };
    codes.iter().map(meaning).collect::<Vec<_>>().join("; ")
}

fn account(view: &AccountView, is_dry_run: bool) -> Markup {
    let name = match (&view.name, &view.account) {
        (Some(name), Some(id)) => format!("Account {name} ({id})"),
        (Some(one), None) | (None, Some(one)) => format!("Account {one}"),
        (None, None) => "Account".to_owned(),
    };
    let actions = if is_dry_run { "Would be done" } else { "Actions" };
    html! {
        section {
            h2 { (text(&name)) }
            @if view.places.is_empty() {
                p { "No policy applies anywhere." }
            } @else {
                (places(&view.places))
            }
            (list(actions, &view.actions, true))
            (list("Waiting", &view.waiting, true))
            (list("Notes", &view.notes, true))
            (list("Could not be read", &view.gaps, true))
            (list("Withheld by a limit", &view.withheld, true))
            (list("Kept", &view.keeps, false))
        }
    }
}

fn places(places: &[Place]) -> Markup {
    html! {
        table {
            thead {
                tr { th { "Policy" } th { "Region" } th { "Newest point" } th { "Sources" } th { "Waiting" } th { "Next slot" } }
            }
            tbody {
                @for place in places {
                    tr {
                        td data-label="Policy" { (text(&place.policy)) }
                        td data-label="Region" {
                            (place.region)
                            @if let Some(from) = place.copy_from { " (copies from " (from) ")" }
                        }
                        td data-label="Newest point" { (place.newest.map_or("–".to_owned(), minute)) }
                        td data-label="Sources" { (sources(place)) }
                        td data-label="Waiting" { (place.n_waiting) }
                        td data-label="Next slot" { (place.next_slot.map_or("–".to_owned(), minute)) }
                    }
                }
            }
        }
    }
}

/// Returns how many sources are in which state; each state in words, colour only helps.
fn sources(place: &Place) -> Markup {
    html! {
        @if place.states.is_empty() { "–" }
        @for (n, (state, count)) in place.states.iter().enumerate() {
            @if 0 < n { ", " }
            span class=(state) { (count) " " (state) }
        }
        @if let Some(since) = place.unprotected_since { " since " (minute(since)) }
    }
}

fn list(heading: &str, lines: &Lines, is_open: bool) -> Markup {
    if lines.shown.is_empty() {
        return html! {};
    }
    let n = lines.shown.len() + lines.n_more;
    html! {
        details open[is_open] {
            summary { (heading) " " span.count { "(" (n) ")" } }
            ul {
                @for line in &lines.shown { (item(line)) }
                @if 0 < lines.n_more { li { "and " (lines.n_more) " more" } }
            }
        }
    }
}

fn item(line: &Line) -> Markup {
    html! {
        li {
            @if let Some((word, class)) = line.mark { span class=(class) { (word) } " " }
            (text(&line.head))
            @if !line.reason.is_empty() { div.reason { (text(&line.reason)) } }
        }
    }
}

/// Returns what comes from outside as text and nothing else.
fn text(text: &str) -> String {
    const CHARS_MAX: usize = 2000;
    let shown = printable(text);
    match shown.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => {
            let n_more = shown[end..].chars().count();
            format!("{}… and {} more", &shown[..end], count(n_more, "character"))
        }
        None => shown.into_owned(),
    }
}

/// Returns a text of several lines, each as [`text`].
fn lines_shown(text: &str) -> String {
    const LINES_MAX: usize = 200;
    let lines: Vec<String> = text.lines().take(LINES_MAX).map(self::text).collect();
    lines.join("\n")
}

/// Returns bytes in base64, as a Content-Security-Policy has them.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for n in 0..4_usize {
            let digit = group >> (18 - 6 * n) & 63;
            let is_filled = n <= chunk.len();
            out.push(if is_filled { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    out
}

const STYLE: &str = include_str!("page/style.css");

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
