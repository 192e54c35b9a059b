//! Default policies of Data Lifecycle Manager, which have few settings of their own.

use crate::config::import::draft::quoted;
use crate::domain::region::Region;

use super::Tag;
use super::object::Object;
use super::schedule::{Copy, Retain, Schedule};
use super::tags;

/// What a default policy says.
#[derive(Debug)]
pub(super) struct Simplified {
    pub(super) schedule: Schedule,
    pub(super) exclude_tags: Vec<Tag>,
    /// Whether the last point goes with its source.
    pub(super) expires_orphans: bool,
}

/// Reads the details of a default policy in `region`.
pub(super) fn read(details: &mut Object, region: &Region) -> Simplified {
    let mut remarks = vec![
        "a default policy leaves out what has had a backup by other means; snapkeep does not look \
         for these"
            .to_owned(),
    ];
    let when = schedule(details.number("CreateInterval").unwrap_or(1), &mut remarks);
    let days = details.number("RetainInterval").unwrap_or(7);
    let retain = format!("{days} days").parse().ok().map(Retain::For);
    if details.take("CopyTags") != Some(true.into()) {
        remarks.push("the source's tags are carried along all the same".to_owned());
    }
    let mut copies: Vec<Copy> = Vec::new();
    for mut target in details.objects("CrossRegionCopyTargets") {
        let name = target.text("TargetRegion").unwrap_or_default();
        match name.parse::<Region>() {
            Ok(to) if to != *region && copies.iter().all(|copy| copy.to != to) => {
                let (kms_key, retain) = (None, None);
                let (is_encrypted, is_as_original) = (false, true);
                copies.push(Copy { to, is_encrypted, kms_key, retain, is_as_original });
            }
            Ok(_) | Err(_) => {
                remarks.push(format!("no equivalent for copies to {}", quoted(&name)));
            }
        }
    }
    let mut exclusions = details.object("Exclusions").unwrap_or_default();
    if exclusions.flag("ExcludeBootVolumes") {
        remarks.push(
            "leaving boot volumes out has no equivalent where volumes are selected; select \
             instances with `volumes = { boot = false }`, or volumes by tag"
                .to_owned(),
        );
    }
    let types = exclusions.texts("ExcludeVolumeTypes");
    if !types.is_empty() {
        let types = quoted(&types.join(", "));
        remarks.push(format!("leaving out types of volumes has no equivalent: {types}"));
    }
    let exclude_tags = tags(exclusions.objects("ExcludeTags"), &mut remarks);
    let unknown = exclusions.rest().into_iter();
    remarks
        .extend(unknown.map(|said| format!("{} is not known, and not taken over", quoted(&said))));
    let expires_orphans = details.flag("ExtendDeletion");
    let schedule = Schedule { when, retain, copies, remarks, ..Schedule::default() };
    Simplified { schedule, exclude_tags, expires_orphans }
}

/// Returns when a policy fires that does so every `days` days.
fn schedule(days: u64, remarks: &mut Vec<String>) -> Option<String> {
    let (when, why) = match days {
        1 => (
            "0 3 * * *".to_owned(),
            "the hour is AWS's choice: 03:00 stands for it here".to_owned(),
        ),
        7 => (
            "0 3 * * sun".to_owned(),
            "day and hour are AWS's choice: Sunday, 03:00, stands for it here".to_owned(),
        ),
        2..=6 => (
            format!("0 3 */{days} * *"),
            format!("every {days} days begins anew with each month; the hour is 03:00 here"),
        ),
        _ => {
            remarks.push(format!("every {days} days has no equivalent in crontab"));
            return None;
        }
    };
    remarks.push(why);
    Some(when)
}
