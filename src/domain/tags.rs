//! Tags of EC2 resources, and the names of those that snapkeep writes.

use std::sync::Arc;

/// Prefix of every tag that snapkeep writes.
pub const PREFIX: &str = "snapkeep:";
/// Which installation made the resource.
pub const OWNER: &str = "snapkeep:owner";
/// Which policy made it.
pub const POLICY: &str = "snapkeep:policy";
/// The slot it fills, RFC 3339 in UTC.
pub const SLOT: &str = "snapkeep:slot";
/// What it protects, as `REGION/i-…`, `REGION/vol-…` or `REGION/family:NAME`.
pub const SOURCE: &str = "snapkeep:source";
/// How many snapshots its recovery point was asked for.
pub const MEMBERS: &str = "snapkeep:members";
/// Which volume was which device, as far as it fits.
pub const DEVICES: &str = "snapkeep:devices";
/// Which attempt made it, from the second on.
pub const ATTEMPT: &str = "snapkeep:attempt";
/// On copies: the parent, as `REGION/snap-…` or `REGION/ami-…`.
pub const COPY_OF: &str = "snapkeep:copy-of";
/// On copies: the first original, as `REGION/snap-…` or `REGION/ami-…`.
pub const ORIGIN: &str = "snapkeep:origin";
/// On copies: the instant of the data, RFC 3339 in UTC.
pub const TIME: &str = "snapkeep:time";
/// On copies of snapshots: the volume that the first original was made of.
pub const VOLUME: &str = "snapkeep:volume";
/// On copies that are shared: the accounts, separated by spaces.
pub const SHARED_WITH: &str = "snapkeep:shared-with";
/// On the snapshots of an adopted image that is about to be deregistered: `ami-…/snap-…`, the image
/// and the snapshot itself, so that the tag says nothing on anything that it is copied to.
pub const BACKED: &str = "snapkeep:backed";
/// Written by people: never delete this.
pub const HOLD: &str = "snapkeep:hold";

/// EC2 takes at most this many tags on one resource.
pub const TAGS_MAX: usize = 50;
/// EC2 takes at most this many characters in the value of a tag.
pub const VALUE_CHARS_MAX: usize = 256;

/// The tags of one resource, ordered by key. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Tags {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Tags {
    /// Returns the value of the tag `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        // Not by their order: that looks into every key, equality only into those of its length.
        self.0.iter().find(|(k, _)| k.as_ref() == key).map(|(_, v)| v.as_ref())
    }

    /// Returns true if there is a tag `key`, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Returns the tags as pairs of key and value, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))
    }

    /// Returns how many tags there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is no tag at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut tags: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        tags.sort();
        Self(tags.into())
    }
}

/// The values of our tags on one resource, read in one pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct OurTags<'t> {
    /// [`OWNER`].
    pub owner: Option<&'t str>,
    /// [`POLICY`].
    pub policy: Option<&'t str>,
    /// [`SLOT`].
    pub slot: Option<&'t str>,
    /// [`SOURCE`].
    pub source: Option<&'t str>,
    /// [`MEMBERS`].
    pub members: Option<&'t str>,
    /// [`ATTEMPT`].
    pub attempt: Option<&'t str>,
    /// [`COPY_OF`].
    pub copy_of: Option<&'t str>,
    /// [`ORIGIN`].
    pub origin: Option<&'t str>,
    /// [`TIME`].
    pub time: Option<&'t str>,
    /// [`VOLUME`].
    pub volume: Option<&'t str>,
    /// [`BACKED`].
    pub backed: Option<&'t str>,
}

/// Keys as bytes: a match on texts compares with each of them, a match on bytes goes down a tree.
mod bytes {
    pub(super) const OWNER: &[u8] = super::OWNER.as_bytes();
    pub(super) const POLICY: &[u8] = super::POLICY.as_bytes();
    pub(super) const SLOT: &[u8] = super::SLOT.as_bytes();
    pub(super) const SOURCE: &[u8] = super::SOURCE.as_bytes();
    pub(super) const MEMBERS: &[u8] = super::MEMBERS.as_bytes();
    pub(super) const ATTEMPT: &[u8] = super::ATTEMPT.as_bytes();
    pub(super) const COPY_OF: &[u8] = super::COPY_OF.as_bytes();
    pub(super) const ORIGIN: &[u8] = super::ORIGIN.as_bytes();
    pub(super) const TIME: &[u8] = super::TIME.as_bytes();
    pub(super) const VOLUME: &[u8] = super::VOLUME.as_bytes();
    pub(super) const BACKED: &[u8] = super::BACKED.as_bytes();
    pub(super) const HOLD: &[u8] = super::HOLD.as_bytes();
}

impl<'t> OurTags<'t> {
    /// Returns our tags among `tags`; none if there is not one, or but a hold.
    pub fn of(tags: &'t Tags) -> Option<Self> {
        let mut ours = Self::default();
        let mut is_empty = true;
        for (key, value) in tags.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            match key.as_bytes() {
                bytes::HOLD => continue,
                bytes::OWNER => ours.owner = Some(value),
                bytes::POLICY => ours.policy = Some(value),
                bytes::SLOT => ours.slot = Some(value),
                bytes::SOURCE => ours.source = Some(value),
                bytes::MEMBERS => ours.members = Some(value),
                bytes::ATTEMPT => ours.attempt = Some(value),
                bytes::COPY_OF => ours.copy_of = Some(value),
                bytes::ORIGIN => ours.origin = Some(value),
                bytes::TIME => ours.time = Some(value),
                bytes::VOLUME => ours.volume = Some(value),
                bytes::BACKED => ours.backed = Some(value),
                _ => {}
            }
            is_empty = false;
        }
        (!is_empty).then_some(ours)
    }
}
