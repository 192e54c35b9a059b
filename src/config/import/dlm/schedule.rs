//! One schedule of a lifecycle policy: when, how long, and where copies go.

use crate::config::import::draft::quoted;
use crate::config::layer::{can_deprecate_after, is_key_for};
use crate::config::policy::Tier;
use crate::domain::region::Region;
use crate::domain::span::Span;

use super::eventbridge;
use super::object::Object;

/// More than Data Lifecycle Manager allows.
const COUNT_MAX: u64 = 100_000;

/// A schedule, as far as snapkeep has an equivalent, and what is to be said about the rest.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    pub(super) name: String,
    /// In crontab's words; none if crontab has none.
    pub(super) when: Option<String>,
    /// None if it is not known.
    pub(super) retain: Option<Retain>,
    pub(super) copies: Vec<Copy>,
    pub(super) deprecate_after: Option<Span>,
    pub(super) remarks: Vec<String>,
}

/// How long points are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Retain {
    /// So many of the newest.
    Count(u64),
    /// Each for so long.
    For(Span),
}

/// Where copies go.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) to: Region,
    pub(super) is_encrypted: bool,
    pub(super) kms_key: Option<String>,
    /// None if it is not known.
    pub(super) retain: Option<Span>,
    /// Whether they are kept as long as their originals.
    pub(super) is_as_original: bool,
}

impl Schedule {
    /// Reads a schedule of a policy in `region`.
    pub(super) fn read(mut object: Object, region: &Region) -> Self {
        let name = object.text("Name").unwrap_or_else(|| "without a name".to_owned());
        let mut schedule = Self { name, ..Self::default() };
        schedule.create_rule(object.object("CreateRule").unwrap_or_default());
        schedule.retain_rule(object.object("RetainRule"));
        for rule in object.objects("CrossRegionCopyRules") {
            schedule.copy_rule(rule, region);
        }
        if let Some(mut rule) = object.object("DeprecateRule") {
            schedule.deprecate_rule(&mut rule);
        }
        schedule.without_equivalent(&mut object);
        schedule.unknown("", &object);
        schedule
    }

    /// Returns how often it fires.
    pub(super) fn tier(&self) -> Option<Tier> {
        let fields: Vec<&str> = self.when.as_ref()?.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return None };
        let is_one = |field: &str| !field.contains(['*', ',', '-', '/']);
        Some(match (is_one(minute) && is_one(hour), day, month, weekday) {
            (false, ..) => Tier::Hourly,
            (true, "*", _, weekday) if is_one(weekday) => Tier::Weekly,
            (true, day, month, "*") if is_one(day) && is_one(month) => Tier::Yearly,
            (true, day, _, "*") if is_one(day) => Tier::Monthly,
            (true, ..) => Tier::Daily,
        })
    }

    /// Keeps a remark, with the schedule's name in front.
    fn remark(&mut self, text: impl AsRef<str>) {
        let name = quoted(&self.name);
        self.remarks.push(format!("schedule {name}: {}", text.as_ref()));
    }

    /// Says what is left of an object.
    fn unknown(&mut self, of: &str, object: &Object) {
        for said in object.rest() {
            self.remark(format!(
                "{} is not known, and not taken over",
                quoted(&(of.to_owned() + &said))
            ));
        }
    }

    fn create_rule(&mut self, mut rule: Object) {
        for mut script in rule.objects("Scripts") {
            let handler = script.text("ExecutionHandler").unwrap_or_default();
            self.remark(format!(
                "the script {} before and after has no equivalent: snapshots are crash-consistent",
                quoted(&handler)
            ));
        }
        // Other places than the region are refused before.
        rule.take("Location");
        let (hours, unit) = (rule.number("Interval"), rule.text("IntervalUnit"));
        let times = rule.texts("Times");
        if let Some(expression) = rule.text("CronExpression") {
            match eventbridge::crontab(&expression) {
                Ok(when) => self.when = Some(when),
                Err(why) => {
                    self.remark(format!("no equivalent for {}: {why}", quoted(&expression)));
                }
            }
        } else if let (Some(hours), None | Some("HOURS")) = (hours, unit.as_deref()) {
            let from = times.first().map_or("03:00", String::as_str);
            self.when = eventbridge::interval(hours, from);
            match (&self.when, times.is_empty()) {
                (None, _) => self.remark(format!(
                    "every {hours} hours from {} on has no equivalent: crontab begins anew each day",
                    quoted(from)
                )),
                (Some(_), true) => {
                    self.remark("no time is given, which leaves it to AWS: 03:00 stands for that here");
                }
                (Some(_), false) => {}
            }
        } else {
            self.remark("when it fires is not known");
        }
        self.unknown("CreateRule.", &rule);
    }

    fn retain_rule(&mut self, rule: Option<Object>) {
        let Some(mut rule) = rule else {
            return self.remark("how long it keeps is not said");
        };
        self.retain = match rule.number("Count") {
            Some(count) => Some(Retain::Count(count)).filter(|_| count <= COUNT_MAX),
            None => span(&mut rule).map(Retain::For),
        };
        if self.retain.is_none() {
            self.remark("how long it keeps cannot be read");
        }
        self.unknown("RetainRule.", &rule);
    }

    fn copy_rule(&mut self, mut rule: Object, own: &Region) {
        let target = rule.text("Target").or_else(|| rule.text("TargetRegion")).unwrap_or_default();
        rule.take("TargetRegion");
        let Ok(to) = target.parse::<Region>() else {
            return self.remark(format!("no equivalent for copies to {}", quoted(&target)));
        };
        if to == *own {
            return self
                .remark(format!("copies to {to} are left out: it is the policy's own region"));
        }
        let is_encrypted = rule.flag("Encrypted");
        let kms_key = rule.text("CmkArn");
        if let Some(key) = kms_key.as_ref().filter(|key| !is_key_for(key, &to)) {
            self.remark(format!("{} cannot be a key of {to}; the region's stands in", quoted(key)));
        }
        if rule.take("CopyTags") == Some(false.into()) {
            self.remark(format!("copies to {to} carry the tags of their originals all the same"));
        }
        if rule.take("DeprecateRule").is_some() {
            self.remark(format!("copies to {to} are deprecated when their originals are"));
        }
        let retain = rule.object("RetainRule").and_then(|mut rule| span(&mut rule));
        if retain.is_none() {
            self.remark(format!(
                "how long copies in {to} are kept is not said; until it is decided, for ever"
            ));
        }
        self.unknown("CrossRegionCopyRules.", &rule);
        let kms_key = kms_key.filter(|key| is_key_for(key, &to));
        self.copies.push(Copy { to, is_encrypted, kms_key, retain, is_as_original: false });
    }

    fn deprecate_rule(&mut self, rule: &mut Object) {
        self.deprecate_after = span(rule).filter(|span| can_deprecate_after(*span));
        match (&self.deprecate_after, rule.number("Count")) {
            (Some(_), None) => {}
            (_, Some(count)) => self.remark(format!(
                "deprecating the oldest {count} images has no equivalent; `deprecate_after` is a span"
            )),
            (None, None) => self.remark("when images are deprecated cannot be read"),
        }
        self.unknown("DeprecateRule.", rule);
    }

    /// Says what snapkeep does not do, or does otherwise.
    fn without_equivalent(&mut self, object: &mut Object) {
        if object.take("CopyTags") != Some(true.into()) {
            self.remark("the source's tags are carried along all the same");
        }
        for (key, what) in [("TagsToAdd", "added tags"), ("VariableTags", "variable tags")] {
            let tags: Vec<String> = object.objects(key).iter_mut().map(shown).collect();
            if !tags.is_empty() {
                let tags = quoted(&tags.join(", "));
                self.remark(format!("{what} have no equivalent: {tags}"));
            }
        }
        if let Some(mut rule) = object.object("FastRestoreRule") {
            let zones = rule.texts("AvailabilityZones").join(", ");
            self.remark(format!("fast snapshot restore has no equivalent: {}", quoted(&zones)));
        }
        if object.take("ArchiveRule").is_some() {
            self.remark("archiving has no equivalent: what would be archived expires instead");
        }
        for mut rule in object.objects("ShareRules") {
            let accounts = rule.texts("TargetAccounts").join(", ");
            self.remark(format!(
                "sharing with {} has no equivalent: only copies are shared, by `share_with` in \
                 `[[policy.copy]]`",
                quoted(&accounts)
            ));
        }
    }
}

/// Returns `key=value` of a tag.
fn shown(tag: &mut Object) -> String {
    let (key, value) = (tag.text("Key"), tag.text("Value"));
    format!("{}={}", key.unwrap_or_default(), value.unwrap_or_default())
}

/// Reads `Interval` and `IntervalUnit`.
fn span(rule: &mut Object) -> Option<Span> {
    let (count, unit) = (rule.number("Interval"), rule.text("IntervalUnit"));
    format!("{} {}", count?, unit?.to_lowercase()).parse().ok()
}
