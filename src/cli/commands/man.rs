//! `man`: manual pages, made of the same description as `--help`.

use std::fs;

use anyhow::Context as _;
use clap_mangen::{Man, generate_to};

use crate::cli::args::ManArgs;
use crate::cli::command;
use crate::report::ExitCode;

use super::print;

pub(in crate::cli) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        // As `generate_to` does: there is no page about `help`.
        Man::new(command().disable_help_subcommand(true)).render(&mut page)?;
        print(&String::from_utf8(page)?)?;
        return Ok(ExitCode::Done);
    };
    let context = || format!("cannot write manual pages to `{}`", dir.display());
    fs::create_dir_all(dir).with_context(context)?;
    generate_to(command(), dir).with_context(context)?;
    Ok(ExitCode::Done)
}
