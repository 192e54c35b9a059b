//! Creations: never blindly repeated.
//!
//! CreateSnapshot, CreateSnapshots and CreateImage have no client token. After a time-out, a broken
//! connection or a 5xx nobody knows whether they took effect, so the slot's tags are looked up
//! instead.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::cloud::{self, Cloud, CloudError, ErrorKind};
use crate::domain::failure::Failure;
use crate::domain::ids::{ResourceId, VolumeId};
use crate::execute::clock::Clock;
use crate::execute::look::{Look, Wanted, not_found};
use crate::execute::outcome::Outcome;
use crate::execute::region::{CallEnd, RegionRun, pairs};
use crate::plan::{Action, CreateImage, CreateOne, CreateSet, Op};

/// Calls under way at one time in one region.
const CONCURRENT_CALLS: usize = 8;
/// Waits before another try when EC2 says that a volume's last snapshot was too recent.
const VOLUME_RATE_PAUSES: [TimeDelta; 4] = [
    TimeDelta::seconds(15),
    TimeDelta::seconds(30),
    TimeDelta::seconds(60),
    TimeDelta::seconds(120),
];
/// What EC2 says where another image has the name: perhaps another runner's of the very point.
pub(super) const NAME_IS_TAKEN: &str = "InvalidAMIName.Duplicate";

/// Carries out creations; several at a time.
pub(super) async fn create_all<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    creations: Vec<(usize, &Action)>,
) -> Vec<(usize, Outcome)> {
    stream::iter(creations)
        .map(|(n, action)| async move {
            let outcome = match run.why_not_create() {
                Some(why) => Outcome::NotStarted(why),
                None => create(run, action).await,
            };
            run.ended(action, &outcome);
            (n, outcome)
        })
        .buffer_unordered(CONCURRENT_CALLS)
        .collect()
        .await
}

async fn create<C: Cloud, K: Clock>(run: &RegionRun<'_, C, K>, action: &Action) -> Outcome {
    let Some(call) = Call::of(action) else {
        let why = format!("{} is no creation", action.operation());
        return Outcome::Failed(Failure::lasting(why));
    };
    let mut pauses = VOLUME_RATE_PAUSES.into_iter();
    loop {
        if !run.space(&call.volumes()).await {
            return Outcome::NotStarted("interrupted".to_owned());
        }
        let err = match call.make(run).await {
            Ok(made) => return Outcome::Done(made),
            Err(CallEnd::Interrupted) => return Outcome::NotStarted("interrupted".to_owned()),
            Err(CallEnd::Error(err)) => err,
        };
        if err.kind != ErrorKind::VolumeRate {
            return after_error(run, &call, &err).await;
        }
        let Some(pause) = pauses.next() else { return Outcome::Waits(err.reason()) };
        if !run.stop.pause(run.clock, pause).await {
            return Outcome::NotStarted("interrupted".to_owned());
        }
        // Another runner may have made the very point.
        if let Look::Found(ids) = call.wanted().look(run).await {
            return Outcome::Found(ids);
        }
    }
}

/// Decides what an error means for the action, by its kind; by its code, where an image has the
/// name already.
async fn after_error<C: Cloud, K: Clock>(
    run: &RegionRun<'_, C, K>,
    call: &Call<'_>,
    err: &CloudError,
) -> Outcome {
    match err.kind {
        ErrorKind::Ambiguous => match call.wanted().look_long(run).await {
            Look::Found(ids) => Outcome::Found(ids),
            Look::Nothing => Outcome::Failed(not_found(err, None)),
            Look::Unknown(why) => Outcome::Failed(not_found(err, Some(why))),
        },
        // Another runner may be making the very point.
        ErrorKind::Busy => match call.wanted().look(run).await {
            Look::Found(ids) => Outcome::Found(ids),
            Look::Nothing | Look::Unknown(_) => Outcome::Waits(err.reason()),
        },
        ErrorKind::Refused if err.code == NAME_IS_TAKEN => match call.wanted().look(run).await {
            Look::Found(ids) => Outcome::Found(ids),
            Look::Nothing | Look::Unknown(_) => Outcome::Failed(err.failure()),
        },
        ErrorKind::AccountLimit => {
            run.is_full(err.reason());
            Outcome::Failed(err.failure())
        }
        ErrorKind::NotFound => Outcome::Skipped(format!("its source is gone: {}", err.reason())),
        ErrorKind::Throttled
        | ErrorKind::VolumeRate
        | ErrorKind::InUse
        | ErrorKind::Protected
        | ErrorKind::Denied
        | ErrorKind::Credentials
        | ErrorKind::Unsupported
        | ErrorKind::Refused => Outcome::Failed(err.failure()),
    }
}

/// A creating call with what it was planned as.
enum Call<'a> {
    Set(&'a CreateSet, cloud::CreateSnapshots),
    One(&'a CreateOne, cloud::CreateSnapshot),
    Image(&'a CreateImage, cloud::CreateImage),
}

impl<'a> Call<'a> {
    fn of(action: &'a Action) -> Option<Self> {
        match &action.op {
            Op::CreateSnapshots(set) => Some(Self::Set(set, set_request(set))),
            Op::CreateSnapshot(one) => Some(Self::One(one, one_request(one))),
            Op::CreateImage(image) => Some(Self::Image(image, image_request(image))),
            _ => None,
        }
    }

    async fn make<C: Cloud, K: Clock>(
        &self,
        run: &RegionRun<'_, C, K>,
    ) -> Result<Vec<ResourceId>, CallEnd> {
        let (cloud, region) = (run.cloud, run.region);
        match self {
            Self::Set(_, request) => {
                let call = || cloud.create_snapshots(region, request);
                let created = run.call("CreateSnapshots", call).await?;
                Ok(created.iter().map(|created| created.snapshot_id.into()).collect())
            }
            Self::One(_, request) => {
                let call = || cloud.create_snapshot(region, request);
                Ok(vec![run.call("CreateSnapshot", call).await?.snapshot_id.into()])
            }
            Self::Image(_, request) => {
                let call = || cloud.create_image(region, request);
                Ok(vec![run.call("CreateImage", call).await?.into()])
            }
        }
    }

    /// Returns what the call makes.
    fn wanted(&self) -> Wanted<'a> {
        match self {
            Self::Set(set, _) => Wanted::point(&set.point, false, None),
            Self::One(one, _) => Wanted::point(&one.point, false, Some(one.volume.volume_id)),
            Self::Image(image, _) => Wanted::point(&image.point, true, None),
        }
    }

    fn volumes(&self) -> Vec<(VolumeId, Option<DateTime<Utc>>)> {
        let volumes = match self {
            Self::Set(set, _) => &set.volumes[..],
            Self::One(one, _) => std::slice::from_ref(&one.volume),
            Self::Image(image, _) => &image.volumes[..],
        };
        volumes.iter().map(|volume| (volume.volume_id, volume.not_before)).collect()
    }
}

fn set_request(set: &CreateSet) -> cloud::CreateSnapshots {
    cloud::CreateSnapshots {
        instance_id: set.instance_id,
        exclude_boot_volume: set.exclude_boot_volume,
        exclude_data_volume_ids: set.exclude_data_volume_ids.clone(),
        description: set.point.description.clone(),
        tags: pairs(&set.point.tags),
        copy_tags_from_volume: set.copy_tags_from_volume,
    }
}

fn one_request(one: &CreateOne) -> cloud::CreateSnapshot {
    cloud::CreateSnapshot {
        volume_id: one.volume.volume_id,
        description: one.point.description.clone(),
        tags: pairs(&one.point.tags),
    }
}

fn image_request(image: &CreateImage) -> cloud::CreateImage {
    cloud::CreateImage {
        instance_id: image.instance_id,
        name: image.name.clone(),
        description: image.point.description.clone(),
        no_reboot: image.no_reboot,
        left_out_devices: image.left_out_devices.iter().map(ToString::to_string).collect(),
        image_tags: pairs(&image.point.tags),
        snapshot_tags: pairs(&image.snapshot_tags),
    }
}
