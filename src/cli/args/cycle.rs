//! What may be typed after the commands that plan a cycle or carry one out.

use std::path::PathBuf;

use crate::cli::args::{Format, LockArgs, Scope, StateArgs, span};
use crate::domain::span::Span;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PlanArgs {
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,

    /// How the plan looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Format,

    /// Also save the plan as JSON
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,

    /// Exit with 10 if there is something to do
    #[arg(long)]
    pub(in crate::cli) exit_code: bool,

    /// List every snapshot that stays, with its tiers and until when
    #[arg(long)]
    pub(in crate::cli) keeps: bool,

    /// Plan as `run --max-deletes N` would
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_deletes: Option<u32>,

    /// Plan from a saved inventory, without credentials or network
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) inventory: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,

    /// Print the plan and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    /// Go on until nothing is waited for, such as copies on their way
    #[arg(long, conflicts_with = "dry_run")]
    pub(in crate::cli) wait: bool,

    /// Make one more recovery point of everything that is selected, now
    #[arg(long)]
    pub(in crate::cli) extra: bool,

    /// Withhold a policy's deletions in a region only if they are more than N; replaces both limits
    /// of the configuration once
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_deletes: Option<u32>,

    #[command(flatten)]
    pub(in crate::cli) lock: LockArgs,

    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Format,

    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ApplyArgs {
    /// What `plan --out FILE` saved; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,

    /// Print what would be carried out and what drifted, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    /// Refuse a plan that is older
    #[arg(long, value_name = "SPAN", default_value = "1 day", value_parser = span)]
    pub(in crate::cli) max_age: Span,

    /// Withhold a policy's deletions in a region only if a fresh plan has more than N; replaces
    /// both limits of the configuration once
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_deletes: Option<u32>,

    #[command(flatten)]
    pub(in crate::cli) lock: LockArgs,

    /// How the report looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Format,

    #[command(flatten)]
    pub(in crate::cli) state: StateArgs,
}
