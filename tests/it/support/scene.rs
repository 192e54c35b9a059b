//! Puts a scene into the sandbox: the same scenes that moto is seeded with (`tests/moto/server.py` says
//! what one is). What the sandbox cannot play is a failure, so that no scene means less here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use snapkeep::cloud::sandbox::{ACCOUNT, Fault, Rule, Sandbox};
use snapkeep::domain::inventory::{
    AttachedVolume, Image, ImageState, Instance, InstanceState, Inventory, Key, KeyAnswer,
    RegionInventory, Snapshot, SnapshotState, Volume,
};
use snapkeep::domain::region::Region;
use snapkeep::domain::tags::Tags;

/// When a scene plays that does not say.
const NOW: &str = "2026-11-20T03:00:00Z";

/// Makes a sandbox that holds `scene`.
pub(crate) fn sandbox(scene: &Value) -> Sandbox {
    let mut scene = Fields::of(scene);
    let now = scene.text("now").unwrap_or_else(|| NOW.to_owned()).parse().unwrap();
    let regions = scene.take("regions").unwrap_or_default();
    let regions = regions.as_object().cloned().unwrap_or_default();
    // An inventory can say by which ARN a key is known.
    let mut inventory = Inventory { account: Some(ACCOUNT.into()), ..Inventory::default() };
    for (name, region) in &regions {
        let found = RegionInventory { keys: keys(name, region), ..RegionInventory::default() };
        inventory.regions.insert(name.parse().unwrap(), found);
    }
    let sandbox = Sandbox::from_inventory(&inventory, now);
    if let Some(n) = scene.take("page_items_max") {
        sandbox.set(|settings| settings.page_items = n.as_u64().unwrap().try_into().unwrap());
    }
    for name in scene.list("enabled_regions") {
        sandbox.add_region(&name.as_str().unwrap().parse().unwrap());
    }
    for rule in scene.list("refuse") {
        refuse(&sandbox, &rule);
    }
    scene.end("a scene");
    for (name, resources) in regions {
        let keys = resources["keys"].as_array().into_iter().flatten();
        let mut defaults = keys.filter(|key| key["is_ebs_default"] == true);
        let default_key =
            defaults.next().map_or("alias/aws/ebs", |key| key["alias"].as_str().unwrap());
        let region = name.parse().unwrap();
        Place { sandbox: &sandbox, region, now, default_key }.fill(&resources);
    }
    sandbox
}

fn keys(region: &str, resources: &Value) -> std::collections::BTreeMap<Arc<str>, KeyAnswer> {
    let keys = resources["keys"].as_array().into_iter().flatten();
    let keys = keys.map(|key| {
        let alias = key["alias"].as_str().unwrap();
        let id = key["id"].as_str().map_or_else(|| format!("key-of-{alias}"), str::to_owned);
        let key = Key {
            arn: format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}").into(),
            is_enabled: key["enabled"].as_bool().unwrap_or(true),
            is_symmetric: key["spec"].is_null() && key["usage"].is_null(),
        };
        (alias.into(), KeyAnswer::Known(key))
    });
    keys.collect()
}

fn refuse(sandbox: &Sandbox, rule: &Value) {
    let mut rule = Fields::of(rule);
    let action: &'static str = rule.text("action").unwrap().leak();
    let region: Region = rule.text("region").unwrap().parse().unwrap();
    let mut strikes = Rule::every(action).in_region(&region);
    if let Some(n) = rule.take("after") {
        strikes = strikes.after(n.as_u64().unwrap().try_into().unwrap());
    }
    if let Some(n) = rule.take("times") {
        strikes = strikes.times(n.as_u64().unwrap().try_into().unwrap());
    }
    let message = rule.text("message");
    let fault = match &*rule.text("code").unwrap() {
        "UnauthorizedOperation" => Fault::Denied,
        code => Fault::Refused {
            code: code.to_owned().leak(),
            message: message.unwrap_or_default().leak(),
        },
    };
    rule.end("a refusal");
    sandbox.fail(strikes, fault);
}

/// One region that is being filled.
struct Place<'a> {
    sandbox: &'a Sandbox,
    region: Region,
    now: DateTime<Utc>,
    /// By its alias.
    default_key: &'a str,
}

impl Place<'_> {
    fn fill(&self, resources: &Value) {
        let mut resources = Fields::of(resources);
        self.sandbox.add_region(&self.region);
        resources.take("keys");
        if self.default_key != "alias/aws/ebs" {
            let key = self.sandbox.key(&self.region, self.default_key).unwrap();
            self.sandbox.set_default_key(&self.region, Some(&*key.arn));
        }
        let is_on = resources.flag("ebs_encryption_by_default");
        self.sandbox.set_encryption_by_default(&self.region, is_on);
        resources.list("instances").iter().for_each(|item| self.instance(item));
        resources.list("volumes").iter().for_each(|item| self.volume(item, "available"));
        resources.list("snapshots").iter().for_each(|item| self.snapshot(item));
        resources.list("images").iter().for_each(|item| self.image(item));
        for template in resources.list("launch_templates") {
            let images = template["images"].as_array().unwrap();
            let [image] = &images[..] else { panic!("a template has one version here") };
            let image = image.as_str().unwrap().parse().unwrap();
            let id = template["id"].as_str().unwrap();
            self.sandbox.add_launch_template(&self.region, id, image);
        }
        for reference in resources.list("references") {
            assert_eq!(reference["type"], "ssm:Parameter");
            let image = reference["image"].as_str().unwrap().parse().unwrap();
            let (_, name) = reference["arn"].as_str().unwrap().split_once(":parameter").unwrap();
            self.sandbox.add_ssm_parameter(&self.region, name, image);
        }
        resources.end("a region");
    }

    /// Returns the ARN of a key by its alias or ARN.
    fn arn(&self, name: &Value) -> Option<Arc<str>> {
        let name = name.as_str()?;
        self.sandbox.key(&self.region, name).map(|key| key.arn)
    }

    fn instance(&self, item: &Value) {
        let mut item = Fields::of(item);
        let mut volumes = Vec::new();
        for (n, volume) in item.list("volumes").iter().enumerate() {
            let device = volume["device"].as_str().map(Into::into);
            let letter = char::from(b'a' + u8::try_from(n).unwrap());
            volumes.push(AttachedVolume {
                device: device.unwrap_or_else(|| format!("/dev/sd{letter}").into()),
                volume_id: volume["id"].as_str().unwrap().parse().unwrap(),
                attached_at: None,
            });
            self.volume(volume, "in-use");
        }
        let state = item.text("state").unwrap_or_else(|| "running".to_owned());
        let instance = Instance {
            id: item.text("id").unwrap().parse().unwrap(),
            owner_id: Some(ACCOUNT.into()),
            state: InstanceState::from_name(&state).unwrap(),
            // As moto has it without a volume.
            root_device: volumes
                .first()
                .map_or_else(|| Some("/dev/sda1".into()), |v| Some(Arc::clone(&v.device))),
            is_instance_store: false,
            image_id: item.text("image").map(|id| id.parse().unwrap()),
            launched_at: None,
            volumes,
            tags: item.tags(),
        };
        item.end("an instance");
        self.sandbox.add_instance(&self.region, instance);
    }

    fn volume(&self, item: &Value, state: &str) {
        let mut item = Fields::of(item);
        item.take("device");
        let volume = Volume {
            id: item.text("id").unwrap().parse().unwrap(),
            state: state.into(),
            volume_type: item.text("type").unwrap_or_else(|| "gp3".to_owned()).into(),
            size_gib: item.size(),
            created_at: None,
            tags: item.tags(),
        };
        if item.flag("encrypted") {
            match item.take("key").map(|key| self.arn(&key).unwrap()) {
                Some(arn) => self.sandbox.encrypt_volume_with(&self.region, volume.id, &arn),
                None => self.sandbox.encrypt_volume(&self.region, volume.id),
            }
        }
        item.end("a volume");
        self.sandbox.add_volume(&self.region, volume);
    }

    fn snapshot(&self, item: &Value) {
        let mut item = Fields::of(item);
        let state = item.text("state").unwrap_or_else(|| "completed".to_owned());
        let is_encrypted = item.flag("encrypted");
        let key = item.take("key").map(|key| self.arn(&key).unwrap());
        let default = || self.sandbox.key(&self.region, self.default_key).map(|key| key.arn);
        let snapshot = Snapshot {
            id: item.text("id").unwrap().parse().unwrap(),
            volume_id: Some(
                item.text("volume").as_deref().unwrap_or("vol-ffffffff").parse().unwrap(),
            ),
            owner_id: Some(item.text("owner").as_deref().unwrap_or(ACCOUNT).into()),
            state: SnapshotState::from_name(&state).unwrap(),
            state_message: item.text("state_message").map(Into::into),
            started_at: item.instant("start_time").unwrap_or(self.now),
            volume_size_gib: item.size(),
            full_size_bytes: None,
            is_encrypted,
            kms_key_id: is_encrypted.then(|| key.or_else(default)).flatten(),
            description: item.text("description").unwrap_or_default().into(),
            tags: item.tags(),
        };
        item.end("a snapshot");
        self.sandbox.add_snapshot(&self.region, snapshot);
    }

    fn image(&self, item: &Value) {
        let mut item = Fields::of(item);
        let id = item.text("id").unwrap();
        let name = item.text("name").unwrap_or_else(|| id.clone());
        let ids = item.list("snapshots");
        let snapshot_ids = ids.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
        let all = self.sandbox.inventory().regions.remove(&self.region).unwrap().snapshots;
        let backing = |image: &Image| {
            let backing = all.iter().filter(|s| image.snapshot_ids.contains(&s.id));
            backing.cloned().collect::<Vec<_>>()
        };
        let state = item.text("state").unwrap_or_else(|| "available".to_owned());
        let mut image = Image {
            description: item.text("description").unwrap_or_default().into(),
            state: ImageState::from_name(&state).unwrap(),
            state_message: item.text("state_message").map(Into::into),
            created_at: Some(item.instant("creation_date").unwrap_or(self.now)),
            snapshot_ids,
            source_image_id: item.text("source_image").map(|id| id.parse().unwrap()),
            source_image_region: item.text("source_region").map(|name| name.parse().unwrap()),
            is_public: item.flag("public"),
            is_instance_store: item
                .text("root_device_type")
                .is_some_and(|kind| kind == "instance-store"),
            has_product_codes: !item.list("product_codes").is_empty(),
            is_protected: item.text("protection").is_some(),
            deprecated_at: item.instant("deprecation_time"),
            tags: item.tags(),
            ..Image::plain(id.parse().unwrap(), &name)
        };
        let backing = backing(&image);
        image.size_gib = backing.iter().map(|snapshot| snapshot.volume_size_gib).sum();
        image.is_encrypted = !backing.is_empty() && backing.iter().all(|s| s.is_encrypted);
        for account in item.list("shared_with") {
            self.sandbox.share(&self.region, image.id.into(), account.as_str().unwrap());
        }
        item.end("an image");
        self.sandbox.add_image(&self.region, image);
    }
}

/// What a JSON object still holds; what nobody takes out means nothing here and is a failure.
struct Fields(Map<String, Value>);

impl Fields {
    fn of(value: &Value) -> Self {
        Self(value.as_object().unwrap_or_else(|| panic!("`{value}` is no object")).clone())
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|value| value.as_str().unwrap().to_owned())
    }

    fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.text(name).map(|text| text.parse().unwrap())
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|value| value.as_bool().unwrap())
    }

    fn list(&mut self, name: &str) -> Vec<Value> {
        self.take(name).map(|value| value.as_array().unwrap().clone()).unwrap_or_default()
    }

    fn size(&mut self) -> u32 {
        self.take("size").map_or(8, |size| size.as_u64().unwrap().try_into().unwrap())
    }

    fn tags(&mut self) -> Tags {
        let tags = self.take("tags").unwrap_or_default();
        let tags = tags.as_object().cloned().unwrap_or_default();
        tags.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect()
    }

    fn end(self, what: &str) {
        assert!(self.0.is_empty(), "the sandbox cannot play what {what} has: {:?}", self.0);
    }
}
