//! `completions`: what a shell suggests.

use clap_complete::generate;

use crate::cli::args::CompletionsArgs;
use crate::cli::command;
use crate::report::ExitCode;

use super::print;

pub(in crate::cli) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = command();
    let name = command.get_name().to_owned();
    generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(ExitCode::Done)
}
