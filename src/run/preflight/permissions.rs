//! Tries each permission that is needed in a region, by EC2's `DryRun` or by asking.

use futures_util::future::join_all;

use super::{Preparation, Samples, answered, answers};
use crate::cloud::{
    Cloud, CloudError, CopyImage, CopySnapshot, CreateImage, CreateSnapshot, CreateSnapshots,
    EbsEncryption, Probe,
};
use crate::config::{Policy, RegionalPolicy};
use crate::domain::ids::ResourceId;
use crate::domain::inventory::{Image, ImageState, Instance, Snapshot, Volume};
use crate::domain::region::Region;
use crate::domain::tags::{self, Tags};
use crate::plan::preflight::{Check, Finding, Grant};
use crate::plan::rights::{Purpose, Right};

/// What a copy or image would be called; only asked, never made.
const NAME: &str = "snapkeep check --online";

/// Tries every permission that is needed in `region`.
pub(super) async fn check<C: Cloud>(
    cloud: &C,
    preparation: &Preparation<'_>,
    region: &Region,
    samples: &Samples,
) -> Vec<Check> {
    let rights = preparation.rights;
    let is_own_question = |(purpose, operation, _): &(Purpose, &'static str, &Right)| {
        // What is needed is not asked for again as optional.
        let needed = rights.all.get(&(Purpose::Observe, *operation));
        *purpose != Purpose::ObserveMore || needed.is_none_or(|r| !r.place.contains(region))
    };
    let asked = rights.in_region(region).filter(is_own_question);
    let asker = &Asker { cloud, preparation, region, samples };
    let checks = asked.map(async |(purpose, operation, right)| {
        let finding = match purpose {
            Purpose::Observe | Purpose::ObserveMore => {
                asker.question(purpose, operation, right).await
            }
            // Whoever makes something tags it in the same call.
            Purpose::TagWhatIsCreated => None,
            _ => Some(asker.dry_run(purpose, operation, right).await),
        };
        let what = named(purpose, operation);
        finding.map(|finding| Check { what, finding })
    });
    join_all(checks).await.into_iter().flatten().collect()
}

/// Returns what a check is called: the call, and what tells it from the same call elsewhere.
fn named(purpose: Purpose, operation: &str) -> String {
    match purpose {
        Purpose::TagShared => format!("{operation} on shared copies"),
        Purpose::TagSnapshotsOfAdopted => format!("{operation} on snapshots of adopted images"),
        Purpose::DeleteAdopted | Purpose::DeregisterAdopted => {
            format!("{operation} of what others made")
        }
        _ if operation == "GetEbsEncryptionByDefault" => "EBS encryption".to_owned(),
        _ => operation.to_owned(),
    }
}

struct Asker<'a, C> {
    cloud: &'a C,
    preparation: &'a Preparation<'a>,
    region: &'a Region,
    samples: &'a Samples,
}

impl<C: Cloud> Asker<'_, C> {
    /// Asks what only reads; none if it is told elsewhere.
    async fn question(&self, purpose: Purpose, operation: &str, right: &Right) -> Option<Finding> {
        let (cloud, region, samples) = (self.cloud, self.region, self.samples);
        let fine = String::new();
        let image = samples.images().next();
        let none = || Some(Finding::NotTried("no image is there to ask about".to_owned()));
        Some(match operation {
            "DescribeInstances" => answered(&samples.instances, right, purpose, fine),
            "DescribeVolumes" => answered(&samples.volumes, right, purpose, fine),
            "DescribeSnapshots" => answered(&samples.snapshots, right, purpose, fine),
            "DescribeImages" => answered(&samples.images, right, purpose, fine),
            "DescribeLockedSnapshots" => {
                let answer = cloud.describe_locked_snapshots(region, None).await;
                answered(&answer, right, purpose, fine)
            }
            "DescribeLaunchTemplateVersions" => {
                let answer = cloud.describe_launch_template_images(region, None).await;
                answered(&answer, right, purpose, fine)
            }
            "DescribeImageReferences" => {
                let Some(image) = image else { return none() };
                let answer = cloud.describe_image_references(region, &[image.id], None).await;
                answered(&answer, right, purpose, format!("asked about {}", image.id))
            }
            "DescribeImageAttribute" => {
                let Some(image) = image else { return none() };
                let answer = cloud.describe_launch_permissions(region, image.id).await;
                answered(&answer, right, purpose, format!("asked about {}", image.id))
            }
            "GetEbsEncryptionByDefault" => match cloud.ebs_encryption(region).await {
                Ok(encryption) => self.encryption(&encryption),
                failed => answered(&failed, right, purpose, fine),
            },
            // DescribeRegions is asked once, GetEbsDefaultKmsKeyId together with its sister.
            _ => return None,
        })
    }

    fn encryption(&self, encryption: &EbsEncryption) -> Finding {
        let key = &encryption.kms_key_id;
        if !encryption.is_by_default {
            return Finding::Fine(format!("off by default; where no key is named: {key}"));
        }
        let to_share = self.preparation.config.policies.iter().filter(|policy| {
            let copies = policy.variants().flat_map(|variant| &variant.copies);
            copies.into_iter().any(|rule| {
                rule.to == *self.region && rule.kms_key.is_none() && !rule.share_with.is_empty()
            })
        });
        let names: Vec<String> = to_share.map(|policy| format!("`{}`", policy.name)).collect();
        if names.is_empty() {
            return Finding::Fine(format!("on by default, with {key}"));
        }
        Finding::Doubtful(format!(
            "on by default, with {key}: copies of {} would be encrypted with it, and such copies \
             are not shared; give the copy a `kms_key`",
            names.join(", ")
        ))
    }

    /// Asks whether a call that changes something is allowed.
    async fn dry_run(&self, purpose: Purpose, operation: &'static str, right: &Right) -> Finding {
        let (probe, on) = match self.probe(purpose, operation) {
            Ok(probe) => probe,
            Err(nothing) if self.samples.is_partial() => {
                let why = format!("no {nothing} is known to try it on, as a listing failed");
                return Finding::NotTried(why);
            }
            Err(nothing) => {
                return Finding::NotTried(format!("no {nothing} is there to try it on"));
            }
        };
        let answer: Result<(), CloudError> = self.cloud.dry_run(self.region, &probe).await;
        let Err(err) = answer else { return Finding::Fine(format!("tried on {on}")) };
        let mut grants = vec![Grant::Purpose(purpose)];
        if self.preparation.rights.creations.contains(operation) {
            grants.push(Grant::Purpose(Purpose::TagWhatIsCreated));
        }
        answers::refused(&err, &right.reasons, grants)
    }

    /// Returns the call to try and what it is tried on, or what there is none of.
    fn probe(&self, purpose: Purpose, operation: &str) -> Result<(Probe, String), &'static str> {
        match operation {
            "CreateSnapshots" => self.create_snapshots(),
            "CreateSnapshot" => self.create_snapshot(purpose),
            "CreateImage" => self.create_image(),
            "CopySnapshot" => self.copy_snapshot(),
            "CopyImage" => self.copy_image(),
            "DeleteSnapshot" => {
                let id = self.snapshot(purpose)?.id;
                Ok((Probe::DeleteSnapshot(id), id.to_string()))
            }
            "DeregisterImage" => {
                let id = self.image(purpose)?.id;
                Ok((Probe::DeregisterImage(id), id.to_string()))
            }
            "EnableImageDeprecation" => {
                let id = self.image(purpose)?.id;
                Ok((Probe::EnableImageDeprecation(id), id.to_string()))
            }
            "ModifySnapshotAttribute" => {
                let id = ResourceId::from(self.snapshot(purpose)?.id);
                Ok((Probe::ModifyPermissions(id), id.to_string()))
            }
            "ModifyImageAttribute" => {
                let id = ResourceId::from(self.image(purpose)?.id);
                Ok((Probe::ModifyPermissions(id), id.to_string()))
            }
            _ => {
                let id = self.tagged(purpose)?;
                Ok((Probe::CreateTags(id), id.to_string()))
            }
        }
    }

    fn tags(&self) -> Vec<(String, String)> {
        let owner = self.preparation.rights.owners.first().map(ToString::to_string);
        owner.into_iter().map(|owner| (tags::OWNER.to_owned(), owner)).collect()
    }

    /// Returns what the policies say that apply here.
    fn policies(&self) -> impl Iterator<Item = &RegionalPolicy> {
        let all = self.preparation.config.policies.iter();
        all.filter(|p| p.applies_in(self.region)).map(|policy| policy.in_region(self.region))
    }

    /// Returns an instance, one that a policy selects if there is one.
    fn instance(&self) -> Result<&Instance, &'static str> {
        let mut all = self.samples.instances();
        let selected = self
            .samples
            .instances()
            .find(|instance| self.policies().any(|p| p.select.matches_instance(instance)));
        selected.or_else(|| all.next()).ok_or("instance")
    }

    fn create_snapshots(&self) -> Result<(Probe, String), &'static str> {
        let instance_id = self.instance()?.id;
        let probe = Probe::CreateSnapshots(CreateSnapshots {
            instance_id,
            exclude_boot_volume: false,
            exclude_data_volume_ids: Vec::new(),
            description: NAME.to_owned(),
            tags: self.tags(),
            copy_tags_from_volume: false,
        });
        Ok((probe, instance_id.to_string()))
    }

    fn create_snapshot(&self, purpose: Purpose) -> Result<(Probe, String), &'static str> {
        let selected =
            |volume: &&Volume| self.policies().any(|policy| policy.select.matches_volume(volume));
        let attached = || self.instance().ok()?.volumes.first().map(|volume| volume.volume_id);
        let first = || self.samples.volumes().next().map(|volume| volume.id);
        let volume_id = if purpose == Purpose::SnapshotInstances {
            attached().or_else(first)
        } else {
            self.samples.volumes().find(selected).map(|volume| volume.id).or_else(first)
        };
        let volume_id = volume_id.ok_or("volume")?;
        let (description, tags) = (NAME.to_owned(), self.tags());
        let probe = Probe::CreateSnapshot(CreateSnapshot { volume_id, description, tags });
        Ok((probe, volume_id.to_string()))
    }

    fn create_image(&self) -> Result<(Probe, String), &'static str> {
        let instance_id = self.instance()?.id;
        let probe = Probe::CreateImage(CreateImage {
            instance_id,
            name: NAME.replace("--", ""),
            description: NAME.to_owned(),
            no_reboot: true,
            left_out_devices: Vec::new(),
            image_tags: self.tags(),
            snapshot_tags: self.tags(),
        });
        Ok((probe, instance_id.to_string()))
    }

    /// Returns the regions that copies come from, this one last.
    fn sources(&self, purpose: Purpose) -> impl Iterator<Item = (&Region, &Samples)> {
        let from = self.preparation.rights.copy_sources.get(&purpose);
        let is_source = move |region: &Region| from.is_some_and(|place| place.contains(region));
        let all = self.preparation.samples.iter();
        let elsewhere = all.filter(move |(r, _)| *r != self.region && is_source(r));
        elsewhere.chain([(self.region, self.samples)])
    }

    fn copy_snapshot(&self) -> Result<(Probe, String), &'static str> {
        let mut sources = self.sources(Purpose::CopySnapshots);
        let found = sources.find_map(|(from, there)| Some((*from, there.snapshots().next()?)));
        let (source_region, snapshot) = found.ok_or("snapshot")?;
        let probe = Probe::CopySnapshot(CopySnapshot {
            source_region,
            source_snapshot_id: snapshot.id,
            is_source_encrypted: snapshot.is_encrypted,
            description: NAME.to_owned(),
            encrypted: snapshot.is_encrypted,
            kms_key_id: None,
            completion_minutes: None,
            tags: self.tags(),
        });
        Ok((probe, format!("{} in {source_region}", snapshot.id)))
    }

    fn copy_image(&self) -> Result<(Probe, String), &'static str> {
        let mut sources = self.sources(Purpose::CopyImages);
        let found = sources.find_map(|(from, there)| {
            let selected = self.preparation.config.policies.iter().flat_map(Policy::variants);
            let selects: Vec<_> = selected.map(|variant| &variant.select).collect();
            let is_ready = |image: &&Image| image.state == ImageState::Available;
            let mut ready = there.images().filter(is_ready);
            let is_meant = |image: &&Image| selects.iter().any(|s| s.matches_image(image));
            let meant = there.images().filter(is_ready).find(is_meant);
            Some((*from, meant.or_else(|| ready.next())?))
        });
        let (source_region, image) = found.ok_or("image")?;
        let probe = Probe::CopyImage(CopyImage {
            source_region,
            source_image_id: image.id,
            name: NAME.replace("--", ""),
            description: NAME.to_owned(),
            encrypted: false,
            kms_key_id: None,
            completion_minutes: None,
            client_token: "snapkeep-check-online".to_owned(),
            image_tags: self.tags(),
            snapshot_tags: self.tags(),
        });
        Ok((probe, format!("{} in {source_region}", image.id)))
    }

    /// Returns a snapshot that a right of this purpose is about.
    fn snapshot(&self, purpose: Purpose) -> Result<&Snapshot, &'static str> {
        let mut all = self.samples.snapshots();
        if purpose.is_of_own() {
            return all.find(|snapshot| self.is_ours(&snapshot.tags)).ok_or("snapshot of ours");
        }
        let is_adopted = |snapshot: &&Snapshot| {
            !self.is_ours(&snapshot.tags)
                && self.policies().any(|p| p.adopt.as_ref().is_some_and(|a| a.matches(snapshot)))
        };
        all.find(is_adopted).ok_or("snapshot that is adopted")
    }

    /// Returns an image that a right of this purpose is about.
    fn image(&self, purpose: Purpose) -> Result<&Image, &'static str> {
        let mut all = self.samples.images();
        if purpose.is_of_own() {
            return all.find(|image| self.is_ours(&image.tags)).ok_or("image of ours");
        }
        let is_adopted = |image: &&Image| {
            let mut adoptions = self.policies().filter_map(|policy| policy.adopt.as_ref());
            !self.is_ours(&image.tags) && adoptions.any(|adopt| adopt.matches_image(image))
        };
        all.find(is_adopted).ok_or("image that is adopted")
    }

    /// Returns what would be tagged.
    fn tagged(&self, purpose: Purpose) -> Result<ResourceId, &'static str> {
        if purpose == Purpose::TagSnapshotsOfAdopted {
            let image = self.image(Purpose::DeregisterAdopted)?;
            let id = image.snapshot_ids.first().ok_or("image with a snapshot that is adopted")?;
            return Ok((*id).into());
        }
        let shares_images = self.preparation.rights.place_of(Purpose::ShareImages);
        if shares_images.contains(self.region) {
            return self.image(purpose).map(|image| image.id.into());
        }
        self.snapshot(purpose).map(|snapshot| snapshot.id.into())
    }

    fn is_ours(&self, of: &Tags) -> bool {
        let owner = of.get(tags::OWNER);
        owner.is_some_and(|owner| self.preparation.rights.owners.contains(owner))
    }
}
