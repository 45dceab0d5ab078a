//! Runs the command that the arguments name.

use super::args::{Cli, CliCommand, TableFormat, command};
use super::error::{CliError, Exit, exit_code};
use super::stdout::{STANDARD_OUTPUT, print};
use super::{completions, explain, generate, man, normalize};
use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs the command that the arguments name, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    // A hidden command, so that help does not name it.
    let matches = match Cli::command().subcommand(generate::command()).try_get_matches() {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => return exit_code(print_help(&help)).into(),
    };
    let outcome = match matches.subcommand_matches(generate::NAME) {
        Some(args) => generate::run(args),
        None => dispatch(
            Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command()).exit()),
        ),
    };
    exit_code(outcome).into()
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
