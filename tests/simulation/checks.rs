//! What must hold after every cycle, whatever befell it: the invariants, each as a check that says
//! its number. What must be restorable, the model knows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use snapkeep::config::Config;
use snapkeep::domain::ids::RegionalId;
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::region::Region;
use snapkeep::domain::tags;
use snapkeep::run::{Outcome, Report};

use crate::ledger::{Ledger, News, tags_of};
use crate::model::{self, Truth};
use crate::runner::Ended;
use crate::tally::Tally;
use crate::watch::Seen;
use crate::year::Broken;

/// Beyond this difference of clocks nothing is deleted.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// One cycle, when it is over.
pub(crate) struct Checked<'c> {
    pub(crate) config: &'c Config,
    pub(crate) ledger: &'c Ledger,
    pub(crate) news: &'c News,
    pub(crate) ended: &'c Ended,
    pub(crate) seen: &'c Seen,
    /// The account at the end.
    pub(crate) after: &'c Inventory,
    pub(crate) at: DateTime<Utc>,
    pub(crate) skew: TimeDelta,
    pub(crate) max_deletes: Option<usize>,
}

impl Checked<'_> {
    /// Checks every invariant; returns the first that does not hold.
    pub(crate) fn check(&self, tally: &mut Tally) -> Result<(), Broken> {
        let mut counted = |what, n| tally.count("invariants checked", what, n);
        counted("deletions: whose, and why not", self.news.deleted.len());
        self.deletions()?;
        counted("deletions: what is lost", self.news.deleted.len());
        self.losses()?;
        counted("clock off: nothing deleted", usize::from(SKEW_MAX < self.skew.abs()));
        self.clock()?;
        counted("gaps: nothing made or deleted", 1);
        self.gaps()?;
        counted("tags in the creating call", self.news.made.len());
        self.tags()?;
        counted("limits on deletions", usize::from(self.max_deletes.is_some()));
        self.limits()?;
        for report in &self.ended.reports {
            counted("reports: what is done is so", report.outcomes.len());
            self.report(report)?;
        }
        Ok(())
    }

    /// 4 and 6: only what is ours or adopted goes, and nothing that something protects.
    fn deletions(&self) -> Result<(), Broken> {
        let Some(truth) = self.truth_before() else { return Ok(()) };
        for id in self.news.deleted.keys() {
            if let Some(why) = model::forbidden(&truth, self.config, *id) {
                return Err(Broken::new("deleted what is protected", format!("{id}: {why}")));
            }
        }
        Ok(())
    }

    /// 5 and retention: nothing goes that must be restorable.
    fn losses(&self) -> Result<(), Broken> {
        let Some(truth) = self.truth_before() else { return Ok(()) };
        let gone: BTreeSet<RegionalId> = self.news.deleted.keys().copied().collect();
        let lost = model::losses(&truth, self.config, &gone, self.ended.now);
        if lost.is_empty() { Ok(()) } else { Err(Broken::new("lost a point", lost.join("; "))) }
    }

    fn truth_before(&self) -> Option<Truth<'_>> {
        let inventory = self.seen.before_deletions.as_ref()?;
        Some(Truth { at: self.at, inventory, births: &self.ledger.births })
    }

    /// 9: a clock that is off deletes nothing.
    fn clock(&self) -> Result<(), Broken> {
        if self.skew.abs() <= SKEW_MAX || self.news.deleted.is_empty() {
            return Ok(());
        }
        let text = format!("the clock is off by {} s", self.skew.num_seconds());
        Err(Broken::new("deleted with a wrong clock", text))
    }

    /// 3: a gap causes nothing.
    fn gaps(&self) -> Result<(), Broken> {
        match self.seen.despite_gaps.first() {
            Some(text) => Err(Broken::new("acted despite a gap", text.clone())),
            None => Ok(()),
        }
    }

    /// 7: tags come with the call.
    fn tags(&self) -> Result<(), Broken> {
        // Somebody may have taken them away in the same cycle.
        if !self.seen.deeds.is_empty() {
            return Ok(());
        }
        for id in &self.news.made {
            let (_, born_with) = &self.ledger.births[id];
            // What is gone again by now cannot be asked.
            let is_there = tags_of(self.after, *id).is_some();
            let wanted = [tags::OWNER, tags::POLICY, tags::SOURCE];
            if let Some(missing) = wanted.iter().find(|key| is_there && !born_with.has(key)) {
                return Err(Broken::new("made without a tag", format!("{id}: no {missing}")));
            }
        }
        Ok(())
    }

    fn limits(&self) -> Result<(), Broken> {
        let Some(max) = self.max_deletes else { return Ok(()) };
        let mut n_deleted: BTreeMap<(&str, Region), usize> = BTreeMap::new();
        for (id, thing) in &self.news.deleted {
            if let Some(policy) = thing.tags().get(tags::POLICY) {
                *n_deleted.entry((policy, id.region)).or_default() += 1;
            }
        }
        let max = max * self.ended.n_processes;
        match n_deleted.into_iter().find(|(_, n)| max < *n) {
            Some(((policy, region), n)) => {
                let text = format!("{n} of `{policy}` in {region}, {max} are allowed");
                Err(Broken::new("deleted beyond a limit", text))
            }
            None => Ok(()),
        }
    }

    /// 8: nothing is reported as done that was not.
    fn report(&self, report: &Report) -> Result<(), Broken> {
        let Report { plan, outcomes, .. } = report;
        if plan.actions.len() != outcomes.len() && !report.is_interrupted {
            let text = format!("{} actions, {} outcomes", plan.actions.len(), outcomes.len());
            return Err(Broken::new("outcomes are missing", text));
        }
        for (action, outcome) in plan.actions.iter().zip(outcomes) {
            if let Outcome::Done(made) | Outcome::Found(made) = outcome {
                let is_known = |id: &_| {
                    let id = RegionalId { region: action.region, id: *id };
                    self.ledger.births.contains_key(&id)
                };
                if let Some(id) = made.iter().find(|id| !is_known(id)) {
                    let text = format!("{} made {id}, which nobody saw", action.id());
                    return Err(Broken::new("reported what was not done", text));
                }
            }
            if let (Some(delete), true) = (action.as_delete(), outcome.is_done()) {
                let id = RegionalId { region: action.region, id: delete.resource };
                if tags_of(self.after, id).is_some() {
                    let text = format!("{} is {}, but {id} is there", action.id(), outcome.word());
                    return Err(Broken::new("reported what was not done", text));
                }
            }
        }
        Ok(())
    }
}
