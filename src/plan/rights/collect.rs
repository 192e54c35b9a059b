//! Goes through a configuration and notes each right that it needs.

use std::sync::Arc;

use crate::config::select::Resource;
use crate::config::{Config, CopyRule, Kind, Policy, RegionalPolicy, Regions};
use crate::domain::region::Region;
use crate::plan::rights::{KeyNeed, Place, Purpose, Right, Rights};

/// What is worse without optional rights.
const LOCKS: &str = "locks are not known beforehand; EC2 itself refuses to delete what is locked";
const REFERENCES: &str = "only instances and launch templates are looked at before an image is \
     deregistered, no SSM parameters and no recipes";
const TEMPLATES: &str = "where DescribeImageReferences fails, no image is deregistered";
const ATTRIBUTES: &str = "with whom images are shared is not known";
const ENCRYPTION: &str = "how EBS encrypts by default is not shown";

/// Returns what `config` needs.
pub(super) fn collect(config: &Config) -> Rights {
    let mut collector = Collector { config, rights: Rights::default() };
    collector.rights.regions = config.named_regions();
    for policy in &config.policies {
        collector.policy(policy);
    }
    let mut rights = collector.rights;
    let topic = config.notify.as_ref().and_then(|notify| notify.sns.as_ref());
    rights.topics.extend(topic.map(|topic| Arc::clone(&topic.arn)));
    for (own, adopted, operation) in [
        (Purpose::DeleteOwn, Purpose::DeleteAdopted, "DeleteSnapshot"),
        (Purpose::DeregisterOwn, Purpose::DeregisterAdopted, "DeregisterImage"),
    ] {
        rights.leave_to_adopted(own, adopted, operation);
    }
    rights.merge_keys();
    rights
}

struct Collector<'c> {
    config: &'c Config,
    rights: Rights,
}

/// What one policy says where.
struct Scene<'c> {
    name: &'c str,
    place: Place,
    variant: &'c RegionalPolicy,
}

impl<'c> Collector<'c> {
    fn policy(&mut self, policy: &'c Policy) {
        let name = policy.name.as_ref();
        match &policy.regions {
            Regions::Named(regions) => {
                for region in regions {
                    let variant = policy.in_region(region);
                    self.variant(&Scene { name, place: (*region).into(), variant });
                }
            }
            Regions::All => {
                self.rights.is_everywhere = true;
                let reason = "`regions = [\"all\"]`".to_owned();
                self.rights.need(Purpose::Observe, "DescribeRegions", &Place::Everywhere, reason);
                let variant = &policy.base;
                self.variant(&Scene { name, place: Place::Everywhere, variant });
                for (region, variant) in &policy.overrides {
                    self.variant(&Scene { name, place: (*region).into(), variant });
                }
            }
        }
    }

    fn variant(&mut self, scene: &Scene<'c>) {
        self.rights.owners.insert(Arc::clone(&scene.variant.owner));
        self.rights.observe(&scene.place, scene.name);
        self.creations(scene);
        self.removals(scene);
        self.adoption(scene);
        self.encryption(scene);
        // A copy onto the region itself is no copy: `encrypt` is for that.
        let itself = |to: Region| scene.place == Place::from(to);
        for rule in scene.variant.copies.iter().filter(|rule| !itself(rule.to)) {
            self.copies(scene, rule);
        }
    }

    fn creations(&mut self, scene: &Scene<'c>) {
        let Scene { name, place, variant } = scene;
        if !variant.create {
            return;
        }
        let (purpose, operations, what): (_, &[&'static str], _) =
            match (variant.kind, variant.select.resource) {
                (Kind::Images, Resource::Instance) => {
                    (Purpose::CreateImages, &["CreateImage"], "images")
                }
                (Kind::Snapshots, Resource::Instance) => {
                    let both = &["CreateSnapshot", "CreateSnapshots"];
                    (Purpose::SnapshotInstances, both, "recovery points")
                }
                (Kind::Snapshots, Resource::Volume) => {
                    (Purpose::SnapshotVolumes, &["CreateSnapshot"], "recovery points")
                }
                (_, Resource::Image) | (Kind::Images, Resource::Volume) => return,
            };
        for operation in operations {
            let reason = format!("{what} of `{name}`");
            self.rights.create(purpose, operation, place, reason);
        }
        self.deprecation(scene, place, "images");
    }

    /// Notes what expiring one's own points takes. Images made elsewhere are not one's own, but
    /// their encrypted forms are.
    fn removals(&mut self, scene: &Scene<'c>) {
        let Scene { name, place, variant } = scene;
        if variant.select.resource != Resource::Image || variant.encrypt.is_some() {
            self.rights.remove(variant.kind, place, format!("expired points of `{name}`"));
        }
    }

    fn adoption(&mut self, scene: &Scene<'c>) {
        let Scene { name, place, variant } = scene;
        if variant.adopt.is_none() {
            return;
        }
        let reason = || format!("what `{name}` adopts");
        let rights = &mut self.rights;
        match variant.kind {
            Kind::Snapshots => {
                rights.need(Purpose::DeleteAdopted, "DeleteSnapshot", place, reason());
            }
            Kind::Images => {
                rights.need(Purpose::DeregisterAdopted, "DeregisterImage", place, reason());
                let snapshots = || format!("snapshots of the images that `{name}` adopts");
                rights.need(Purpose::TagSnapshotsOfAdopted, "CreateTags", place, snapshots());
                // They bear our tag by then.
                rights.need(Purpose::DeleteOwn, "DeleteSnapshot", place, snapshots());
                for operation in ["DescribeImageReferences", "DescribeImageAttribute"] {
                    rights.need(Purpose::Observe, operation, place, reason());
                }
                rights.want("DescribeLaunchTemplateVersions", place, reason(), TEMPLATES);
            }
        }
    }

    fn encryption(&mut self, scene: &Scene<'c>) {
        let Scene { name, place, variant } = scene;
        let Some(encrypt) = &variant.encrypt else { return };
        let reason = format!("encrypted forms of `{name}`");
        let (purpose, operation) = copying(variant.kind);
        self.rights.create(purpose, operation, place, reason.clone());
        match place.named() {
            Some(regions) => {
                for region in regions {
                    let key = self.config.encrypt_key(variant, region);
                    self.rights.key(Some(*region), key, &reason);
                }
            }
            None if encrypt.kms_key.is_some() => {
                self.rights.key(None, encrypt.kms_key.as_ref(), &reason);
            }
            None => {
                for (region, key) in &self.config.region_keys {
                    self.rights.key(Some(*region), Some(key), &reason);
                }
            }
        }
        if variant.select.resource == Resource::Image {
            self.deprecation(scene, place, "encrypted forms");
        }
    }

    fn copies(&mut self, scene: &Scene<'c>, rule: &'c CopyRule) {
        let Scene { name, variant, place: from } = scene;
        let to = Place::from(rule.to);
        let reason = format!("copies of `{name}` to {}", rule.to);
        let (purpose, operation) = copying(variant.kind);
        let rights = &mut self.rights;
        rights.observe(&to, name);
        rights.create(purpose, operation, &to, reason.clone());
        rights.copy_sources.entry(purpose).or_default().add(from);
        rights.key(Some(rule.to), rule.kms_key.as_ref(), &reason);
        rights.remove(variant.kind, &to, format!("expired copies of `{name}`"));
        if !rule.share_with.is_empty() {
            let reason = format!("sharing copies of `{name}`");
            let (purpose, operation) = match variant.kind {
                Kind::Snapshots => (Purpose::ShareSnapshots, "ModifySnapshotAttribute"),
                Kind::Images => (Purpose::ShareImages, "ModifyImageAttribute"),
            };
            rights.need(purpose, operation, &to, reason.clone());
            rights.need(Purpose::TagShared, "CreateTags", &to, reason);
        }
        self.deprecation(scene, &to, "copies");
    }

    fn deprecation(&mut self, scene: &Scene<'c>, place: &Place, what: &str) {
        if scene.variant.images.deprecate_after.is_some() {
            let reason = format!("`deprecate_after` on {what} of `{}`", scene.name);
            self.rights.need(Purpose::DeprecateImages, "EnableImageDeprecation", place, reason);
        }
    }
}

fn copying(kind: Kind) -> (Purpose, &'static str) {
    match kind {
        Kind::Snapshots => (Purpose::CopySnapshots, "CopySnapshot"),
        Kind::Images => (Purpose::CopyImages, "CopyImage"),
    }
}

impl Rights {
    fn need(
        &mut self,
        purpose: Purpose,
        operation: &'static str,
        place: &Place,
        reason: String,
    ) -> &mut Right {
        let right = self.all.entry((purpose, operation)).or_default();
        right.place.add(place);
        right.reasons.insert(reason);
        right
    }

    fn want(
        &mut self,
        operation: &'static str,
        place: &Place,
        reason: String,
        lacking: &'static str,
    ) {
        self.need(Purpose::ObserveMore, operation, place, reason).lacking = Some(lacking);
    }

    fn observe(&mut self, place: &Place, name: &str) {
        let reason = || format!("`{name}`");
        for operation in
            ["DescribeImages", "DescribeInstances", "DescribeSnapshots", "DescribeVolumes"]
        {
            self.need(Purpose::Observe, operation, place, reason());
        }
        self.want("DescribeLockedSnapshots", place, reason(), LOCKS);
        for operation in ["GetEbsDefaultKmsKeyId", "GetEbsEncryptionByDefault"] {
            self.want(operation, place, "`check --online`".to_owned(), ENCRYPTION);
        }
    }

    fn create(&mut self, purpose: Purpose, operation: &'static str, place: &Place, reason: String) {
        self.creations.insert(operation);
        self.need(Purpose::TagWhatIsCreated, "CreateTags", place, reason.clone());
        self.need(purpose, operation, place, reason);
    }

    fn remove(&mut self, kind: Kind, place: &Place, reason: String) {
        self.need(Purpose::DeleteOwn, "DeleteSnapshot", place, reason.clone());
        if kind == Kind::Images {
            self.want("DescribeImageReferences", place, reason.clone(), REFERENCES);
            self.want("DescribeLaunchTemplateVersions", place, reason.clone(), TEMPLATES);
            self.want("DescribeImageAttribute", place, reason.clone(), ATTRIBUTES);
            self.need(Purpose::DeregisterOwn, "DeregisterImage", place, reason);
        }
    }

    fn key(&mut self, region: Option<Region>, name: Option<&Arc<str>>, reason: &str) {
        if let Some(name) = name {
            let need = KeyNeed { region, name: Arc::clone(name) };
            self.keys.entry(need).or_default().insert(reason.to_owned());
        }
    }

    /// A key that every region uses is not named again for one of them.
    fn merge_keys(&mut self) {
        for (need, reasons) in std::mem::take(&mut self.keys) {
            let everywhere = KeyNeed { region: None, name: Arc::clone(&need.name) };
            // What every region uses comes first in the order of needs.
            let need = if self.keys.contains_key(&everywhere) { everywhere } else { need };
            self.keys.entry(need).or_default().extend(reasons);
        }
    }

    /// Where what others made may be deleted, one's own may be too: no second statement for it.
    fn leave_to_adopted(&mut self, own: Purpose, adopted: Purpose, operation: &'static str) {
        let Some(wider) = self.all.get(&(adopted, operation)).map(|right| right.place.clone())
        else {
            return;
        };
        let Some(right) = self.all.get_mut(&(own, operation)) else { return };
        match right.place.without(&wider) {
            Some(place) => right.place = place,
            None => _ = self.all.remove(&(own, operation)),
        }
    }
}
