//! Rules for copies and encryption as tables.

use std::fmt::Write as _;

use crate::config::policy::{CopyRule, Encrypt};
use crate::config::resolved::{entry, render_retention, strings};

/// Writes the rules as an array in the table at `path`.
pub(super) fn render_copies(out: &mut String, path: &str, copies: &[CopyRule]) {
    for copy in copies {
        let CopyRule {
            to,
            encrypted,
            kms_key,
            only,
            existing,
            retention,
            share_with,
            complete_within_minutes,
        } = copy;
        let _ = write!(out, "\n[[{path}.copy]]\n");
        entry(out, "to", to.as_str());
        entry(out, "encrypted", *encrypted);
        if let Some(key) = kms_key {
            entry(out, "kms_key", key.as_ref());
        }
        if let Some(tier) = only {
            entry(out, "only", tier.name());
        }
        entry(out, "existing", *existing);
        entry(out, "share_with", strings(share_with.iter().map(AsRef::as_ref)));
        if let Some(minutes) = complete_within_minutes {
            // Whole hours, as they can be written.
            entry(out, "complete_within", format!("{} hours", minutes / 60));
        }
        if retention.forever {
            entry(out, "retention", "forever");
        } else {
            let _ = write!(out, "\n[{path}.copy.retention]\n");
            render_retention(out, retention);
        }
    }
}

/// Writes the keys of the open table.
pub(super) fn render_encrypt(out: &mut String, encrypt: &Encrypt) {
    let Encrypt { kms_key, retire_unencrypted } = encrypt;
    if let Some(key) = kms_key {
        entry(out, "kms_key", key.as_ref());
    }
    entry(out, "retire_unencrypted", *retire_unencrypted);
}
