//! How much snapshots occupy.
//!
//! EC2 tells no incremental sizes, so they are estimated: of the snapshots of one volume in one
//! region, under one key, the oldest one that is there holds all that is written of the volume, and
//! each later one what has changed since the one before it. So what a deletion frees depends on its
//! neighbours, as with EBS: blocks that a later snapshot needs go on to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::ids::SnapshotId;
use crate::domain::ids::VolumeId;
use crate::domain::region::Region;

const BYTES_PER_GIB: f64 = 1_073_741_824.0;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Whose data snapshots are versions of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Data {
    /// A volume's.
    Volume(VolumeId),
    /// Nobody knows which one's.
    Other(String),
}

/// Snapshots that share blocks: those of one volume, in one region, under one key.
pub(super) type ChainKey = (Region, Data, Option<Arc<str>>);

/// A snapshot's place: its chain, and where it is in there.
pub(super) type PartKey = (usize, DateTime<Utc>, SnapshotId);

/// What all snapshots occupy, by place.
#[derive(Debug)]
pub(super) struct Store {
    /// Which share of a volume does not change in a day.
    unchanged: f64,
    index: HashMap<ChainKey, usize>,
    chains: Vec<Chain>,
    changed: Vec<usize>,
    /// How full EC2 says that volumes are, by the newest snapshot of each.
    told: HashMap<Data, (DateTime<Utc>, f64)>,
}

#[derive(Debug)]
struct Chain {
    data: Data,
    parts: BTreeMap<(DateTime<Utc>, SnapshotId), Part>,
    is_changed: bool,
    /// GiB by place.
    gib: Vec<(usize, f64)>,
}

#[derive(Debug)]
struct Part {
    /// Whose it is; none if it is no policy's.
    place: Option<usize>,
    volume_gib: u32,
}

impl Store {
    /// Starts with nothing, where so many percent of a volume change in a day.
    pub(super) fn new(change_percent: f64) -> Self {
        Self {
            unchanged: 1.0 - change_percent / 100.0,
            index: HashMap::new(),
            chains: Vec::new(),
            changed: Vec::new(),
            told: HashMap::new(),
        }
    }

    /// Adds a snapshot of the data at `time`.
    pub(super) fn add(
        &mut self,
        key: ChainKey,
        time: DateTime<Utc>,
        id: SnapshotId,
        (place, volume_gib): (Option<usize>, u32),
        full_size_bytes: Option<u64>,
    ) -> PartKey {
        #[expect(clippy::cast_precision_loss, reason = "a size to 53 bits is exact enough")]
        if let Some(bytes) = full_size_bytes {
            let gib = bytes as f64 / BYTES_PER_GIB;
            let told = self.told.entry(key.1.clone()).or_insert((time, gib));
            if told.0 <= time {
                *told = (time, gib);
            }
        }
        let data = key.1.clone();
        let n = *self.index.entry(key).or_insert_with(|| {
            let (parts, gib) = (BTreeMap::new(), Vec::new());
            self.chains.push(Chain { data, parts, is_changed: false, gib });
            self.chains.len() - 1
        });
        self.chains[n].parts.insert((time, id), Part { place, volume_gib });
        self.mark(n);
        (n, time, id)
    }

    /// Removes a snapshot.
    pub(super) fn remove(&mut self, (n, time, id): PartKey) {
        self.chains[n].parts.remove(&(time, id));
        self.mark(n);
    }

    fn mark(&mut self, n: usize) {
        let chain = &mut self.chains[n];
        if !std::mem::replace(&mut chain.is_changed, true) {
            self.changed.push(n);
        }
    }

    /// Returns how many GiB each of `n_places` places occupies.
    pub(super) fn gib(&mut self, n_places: usize) -> Vec<f64> {
        for n in std::mem::take(&mut self.changed) {
            let chain = &mut self.chains[n];
            let told = self.told.get(&chain.data).map(|(_, gib)| *gib);
            chain.measure(told, self.unchanged);
        }
        let mut all = vec![0.0; n_places];
        for (place, gib) in self.chains.iter().flat_map(|chain| &chain.gib) {
            all[*place] += gib;
        }
        all
    }

    /// Returns of how many volumes EC2 told how full they are, and how many are taken to be full.
    pub(super) fn n_told(&self) -> (usize, usize) {
        let of_places = self.chains.iter().filter(|chain| !chain.gib.is_empty());
        let mut all: Vec<&Data> = of_places.map(|chain| &chain.data).collect();
        all.sort_by_key(|data| format!("{data:?}"));
        all.dedup();
        let n_told = all.iter().filter(|data| self.told.contains_key(data)).count();
        (n_told, all.len() - n_told)
    }
}

impl Chain {
    fn measure(&mut self, told: Option<f64>, unchanged: f64) {
        self.is_changed = false;
        self.gib.clear();
        let mut before: Option<DateTime<Utc>> = None;
        for ((time, _), part) in &self.parts {
            let full = told.unwrap_or(f64::from(part.volume_gib)).min(f64::from(part.volume_gib));
            let share = before.map_or(1.0, |before| {
                let days = (*time - before).as_seconds_f64().max(0.0) / SECONDS_PER_DAY;
                1.0 - unchanged.powf(days)
            });
            before = Some(*time);
            let Some(place) = part.place else { continue };
            match self.gib.iter_mut().find(|(known, _)| *known == place) {
                Some((_, gib)) => *gib += full * share,
                None => self.gib.push((place, full * share)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Data, Store};
    use crate::domain::ids::SnapshotId;

    fn day(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(n)
    }

    fn id(n: i64) -> SnapshotId {
        format!("snap-{n:08x}").parse().unwrap()
    }

    fn check(store: &mut Store, expected: &[f64]) {
        let gib = store.gib(expected.len());
        let is_near = gib.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(is_near, "{gib:?} for {expected:?}");
    }

    #[test]
    fn the_oldest_is_whole_and_the_next_hold_what_changed() {
        let mut store = Store::new(10.0);
        let key =
            ("eu-west-1".parse().unwrap(), Data::Volume("vol-00000001".parse().unwrap()), None);
        let mut add = |n, place, told| store.add(key.clone(), day(n), id(n), (place, 100), told);
        let first = add(0, Some(0), None);
        let second = add(1, Some(1), None);
        add(3, Some(0), None);
        // 10 % in one day; in two days what changed twice counts once.
        check(&mut store, &[100.0 + 19.0, 10.0]);
        // What only the second held, the third needs.
        store.remove(second);
        check(&mut store, &[100.0 + 100.0 * (1.0 - 0.9_f64.powi(3)), 0.0]);
        store.remove(first);
        check(&mut store, &[100.0]);
        // EC2 tells that half of it was ever written.
        store.add(key.clone(), day(4), id(4), (Some(0), 100), Some(50 << 30));
        check(&mut store, &[50.0 + 5.0]);
        assert_eq!(store.n_told(), (1, 0));
        // Under another key nothing is shared; what is nobody's is no place's.
        let other = (key.0, key.1.clone(), Some("arn".into()));
        store.add(other, day(5), id(5), (None, 100), None);
        check(&mut store, &[55.0]);
    }
}
