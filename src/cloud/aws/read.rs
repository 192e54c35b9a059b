//! The calls that only read. The SDK may repeat them.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, LockState};

use super::Call;
use super::convert::{self, BadItem};
use crate::cloud::{CloudError, PAGE_ITEMS_MAX, Page, SnapshotFilter};
use crate::domain::ids::{InstanceId, SnapshotId, VolumeId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{Instance, Snapshot, Volume};
use crate::domain::region::Region;

pub(super) async fn regions(client: &Client, region: &Region) -> Result<Vec<Region>, CloudError> {
    let call = Call { operation: "DescribeRegions", region };
    // Without AllRegions EC2 lists those that are enabled for the account (EC2 API reference).
    let reply = client.describe_regions().send().await.map_err(|err| call.failed(&err))?;
    let names = reply.regions().iter().map(|item| item.region_name().unwrap_or_default());
    names.map(|name| name.parse().map_err(|err| call.bad_item(&format!("{err}")))).collect()
}

pub(super) async fn instances(
    client: &Client,
    region: &Region,
    ids: &[InstanceId],
    token: Option<String>,
) -> Result<Page<Instance>, CloudError> {
    let call = Call { operation: "DescribeInstances", region };
    let reply = client
        .describe_instances()
        .max_results(PAGE_ITEMS_MAX)
        .set_filters(ids_filter("instance-id", ids))
        .set_include_managed_resources(include_managed(ids))
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let mut interner = Interner::default();
    let items = reply.reservations().iter().flat_map(|reservation| {
        reservation.instances().iter().map(|item| (reservation.owner_id(), item))
    });
    let items = items.map(|(owner_id, item)| convert::instance(item, owner_id, &mut interner));
    page(call, items, reply.next_token())
}

pub(super) async fn volumes(
    client: &Client,
    region: &Region,
    ids: &[VolumeId],
    token: Option<String>,
) -> Result<Page<Volume>, CloudError> {
    let call = Call { operation: "DescribeVolumes", region };
    let reply = client
        .describe_volumes()
        .max_results(PAGE_ITEMS_MAX)
        .set_filters(ids_filter("volume-id", ids))
        .set_include_managed_resources(include_managed(ids))
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let mut interner = Interner::default();
    let items = reply.volumes().iter().map(|item| convert::volume(item, &mut interner));
    page(call, items, reply.next_token())
}

pub(super) async fn snapshots(
    client: &Client,
    region: &Region,
    filter: &SnapshotFilter,
    token: Option<String>,
) -> Result<Page<Snapshot>, CloudError> {
    let call = Call { operation: "DescribeSnapshots", region };
    let filters = match filter {
        SnapshotFilter::All => None,
        // None of them exists; and a filter without values is an error of EC2.
        SnapshotFilter::Ids(ids) if ids.is_empty() => {
            return Ok(Page { items: Vec::new(), next_token: None });
        }
        SnapshotFilter::Ids(ids) => ids_filter("snapshot-id", ids),
        SnapshotFilter::Tags(tags) => Some(tags_filters(tags)),
    };
    let reply = client
        .describe_snapshots()
        // Without it EC2 lists every snapshot that one may make volumes from, public ones too.
        .owner_ids("self")
        .max_results(PAGE_ITEMS_MAX)
        .set_filters(filters)
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    let mut interner = Interner::default();
    let items = reply.snapshots().iter().map(|item| convert::snapshot(item, &mut interner));
    page(call, items, reply.next_token())
}

pub(super) async fn locked_snapshots(
    client: &Client,
    region: &Region,
    token: Option<String>,
) -> Result<Page<SnapshotId>, CloudError> {
    let call = Call { operation: "DescribeLockedSnapshots", region };
    let reply = client
        .describe_locked_snapshots()
        .max_results(PAGE_ITEMS_MAX)
        .set_next_token(token)
        .send()
        .await
        .map_err(|err| call.failed(&err))?;
    // "expired - The snapshot was locked […] but the lock duration has expired. The snapshot is
    // not locked and can be deleted" (EC2 API reference, `LockedSnapshotsInfo`).
    let locked =
        reply.snapshots().iter().filter(|item| item.lock_state() != Some(&LockState::Expired));
    let ids = locked.map(|item| convert::required_id("snapshot", "SnapshotId", item.snapshot_id()));
    page(call, ids, reply.next_token())
}

/// Returns a page of what `items` could be read as, or the error of the first that could not.
pub(super) fn page<T>(
    call: Call<'_>,
    items: impl Iterator<Item = Result<T, BadItem>>,
    next_token: Option<&str>,
) -> Result<Page<T>, CloudError> {
    let items = items.collect::<Result<_, _>>().map_err(|BadItem(why)| call.bad_item(&why))?;
    // EC2 spells the end of a listing both as no token and as an empty one.
    let next_token = next_token.filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(Page { items, next_token })
}

/// Returns the filter for `ids`. Asking by filter, EC2 leaves out what is gone; asking by id, it
/// fails the whole call.
pub(super) fn ids_filter<T: ToString>(name: &str, ids: &[T]) -> Option<Vec<Filter>> {
    let values: Vec<String> = ids.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| vec![filter_by(name, values)])
}

/// Returns the filters for what bears all of `tags`.
pub(super) fn tags_filters(tags: &[(String, String)]) -> Vec<Filter> {
    tags.iter().map(|(key, value)| filter_by(format!("tag:{key}"), vec![literal(value)])).collect()
}

/// Whether to list what another service of AWS manages and has hidden. A listing leaves that to
/// the account's setting; but whoever asks for an id must not hear that it is gone.
fn include_managed<T>(ids: &[T]) -> Option<bool> {
    (!ids.is_empty()).then_some(true)
}

fn filter_by(name: impl Into<String>, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// Returns the filter value that matches exactly `text`.
///
/// "You can use wildcards with the filter values. An asterisk (*) matches zero or more characters,
/// and a question mark (?) matches zero or one character. […] Use a backslash (\) before each
/// character" (EC2 user guide, "List and filter your resources").
fn literal(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            res.push('\\');
        }
        res.push(c);
    }
    res
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn wildcards_in_tags_are_taken_literally() {
        assert_eq!(literal(r"100% of C:\*? ü"), r"100% of C:\\\*\? ü");
    }
}
