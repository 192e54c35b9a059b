//! Tables keyed by ids.
//!
//! EC2 draws the digits of ids at random. So tables of them need no defence against keys that
//! somebody chose to collide, and std's hasher costs more than all else that a lookup does.

/// A map from ids, or from keys that contain one.
pub type IdMap<K, V> = rustc_hash::FxHashMap<K, V>;
/// A set of ids.
pub type IdSet<K> = rustc_hash::FxHashSet<K>;
