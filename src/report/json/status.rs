//! Whether everything is protected, as JSON.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::ExitCode;
use crate::report::json::note::GapJson;
use crate::report::json::protection::ProtectionJson;
use crate::report::json::text::write_pretty;
use crate::report::json::{numbers, schema_of, time};
use crate::report::status::{Counts, Status};

/// Whether everything that a policy selects has its points and copies.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "snapkeep status")]
pub(super) struct StatusJson {
    /// `snapkeep.status/1`.
    format: &'static str,
    /// The instant of judgement, RFC 3339 in UTC.
    now: String,
    /// The account, where known, and there is only one.
    account: Option<String>,
    /// `sha256:` and the digest of the configuration.
    config_digest: String,
    /// How many sources, each as its worst place is.
    sources: CountsJson,
    /// Every selected source in each place: its region, and where its copies go.
    protection: Vec<ProtectionJson>,
    /// What could not be observed.
    gaps: Vec<GapJson>,
    /// All exit codes that apply, the one of the command first.
    exit_codes: Vec<u8>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CountsJson {
    protected: usize,
    new: usize,
    unknown: usize,
    unprotected: usize,
}

/// Writes `status` as JSON.
pub fn write_status(
    out: impl io::Write,
    status: &Status<'_>,
    codes: &[ExitCode],
) -> io::Result<()> {
    let Counts { protected, new, unknown, unprotected } = status.counts;
    let one = match status.plans {
        [plan] => plan.account.as_deref(),
        [] | [_, _, ..] => None,
    };
    let digest = status.plans.first().map(|plan| plan.config_digest.clone());
    let lines = status.lines();
    let json = StatusJson {
        format: "snapkeep.status/1",
        now: time(status.now),
        account: one.map(str::to_owned),
        config_digest: digest.unwrap_or_default(),
        sources: CountsJson { protected, new, unknown, unprotected },
        protection: lines.map(|line| ProtectionJson::new(line.account, line.protection)).collect(),
        gaps: status.gaps().map(|(account, gap)| GapJson::new(account, gap)).collect(),
        exit_codes: numbers(codes),
    };
    write_pretty(out, &json)
}

/// Returns the JSON Schema of a status.
pub fn status_schema() -> serde_json::Value {
    schema_of::<StatusJson>()
}
