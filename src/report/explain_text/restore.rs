//! The AWS CLI commands that bring the data back: of a set all members, of an image an instance.

use std::fmt::Write as _;

use crate::domain::inventory::{Image, ImageState, Snapshot};
use crate::domain::region::Region;
use crate::domain::source::Source;
use crate::domain::tags;
use crate::plan::Explanation;
use crate::plan::lineage::Thing;
use crate::plan::point::Member;

/// Appends the commands, or that there are none.
pub(super) fn restore(out: &mut String, explanation: &Explanation<'_>) {
    let Explanation { region, restorable, .. } = explanation;
    if restorable.is_empty() {
        let _ = writeln!(out, "\nnothing of it can be restored: it is not complete");
        return;
    }
    let images: Vec<&Image> = restorable.iter().filter_map(|m| m.thing.image()).collect();
    for image in &images {
        launch(out, *region, image);
    }
    let snapshots = restorable.iter().filter_map(|member| match member.thing {
        Thing::Snapshot(snapshot) => Some((member, snapshot)),
        Thing::Image(_) => None,
    });
    let snapshots: Vec<(&Member<'_>, &Snapshot)> = snapshots.collect();
    if snapshots.is_empty() {
        return;
    }
    let what = if images.is_empty() { "to restore it" } else { "or the volume alone" };
    let _ = writeln!(out, "\n{what}: in the instance's own availability zone, make a volume");
    let _ = writeln!(out, "of each snapshot and attach it where nothing else is attached");
    let instance = instance(explanation);
    for (member, snapshot) in snapshots {
        make_volume(out, *region, member, snapshot, &instance);
    }
}

fn launch(out: &mut String, region: Region, image: &Image) {
    let id = image.id;
    let _ = writeln!(out, "\nto restore it: launch an instance of the image");
    if image.state == ImageState::Disabled {
        let _ = writeln!(out, "  aws ec2 enable-image --region {region} --image-id {id}");
    }
    let _ = writeln!(out, "  aws ec2 run-instances --region {region} --image-id {id} \\");
    let _ = writeln!(out, "    --instance-type <type> --subnet-id <subnet>");
}

fn make_volume(
    out: &mut String,
    region: Region,
    member: &Member<'_>,
    snapshot: &Snapshot,
    instance: &str,
) {
    let devices = snapshot.tags.get(tags::DEVICES).unwrap_or_default().split(' ');
    let of_volume = devices
        .filter_map(|part| part.split_once('='))
        .find(|(_, volume_id)| member.volume_id.is_some_and(|id| volume_id.parse() == Ok(id)));
    // It is to be typed into a shell, and anybody may have written the tag.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let device = of_volume.map(|(device, _)| device);
    let device = device.filter(|device| device.chars().all(is_plain)).unwrap_or("<device>");
    let _ = writeln!(out, "  aws ec2 create-volume --region {region} \\");
    let _ = writeln!(out, "    --snapshot-id {} --availability-zone <zone>", snapshot.id);
    let _ = writeln!(out, "  aws ec2 attach-volume --region {region} --volume-id <volume> \\");
    let _ = writeln!(out, "    --instance-id {instance} --device {device}");
}

/// Returns the instance that had the volumes, if it is in this region.
fn instance(explanation: &Explanation<'_>) -> String {
    let here = explanation.judged_by.iter().filter(|judged| judged.from.is_none());
    let mut instances = here.filter_map(|judged| match judged.source {
        Source::Instance(id) => Some(id.to_string()),
        Source::Volume(_) | Source::Family(_) => None,
    });
    instances.next().unwrap_or_else(|| "<instance>".to_owned())
}
