//! Policies by chance, and how they change in the course of a year.

use std::fmt::Write as _;

use snapkeep::config::{Config, parse};

use crate::chance::Chance;

/// A configuration before it is text.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) policies: Vec<PolicySpec>,
    /// Whether limits on deletions are lifted.
    pub(crate) is_unlimited: bool,
}

/// One policy.
#[derive(Debug, Clone)]
pub(crate) struct PolicySpec {
    pub(crate) name: String,
    pub(crate) renamed_from: Option<String>,
    /// The value of the tag `Backup` of what it selects.
    pub(crate) mark: String,
    pub(crate) kind: KindSpec,
    pub(crate) regions: Vec<String>,
    schedule: &'static str,
    timezone: &'static str,
    pub(crate) retention: String,
    copies: Vec<CopySpec>,
    encrypt: Option<bool>,
    pub(crate) adopts: bool,
    pub(crate) max_deletes: usize,
}

/// What its points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KindSpec {
    Sets,
    Volumes,
    Images,
}

#[derive(Debug, Clone)]
struct CopySpec {
    to: String,
    encrypted: bool,
    only: Option<&'static str>,
    existing: bool,
    retention: Option<String>,
}

/// The alias of the key of each region that has one of its own.
pub(crate) const KEY: &str = "alias/backup";

const SCHEDULES: [(usize, &str); 6] = [
    (8, "0 3 * * *"),
    (2, "30 1 * * *"),
    (3, "0 */12 * * *"),
    (1, "0 4 * * 0"),
    (1, "0 2 * * 1-5"),
    (1, "15 2 1,15 * *"),
];
const ZONES: [&str; 5] =
    ["UTC", "Asia/Seoul", "America/New_York", "Europe/London", "Australia/Lord_Howe"];

impl Spec {
    /// Draws policies for `regions` until they make a valid configuration.
    pub(crate) fn draw(chance: &mut Chance, regions: &[String]) -> Self {
        loop {
            let n = chance.weighted(&[(3, 1), (4, 2), (2, 3)]);
            let policies = ["alpha", "beta", "gamma"].iter().take(n);
            let policies = policies.map(|name| PolicySpec::draw(chance, name, regions)).collect();
            let spec = Self { policies, is_unlimited: false };
            if spec.is_valid() {
                return spec;
            }
        }
    }

    /// Returns what somebody made of it one day.
    pub(crate) fn changed(&self, chance: &mut Chance, regions: &[String]) -> Self {
        loop {
            let mut spec = self.clone();
            let at = chance.below(spec.policies.len());
            let policy = &mut spec.policies[at];
            match chance.below(7) {
                0 => policy.retention = draw_retention(chance, "schedule"),
                1 => policy.timezone = *chance.one_of(&ZONES),
                2 => policy.schedule = chance.weighted(&SCHEDULES),
                3 => policy.copies = draw_copies(chance, &policy.regions, regions, policy.kind),
                4 => {
                    let old = std::mem::replace(&mut policy.name, format!("new-{}", policy.mark));
                    policy.renamed_from = (old != policy.name).then_some(old);
                }
                5 => policy.encrypt = chance.happens(0.5).then(|| chance.happens(0.5)),
                _ if 1 < spec.policies.len() => {
                    spec.policies.remove(at);
                }
                _ => {}
            }
            if spec.is_valid() {
                return spec;
            }
        }
    }

    /// Returns the same without limits on deletions.
    pub(crate) fn unlimited(&self) -> Self {
        Self { is_unlimited: true, ..self.clone() }
    }

    /// Returns the largest number that one run may delete of one policy in one region; none where
    /// the policies differ.
    pub(crate) fn max_deletes(&self) -> Option<usize> {
        let all: std::collections::BTreeSet<_> =
            self.policies.iter().map(|policy| policy.max_deletes).collect();
        let one = all.first().copied().filter(|_| all.len() == 1 && !self.is_unlimited);
        one.filter(|max| *max < 1000)
    }

    pub(crate) fn config(&self) -> Config {
        match parse(&[("simulation.toml".to_owned(), self.text())]) {
            Ok(config) => config,
            Err(problems) => panic!("{problems}\n{}", self.text()),
        }
    }

    fn is_valid(&self) -> bool {
        parse(&[("simulation.toml".to_owned(), self.text())]).is_ok()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from("version = 1\n");
        for region in self.encrypting_regions() {
            let _ = writeln!(text, "\n[regions.\"{region}\"]\nkms_key = \"{KEY}\"");
        }
        for policy in &self.policies {
            policy.write(&mut text, self.is_unlimited);
        }
        text
    }

    /// Regions whose key is named; every second one of those that need any.
    fn encrypting_regions(&self) -> Vec<&String> {
        let homes = self.policies.iter().filter(|policy| policy.encrypt.is_some());
        let homes = homes.flat_map(|policy| &policy.regions);
        let copies = self.policies.iter().flat_map(|policy| &policy.copies);
        let there = copies.filter(|copy| copy.encrypted).map(|copy| &copy.to);
        let mut regions: Vec<_> = homes.chain(there).filter(|r| r.len() % 2 == 1).collect();
        regions.sort();
        regions.dedup();
        regions
    }
}

impl PolicySpec {
    fn draw(chance: &mut Chance, name: &str, all: &[String]) -> Self {
        let kind =
            chance.weighted(&[(5, KindSpec::Sets), (3, KindSpec::Volumes), (3, KindSpec::Images)]);
        let mut regions: Vec<String> =
            all.iter().filter(|_| chance.happens(0.6)).cloned().collect();
        if regions.is_empty() {
            regions.push(chance.one_of(all).clone());
        }
        let copies = draw_copies(chance, &regions, all, kind);
        Self {
            name: name.to_owned(),
            renamed_from: None,
            mark: name.to_owned(),
            kind,
            schedule: chance.weighted(&SCHEDULES),
            timezone: *chance.one_of(&ZONES),
            retention: draw_retention(chance, "schedule"),
            copies,
            encrypt: chance.happens(0.2).then(|| chance.happens(0.6)),
            adopts: kind != KindSpec::Images && chance.happens(0.3),
            max_deletes: if chance.happens(0.15) { 4 } else { 1000 },
            regions,
        }
    }

    fn write(&self, text: &mut String, is_unlimited: bool) {
        let (kind, resource) = match self.kind {
            KindSpec::Sets => ("snapshots", "instance"),
            KindSpec::Volumes => ("snapshots", "volume"),
            KindSpec::Images => ("images", "instance"),
        };
        let regions: Vec<String> = self.regions.iter().map(|r| format!("\"{r}\"")).collect();
        let max_deletes = if is_unlimited { 100_000 } else { self.max_deletes };
        let _ = writeln!(
            text,
            "\n[[policy]]\nname = \"{}\"\nkind = \"{kind}\"\nregions = [{}]\n\
             schedule = \"{}\"\ntimezone = \"{}\"\n\
             select = {{ resource = \"{resource}\", tags = {{ Backup = \"{}\" }} }}\n\
             retention = {}\nlimits = {{ max_deletes = {max_deletes}, max_delete_percent = 100 }}",
            self.name,
            regions.join(", "),
            self.schedule,
            self.timezone,
            self.mark,
            self.retention
        );
        if let Some(old) = &self.renamed_from {
            let _ = writeln!(text, "renamed_from = [\"{old}\"]");
        }
        if self.adopts {
            let _ = writeln!(text, "adopt = {{ description = \"nightly {}*\" }}", self.mark);
        }
        if let Some(retires) = self.encrypt {
            let _ = writeln!(text, "encrypt = {{ retire_unencrypted = {retires} }}");
        }
        for copy in &self.copies {
            let _ = writeln!(text, "[[policy.copy]]\nto = \"{}\"", copy.to);
            if copy.encrypted {
                text.push_str("encrypted = true\n");
            }
            if copy.existing {
                text.push_str("existing = true\n");
            }
            if let Some(tier) = copy.only {
                let _ = writeln!(text, "only = \"{tier}\"");
            }
            if let Some(retention) = &copy.retention {
                let _ = writeln!(text, "retention = {retention}");
            }
        }
    }
}

fn draw_copies(
    chance: &mut Chance,
    homes: &[String],
    all: &[String],
    kind: KindSpec,
) -> Vec<CopySpec> {
    let others: Vec<&String> = all.iter().filter(|region| !homes.contains(region)).collect();
    let others: Vec<&String> = others.into_iter().filter(|_| chance.happens(0.5)).collect();
    others
        .into_iter()
        .map(|to| CopySpec {
            to: to.clone(),
            encrypted: chance.happens(0.4),
            only: (kind != KindSpec::Images && chance.happens(0.2)).then_some("daily"),
            existing: chance.happens(0.4),
            retention: chance.happens(0.6).then(|| draw_retention(chance, "copies")),
        })
        .collect()
}

fn draw_retention(chance: &mut Chance, purpose: &str) -> String {
    let mut rules: Vec<String> = Vec::new();
    if chance.happens(0.3) {
        rules.push(format!("keep_last = {}", chance.within(1, 3)));
    }
    if chance.happens(0.2) {
        rules.push(format!("orphans = {}", chance.one_of(&["\"expire\"", "\"30 days\""])));
    }
    if chance.happens(0.15) {
        rules.push(format!("every = {}", chance.one_of(&["\"3 days\"", "\"9 days\""])));
    }
    if chance.happens(if purpose == "copies" { 0.7 } else { 0.85 }) {
        let window =
            *chance.one_of(&["\"7 days\"", "\"14 days\"", "\"1 month\"", "5", "10", "\"1 day\""]);
        rules.push(tier(chance, "daily", window));
    }
    if chance.happens(0.35) {
        let window = *chance.one_of(&["\"5 weeks\"", "4", "\"8 weeks\"", "\"4 days\""]);
        rules.push(tier(chance, "weekly", window));
    }
    if chance.happens(0.5) {
        let window = *chance.one_of(&["\"7 months\"", "3", "\"3 months\""]);
        rules.push(tier(chance, "monthly", window));
    }
    if chance.happens(0.1) {
        rules.push({
            let window = *chance.one_of(&["\"2 years\"", "\"6 months\""]);
            tier(chance, "yearly", window)
        });
    }
    format!("{{ {} }}", rules.join(", "))
}

fn tier(chance: &mut Chance, name: &str, window: &str) -> String {
    let take = chance.weighted(&[(7, "first"), (2, "last"), (1, "first-day")]);
    if take == "first" {
        return format!("{name} = {window}");
    }
    format!("{name} = {{ for = {window}, take = \"{take}\" }}")
}
