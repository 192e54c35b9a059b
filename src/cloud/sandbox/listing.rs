//! Pages, tokens and filters of the Describe calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::cloud::sandbox::refusal::Refusal;
use crate::cloud::sandbox::settings::Settings;
use crate::cloud::sandbox::state::{RegionState, Stored, StoredImage};
use crate::cloud::{FILTER_VALUES_MAX, ImageFilter, Page, SnapshotFilter};
use crate::domain::ids::{ImageId, SnapshotId};
use crate::domain::inventory::{Image, Snapshot};
use crate::domain::tags::Tags;

/// The token of the first page that is not empty.
const START: &str = "start";

/// Returns the page of `all` that starts after `token`, with what `show` makes of each.
///
/// With `ids` only those are listed, as far as they exist.
pub(super) fn page<K, V, T>(
    all: &BTreeMap<K, V>,
    ids: &[K],
    token: Option<&str>,
    settings: &Settings,
    show: impl Fn(&V) -> Option<T>,
) -> Result<Page<T>, Refusal>
where
    K: Copy + Ord + Display + FromStr,
{
    if FILTER_VALUES_MAX < ids.len() {
        let message = "The maximum number of filter values specified on a single call is 200";
        return Err(Refusal::new("FilterLimitExceeded", message));
    }
    if token.is_none() && settings.has_empty_pages {
        return Ok(Page { items: Vec::new(), next_token: Some(START.to_owned()) });
    }
    let after = match token.filter(|token| *token != START) {
        None => Bound::Unbounded,
        Some(token) => Bound::Excluded(token.parse::<K>().map_err(|_| {
            Refusal::new("InvalidNextToken", format!("The token '{token}' is invalid."))
        })?),
    };
    let rows = (after, Bound::Unbounded);
    if ids.is_empty() {
        return Ok(fill(all.range(rows).map(|(id, row)| (*id, row)), settings, show));
    }
    let wanted: BTreeSet<K> = ids.iter().copied().collect();
    let found = wanted.range(rows).filter_map(|id| Some((*id, all.get(id)?)));
    Ok(fill(found, settings, show))
}

fn fill<'a, K: Display, V: 'a, T>(
    rows: impl Iterator<Item = (K, &'a V)>,
    settings: &Settings,
    show: impl Fn(&V) -> Option<T>,
) -> Page<T> {
    let mut items = Vec::new();
    let mut last = None;
    for (id, row) in rows {
        let Some(item) = show(row) else { continue };
        if items.len() == settings.page_items {
            return Page { items, next_token: last.map(|id: K| id.to_string()) };
        }
        items.push(item);
        last = Some(id);
    }
    Page { items, next_token: None }
}

/// Lists snapshots as DescribeSnapshots with `--owner-ids self`.
pub(super) fn snapshots(
    region: &RegionState,
    filter: &SnapshotFilter,
    token: Option<&str>,
    settings: &Settings,
    now: DateTime<Utc>,
    account: &str,
) -> Result<Page<Snapshot>, Refusal> {
    let ids: &[SnapshotId] = match filter {
        SnapshotFilter::Ids(ids) if ids.is_empty() => {
            return Err(Refusal::invalid_parameter("The filter 'snapshot-id' has no values"));
        }
        SnapshotFilter::Ids(ids) => ids,
        SnapshotFilter::All | SnapshotFilter::Tags(_) => &[],
    };
    let tags = match filter {
        SnapshotFilter::Tags(tags) => &tags[..],
        SnapshotFilter::All | SnapshotFilter::Ids(_) => &[],
    };
    let all = region.listed_snapshots(now);
    page(&all, ids, token, settings, |Stored { snapshot, visible_from, .. }| {
        let is_own = snapshot.owner_id.as_deref().is_none_or(|owner| owner == account);
        let is_listed = *visible_from <= now && is_own && bears(&snapshot.tags, tags);
        is_listed.then(|| snapshot.clone())
    })
}

/// Lists images as DescribeImages with `--owners self --include-disabled --include-deprecated`.
pub(super) fn images(
    region: &RegionState,
    filter: &ImageFilter,
    token: Option<&str>,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Page<Image>, Refusal> {
    let ids: &[ImageId] = match filter {
        ImageFilter::Ids(ids) if ids.is_empty() => {
            return Err(Refusal::invalid_parameter("The filter 'image-id' has no values"));
        }
        ImageFilter::Ids(ids) => ids,
        ImageFilter::All | ImageFilter::Tags(_) => &[],
    };
    let tags = match filter {
        ImageFilter::Tags(tags) => &tags[..],
        ImageFilter::All | ImageFilter::Ids(_) => &[],
    };
    page(
        &region.listed_images(now),
        ids,
        token,
        settings,
        |StoredImage { image, visible_from, .. }| {
            (*visible_from <= now && bears(&image.tags, tags)).then(|| image.clone())
        },
    )
}

fn bears(tags: &Tags, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(key, value)| tags.get(key) == Some(value))
}
