//! Copies and encryption: what only the whole policy tells about them.

use chrono::DateTime;
use chrono_tz::Tz;

use crate::config::diagnose::{Findings, either};
use crate::config::layer::{
    CopyDraft, EncryptDraft, Key, Layer, Reported, Rules, is_managed_by_aws,
};
use crate::config::merge::{Merge, Variant};
use crate::config::policy::{CopyRule, Encrypt, Regions, Retention};
use crate::domain::region::Region;
use crate::domain::span::Span;

impl<'a> Merge<'a> {
    /// Returns the rules for copies; none if something about them is not known.
    pub(super) fn copies(
        &self,
        variant: &Variant<'a>,
        policy_rules: Option<&Rules>,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<CopyRule>> {
        let copies = self.optional(variant, |layer| &layer.copying.copies).ok()?;
        let Some(copies) = copies else { return Some(Vec::new()) };
        let encrypts = match self.optional(variant, |layer| &layer.copying.encrypt) {
            Ok(encrypt) => Some(encrypt.is_some()),
            Err(Reported) => None,
        };
        for draft in &copies.rules {
            if encrypts == Some(false) {
                self.check_is_elsewhere(draft, variant, findings);
            }
            self.check_can_share(draft, encrypts == Some(true), findings);
            if let Some(rules) = policy_rules {
                self.check_keeps(draft, rules, findings);
            }
        }
        let retention = &policy_rules?.retention;
        let rules = copies.rules.iter().map(|draft| self.copy_rule(draft, retention)).collect();
        copies.is_whole.then_some(rules)
    }

    /// Returns what copies say themselves about how long they are kept.
    pub(super) fn rules_of_copies(&self, variant: &Variant<'a>) -> impl Iterator<Item = &'a Rules> {
        let copies = self.optional(variant, |layer| &layer.copying.copies).ok().flatten();
        let drafts = copies.into_iter().flat_map(|copies| &copies.rules);
        drafts.filter_map(|draft| draft.retention.as_ref().map(|(_, rules)| rules))
    }

    fn copy_rule(&self, draft: &CopyDraft, policy_retention: &Retention) -> CopyRule {
        let own = draft.retention.as_ref().map(|(_, rules)| &rules.retention);
        CopyRule {
            to: draft.to,
            encrypted: draft.encrypted,
            kms_key: draft.kms_key.as_ref().or_else(|| self.keys.get(&draft.to)).cloned(),
            only: draft.only.as_ref().map(|(_, tier)| *tier),
            existing: draft.existing,
            retention: own.unwrap_or(policy_retention).clone(),
            share_with: draft.share_with.clone(),
            complete_within_minutes: draft.complete_within_minutes,
        }
    }

    /// Where nothing is encrypted, a copy in the point's own region is the same point again.
    fn check_is_elsewhere(
        &self,
        draft: &CopyDraft,
        variant: &Variant<'a>,
        findings: &mut Findings<'_>,
    ) {
        let to = draft.to;
        if matches!(&variant.regions, Regions::Named(named) if named.contains(&to)) {
            let message = format!("{} applies in `{to}` itself, and copies to it", self.called);
            let hint = format!(
                "write `[policy.override.\"{to}\"]` with the `copy` that is wanted there, such as \
                 `copy = []`, or remove `{to}` from `regions`"
            );
            findings.report(&draft.to_place, message, hint);
        }
    }

    /// What a default key encrypts is for its own account alone.
    fn check_can_share(
        &self,
        draft: &CopyDraft,
        is_source_encrypted: bool,
        findings: &mut Findings<'_>,
    ) {
        let is_encrypted = draft.encrypted || is_source_encrypted;
        if draft.share_with.is_empty() || !is_encrypted || !self.keys.is_whole {
            return;
        }
        let key = draft.kms_key.as_ref().or_else(|| self.keys.get(&draft.to));
        if key.is_none_or(|key| is_managed_by_aws(key)) {
            let to = draft.to;
            let message =
                format!("copies in `{to}` cannot be shared: they are encrypted with a default key");
            let hint =
                format!("give an own key: `kms_key` here, or `kms_key` in `[regions.\"{to}\"]`");
            findings.report(&draft.share_place, message, hint);
        }
    }

    /// A copy is made only where a tier of its retention will keep it.
    fn check_keeps(&self, draft: &CopyDraft, policy_rules: &Rules, findings: &mut Findings<'_>) {
        if let Some((place, tier)) = &draft.only
            && !policy_rules.retention.tiers.iter().any(|rule| rule.tier == *tier)
        {
            let name = tier.name();
            let message = format!("{} has no tier `{name}`, so nothing is copied", self.called);
            let tiers: Vec<&str> =
                policy_rules.retention.tiers.iter().map(|rule| rule.tier.name()).collect();
            let hint = if tiers.is_empty() {
                "leave `only` out".to_owned()
            } else {
                format!("expected {}", either(tiers))
            };
            findings.report(place, message, hint);
        }
        let copies_nothing = |rules: &Rules| {
            rules.retention.tiers.is_empty() && !rules.retention.forever && rules.is_whole
        };
        let to = draft.to;
        let (place, hint) = match &draft.retention {
            Some((place, rules)) if copies_nothing(rules) => {
                (place, "name a tier, such as `daily = \"14 days\"`, or write `\"forever\"`")
            }
            None if copies_nothing(policy_rules) => (
                &draft.to_place,
                "the policy's retention has no tier; give the rule its own, such as `retention = \
                 { daily = \"14 days\" }`",
            ),
            _ => return,
        };
        let message = format!("the rule can never copy anything to `{to}`: no tier keeps a copy");
        findings.report(place, message, hint);
    }

    /// Returns how points are encrypted; the error means that it is not known.
    pub(super) fn encrypt(
        &self,
        variant: &Variant<'a>,
        findings: &mut Findings<'_>,
    ) -> Result<Option<Encrypt>, Reported> {
        let Some(draft) = self.optional(variant, |layer| &layer.copying.encrypt)? else {
            return Ok(None);
        };
        let EncryptDraft { kms_key, retire_unencrypted } = draft;
        if let Some(key) = kms_key
            && let Some(own) = key.region
            && let Some(other) = elsewhere(own, &variant.regions)
        {
            let message = format!("the key is in `{own}`, but {} encrypts in {other}", self.called);
            let hint = "write an alias that every region has, or leave `kms_key` out and give each \
                        region its own: `[regions.\"eu-west-1\"]`";
            findings.report(&key.place, message, hint);
        }
        Ok(Some(Encrypt {
            kms_key: kms_key.as_ref().map(|key| key.text.clone()),
            retire_unencrypted: *retire_unencrypted,
        }))
    }

    /// Returns how long copies may be late, and how long they are waited for.
    pub(super) fn patience(
        &self,
        variant: &Variant<'a>,
        findings: &mut Findings<'_>,
    ) -> Option<(Span, Span)> {
        let grace = self.or(variant, Span::days(3), |layer| &layer.copying.grace)?;
        let give_up = self.or(variant, Span::days(30), |layer| &layer.copying.give_up)?;
        let end = |span: Span| span.end(DateTime::UNIX_EPOCH, Tz::UTC);
        if end(give_up) < end(grace) {
            // Whichever was said last.
            let said = |layer: &'a Layer| {
                let keys = [&layer.copying.grace, &layer.copying.give_up];
                keys.into_iter().find_map(Key::place)
            };
            let place = self.layers(variant).find_map(said).unwrap_or(self.place);
            let message =
                format!("`copy_grace` of {grace} is longer than `copy_give_up` of {give_up}");
            let hint = "an alarm comes before giving up; make `copy_give_up` longer";
            findings.report(place, message, hint);
        }
        Some((grace, give_up))
    }
}

/// Returns what messages call a region other than `own` among `regions`; none if there is none.
fn elsewhere(own: Region, regions: &Regions) -> Option<String> {
    match regions {
        Regions::All => Some("every region".to_owned()),
        Regions::Named(named) => {
            named.iter().find(|region| **region != own).map(|region| format!("`{region}`"))
        }
    }
}
