//! A [`Config`] as a configuration file, with every default written out.
//!
//! What is rendered here loads again to the same policies.

mod copies;
mod notify;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use toml::{Table, Value};

use crate::config::accounts::OWN;
use crate::config::policy::{
    Config, ImageRules, Kind, Orphans, Policy, RegionalPolicy, Regions, Retention, Tier, Window,
};
use crate::config::select::{Adopt, Resource, TagPattern};
use crate::config::toml_text::value_text;
use crate::domain::region::Region;

/// Returns what `config` says as TOML; regions with an override are written out in full.
pub fn render_resolved(config: &Config) -> String {
    let mut out = format!("version = 1\n\n[limits]\napi_share = {:?}\n", config.api_share);
    out.push_str("\n[service]\n");
    entry(&mut out, "listen", config.listen.to_string());
    for (name, role) in &config.roles {
        let _ = write!(out, "\n[accounts.{name}]\n");
        entry(&mut out, "role_arn", role.arn.as_ref());
        if let Some(external_id) = &role.external_id {
            entry(&mut out, "external_id", external_id.as_ref());
        }
    }
    let prices = &config.prices.by_region;
    let regions: BTreeSet<&Region> = config.region_keys.keys().chain(prices.keys()).collect();
    for region in regions {
        let _ = write!(out, "\n[regions.\"{region}\"]\n");
        if let Some(key) = config.region_keys.get(region) {
            entry(&mut out, "kms_key", key.as_ref());
        }
        if let Some(price) = prices.get(region) {
            entry(&mut out, "snapshot_gib_month", *price);
        }
    }
    if let Some(price) = config.prices.snapshot_gib_month {
        out.push_str("\n[prices]\n");
        entry(&mut out, "currency", config.prices.currency.as_ref());
        entry(&mut out, "snapshot_gib_month", price);
    }
    if let Some(notify) = &config.notify {
        notify::render_notify(&mut out, notify);
    }
    for policy in &config.policies {
        render_policy(&mut out, policy);
    }
    out
}

fn render_policy(out: &mut String, policy: &Policy) {
    out.push_str("\n[[policy]]\n");
    entry(out, "name", policy.name.as_ref());
    if !policy.renamed_from.is_empty() {
        entry(out, "renamed_from", strings(policy.renamed_from.iter().map(AsRef::as_ref)));
    }
    let regions = match &policy.regions {
        Regions::All => strings(["all"]),
        Regions::Named(regions) => strings(regions.iter().map(Region::as_str)),
    };
    entry(out, "regions", regions);
    let accounts = policy.accounts.iter().map(|name| name.as_deref().unwrap_or(OWN));
    entry(out, "accounts", strings(accounts));
    render_regional(out, "policy", &policy.base);
    for (region, differing) in &policy.overrides {
        let path = format!("policy.override.\"{region}\"");
        let _ = write!(out, "\n[{path}]\n");
        render_regional(out, &path, differing);
    }
}

/// Writes the keys of the open table at `path`, then its tables.
fn render_regional(out: &mut String, path: &str, policy: &RegionalPolicy) {
    let RegionalPolicy {
        owner,
        timezone,
        kind,
        schedule,
        create,
        select,
        volumes,
        retention,
        images,
        copies,
        encrypt,
        point_grace,
        copy_grace,
        copy_give_up,
        adopt,
        limits,
    } = policy;
    entry(out, "kind", kind.name());
    entry(out, "owner", owner.as_ref());
    entry(out, "timezone", timezone.name());
    if let Some(schedule) = schedule {
        entry(out, "schedule", schedule.text());
    }
    entry(out, "create", *create);
    if *kind == Kind::Images {
        render_images(out, images, select.resource);
    }
    if copies.is_empty() {
        // Not those of the policy, where this is one of its overrides.
        entry(out, "copy", Value::Array(Vec::new()));
    }
    entry(out, "point_grace", point_grace.to_string());
    entry(out, "copy_grace", copy_grace.to_string());
    entry(out, "copy_give_up", copy_give_up.to_string());
    if retention.forever {
        entry(out, "retention", "forever");
    }

    let _ = write!(out, "\n[{path}.select]\n");
    match select.resource {
        Resource::Instance => {
            entry(out, "resource", "instance");
            entry(out, "states", strings(select.states.iter().map(|state| state.name())));
        }
        Resource::Volume => entry(out, "resource", "volume"),
        Resource::Image => entry(out, "resource", "image"),
    }
    if let Some(name) = &select.name {
        entry(out, "name", name.to_string());
    }
    render_tags(out, "tags", &select.tags);
    render_tags(out, "exclude_tags", &select.exclude_tags);
    // It says nothing about volumes or images that are selected themselves.
    if select.resource == Resource::Instance {
        let _ = write!(out, "\n[{path}.volumes]\n");
        entry(out, "boot", volumes.boot);
        render_tags(out, "exclude_tags", &volumes.exclude_tags);
    }
    if !retention.forever {
        let _ = write!(out, "\n[{path}.retention]\n");
        render_retention(out, retention);
    }
    copies::render_copies(out, path, copies);
    if let Some(encrypt) = encrypt {
        let _ = write!(out, "\n[{path}.encrypt]\n");
        copies::render_encrypt(out, encrypt);
    }
    if let Some(adopt) = adopt {
        let _ = write!(out, "\n[{path}.adopt]\n");
        render_adopt(out, adopt);
    }
    let _ = write!(out, "\n[{path}.limits]\n");
    entry(out, "max_deletes", i64::from(limits.max_deletes));
    entry(out, "max_delete_percent", i64::from(limits.max_delete_percent));
}

fn render_images(out: &mut String, images: &ImageRules, resource: Resource) {
    let ImageRules { reboot, min_age, deprecate_after, family_tag } = images;
    // Images made elsewhere reboot nothing.
    if resource == Resource::Instance {
        entry(out, "reboot", *reboot);
    }
    if let Some(min_age) = min_age {
        entry(out, "min_age", min_age.to_string());
    }
    if let Some(deprecate_after) = deprecate_after {
        entry(out, "deprecate_after", deprecate_after.to_string());
    }
    if let Some(family_tag) = family_tag {
        entry(out, "family_tag", family_tag.as_ref());
    }
}

fn render_retention(out: &mut String, retention: &Retention) {
    entry(out, "keep_last", i64::from(retention.keep_last));
    let orphans = match retention.orphans {
        Orphans::KeepLast => "keep-last".to_owned(),
        Orphans::Expire => "expire".to_owned(),
        Orphans::After(span) => span.to_string(),
    };
    entry(out, "orphans", orphans);
    for rule in &retention.tiers {
        let window: Value = match rule.window {
            Window::For(span) => span.to_string().into(),
            Window::Count(count) => i64::from(count).into(),
        };
        let value = if rule.tier == Tier::Every {
            window
        } else {
            let mut table = Table::new();
            table.insert("for".to_owned(), window);
            table.insert("take".to_owned(), rule.take.name().into());
            Value::Table(table)
        };
        entry(out, rule.tier.name(), value);
    }
}

fn render_adopt(out: &mut String, adopt: &Adopt) {
    let is_narrowed = !adopt.tags.is_empty() || adopt.description.is_some();
    entry(out, "all", !is_narrowed);
    render_tags(out, "tags", &adopt.tags);
    if let Some(description) = &adopt.description {
        entry(out, "description", description.to_string());
    }
    render_tags(out, "exclude_tags", &adopt.exclude_tags);
}

fn render_tags(out: &mut String, key: &str, tags: &[TagPattern]) {
    let tags = tags.iter().map(|tag| (tag.key.to_string(), tag.value.to_string().into()));
    entry(out, key, Value::Table(tags.collect()));
}

fn strings<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Array(items.into_iter().map(Value::from).collect())
}

/// Writes `key = value` on one line; tables too.
fn entry(out: &mut String, key: &str, value: impl Into<Value>) {
    let _ = writeln!(out, "{key} = {}", value_text(&value.into()));
}
