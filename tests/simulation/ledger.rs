//! How everything came to be, and what went by whose hand: read from the sandbox's journal, not from
//! tags.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use snapkeep::cloud::sandbox::{Change, Entry};
use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::inventory::{Image, Inventory, Snapshot, SnapshotState};
use snapkeep::domain::tags::Tags;

use crate::model::{Birth, Births};

/// The births of all that is or was there.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) births: Births,
    n_calls: u64,
}

/// What came and went in one step.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// What snapkeep made.
    pub(crate) made: Vec<RegionalId>,
    /// What snapkeep deleted.
    pub(crate) deleted: BTreeMap<RegionalId, (DateTime<Utc>, Thing)>,
}

/// What something was like when it went.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    Snapshot(Snapshot),
    Image(Image),
}

impl Thing {
    pub(crate) fn is_failed(&self) -> bool {
        match self {
            Self::Snapshot(snapshot) => snapshot.state == SnapshotState::Error,
            Self::Image(image) => image.state.is_failed(),
        }
    }

    pub(crate) fn tags(&self) -> &Tags {
        match self {
            Self::Snapshot(snapshot) => &snapshot.tags,
            Self::Image(image) => &image.tags,
        }
    }
}

impl Ledger {
    /// Reads the journal of one step; `truth` is the account at its end.
    pub(crate) fn read(&mut self, journal: Vec<Entry>, truth: &Inventory) -> News {
        let mut news = News::default();
        for Entry { at, region, operation, changes } in journal {
            self.n_calls += 1;
            let birth = operation.map_or(Birth::Found, |_| Birth::Made { call: self.n_calls });
            for change in changes {
                let (id, thing) = match change {
                    Change::Made(id) => {
                        let id = RegionalId { region, id };
                        let tags = tags_of(truth, id).unwrap_or_default();
                        self.births.insert(id, (birth, tags));
                        if operation.is_some() {
                            news.made.push(id);
                        }
                        continue;
                    }
                    Change::SnapshotGone(snapshot) => {
                        (snapshot.id.into(), Thing::Snapshot(*snapshot))
                    }
                    Change::ImageGone(image) => (image.id.into(), Thing::Image(*image)),
                };
                if operation.is_some() {
                    news.deleted.insert(RegionalId { region, id }, (at, thing));
                }
            }
        }
        news
    }
}

/// Returns the tags of a snapshot or image that is there.
pub(crate) fn tags_of(truth: &Inventory, RegionalId { region, id }: RegionalId) -> Option<Tags> {
    let observed = truth.regions.get(&region)?;
    match id {
        ResourceId::Snapshot(id) => {
            observed.snapshots.iter().find(|s| s.id == id).map(|s| s.tags.clone())
        }
        ResourceId::Image(id) => {
            observed.images.iter().find(|i| i.id == id).map(|i| i.tags.clone())
        }
    }
}
