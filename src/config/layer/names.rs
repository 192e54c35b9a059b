//! Names: of policies, owners, regions and zones.

use std::sync::Arc;

use chrono_tz::Tz;

use crate::config::diagnose::{Place, did_you_mean};
use crate::config::layer::Reader;
use crate::config::policy::Regions;
use crate::config::shape::{At, RegionsShape};
use crate::domain::region::Region;

/// Names go into tags and reports; EC2 would take longer values.
const NAME_CHARS_MAX: usize = 128;

impl Reader<'_, '_> {
    /// Reads the name of a policy.
    pub(in crate::config) fn policy_name(&mut self, at: &At<String>) -> Option<Arc<str>> {
        if at.value().contains('/') {
            let message = format!("`{}` cannot name a policy: it contains `/`", at.value());
            return self.refuse(&self.place(at.span()), message, "use `-` instead");
        }
        self.name(at, "name a policy")
    }

    pub(super) fn owner(&mut self, at: &At<String>) -> Option<Arc<str>> {
        self.name(at, "be an owner")
    }

    fn name(&mut self, at: &At<String>, purpose: &str) -> Option<Arc<str>> {
        let name = at.value();
        let reason = if name.trim().is_empty() {
            "it is empty"
        } else if NAME_CHARS_MAX < name.chars().count() {
            "it is longer than 128 characters"
        } else if name.chars().any(char::is_control) {
            "it contains a control character"
        } else {
            return Some(name.as_str().into());
        };
        let message = format!("`{name}` cannot {purpose}: {reason}");
        self.refuse(&self.place(at.span()), message, "write a short name such as `servers`")
    }

    pub(super) fn timezone(&mut self, at: &At<String>) -> Option<Tz> {
        let name = at.value();
        if let Ok(zone) = name.parse() {
            return Some(zone);
        }
        let zones = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        // People know the city: `Seoul` is `Asia/Seoul`.
        let city = |zone: &&str| {
            let last = zone.rsplit('/').next().unwrap_or_default();
            last.eq_ignore_ascii_case(&name.replace(' ', "_"))
        };
        let hint = match zones().find(city).or_else(|| did_you_mean(name, zones())) {
            Some(zone) => format!("did you mean `{zone}`?"),
            None => "write an IANA name such as `Europe/Berlin` or `UTC`".to_owned(),
        };
        let message = format!("`{name}` is not a time zone");
        self.refuse(&self.place(at.span()), message, hint)
    }

    /// Reads the regions at `path`, which is spelled as in `Broken`.
    pub(super) fn regions(&mut self, at: &At<RegionsShape>, path: &str) -> Option<Regions> {
        let names = &at.value().0;
        if names.is_empty() {
            if self.broken.touches(path) {
                return None;
            }
            let hint = "name regions, or write `[\"all\"]`";
            return self.refuse(&self.place(at.span()), "`regions` names no region", hint);
        }
        if let Some(all) = names.iter().find(|name| name.value() == "all") {
            if names.len() == 1 {
                return Some(Regions::All);
            }
            let hint = "`all` is every region enabled for the account; write it alone";
            return self.refuse(&self.place(all.span()), "`all` stands beside other regions", hint);
        }
        let mut regions: Vec<Region> = Vec::new();
        let mut is_valid = true;
        for name in names {
            let place = self.place(name.span());
            match self.region(name.value(), &place) {
                Some(region) if regions.contains(&region) => {
                    let message = format!("region `{region}` is named twice");
                    self.findings.report(&place, message, "remove one of them");
                    is_valid = false;
                }
                Some(region) => regions.push(region),
                None => is_valid = false,
            }
        }
        is_valid.then_some(Regions::Named(regions))
    }

    pub(in crate::config) fn region(&mut self, name: &str, place: &Place) -> Option<Region> {
        let err = match name.parse::<Region>() {
            Ok(region) => return Some(region),
            Err(err) => err,
        };
        let lower = name.trim().to_lowercase().replace('_', "-");
        let without_letter = lower.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let hint = if lower.parse::<Region>().is_ok() {
            format!("did you mean `{lower}`?")
        } else if without_letter.parse::<Region>().is_ok() {
            format!("`{name}` looks like an availability zone; its region is `{without_letter}`")
        } else {
            "names of regions are those of `aws ec2 describe-regions`".to_owned()
        };
        self.refuse(place, err.to_string(), hint)
    }
}
