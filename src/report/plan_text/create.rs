//! Lines about recovery points that are made.

use std::fmt::Write as _;

use crate::domain::source::Source;
use crate::plan::reason::minute;
use crate::plan::{ChosenVolume, CreateImage, CreateOne, NewPoint, Op};
use crate::report::text::{count, printable, row};

/// Appends the creations, if there are any.
pub(super) fn creations(out: &mut String, creations: &[&Op]) {
    if creations.is_empty() {
        return;
    }
    let _ = writeln!(out, "  create {}", count(creations.len(), "recovery point"));
    for op in creations {
        let (call, what, point) = match op {
            Op::CreateSnapshots(set) => ("CreateSnapshots", volumes(&set.volumes), &set.point),
            Op::CreateSnapshot(one) => ("CreateSnapshot", volume(one), &one.point),
            Op::CreateImage(one) => ("CreateImage", image(one), &one.point),
            _ => continue,
        };
        creation(out, point, &what, call);
    }
}

fn creation(out: &mut String, point: &NewPoint, what: &str, call: &str) {
    let attempt = match point.attempt {
        1 => String::new(),
        n => format!(", attempt {n}"),
    };
    let source = point.source.to_string();
    let columns = format!("    {:<19} {}", printable(&source), minute(point.slot));
    row(out, &columns, &format!("{what}{attempt}  {call}"));
}

fn volumes(volumes: &[ChosenVolume]) -> String {
    let gib: u64 = volumes.iter().map(|volume| u64::from(volume.size_gib)).sum();
    format!("{}, {gib} GiB", count(volumes.len(), "volume"))
}

fn volume(one: &CreateOne) -> String {
    let volume = &one.volume;
    let of_set = match one.point.source {
        Source::Instance(_) => format!("{}, ", volume.volume_id),
        Source::Volume(_) | Source::Family(_) => String::new(),
    };
    format!("{of_set}{} GiB", volume.size_gib)
}

fn image(image: &CreateImage) -> String {
    let reboot = if image.no_reboot { "no reboot" } else { "WITH A REBOOT" };
    let left_out = match image.left_out_devices.len() {
        0 => String::new(),
        _ => format!(", without {}", image.left_out_devices.join(" ")),
    };
    format!("{}{left_out}, {reboot}, named `{}`", volumes(&image.volumes), image.name)
}
