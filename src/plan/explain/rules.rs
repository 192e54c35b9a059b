//! Each rule of a policy, asked by itself what it says of one point.

use chrono::{DateTime, Utc};

use crate::config::{Orphans, Retention, TierRule};
use crate::domain::inventory::RegionInventory;
use crate::domain::source::Source;
use crate::plan::explain::judged::Found;
use crate::plan::point::{Point, PointState};
use crate::plan::questions::listed;
use crate::plan::reason::minute;
use crate::plan::retention::{Candidate, Hold, Rules, judge};
use crate::plan::verdict::{Terms, Verdict};

/// Returns each rule and what it says; nothing for what is pending or failed. `home` is what was
/// observed where the source is.
pub(super) fn rules(
    found: &Found<'_, '_, '_>,
    terms: &Terms<'_>,
    now: DateTime<Utc>,
    home: Option<&RegionInventory>,
) -> Vec<String> {
    let points = found.lineage.points.iter();
    let settled: Vec<&Point<'_>> = points.filter(|p| p.state != PointState::Pending).collect();
    let it = found.point().and_then(|it| settled.iter().position(|p| std::ptr::eq(*p, it)));
    let Some(it) = it else { return Vec::new() };
    let tiers = terms.retention.tiers.iter().map(|rule| {
        let says = tier(terms, rule, &settled, it, now);
        format!("{} = {} ({}): {says}", rule.tier.name(), rule.window, rule.take.name())
    });
    let forever = terms.retention.forever.then(|| "retention = forever: holds it".to_owned());
    let source = found.lineage.key.source;
    tiers.chain(forever).chain([keep_last(found, terms), orphans(terms, source, home)]).collect()
}

/// Asks one tier.
fn tier(
    terms: &Terms<'_>,
    rule: &TierRule,
    settled: &[&Point<'_>],
    it: usize,
    now: DateTime<Utc>,
) -> String {
    let candidates: Vec<Candidate> = settled
        .iter()
        .map(|p| Candidate { time: p.time, is_complete: p.state == PointState::Complete })
        .collect();
    let alone = Retention { tiers: vec![*rule], ..terms.retention.clone() };
    let rules = Rules {
        retention: &alone,
        zone: terms.zone,
        now,
        keep_last_holds: false,
        is_settled_only: false,
    };
    let judgement = &judge(rules, &candidates)[it];
    match (judgement.holds.is_empty(), judgement.until) {
        (false, Some(until)) => format!("holds it until {}", minute(until)),
        (false, None) => "holds it".to_owned(),
        (true, _) => match judgement.instead.first() {
            Some(n) => format!("{} stands for its period", minute(settled[*n].time)),
            None => judgement.lapse.to_string(),
        },
    }
}

fn keep_last(found: &Found<'_, '_, '_>, terms: &Terms<'_>) -> String {
    let holds_it = found.verdict().is_some_and(|verdict| match verdict {
        Verdict::Keep(holds, _) => holds.contains(Hold::Last),
        Verdict::Expire(..) | Verdict::Waiting => false,
    });
    let says = if holds_it { "holds it" } else { "does not hold it" };
    format!("keep_last = {}: {says}", terms.retention.keep_last)
}

fn orphans(terms: &Terms<'_>, source: Source, home: Option<&RegionInventory>) -> String {
    let rule = match terms.retention.orphans {
        Orphans::KeepLast => "keep-last".to_owned(),
        Orphans::Expire => "expire".to_owned(),
        Orphans::After(span) => span.to_string(),
    };
    let says = if matches!(source, Source::Family(_)) {
        "is never gone"
    } else if home.is_some_and(|home| listed(home).contains(&source)) {
        "is there"
    } else if terms.is_gone {
        "is gone"
    } else {
        "is not listed"
    };
    format!("orphans = {rule}: {source} {says}")
}
