//! `schema`: the published JSON Schemas.

use crate::cli::args::{Schema, SchemaArgs};
use crate::config;
use crate::report::{ExitCode, json};

use super::print;

pub(in crate::cli) fn schema(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let schema = match args.of {
        Schema::Config => config::schema(),
        Schema::Plan => json::plan_schema(),
        Schema::Run => json::run_schema(),
        Schema::Status => json::status_schema(),
        Schema::Simulation => json::simulation_schema(),
    };
    print(&format!("{}\n", json::to_pretty(&schema)?))?;
    Ok(ExitCode::Done)
}
