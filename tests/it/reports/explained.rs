//! What is told of one snapshot or image: all of it, and nothing of its neighbours.

use snapkeep::plan::explain;
use snapkeep::report::explain_text;

use crate::support::account::Account;

mod images;
mod snapshots;

/// Explains `REGION/ID`, in one line: where lines break is no matter here.
fn told(account: &Account, place: &str) -> String {
    let Account { config, inventory, request } = account;
    let (region, id) = place.split_once('/').unwrap();
    let (region, id) = (region.parse().unwrap(), id.parse().unwrap());
    let explanation = explain(config, inventory, request, Some(region), id).unwrap();
    let text = explain_text::render(&explanation);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Checks what is told of each: what must be said, and, after a `!`, what must not.
fn check(account: &Account, expected: &[(&str, &[&str])]) {
    for (place, parts) in expected {
        let told = told(account, place);
        for part in *parts {
            match part.strip_prefix('!') {
                Some(part) => assert!(!told.contains(part), "{place}: {part}\n{told}"),
                None => assert!(told.contains(part), "{place}: {part}\n{told}"),
            }
        }
    }
}
