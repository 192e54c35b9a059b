//! Retention: which points of one lineage stay, by which tiers, and until when.
//!
//! A pure function of times. It knows no snapshots, no vetoes and no limits: those come after it
//! and can only keep more.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::config::{Retention, Take, Tier, TierRule, Window};
use crate::plan::period::{Local, Period};

/// What retention looks at in a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// When the point's data was frozen.
    pub time: DateTime<Utc>,
    /// Whether everything that the point was asked for is completed.
    pub is_complete: bool,
}

/// Under what rules a lineage is judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The policy's retention.
    pub retention: &'a Retention,
    /// Whose calendar tiers follow.
    pub zone: Tz,
    /// The instant of judgement.
    pub now: DateTime<Utc>,
    /// False once `keep_last` has lapsed for this lineage; then nothing stays but by a tier.
    pub keep_last_holds: bool,
    /// True if a tier is to hold only what it will go on holding: nothing of a period that is not
    /// over, where the last of the period is taken.
    pub is_settled_only: bool,
}

/// Why a point stays; more than one may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// A tier takes it.
    Tier(Tier),
    /// It is among the newest `keep_last` complete points.
    Last,
    /// The policy keeps everything.
    Forever,
    /// Incomplete, but no complete point is newer.
    NewestIncomplete,
    /// Its time is after now.
    Future,
}

/// A set of [`Hold`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds(u16);

impl Holds {
    const ALL: [Hold; 10] = [
        Hold::Tier(Tier::Every),
        Hold::Tier(Tier::Hourly),
        Hold::Tier(Tier::Daily),
        Hold::Tier(Tier::Weekly),
        Hold::Tier(Tier::Monthly),
        Hold::Tier(Tier::Yearly),
        Hold::Last,
        Hold::Forever,
        Hold::NewestIncomplete,
        Hold::Future,
    ];

    fn bit(hold: Hold) -> u16 {
        let index = match hold {
            Hold::Tier(tier) => tier as u16,
            Hold::Last => 6,
            Hold::Forever => 7,
            Hold::NewestIncomplete => 8,
            Hold::Future => 9,
        };
        1 << index
    }

    /// Adds `hold`.
    pub fn insert(&mut self, hold: Hold) {
        self.0 |= Self::bit(hold);
    }

    /// Returns true if `hold` is in the set.
    pub fn contains(self, hold: Hold) -> bool {
        self.0 & Self::bit(hold) != 0
    }

    /// Returns true if nothing holds.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the holds, tiers first from the shortest period on.
    pub fn iter(self) -> impl Iterator<Item = Hold> {
        Self::ALL.into_iter().filter(move |hold| self.contains(*hold))
    }

    /// Returns the tiers among them, from the shortest period on.
    pub fn tiers(self) -> impl Iterator<Item = Tier> {
        self.iter().filter_map(|hold| match hold {
            Hold::Tier(tier) => Some(tier),
            Hold::Last | Hold::Forever | Hold::NewestIncomplete | Hold::Future => None,
        })
    }
}

/// Why no tier holds a point any more: of all reasons the one that lasted longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The tier held it until this instant.
    Ended(Tier, DateTime<Utc>),
    /// It stands for its period, but so many newer periods have a point.
    Beyond(Tier, u32),
    /// Another point stands for its period in every tier.
    NotTaken,
}

/// What retention says of one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Why it stays; empty if it expires.
    pub holds: Holds,
    /// When the last of its tiers ends; none where newer points decide, or no tier holds it.
    pub until: Option<DateTime<Utc>>,
    /// Why no tier holds it, if none does.
    pub lapse: Lapse,
    /// Of what expires, points that stand for one of its periods and stay: what is kept in its place.
    pub instead: Vec<usize>,
}

impl Judgement {
    fn open() -> Self {
        Self { holds: Holds::default(), until: None, lapse: Lapse::NotTaken, instead: Vec::new() }
    }

    /// Notes what is kept in its place. Nothing is where a tier holds it: that would be a list for
    /// nearly every point, and nobody reads it.
    fn stands_instead(&mut self, others: &[usize]) {
        if self.holds.is_empty() {
            self.instead.extend(others);
        }
    }
}

/// Judges the points of one lineage, in the order of `candidates`, which must be by time.
///
/// Points after now are kept and represent nothing. Pending points and those in error do not
/// belong here: they are neither kept nor expired by retention.
pub fn judge(rules: Rules<'_>, candidates: &[Candidate]) -> Vec<Judgement> {
    let mut judgements = vec![Judgement::open(); candidates.len()];
    let n_past = candidates.partition_point(|c| c.time <= rules.now);
    let (past, future) = judgements.split_at_mut(n_past);
    for judgement in future {
        judgement.holds.insert(Hold::Future);
    }
    let candidates = &candidates[..n_past];
    if rules.retention.forever {
        for judgement in &mut *past {
            judgement.holds.insert(Hold::Forever);
        }
    }
    let locals: Vec<Local> = candidates.iter().map(|c| Local::new(c.time, rules.zone)).collect();
    for rule in &rules.retention.tiers {
        apply_tier(rules, *rule, candidates, &locals, past);
    }
    if rules.keep_last_holds {
        hold_newest(rules.retention.keep_last, candidates, past);
    }
    judgements
}

/// Holds the newest `keep_last` complete points, and incomplete ones newer than all of those.
fn hold_newest(keep_last: u32, candidates: &[Candidate], judgements: &mut [Judgement]) {
    let mut n_complete = 0;
    for (candidate, judgement) in candidates.iter().zip(judgements).rev() {
        if candidate.is_complete {
            n_complete += 1;
            judgement.holds.insert(Hold::Last);
        } else if n_complete == 0 {
            judgement.holds.insert(Hold::NewestIncomplete);
        }
        if n_complete == keep_last {
            return;
        }
    }
}

fn apply_tier(
    rules: Rules<'_>,
    rule: TierRule,
    candidates: &[Candidate],
    locals: &[Local],
    judgements: &mut [Judgement],
) {
    if rule.tier == Tier::Every {
        for (local, judgement) in locals.iter().zip(judgements) {
            apply_window(rules, rule, *local, 0, true, judgement);
        }
        return;
    }
    let mut by_period: Vec<(Option<Period>, usize)> =
        locals.iter().enumerate().map(|(n, local)| (local.period(rule.tier), n)).collect();
    // A clock change around midnight can go back to the day before.
    by_period.sort();
    let this_period = Local::new(rules.now, rules.zone).period(rule.tier);
    let mut n_newer = 0;
    let mut held = Vec::new();
    let mut beyond = Vec::new();
    for members in by_period.chunk_by(|a, b| a.0 == b.0).rev() {
        let Some(taken) = representative(rule, members, candidates, locals) else { continue };
        // The last of a period that is not over may yet be replaced.
        let is_final = rule.take != Take::Last || members[0].0 != this_period;
        if rules.is_settled_only && !is_final {
            n_newer += 1;
            continue;
        }
        apply_window(rules, rule, locals[taken], n_newer, is_final, &mut judgements[taken]);
        n_newer += 1;
        if judgements[taken].holds.contains(Hold::Tier(rule.tier)) {
            held.push(taken);
            for (_, other) in members.iter().filter(|(_, other)| *other != taken) {
                judgements[*other].stands_instead(&[taken]);
            }
        } else if matches!(rule.window, Window::Count(_)) {
            beyond.push(taken);
        }
    }
    // A point is beyond the count only as long as all the newer ones are there.
    for taken in beyond {
        judgements[taken].stands_instead(&held);
    }
}

/// Returns which of `members`, all of one period and in time order, stands for it.
///
/// An incomplete point does so only where there is no complete one.
fn representative(
    rule: TierRule,
    members: &[(Option<Period>, usize)],
    candidates: &[Candidate],
    locals: &[Local],
) -> Option<usize> {
    let complete = || members.iter().map(|(_, n)| *n).filter(|n| candidates[*n].is_complete);
    match rule.take {
        Take::First => complete().next().or(members.first().map(|(_, n)| *n)),
        Take::Last => complete().next_back().or(members.last().map(|(_, n)| *n)),
        Take::FirstDay => complete()
            .next()
            .or(members.first().map(|(_, n)| *n))
            .filter(|n| locals[*n].is_first_day(rule.tier)),
    }
}

/// Holds the representative of a period, or tells since when the tier does not.
fn apply_window(
    rules: Rules<'_>,
    rule: TierRule,
    point: Local,
    n_newer: u32,
    is_final: bool,
    judgement: &mut Judgement,
) {
    // Only a date that every holding tier can name is one.
    let had_tier = judgement.holds.tiers().next().is_some();
    match rule.window {
        Window::For(span) => {
            let end = point.end_of(span);
            if rules.now < end {
                let is_dated = is_final && (!had_tier || judgement.until.is_some());
                judgement.until = is_dated.then(|| judgement.until.unwrap_or(end).max(end));
                judgement.holds.insert(Hold::Tier(rule.tier));
            } else if !matches!(judgement.lapse, Lapse::Ended(_, at) if end < at) {
                judgement.lapse = Lapse::Ended(rule.tier, end);
            }
        }
        Window::Count(count) if n_newer < count => {
            judgement.until = None;
            judgement.holds.insert(Hold::Tier(rule.tier));
        }
        Window::Count(count) => {
            if judgement.lapse == Lapse::NotTaken {
                judgement.lapse = Lapse::Beyond(rule.tier, count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
