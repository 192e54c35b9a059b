//! The queue of copies: which of the missing ones are begun now, and why the others wait.
//!
//! EC2 runs a limited number of copies into a region, and a copy without a base costs as much as
//! the whole volume. Newer points come first, as they are worth the most.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::{RegionalId, ResourceId, VolumeId};
use crate::domain::inventory::{KeyAnswer, SnapshotState};
use crate::domain::region::Region;
use crate::domain::tags;
use crate::plan::attempts::{Attempt, next_attempt};
use crate::plan::copies::Missing;
use crate::plan::copy_action::{self, key_of};
use crate::plan::copy_search;
use crate::plan::image_name;
use crate::plan::lineage::{Entry, Identity, LineageKey, Thing};
use crate::plan::model::{Action, Note, Op, Plan, Severity, Waiting};
use crate::plan::scene::{Scene, World};

/// Copies that EC2 runs into one region at a time (CopySnapshot's page in the EBS user guide).
const COPIES_MAX: usize = 20;

/// What came of the queue.
#[derive(Debug, Default)]
pub struct Queued {
    /// Calls to make, by destination.
    pub actions: BTreeMap<Region, Vec<Action>>,
    /// Failed copies that are the memory of attempts.
    pub remembered: BTreeSet<(Region, ResourceId)>,
    /// Points of which nothing says that a copy cannot be made: they are not given up.
    pub hopeful: HashSet<(Region, LineageKey, Identity)>,
    /// Copies of which a part is still to be made.
    pub unfinished: HashSet<(Region, LineageKey, Identity)>,
}

/// Decides about `missing`.
pub fn queue<'p, 'a>(
    world: &'p World<'a>,
    mut missing: Vec<Missing<'p, 'a>>,
    plan: &mut Plan,
) -> Queued {
    missing.sort_by_key(|m| {
        (m.to, Reverse(m.point.time), m.key, m.point.identity, m.parent.volume_id, m.parent.id())
    });
    let mut queued = Queued::default();
    for to_one in missing.chunk_by(|a, b| a.to == b.to) {
        // Debts of a region that was not observed are not here.
        let Some(scene) = world.scenes.get(&to_one[0].to) else { continue };
        let mut pass = Pass::new(world, scene, plan, &mut queued);
        for missing in to_one {
            pass.one(missing);
        }
        pass.tell();
    }
    queued
}

/// The copies into one region.
struct Pass<'q, 'a> {
    world: &'q World<'a>,
    scene: &'q Scene<'a>,
    plan: &'q mut Plan,
    queued: &'q mut Queued,
    n_free: usize,
    n_running: usize,
    taken: BTreeSet<String>,
    /// First copies of a volume that this plan begins.
    begun: BTreeMap<(LineageKey, Option<VolumeId>), RegionalId>,
    /// What is told of many lines once.
    notes: BTreeSet<(Severity, String)>,
}

impl<'q, 'a> Pass<'q, 'a> {
    fn new(
        world: &'q World<'a>,
        scene: &'q Scene<'a>,
        plan: &'q mut Plan,
        queued: &'q mut Queued,
    ) -> Self {
        let n_running = n_running(scene);
        Self {
            world,
            scene,
            plan,
            queued,
            n_free: COPIES_MAX.saturating_sub(n_running),
            n_running,
            taken: image_name::taken(scene.observed),
            begun: BTreeMap::new(),
            notes: BTreeSet::new(),
        }
    }

    fn one(&mut self, missing: &Missing<'_, 'a>) {
        let lineage = self.scene.lineage(missing.lineage_key());
        let attempt = next_attempt(missing.failed(lineage), self.world.request.now);
        // The newest says how many there were.
        let rank = |entry: &&Entry<'_>| (entry.attempt, entry.started_at, entry.id);
        if let Some(entry) = missing.failed(lineage).max_by_key(rank) {
            self.queued.remembered.insert((self.scene.region, entry.id));
        }
        let is_in_vain = matches!(attempt, Attempt::GivenUp(_))
            || why_never(missing).is_some()
            || waits_for_form(missing)
            || self.why_key_is_useless(missing).is_some();
        if !is_in_vain {
            let point = (missing.from, missing.key, missing.point.identity);
            self.queued.hopeful.insert(point);
            let copy = (self.scene.region, missing.lineage_key(), missing.point.identity);
            self.queued.unfinished.insert(copy);
        }
        let name = &self.world.config.policies[missing.key.policy].name;
        if !self.world.request.covers(name, &missing.to) {
            return;
        }
        let attempt = match attempt {
            Attempt::Now(attempt) => attempt,
            Attempt::Later(why, since, not_before) => {
                return self.waits(missing, &why, Some(since), Some(not_before), true);
            }
            Attempt::GivenUp(why) => {
                let text = format!("`{name}`: no copy of {}: {why}", parent(missing));
                self.notes.insert((Severity::Warning, text));
                return;
            }
        };
        if let Some(why) = why_never(missing) {
            self.notes.insert((Severity::Warning, format!("{}: {why}", parent(missing))));
            return;
        }
        if let Some(why) = self.why_key_is_useless(missing) {
            self.notes.insert((Severity::Warning, format!("`{name}`: copies wait: {why}")));
            // Only a person can help.
            return self.waits(missing, &why, None, None, false);
        }
        if let Some(why) = self.why_not_yet(missing) {
            // What it waits for has a line or an action of its own.
            return self.waits(missing, &why, None, None, false);
        }
        let n_copies = missing.parent.thing.image().map_or(1, |image| image.snapshot_ids.len());
        // An image with more snapshots than EC2 runs copies has to begin alone.
        let fits = n_copies <= self.n_free || (self.n_running == 0 && self.n_free == COPIES_MAX);
        if !fits {
            let why = format!("EC2 runs {COPIES_MAX} copies into a region at a time");
            return self.waits(missing, &why, None, None, true);
        }
        self.n_free = self.n_free.saturating_sub(n_copies);
        let slot = (missing.lineage_key(), missing.parent.volume_id);
        if copy_search::base_of(lineage, missing).is_none() {
            self.begun.insert(slot, parent(missing));
        }
        self.compare_keys(missing);
        let copy = copy_action::copy(self.world, name, missing, attempt, lineage, &mut self.taken);
        let op = match missing.parent.thing {
            Thing::Image(_) => Op::CopyImage(copy),
            Thing::Snapshot(_) => Op::CopySnapshot(copy),
        };
        let action = Action { policy: Arc::clone(name), region: missing.to, op };
        self.queued.actions.entry(missing.to).or_default().push(action);
    }

    /// Returns what has to be done first.
    fn why_not_yet(&self, missing: &Missing<'_, 'a>) -> Option<String> {
        if waits_for_form(missing) {
            return Some(format!("its encrypted form in {} comes first", missing.from));
        }
        let lineage = self.scene.lineage(missing.lineage_key());
        if copy_search::base_of(lineage, missing).is_some() {
            return None;
        }
        let running = copy_search::is_any_under_way(lineage, missing);
        let begun = self.begun.get(&(missing.lineage_key(), missing.parent.volume_id));
        let first = running.map(|id| id.to_string()).or(begun.map(ToString::to_string))?;
        Some(format!("the first copy ({first}) is under way; the next needs only what changed"))
    }

    fn why_key_is_useless(&self, missing: &Missing<'_, 'a>) -> Option<String> {
        let name = key_of(self.world.config, missing)?;
        let key = match self.scene.observed.keys.get(name)? {
            KeyAnswer::Known(key) => key,
            KeyAnswer::Missing(_) => return Some(format!("there is no key {name} here")),
            KeyAnswer::Unknown(_) => return None,
        };
        if !key.is_enabled {
            return Some(format!("the key {name} is disabled"));
        }
        (!key.is_symmetric).then(|| format!("the key {name} is not symmetric, as EBS needs it"))
    }

    /// Warns if the copy cannot build on the one before, since that has another key.
    fn compare_keys(&mut self, missing: &Missing<'_, 'a>) {
        let Some(name) = key_of(self.world.config, missing) else { return };
        let lineage = self.scene.lineage(missing.lineage_key());
        let Some(base) = copy_search::base_of(lineage, missing) else { return };
        let Some(old) = self.key_arn(base.thing) else { return };
        let source = missing.key.source;
        match self.scene.observed.keys.get(name) {
            Some(KeyAnswer::Known(key)) if key.arn.as_ref() == old => {}
            Some(KeyAnswer::Known(key)) => {
                let text = format!(
                    "{source}: the newest copy has the key {old}, the next will have {}: it will be \
                     full",
                    key.arn
                );
                self.notes.insert((Severity::Warning, text));
            }
            Some(KeyAnswer::Missing(why) | KeyAnswer::Unknown(why)) => {
                let text = format!(
                    "the key {name} could not be resolved ({why}): nobody knows whether the next copies will be full"
                );
                self.notes.insert((Severity::Info, text));
            }
            None => {}
        }
    }

    /// Returns the key that a copy is encrypted with.
    fn key_arn(&self, thing: Thing<'a>) -> Option<&'a str> {
        match thing {
            Thing::Snapshot(snapshot) => snapshot.kms_key_id.as_deref(),
            Thing::Image(image) => {
                let first = image.snapshot_ids.first()?;
                let backing = self.scene.observed.snapshots.iter().find(|s| s.id == *first)?;
                backing.kms_key_id.as_deref()
            }
        }
    }

    fn waits(
        &mut self,
        missing: &Missing<'_, '_>,
        why: &str,
        since: Option<DateTime<Utc>>,
        not_before: Option<DateTime<Utc>>,
        ends_by_itself: bool,
    ) {
        let what = if missing.rule.is_some() { "copy" } else { "encrypted form" };
        self.plan.waiting.push(Waiting {
            policy: Arc::clone(&self.world.config.policies[missing.key.policy].name),
            region: missing.to,
            resource: parent(missing).to_string(),
            reason: format!("its {what}: {why}"),
            since,
            not_before,
            ends_by_itself,
        });
    }

    fn tell(self) {
        let region = Some(self.scene.region);
        let notes = self.notes.into_iter();
        self.plan.notes.extend(notes.map(|(severity, message)| Note { severity, region, message }));
    }
}

fn parent(missing: &Missing<'_, '_>) -> RegionalId {
    RegionalId { region: missing.from, id: missing.parent.id() }
}

/// Tells whether the encrypted form comes first, of which copies elsewhere are made.
fn waits_for_form(missing: &Missing<'_, '_>) -> bool {
    let is_made_of_form = missing.rule.is_some() && missing.policy.encrypt.is_some();
    is_made_of_form && !missing.parent.thing.is_encrypted()
}

/// Returns why EC2 will never make the copy.
fn why_never(missing: &Missing<'_, '_>) -> Option<&'static str> {
    let image = missing.parent.thing.image()?;
    if image.has_product_codes {
        return Some("it bears product codes, and EC2 copies no such image");
    }
    image
        .is_instance_store
        .then_some("its root device is an instance store, and so it is not copied")
}

/// Counts the copies that run into a region, whoever began them.
fn n_running(scene: &Scene<'_>) -> usize {
    let is_copy = |s: &&crate::domain::inventory::Snapshot| {
        s.tags.has(tags::COPY_OF) || s.volume_id.is_none_or(VolumeId::is_placeholder)
    };
    let pending = scene.observed.snapshots.iter().filter(|s| s.state == SnapshotState::Pending);
    pending.filter(is_copy).count()
}
