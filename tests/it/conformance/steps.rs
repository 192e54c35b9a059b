//! The calls of a scenario, and how one is made.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use snapkeep::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    ImageFilter, Page, Permissions, Probe, SnapshotFilter,
};
use snapkeep::domain::ids::ResourceId;
use snapkeep::domain::region::Region;

use super::Stage;
use super::render::Renderer;

/// One call by EC2's name, or what a test does beside. `$NAME.1` is what a step `as` NAME made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "EC2's own parameters, each by itself")]
pub(super) struct Step {
    call: String,
    region: String,
    #[serde(rename = "as")]
    made_as: String,
    dry_run: bool,
    id: String,
    ids: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
    snapshot_tags: BTreeMap<String, String>,
    instance: String,
    volume: String,
    without: Vec<String>,
    without_boot: bool,
    without_devices: Vec<String>,
    copy_tags: bool,
    name: String,
    description: String,
    from: String,
    is_encrypted: bool,
    encrypted: bool,
    key: Option<String>,
    token: String,
    add: Vec<String>,
    remove: Vec<String>,
    at: String,
    now: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        let texts = [&self.now, &self.region, &self.from, &self.id, &self.instance, &self.volume];
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            write!(f, " {text}")?;
        }
        let listed = self.ids.iter().flatten().chain(self.key.iter());
        listed.into_iter().try_for_each(|text| write!(f, " {text}"))?;
        for (key, value) in self.tags.iter().flatten().filter(|_| self.call.starts_with("Desc")) {
            write!(f, " {key}={value:?}")?;
        }
        f.write_str(if self.dry_run { " (dry run)" } else { "" })
    }
}

/// Plays steps one after the other, and knows what they made.
#[derive(Default)]
pub(super) struct Player {
    renderer: Renderer,
    n_calls: BTreeMap<String, usize>,
}

impl Player {
    /// Plays a step; returns what came of it, a line each.
    pub(super) async fn play(&mut self, stage: &impl Stage, step: &Step) -> String {
        let answered = match step.call.as_str() {
            "At" => {
                stage.set_now(&step.now);
                Ok(Vec::new())
            }
            "Calls" => Ok(self.calls(stage)),
            call if call.starts_with("Describe") || call.starts_with("Get") => {
                self.read(stage.cloud(), step).await
            }
            _ => self.change(stage.cloud(), step).await,
        };
        let lines =
            answered.unwrap_or_else(|err| vec![format!("error {:?}: {}", err.kind, err.code)]);
        let lines: Vec<String> = lines.iter().map(|line| format!("  {line}\n")).collect();
        lines.concat()
    }

    /// Returns how often each call was made since this was last asked.
    fn calls(&mut self, stage: &impl Stage) -> Vec<String> {
        let all = stage.n_calls();
        // Where it goes does not matter, and is not the same everywhere.
        let counted = all.iter().filter(|(call, _)| !call.ends_with(" DescribeRegions"));
        let new = counted.filter_map(|(call, n)| {
            let n = n - self.n_calls.get(call).unwrap_or(&0);
            (0 < n).then(|| format!("{n} {call}"))
        });
        let new = new.collect();
        self.n_calls = all;
        new
    }

    async fn read(&mut self, cloud: &impl Cloud, step: &Step) -> Result<Vec<String>, CloudError> {
        let region = &step.region.parse().unwrap_or_else(|_| "us-east-1".parse().unwrap());
        let ids: Vec<String> =
            step.ids.iter().flatten().map(|id| self.renderer.resolved(id)).collect();
        let tags = || step.tags.clone().unwrap_or_default().into_iter().collect();
        let renderer = &mut self.renderer;
        Ok(match step.call.as_str() {
            "DescribeRegions" => {
                let regions = cloud.describe_regions().await?;
                let mut names: Vec<_> = regions.iter().map(Region::to_string).collect();
                names.sort();
                names
            }
            "DescribeInstances" => {
                let ids = parsed(&ids);
                let page = |token| cloud.describe_instances(region, &ids, token);
                renderer.instances(&all(page).await?)
            }
            "DescribeVolumes" => {
                let ids = parsed(&ids);
                let page = |token| cloud.describe_volumes(region, &ids, token);
                renderer.volumes(&all(page).await?)
            }
            "DescribeSnapshots" => {
                let filter = match (&step.ids, &step.tags) {
                    (Some(_), _) => SnapshotFilter::Ids(parsed(&ids)),
                    (None, Some(_)) => SnapshotFilter::Tags(tags()),
                    (None, None) => SnapshotFilter::All,
                };
                let page = |token| cloud.describe_snapshots(region, &filter, token);
                renderer.snapshots(&all(page).await?)
            }
            "DescribeImages" => {
                let filter = match (&step.ids, &step.tags) {
                    (Some(_), _) => ImageFilter::Ids(parsed(&ids)),
                    (None, Some(_)) => ImageFilter::Tags(tags()),
                    (None, None) => ImageFilter::All,
                };
                let page = |token| cloud.describe_images(region, &filter, token);
                renderer.images(&all(page).await?)
            }
            "DescribeLockedSnapshots" => {
                let page = |token| cloud.describe_locked_snapshots(region, token);
                all(page).await?.iter().map(ToString::to_string).collect()
            }
            "DescribeImageReferences" => {
                let ids = parsed(&ids);
                let page = |token| cloud.describe_image_references(region, &ids, token);
                renderer.references(&all(page).await?)
            }
            "DescribeLaunchTemplateVersions" => {
                let page = |token| cloud.describe_launch_template_images(region, token);
                renderer.references(&all(page).await?)
            }
            "DescribeImageAttribute" => {
                let id = renderer.resolved(&step.id).parse().unwrap();
                let mut shared = cloud.describe_launch_permissions(region, id).await?;
                shared.sort();
                shared
            }
            "DescribeKey" => {
                let key = cloud.describe_key(region, step.key.as_ref().unwrap()).await?;
                let (enabled, symmetric) = (key.is_enabled, key.is_symmetric);
                vec![format!("{} enabled {enabled} symmetric {symmetric}", key.arn)]
            }
            "GetEbsEncryption" => {
                let encryption = cloud.ebs_encryption(region).await?;
                let by_default = encryption.is_by_default;
                vec![format!("{} by default {by_default}", encryption.kms_key_id)]
            }
            other => panic!("`{other}` is no call"),
        })
    }

    async fn change(&mut self, cloud: &impl Cloud, step: &Step) -> Result<Vec<String>, CloudError> {
        let region = &step.region.parse().unwrap();
        let probe = self.probe(step);
        if step.dry_run {
            cloud.dry_run(region, &probe).await?;
            return Ok(vec!["allowed".to_owned()]);
        }
        let made: Vec<String> = match &probe {
            Probe::CreateSnapshots(request) => {
                let mut created = cloud.create_snapshots(region, request).await?;
                created.sort_by_key(|created| created.volume_id);
                created.iter().map(|created| created.snapshot_id.to_string()).collect()
            }
            Probe::CreateSnapshot(request) => {
                vec![cloud.create_snapshot(region, request).await?.snapshot_id.to_string()]
            }
            Probe::CreateImage(request) => {
                vec![cloud.create_image(region, request).await?.to_string()]
            }
            Probe::CopySnapshot(request) => {
                vec![cloud.copy_snapshot(region, request).await?.to_string()]
            }
            Probe::CopyImage(request) => vec![cloud.copy_image(region, request).await?.to_string()],
            Probe::DeleteSnapshot(id) => {
                cloud.delete_snapshot(region, *id).await?;
                return Ok(vec!["done".to_owned()]);
            }
            Probe::DeregisterImage(id) => {
                cloud.deregister_image(region, *id).await?;
                return Ok(vec!["done".to_owned()]);
            }
            Probe::CreateTags(id) => {
                cloud.create_tags(region, *id, &pairs(step.tags.as_ref().unwrap())).await?;
                return Ok(vec!["done".to_owned()]);
            }
            Probe::ModifyPermissions(id) => {
                let permissions =
                    Permissions { add: step.add.clone(), remove: step.remove.clone() };
                cloud.modify_permissions(region, *id, &permissions).await?;
                return Ok(vec!["done".to_owned()]);
            }
            Probe::EnableImageDeprecation(id) => {
                cloud.enable_image_deprecation(region, *id, step.at.parse().unwrap()).await?;
                return Ok(vec!["done".to_owned()]);
            }
        };
        Ok(self.renderer.name(&step.made_as, &made))
    }

    /// Returns the call with all that it says; what asks only whether it is allowed says the same.
    fn probe(&self, step: &Step) -> Probe {
        let resolved = |id: &str| self.renderer.resolved(id);
        let tags = step.tags.as_ref().map(pairs).unwrap_or_default();
        let description = step.description.clone();
        let resource = || resolved(&step.id).parse::<ResourceId>().unwrap();
        match step.call.as_str() {
            "CreateSnapshots" => Probe::CreateSnapshots(CreateSnapshots {
                instance_id: step.instance.parse().unwrap(),
                exclude_boot_volume: step.without_boot,
                exclude_data_volume_ids: parsed(&step.without),
                description,
                tags,
                copy_tags_from_volume: step.copy_tags,
            }),
            "CreateSnapshot" => Probe::CreateSnapshot(CreateSnapshot {
                volume_id: step.volume.parse().unwrap(),
                description,
                tags,
            }),
            "CreateImage" => Probe::CreateImage(CreateImage {
                instance_id: step.instance.parse().unwrap(),
                name: step.name.clone(),
                description,
                no_reboot: true,
                left_out_devices: step.without_devices.clone(),
                image_tags: tags,
                snapshot_tags: pairs(&step.snapshot_tags),
            }),
            "CopySnapshot" => Probe::CopySnapshot(CopySnapshot {
                source_region: step.from.parse().unwrap(),
                source_snapshot_id: resolved(&step.id).parse().unwrap(),
                is_source_encrypted: step.is_encrypted,
                description,
                encrypted: step.encrypted,
                kms_key_id: step.key.clone(),
                completion_minutes: None,
                tags,
            }),
            "CopyImage" => Probe::CopyImage(CopyImage {
                source_region: step.from.parse().unwrap(),
                source_image_id: resolved(&step.id).parse().unwrap(),
                name: step.name.clone(),
                description,
                encrypted: step.encrypted,
                kms_key_id: step.key.clone(),
                completion_minutes: None,
                client_token: step.token.clone(),
                image_tags: tags,
                snapshot_tags: pairs(&step.snapshot_tags),
            }),
            "DeleteSnapshot" => Probe::DeleteSnapshot(resource().snapshot().unwrap()),
            "DeregisterImage" => Probe::DeregisterImage(resource().image().unwrap()),
            "CreateTags" => Probe::CreateTags(resource()),
            "Share" => Probe::ModifyPermissions(resource()),
            "EnableImageDeprecation" => Probe::EnableImageDeprecation(resource().image().unwrap()),
            other => panic!("`{other}` is no call"),
        }
    }
}

/// Follows a listing to its end.
async fn all<T, F>(page: impl Fn(Option<String>) -> F) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let (mut items, mut token) = (Vec::new(), None);
    loop {
        let next = page(token).await?;
        items.extend(next.items);
        token = next.next_token;
        if token.is_none() {
            return Ok(items);
        }
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Debug>>(ids: &[String]) -> Vec<T> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn pairs(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
