//! What must hold after every cycle, whatever befell it: the invariants, each as a check that says
//! its number. What must be restorable, the model knows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use snapkeep::config::Config;
use snapkeep::domain::ids::{RegionalId, VolumeId};
use snapkeep::domain::inventory::Inventory;
use snapkeep::domain::region::Region;
use snapkeep::domain::tags;
use snapkeep::run::{Outcome, Report};

use crate::ledger::{Ledger, News, tags_of};
use crate::model::{self, Birth, Gone, Lineages, Truth};
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
    pub(crate) skew: TimeDelta,
    /// Whether listings showed for a while what was gone.
    pub(crate) lingers: bool,
    pub(crate) max_deletes: Option<usize>,
}

impl Checked<'_> {
    /// Checks every invariant; returns the first that does not hold.
    pub(crate) fn check(&self, tally: &mut Tally) -> Result<(), Broken> {
        let mut counted = |what, n| tally.count("invariants checked", what, n);
        counted("deletions: whose, and why not", self.news.deleted.len());
        counted("deletions: what is lost", self.news.deleted.len());
        self.deletions()?;
        counted("clock off: nothing deleted", usize::from(SKEW_MAX < self.skew.abs()));
        self.clock()?;
        counted("gaps: nothing made or deleted", 1);
        self.gaps()?;
        counted("tags in the creating call", self.news.made.len());
        self.tags()?;
        counted("creations and copies: once", self.news.made.len());
        self.once()?;
        counted("limits on deletions", usize::from(self.max_deletes.is_some()));
        self.limits()?;
        for report in &self.ended.reports {
            counted("reports: what is done is so", report.outcomes.len());
            self.report(report)?;
        }
        Ok(())
    }

    /// Checks what went, against what each process that deleted anything found.
    fn deletions(&self) -> Result<(), Broken> {
        for (n, (before, gone)) in self.looks().into_iter().enumerate() {
            if !gone.is_empty() {
                let lineages = model::lineages(&before, self.config);
                self.vetoes(before, &gone, &lineages)?;
                self.losses(n, before, &gone, &lineages)?;
            }
        }
        Ok(())
    }

    /// 4 and 6: only what is ours or adopted goes, and nothing that something protects.
    fn vetoes(
        &self,
        before: Truth<'_>,
        gone: &Gone,
        lineages: &Lineages<'_>,
    ) -> Result<(), Broken> {
        // What somebody registers between look and deletion, only EC2 sees in time.
        let deeds = self.seen.deeds.iter().filter(|(kind, _)| kind.starts_with("regist"));
        let mut without_new = Cow::Borrowed(before.inventory);
        for (_, what) in deeds {
            for observed in without_new.to_mut().regions.values_mut() {
                observed.images.retain(|image| !what.starts_with(&image.id.to_string()));
            }
        }
        let before = Truth { inventory: &without_new, ..before };
        let vetoes = model::Vetoes::new(&before, self.config, gone, lineages);
        let forbidden = gone.iter().find_map(|id| Some((id, vetoes.forbidden(*id)?)));
        forbidden.map_or(Ok(()), |(id, why)| {
            Err(Broken::new("deleted what is protected", format!("{id}: {why}")))
        })
    }

    /// 5 and retention: nothing goes that must be restorable.
    fn losses(
        &self,
        n_look: usize,
        before: Truth<'_>,
        gone: &Gone,
        lineages: &Lineages<'_>,
    ) -> Result<(), Broken> {
        let losses_in =
            |truth, lineages| model::losses(truth, self.config, gone, lineages, self.ended.now);
        let mut lost = losses_in(&before, lineages);
        if self.lingers && 0 < n_look && !lost.is_empty() {
            // What the process before deleted was still listed, and stood for its period.
            let listed = with(before.inventory, &self.seen.before_deletions[n_look - 1].1);
            let listed = Truth { inventory: &listed, ..before };
            let by_list = losses_in(&listed, &model::lineages(&listed, self.config));
            lost.retain(|text| by_list.contains(text));
        }
        if lost.is_empty() {
            return Ok(());
        }
        Err(Broken::new("lost a point", lost.join("; ")))
    }

    /// Returns what each process that deleted anything found, and what went from then on until the
    /// next one looked.
    fn looks(&self) -> Vec<(Truth<'_>, Gone)> {
        let looks = &self.seen.before_deletions;
        let of_look = looks.iter().enumerate().map(|(n, (at, inventory))| {
            let until = looks.get(n + 1).map(|(at, _)| *at);
            let deleted = self.news.deleted.iter();
            let deleted = deleted.filter(|(_, (gone_at, _))| {
                at <= gone_at && until.is_none_or(|until| *gone_at < until)
            });
            let gone: Gone = deleted.map(|(id, _)| *id).collect();
            (Truth { at: *at, inventory, births: &self.ledger.births }, gone)
        });
        of_look.collect()
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

    /// 7: an answer that was lost is no reason to make the same again.
    fn once(&self) -> Result<(), Broken> {
        let mut calls: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
        for id in &self.news.made {
            let (birth, born_with) = &self.ledger.births[id];
            let Birth::Made { call } = birth else { continue };
            let [policy, source, slot, copy_of] =
                [tags::POLICY, tags::SOURCE, tags::SLOT, tags::COPY_OF].map(|k| born_with.get(k));
            // What is gone again by now cannot be asked.
            if slot.is_some() || copy_of.is_some() {
                // Volumes of one instance may be asked for one by one.
                let volume_id = self.volume_of(*id);
                let what = (id.region, policy, source, slot, copy_of, volume_id);
                calls.entry(what).or_default().insert(*call);
            }
        }
        let more = calls.into_iter().find(|(_, calls)| self.ended.n_processes < calls.len());
        match more {
            Some((what, calls)) => {
                let text = format!("{} calls made {what:?}", calls.len());
                Err(Broken::new("made more than once", text))
            }
            None => Ok(()),
        }
    }

    fn volume_of(&self, RegionalId { region, id }: RegionalId) -> Option<VolumeId> {
        let snapshots = &self.after.regions.get(&region)?.snapshots;
        snapshots.iter().find(|snapshot| id.snapshot() == Some(snapshot.id))?.volume_id
    }

    fn limits(&self) -> Result<(), Broken> {
        let Some(max) = self.max_deletes else { return Ok(()) };
        let mut n_deleted: BTreeMap<(&str, Region), usize> = BTreeMap::new();
        for (id, (_, thing)) in &self.news.deleted {
            // What failed goes without a limit, so that the next attempt has room.
            if let Some(policy) = thing.tags().get(tags::POLICY).filter(|_| !thing.is_failed()) {
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

/// Returns what is there, and what was there before.
fn with(inventory: &Inventory, before: &Inventory) -> Inventory {
    let mut res = inventory.clone();
    for (region, before) in &before.regions {
        let observed = res.regions.entry(*region).or_default();
        let is_there: BTreeSet<_> = observed.snapshots.iter().map(|s| s.id).collect();
        let gone = before.snapshots.iter().filter(|s| !is_there.contains(&s.id));
        observed.snapshots.extend(gone.cloned());
        let is_there: BTreeSet<_> = observed.images.iter().map(|i| i.id).collect();
        observed.images.extend(before.images.iter().filter(|i| !is_there.contains(&i.id)).cloned());
    }
    res
}
