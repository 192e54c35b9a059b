//! `status`: is everything that a policy selects protected?

use std::io::{BufWriter, Write as _};

use crate::cli::args::{Global, StatusArgs, StatusFormat};
use crate::cli::{error_text, scope};
use crate::report::status::nagios::{self, Service};
use crate::report::status::{Status, text};
use crate::report::{ExitCode, json};

use super::print;

/// Returns the exit code as a number: monitoring plugins have their own.
pub(in crate::cli) async fn status(global: &Global, args: StatusArgs) -> anyhow::Result<u8> {
    let format = args.format;
    match told(global, args).await {
        Err(err) if format == StatusFormat::Nagios => {
            print(&nagios::render_error(&error_text(&err)))?;
            Ok(Service::Unknown.number())
        }
        res => res,
    }
}

async fn told(global: &Global, args: StatusArgs) -> anyhow::Result<u8> {
    let config = scope::config(global)?;
    let accounts = scope::open(global, &config, args.inventory.as_deref()).await?;
    let request = scope::request(&config, &args.scope, accounts.begun_at())?;
    let plan = accounts.plan(&request).await.into_iter().next().unwrap_or_default();
    let status = Status::new(&plan, &request);
    let codes = status.codes();
    match args.format {
        StatusFormat::Text => print(&text::render(&status))?,
        StatusFormat::Json => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            json::write_status(&mut out, &status, &codes)?;
            writeln!(out)?;
            out.flush()?;
        }
        StatusFormat::Nagios => {
            print(&nagios::render(&status))?;
            return Ok(Service::of(&status).number());
        }
    }
    Ok(codes.first().copied().unwrap_or(ExitCode::Done).number())
}
