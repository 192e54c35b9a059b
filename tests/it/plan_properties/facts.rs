//! What tags say of an account, told without the planner: which points there are, which of them are
//! complete, and which ones a lineage cannot do without.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeep::config::{Config, Orphans, Retention, Take, Tier, Window};
use snapkeep::domain::ids::{RegionalId, ResourceId};
use snapkeep::domain::inventory::{Image, ImageState, Snapshot, SnapshotState};
use snapkeep::domain::region::Region;
use snapkeep::domain::source::RegionalSource;
use snapkeep::domain::tags::{self, Tags};

use super::account::Account;

/// Policy, source with its home, and the region of the points.
pub(super) type Lineage = (String, RegionalSource, Region);

/// One snapshot or image of a point.
#[derive(Debug, Clone)]
struct Member {
    id: RegionalId,
    volume: Option<String>,
    time: DateTime<Utc>,
    is_complete: bool,
    n_wanted: usize,
}

/// The points of every lineage, by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The slots of everything that has one.
    slots: BTreeMap<String, String>,
    lineages: BTreeMap<Lineage, BTreeMap<String, Vec<Member>>>,
}

impl Facts {
    pub(super) fn of(account: &Account, config: &Config) -> Self {
        let mut facts = Self { slots: slots(account), ..Self::default() };
        for (region, observed) in &account.inventory.regions {
            for snapshot in &observed.snapshots {
                let id = RegionalId { region: *region, id: snapshot.id.into() };
                let is_over_image = || {
                    let mut images = observed.images.iter();
                    images.any(|image| image.snapshot_ids.contains(&snapshot.id))
                };
                if !account.foreign.contains(&id) {
                    facts.add_snapshot(config, id, snapshot, is_over_image());
                }
            }
            for image in &observed.images {
                let id = RegionalId { region: *region, id: image.id.into() };
                if !account.foreign.contains(&id) && !image.tags.has("aws:backup:source-resource") {
                    facts.add_image(config, id, image);
                }
            }
        }
        facts
    }

    fn add_snapshot(
        &mut self,
        config: &Config,
        id: RegionalId,
        snapshot: &Snapshot,
        is_over_image: bool,
    ) {
        let tags = &snapshot.tags;
        let is_complete = snapshot.state == SnapshotState::Completed;
        let volume = match tags.get(tags::COPY_OF) {
            Some(_) => tags.get(tags::VOLUME).map(str::to_owned),
            None => snapshot.volume_id.map(|id| id.to_string()),
        };
        let begun_at = snapshot.started_at;
        let is_of_image = ["Created by CreateImage(", "Copied for DestinationAmi "]
            .iter()
            .any(|text| snapshot.description.starts_with(text));
        if let Some(lineage) = lineage(config, id.region, tags).filter(|_| !is_of_image) {
            self.add(lineage, id, tags, volume, begun_at, is_complete);
        } else if !tags.has(tags::OWNER)
            && snapshot.description.starts_with("old")
            && !is_over_image
        {
            let text = format!("{}/{}", id.region, snapshot.volume_id.unwrap());
            let lineage = ("cleanup".to_owned(), text.parse().unwrap(), id.region);
            self.add(lineage, id, tags, volume, begun_at, is_complete);
        }
    }

    fn add_image(&mut self, config: &Config, id: RegionalId, image: &Image) {
        let tags = &image.tags;
        let is_complete = image.state == ImageState::Available;
        let begun_at = image.created_at.unwrap_or_default();
        if tags.has(tags::OWNER) {
            if let Some(lineage) = lineage(config, id.region, tags) {
                self.add(lineage, id, tags, None, begun_at, is_complete);
            }
            return;
        }
        let is_adopted = tags.get("By") == Some("packer") && !image.is_public;
        let mut others = Vec::new();
        if image.name.starts_with("base") || is_adopted {
            others.push(("base", tags.get("Family").unwrap_or("*")));
        }
        if is_adopted {
            others.push(("sweep", "*"));
        }
        for (policy, family) in others.into_iter().filter(|_| id.region.as_str() == "eu-west-1") {
            let source = format!("{}/family:{family}", id.region).parse().unwrap();
            let lineage = (policy.to_owned(), source, id.region);
            self.add(lineage, id, tags, None, begun_at, is_complete);
        }
    }

    fn add(
        &mut self,
        lineage: Lineage,
        id: RegionalId,
        tags: &Tags,
        volume: Option<String>,
        begun_at: DateTime<Utc>,
        is_complete: bool,
    ) {
        let time = tags.get(tags::TIME).or(tags.get(tags::SLOT));
        let time = time.filter(|_| tags.has(tags::COPY_OF)).and_then(|text| text.parse().ok());
        let is_image = matches!(id.id, ResourceId::Image(_));
        let wanted = tags.get(tags::MEMBERS).filter(|_| !is_image);
        let member = Member {
            id,
            volume,
            time: time.unwrap_or(begun_at),
            is_complete,
            n_wanted: wanted.map_or(1, |text| text.parse().unwrap()),
        };
        // A copy whose slot somebody removed is known by its original.
        let origin = tags.get(tags::ORIGIN).map_or_else(|| id.to_string(), str::to_owned);
        let slot = tags.get(tags::SLOT).or(self.slots.get(&origin).map(String::as_str));
        // Members of a set bear one time.
        let is_from_elsewhere = lineage.1.region != id.region;
        let is_of_set = is_from_elsewhere && 1 < member.n_wanted;
        let of_set = tags.get(tags::TIME).filter(|_| is_of_set);
        let identity = slot.or(of_set).map_or(origin.clone(), str::to_owned);
        self.lineages.entry(lineage).or_default().entry(identity).or_default().push(member);
    }

    /// Returns what every lineage would lose that it cannot do without, if `deleted` went.
    pub(super) fn lost(
        &self,
        account: &Account,
        config: &Config,
        deleted: &BTreeSet<RegionalId>,
        now: DateTime<Utc>,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        for (lineage, points) in &self.lineages {
            let Some(retention) = retention(config, lineage) else { continue };
            let is_over = |members: &Vec<Member>| time(members) <= now;
            let past = points.iter().filter(|(_, members)| is_over(members));
            let before = past.clone().filter(|(_, members)| is_complete(members, |_| true));
            let mut before: Vec<(DateTime<Utc>, &String)> =
                before.map(|(identity, members)| (time(members), identity)).collect();
            before.sort();
            let survives = |identity: &String| {
                is_complete(&points[identity], |member| !deleted.contains(&member.id))
            };
            let may_lapse = self.may_lapse(account, lineage, retention, before.last());
            if !may_lapse {
                let n_after = before.iter().filter(|(_, identity)| survives(identity)).count();
                let n_newest = before.len().min(retention.keep_last as usize);
                if n_after < n_newest {
                    lost.push(format!("{lineage:?}: {n_after} of {n_newest} are left"));
                }
                let newest = &before[before.len() - n_newest..];
                for (time, _) in newest.iter().filter(|(_, identity)| !survives(identity)) {
                    // Of points of one instant, any may be the newest.
                    if before.iter().filter(|(other, _)| other == time).count() < 2 {
                        lost.push(format!("{lineage:?}: the point of {time} is among the newest"));
                    }
                }
            }
            let settled: BTreeSet<DateTime<Utc>> = past.map(|(_, members)| time(members)).collect();
            for (tier, time) in held(retention, &before, &settled, now) {
                // Of points of one instant, any may be the one.
                let mut of_instant = before.iter().filter(|(other, _)| *other == time);
                if !of_instant.any(|(_, identity)| survives(identity)) {
                    lost.push(format!("{lineage:?}: {tier:?} holds the point of {time}"));
                }
            }
        }
        lost
    }

    /// Returns true if `keep_last` need not hold.
    fn may_lapse(
        &self,
        account: &Account,
        lineage: &Lineage,
        retention: &Retention,
        newest: Option<&(DateTime<Utc>, &String)>,
    ) -> bool {
        let (policy, source, region) = lineage;
        let home = &account.inventory.regions[&source.region];
        if retention.orphans != Orphans::KeepLast && home.gone.contains(&source.source) {
            return true;
        }
        if policy != "cleanup" {
            return false;
        }
        let volume = Some(source.source.to_string());
        let others = self.lineages.iter().filter(|((other, _, at), _)| {
            !matches!(other.as_str(), "cleanup" | "sweep") && at == region
        });
        let covering = others.flat_map(|(_, points)| points.values()).filter(|members| {
            members.iter().any(|member| member.volume == volume) && is_complete(members, |_| true)
        });
        covering.into_iter().any(|members| newest.is_none_or(|(at, _)| *at < time(members)))
    }
}

fn slots(account: &Account) -> BTreeMap<String, String> {
    let regions = account.inventory.regions.iter();
    let slots = regions.flat_map(|(region, observed)| {
        let snapshots = observed.snapshots.iter().map(|s| (ResourceId::from(s.id), &s.tags));
        let images = observed.images.iter().map(|i| (ResourceId::from(i.id), &i.tags));
        let slot = |(id, tags): (ResourceId, &Tags)| {
            let slot = tags.get(tags::SLOT)?.to_owned();
            Some((RegionalId { region: *region, id }.to_string(), slot))
        };
        snapshots.chain(images).filter_map(slot).collect::<Vec<_>>()
    });
    slots.collect()
}

fn lineage(config: &Config, region: Region, tags: &Tags) -> Option<Lineage> {
    if tags.get(tags::OWNER) != Some("main") || tags.has("aws:backup:source-resource") {
        return None;
    }
    let source: RegionalSource = tags.get(tags::SOURCE)?.parse().ok()?;
    let name = tags.get(tags::POLICY)?;
    let policy = config.policies.iter().find(|policy| policy.answers_to(name))?;
    let lineage = (policy.name.to_string(), source, region);
    retention(config, &lineage).is_some().then_some(lineage)
}

fn retention<'c>(config: &'c Config, (name, source, region): &Lineage) -> Option<&'c Retention> {
    let policy = config.policies.iter().find(|policy| policy.name.as_ref() == name)?;
    if !policy.applies_in(&source.region) {
        return None;
    }
    let regional = policy.in_region(&source.region);
    if source.region == *region {
        return Some(&regional.retention);
    }
    Some(&regional.copies.iter().find(|rule| rule.to == *region)?.retention)
}

fn time(members: &[Member]) -> DateTime<Utc> {
    members.iter().map(|member| member.time).min().unwrap()
}

fn is_complete(members: &[Member], counts: impl Fn(&Member) -> bool) -> bool {
    let complete = members.iter().filter(|member| member.is_complete && counts(member));
    let volumes: BTreeSet<_> = complete.map(|member| &member.volume).collect();
    members.iter().map(|member| member.n_wanted).max().unwrap() <= volumes.len()
}

/// Returns which of the complete points `before` are held by a tier, by one of which only the
/// earliest or latest of a period counts. `settled` are all that mark a period.
fn held(
    retention: &Retention,
    before: &[(DateTime<Utc>, &String)],
    settled: &BTreeSet<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<(Tier, DateTime<Utc>)> {
    let mut held = Vec::new();
    for rule in &retention.tiers {
        let mut periods: BTreeMap<String, Option<DateTime<Utc>>> =
            settled.iter().map(|time| (period(rule.tier, *time), None)).collect();
        for (time, _) in before {
            let taken = periods.get_mut(&period(rule.tier, *time)).unwrap();
            match taken {
                Some(_) if rule.take != Take::Last => {}
                _ => *taken = Some(*time),
            }
        }
        for (n_newer, (_, taken)) in periods.into_iter().rev().enumerate() {
            let Some(time) = taken else { continue };
            let is_within = match rule.window {
                Window::For(span) => now < span.end(time, chrono_tz::UTC),
                Window::Count(count) => n_newer < count as usize,
            };
            // Whether it is the first day nobody asks here but where it is plain.
            let is_taken = rule.take != Take::FirstDay || time.format("%u").to_string() == "1";
            if is_within && is_taken {
                held.push((rule.tier, time));
            }
        }
    }
    held
}

fn period(tier: Tier, time: DateTime<Utc>) -> String {
    let format = match tier {
        Tier::Every => "%+",
        Tier::Hourly => "%F %H",
        Tier::Daily => "%F",
        Tier::Weekly => "%G-%V",
        Tier::Monthly => "%Y-%m",
        Tier::Yearly => "%Y",
    };
    time.format(format).to_string()
}
