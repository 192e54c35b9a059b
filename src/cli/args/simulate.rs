//! What may be typed after `simulate`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::cli::args::{Format, instant};
use crate::domain::span::Span;
use crate::report::simulation::Outage;
use crate::run::simulate::{CHANGE_PERCENT, Cadence, outage, percent, rate};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SimulateArgs {
    /// In this account of `[accounts]`, or `self`; one at a time
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) account: Option<String>,

    /// How long, such as `6 months`
    #[arg(long = "for", value_name = "SPAN", default_value = "1 year")]
    pub(in crate::cli) length: Span,

    /// From this instant on, RFC 3339 [default: now, or what --now says]
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(in crate::cli) from: Option<DateTime<Utc>>,

    /// When cycles begin: a span as of a timer, such as `1 hour`, or a crontab expression in UTC
    /// [default: whenever `serve` would wake]
    #[arg(long, value_name = "SPAN|CRONTAB")]
    pub(in crate::cli) every: Option<Cadence>,

    /// Let this share of calls fail by chance: throttled, a 5xx before or after the effect, no reply
    /// in time. Listings are late then, too
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = rate)]
    pub(in crate::cli) fail_rate: f64,

    /// What chance is drawn from; the same seed draws the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(in crate::cli) seed: u64,

    /// Let a region be down for a while, such as `eu-west-1:2027-01-01..2027-01-03`; may be
    /// repeated
    #[arg(long, value_name = "REGION:FROM..TO", value_parser = outage)]
    pub(in crate::cli) outage: Vec<Outage>,

    /// Also play another configuration over the same account, faults and time, and tell what it
    /// would change
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) against: Option<PathBuf>,

    /// How many percent of a volume change in a day, which sizes are estimated by
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = CHANGE_PERCENT,
        value_parser = percent
    )]
    pub(in crate::cli) change_rate: f64,

    /// How the result looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Format,

    /// Also write a page with plots: HTML, complete in itself
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,

    /// Play over a saved inventory, without credentials or network
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) inventory: Option<PathBuf>,
}
