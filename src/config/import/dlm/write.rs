//! A lifecycle policy's equivalent, as text.

use toml::Value;

use crate::config::import::draft::{Draft, quoted, strings, table};
use crate::config::import::{ImportError, Imported};
use crate::config::policy::{Kind, Tier};
use crate::config::select::Resource;

use super::schedule::{Copy, Retain, Schedule};
use super::{Lifecycle, Tag};

const ABOUT: &str = "Made by `snapkeep import dlm` of a policy of Amazon Data Lifecycle Manager. \
                     What it made stays with it: snapkeep never deletes that. Compare with \
                     `snapkeep plan` before the first run.";

/// Writes the configuration.
pub(super) fn write(lifecycle: &Lifecycle) -> Result<Imported, ImportError> {
    let mut draft = Draft::new(ABOUT);
    draft.gap();
    state(&mut draft, lifecycle);
    for remark in &lifecycle.remarks {
        draft.remark(remark);
    }
    let name = slug(&lifecycle.description).or_else(|| slug(&lifecycle.id));
    let name = name.unwrap_or_else(|| "dlm".to_owned());
    let tags = lifecycle.any_tags.as_slice();
    if let [] | [_] = tags {
        draft.table("[[policy]]");
        draft.comment("The name is written on every snapshot; choose it before the first run.");
        draft.entry("name", name);
        select(&mut draft, lifecycle, tags, &[]);
        common(&mut draft, lifecycle, "policy");
        return draft.finish();
    }
    draft.table("[defaults]");
    common(&mut draft, lifecycle, "defaults");
    draft.gap();
    draft.comment(
        "A source that has any of the tags is protected: one policy for each. Their names are \
         written on every snapshot; choose them before the first run.",
    );
    let mut names: Vec<String> = Vec::new();
    for (n, tag) in tags.iter().enumerate() {
        draft.table("[[policy]]");
        let suffix = slug(&tag.value).or_else(|| slug(&tag.key)).unwrap_or_else(|| n.to_string());
        let mut own = format!("{name}-{suffix}");
        if names.contains(&own) {
            own = format!("{own}-{}", n + 1);
        }
        draft.entry("name", own.clone());
        names.push(own);
        // What an earlier one protects is not protected twice.
        let (earlier, _) = tags.split_at(n);
        select(&mut draft, lifecycle, std::slice::from_ref(tag), earlier);
    }
    draft.finish()
}

fn state(draft: &mut Draft, lifecycle: &Lifecycle) {
    let Lifecycle { id, region, .. } = lifecycle;
    match lifecycle.state.as_str() {
        "DISABLED" => draft.remark("the lifecycle policy is disabled; this one is not"),
        _ => draft.remark(format!(
            "as long as the lifecycle policy is enabled, both make snapshots; once snapkeep's are \
             complete: aws dlm update-lifecycle-policy --region {region} --policy-id {id} --state \
             DISABLED. From then on what it made is kept until somebody deletes it"
        )),
    }
}

fn select(draft: &mut Draft, lifecycle: &Lifecycle, tags: &[Tag], earlier: &[Tag]) {
    let resource = match lifecycle.resource {
        Resource::Volume => "volume",
        Resource::Instance | Resource::Image => "instance",
    };
    let mut entries = vec![("resource".to_owned(), Value::from(resource))];
    for (key, tags) in [("tags", tags), ("exclude_tags", &lifecycle.exclude_tags)] {
        for tag in tags.iter().filter(|tag| tag.value.contains(['*', '?'])) {
            draft.remark(format!(
                "{} stands for itself in the lifecycle policy; here `*` and `?` match others, too",
                quoted(&tag.value)
            ));
        }
        if key == "tags" && !tags.is_empty() {
            entries.push((key.to_owned(), tag_table(tags)));
        }
    }
    let mut excluded = lifecycle.exclude_tags.clone();
    for tag in earlier {
        // Of a key with another value a source cannot have this one as well.
        let is_other_value = tags.iter().any(|own| own.key == tag.key);
        let is_taken = excluded.iter().any(|other| other.key == tag.key);
        if !is_other_value && !is_taken {
            excluded.push(tag.clone());
        }
    }
    if !excluded.is_empty() {
        entries.push(("exclude_tags".to_owned(), tag_table(&excluded)));
    }
    draft.entry("select", table(entries));
}

/// Writes the keys that all tags share into the open table, then its tables.
fn common(draft: &mut Draft, lifecycle: &Lifecycle, path: &str) {
    let makes_images = lifecycle.kind == Kind::Images;
    if makes_images {
        draft.entry("kind", "images");
    }
    draft.entry("regions", strings([lifecycle.region.as_str()]));
    draft.entry("timezone", "UTC");
    let taken = taken(draft, &lifecycle.schedules);
    for schedule in &taken.all {
        for remark in &schedule.remarks {
            draft.remark(remark);
        }
    }
    if let Some(when) = &taken.main.when {
        draft.entry("schedule", when.as_str());
    } else {
        draft.remark(
            "until a `schedule` is decided, no recovery points are made; write it in place of \
             `create`",
        );
        draft.entry("create", false);
    }
    if lifecycle.reboots {
        draft.entry("reboot", true);
    }
    if let Some(span) = taken.main.deprecate_after.filter(|_| makes_images) {
        draft.entry("deprecate_after", span.to_string());
    }
    let is_known = taken.all.iter().all(|schedule| schedule.retain.is_some());
    if !is_known {
        draft.remark("until how long is decided, everything is kept");
        draft.entry("retention", "forever");
    }
    if lifecycle.excludes_boot || !lifecycle.exclude_volume_tags.is_empty() {
        draft.table(&format!("[{path}.volumes]"));
        if lifecycle.excludes_boot {
            draft.entry("boot", false);
        }
        if !lifecycle.exclude_volume_tags.is_empty() {
            draft.entry("exclude_tags", tag_table(&lifecycle.exclude_volume_tags));
        }
    }
    if is_known {
        draft.table(&format!("[{path}.retention]"));
        retention(draft, &taken);
        if lifecycle.expires_orphans {
            draft.entry("orphans", "expire");
        }
    }
    copies(draft, &taken, path);
}

/// What of several schedules one policy can say.
struct Taken<'a> {
    /// The one that says when.
    main: &'a Schedule,
    all: Vec<&'a Schedule>,
}

/// Chooses the schedule that fires most often; the others become tiers, if each is one of its own.
fn taken<'a>(draft: &mut Draft, schedules: &'a [Schedule]) -> Taken<'a> {
    static NONE: Schedule = Schedule {
        name: String::new(),
        when: None,
        retain: None,
        copies: Vec::new(),
        deprecate_after: None,
        remarks: Vec::new(),
    };
    // The first of several that fire equally often; what never fires comes last.
    let rank = |schedule: &Schedule| schedule.tier().map_or(u8::MAX, often);
    let main = schedules.iter().min_by_key(|schedule| rank(schedule)).unwrap_or(&NONE);
    let ranks: Vec<u8> = schedules.iter().map(rank).collect();
    let mut distinct = ranks.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == ranks.len() && !ranks.contains(&u8::MAX) {
        if 1 < schedules.len() {
            draft.remark(format!(
                "the schedules of the lifecycle policy made snapshots each of their own, at their \
                 own times, and counted them each by itself; here {} says when, and the other tiers \
                 keep the first of these points in each period",
                quoted(&main.name)
            ));
        }
        return Taken { main, all: schedules.iter().collect() };
    }
    for other in schedules.iter().filter(|other| !std::ptr::eq(*other, main)) {
        draft.remark(format!(
            "schedule {} ({}, {}) is not taken over: a policy has one schedule, and it is no tier \
             of {}",
            quoted(&other.name),
            other.when.as_deref().unwrap_or("when is not known"),
            match other.retain {
                Some(Retain::Count(count)) => format!("keeps {count}"),
                Some(Retain::For(span)) => format!("keeps {span}"),
                None => "how long is not known".to_owned(),
            },
            quoted(&main.name)
        ));
    }
    Taken { main, all: vec![main] }
}

/// Returns 0 for what fires most often.
fn often(tier: Tier) -> u8 {
    match tier {
        Tier::Every => 0,
        Tier::Hourly => 1,
        Tier::Daily => 2,
        Tier::Weekly => 3,
        Tier::Monthly => 4,
        Tier::Yearly => 5,
    }
}

fn retention(draft: &mut Draft, taken: &Taken<'_>) {
    let count = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    if let [only] = taken.all.as_slice() {
        match only.retain {
            Some(Retain::Count(n)) => draft.entry("keep_last", count(n)),
            Some(Retain::For(span)) => draft.entry("every", span.to_string()),
            None => {}
        }
        return;
    }
    for schedule in &taken.all {
        let (Some(tier), Some(retain)) = (schedule.tier(), schedule.retain) else { continue };
        draft.comment(&schedule.name);
        match retain {
            Retain::Count(n) => draft.entry(tier.name(), count(n)),
            Retain::For(span) => draft.entry(tier.name(), span.to_string()),
        }
    }
}

fn copies(draft: &mut Draft, taken: &Taken<'_>, path: &str) {
    let mut rules: Vec<(&Copy, Option<Tier>)> = Vec::new();
    for schedule in &taken.all {
        let only = schedule.tier().filter(|_| 1 < taken.all.len());
        for copy in &schedule.copies {
            if rules.iter().any(|(other, _)| other.to == copy.to) {
                draft.gap();
                draft.remark(format!(
                    "the copies to {} of schedule {} are not taken over: there is one rule for \
                     each region",
                    copy.to,
                    quoted(&schedule.name)
                ));
            } else {
                rules.push((copy, only));
            }
        }
    }
    // Tiers are known only where everything is; see `retention`.
    let has_tiers = taken.all.iter().all(|schedule| schedule.retain.is_some());
    for (copy, only) in rules {
        draft.table(&format!("[[{path}.copy]]"));
        draft.entry("to", copy.to.as_str());
        if copy.is_encrypted {
            draft.entry("encrypted", true);
        }
        if let Some(key) = &copy.kms_key {
            draft.entry("kms_key", key.as_str());
        }
        if let Some(tier) = only.filter(|_| has_tiers) {
            draft.entry("only", tier.name());
        }
        match copy.retain {
            _ if copy.is_as_original => {}
            Some(span) => {
                let every = ("every".to_owned(), Value::from(span.to_string()));
                draft.entry("retention", table([every]));
            }
            None => draft.entry("retention", "forever"),
        }
    }
}

fn tag_table(tags: &[Tag]) -> Value {
    table(tags.iter().map(|tag| (tag.key.clone(), Value::from(tag.value.clone()))))
}

/// Returns a name made of `text`; none if nothing is left of it.
fn slug(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(60);
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}
