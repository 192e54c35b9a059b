//! Ids that come out the same in every run.

use std::fmt;
use std::str::FromStr;

use crate::cloud::sandbox::chance::SplitMix64;

/// One stream of ids for each kind of resource, so that one more volume shifts no snapshot's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) instances: SplitMix64,
    pub(super) volumes: SplitMix64,
    pub(super) snapshots: SplitMix64,
    pub(super) images: SplitMix64,
}

impl Ids {
    /// Makes streams that share no id with those of another `series`.
    pub(super) fn new(series: u64) -> Self {
        let [instances, volumes, snapshots, images] =
            [1, 2, 3, 4].map(|kind| SplitMix64(series << 8 | kind));
        Self { instances, volumes, snapshots, images }
    }
}

/// Returns the stream's next id; `prefix` must be that of `T`.
pub(super) fn next_id<T: FromStr>(stream: &mut SplitMix64, prefix: &str) -> T
where
    T::Err: fmt::Debug,
{
    loop {
        // EC2's own long ids begin with a zero, too: 64 of their 68 bits are used.
        let text = format!("{prefix}0{:016x}", stream.next());
        // The shape is right by construction; a loop needs no panic to say so.
        if let Ok(id) = text.parse() {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ids, next_id};
    use crate::domain::ids::SnapshotId;

    #[test]
    fn ids_are_the_same_in_every_run() {
        let mut ids = Ids::new(0);
        let first: SnapshotId = next_id(&mut ids.snapshots, "snap-");
        let second: SnapshotId = next_id(&mut ids.snapshots, "snap-");
        assert_ne!(first, second);
        assert_eq!(first, next_id(&mut Ids::new(0).snapshots, "snap-"));
    }
}
