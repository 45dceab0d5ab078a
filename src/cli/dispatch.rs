//! Runs the command that the arguments name.

use super::args::{Cli, CliCommand, TableFormat, command};
use super::error::{CliError, Exit, exit_code};
use super::stdout::{STANDARD_OUTPUT, print};
use super::{completions, coverage, explain, man, normalize};
use anyhow::Context as _;
use clap::Parser as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs the command that the arguments name, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => exit_code(dispatch(cli)).into(),
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => exit_code(print_help(&help)).into(),
    }
}

/// Prints the text for `--help` or `--version`, which clap returns as an error.
fn print_help(help: &clap::Error) -> Result<Exit, CliError> {
    help.print().and_then(|()| io::stdout().flush()).context(STANDARD_OUTPUT)?;
    Ok(Exit::Done)
}

fn dispatch(cli: Cli) -> Result<Exit, CliError> {
    match cli.command {
        CliCommand::Normalize(args) => normalize::run(&args),
        CliCommand::Explain(args) => explain::run(&args),
        CliCommand::Coverage(args) => coverage::run(&args),
        #[cfg(feature = "cloud")]
        CliCommand::Cloud(command) => command.run(),
        CliCommand::Mapping(args) => print(&match args.format {
            TableFormat::Markdown => crate::mapping::markdown_of(args.profile()),
            TableFormat::Json => crate::mapping::json_of(args.profile()),
        }),
        CliCommand::Completions { shell } => print(&completions::script(shell, &mut command())),
        CliCommand::Man => print(&man::page(command()).map_err(anyhow::Error::from)?),
    }
}
