//! The command line: one file per command, from arguments to one library call to an exit code.

mod atomic_file;
#[cfg(feature = "gcs")]
mod check;
mod clock;
#[cfg(feature = "gcs")]
mod collect;
#[cfg(feature = "gcs")]
mod collect_config;
mod completions;
mod event_args;
mod expand;
mod explain;
mod generate;
#[cfg(feature = "gcs")]
mod ingest;
#[cfg(feature = "gcs")]
mod ingest_progress;
mod inputs;
#[cfg(feature = "gcs")]
mod ledger;
mod linger;
mod man;
mod messages;
mod name_filter;
mod normalize;
mod normalize_output;
mod output_target;
mod parsers;
mod progress;
#[cfg(all(any(test, fuzzing), feature = "serve"))]
pub(crate) mod properties;
#[cfg(feature = "serve")]
mod serve;
mod signal;
#[cfg(feature = "gcs")]
mod textfile_metrics;

use crate::blocking_io;
use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
#[cfg(feature = "gcs")]
use std::io::IsTerminal as _;
use std::io::{self, Write};
use std::process::ExitCode;

/// The exit codes, the same for all commands.
const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   done, but some records were rejected, some objects failed, or some days
      are deferred or lost
  2   usage or missing settings
  3   input or output failed
  4   credentials are missing, or permission is denied
  5   another run holds the ledger or the state
  75  stopped early (signal, deadline, budget, limit or transient error) with
      progress saved: run again";

/// The version, with the commit for releases; see `build.rs`.
const VERSION: &str = env!("ZOOM_UDM_VERSION");

#[derive(Parser)]
#[command(name = "zoom-udm", version = VERSION, about, after_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: CliCommand,
}

#[derive(Subcommand)]
enum CliCommand {
    Normalize(Box<normalize::Flags>),
    Explain(Box<explain::Flags>),
    #[cfg(feature = "gcs")]
    Collect(Box<collect::Flags>),
    #[cfg(feature = "gcs")]
    Check(Box<check::Flags>),
    #[cfg(feature = "gcs")]
    Ingest(Box<ingest::Flags>),
    #[cfg(feature = "gcs")]
    Ledger(ledger::Flags),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Flags>),
    Mapping(TableFlags),
    /// Print a shell completion script
    #[command(after_help = "Example:\n  zoom-udm completions bash > /etc/bash_completion.d/zoom-udm")]
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  zoom-udm man > zoom-udm.1 && man ./zoom-udm.1")]
    Man,
}

/// Print the mapping table: source, UDM path, rule, example
#[derive(Args)]
#[command(
    after_help = "Examples:\n  zoom-udm mapping | less\n  zoom-udm mapping --format json | jq -r '.[].path' | sort -u"
)]
struct TableFlags {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum TableFormat {
    #[default]
    Markdown,
    Json,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Done = 0,
    Rejects = 1,
    Usage = 2,
    Io = 3,
    Access = 4,
    Locked = 5,
    Stopped = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, by exit code.
#[derive(Debug)]
#[cfg_attr(not(feature = "gcs"), allow(dead_code, reason = "only the feed meets some"))]
enum CliError {
    /// Invalid usage: what is wrong, and what to do.
    Usage(String),
    /// Input or output failed.
    Io(anyhow::Error),
    /// Credentials or permission: what for, and what to do.
    Access(String),
    /// Another run is active.
    Locked(String),
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Io(error)
    }
}

/// Only readers of events may close standard output early; for other output it is an error.
impl From<crate::normalize::Error> for CliError {
    fn from(error: crate::normalize::Error) -> Self {
        use crate::normalize::Error;
        match error {
            Error::Output(error) => Self::Io(anyhow::Error::from(error).context("writing events failed")),
            error => Self::Io(anyhow::Error::msg(error.to_string())),
        }
    }
}

#[cfg(feature = "gcs")]
impl From<crate::error::RunError> for CliError {
    fn from(error: crate::error::RunError) -> Self {
        use crate::error::RunError;
        match error {
            RunError::Usage(message) => Self::Usage(message),
            RunError::Access(message) => Self::Access(message),
            RunError::Locked(message) => Self::Locked(message),
            RunError::Output(error) => Self::Io(anyhow::Error::from(error).context("writing events failed")),
            error => Self::Io(anyhow::Error::msg(error.to_string())),
        }
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    // A hidden command, so that help does not name it.
    let matches = match Cli::command().subcommand(generate::command()).try_get_matches() {
        Ok(matches) => matches,
        Err(told) if told.use_stderr() => told.exit(),
        Err(told) => return exit_code(help(&told)).into(),
    };
    let outcome = match matches.subcommand_matches(generate::NAME) {
        Some(given) => generate::run(given),
        None => dispatch(
            Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command()).exit()),
        ),
    };
    exit_code(outcome).into()
}

/// Returns the error for output that could not be written.
const STANDARD_OUTPUT: &str = "standard output";

/// Prints the text for `--help` or `--version`.
fn help(told: &clap::Error) -> Result<Exit, CliError> {
    told.print().and_then(|()| io::stdout().flush()).context(STANDARD_OUTPUT)?;
    Ok(Exit::Done)
}

/// Returns the command line as shown to users.
fn command() -> Command {
    Cli::command()
}

fn dispatch(cli: Cli) -> Result<Exit, CliError> {
    match cli.verb {
        CliCommand::Normalize(flags) => normalize::run(&flags),
        CliCommand::Explain(flags) => explain::run(&flags),
        #[cfg(feature = "gcs")]
        CliCommand::Collect(flags) => collect::run(&flags),
        #[cfg(feature = "gcs")]
        CliCommand::Check(flags) => check::run(&flags),
        #[cfg(feature = "gcs")]
        CliCommand::Ingest(flags) => ingest::run(&flags),
        #[cfg(feature = "gcs")]
        CliCommand::Ledger(flags) => ledger::run(&flags),
        #[cfg(feature = "serve")]
        CliCommand::Serve(flags) => serve::run(&flags),
        CliCommand::Mapping(flags) => print(&match flags.format {
            TableFormat::Markdown => crate::mapping::markdown(),
            TableFormat::Json => crate::mapping::json(),
        }),
        CliCommand::Completions { shell } => print(&completions::script(shell, &mut command())),
        CliCommand::Man => print(&man::page(command()).map_err(anyhow::Error::from)?),
    }
}

/// Converts every error to its exit code.
fn exit_code(outcome: Result<Exit, CliError>) -> Exit {
    match outcome {
        Ok(exit) => exit,
        // The reader has what it wanted.
        Err(CliError::Io(error)) if is_broken_pipe(&error) => Exit::Done,
        Err(CliError::Io(error)) => fail(&messages::format_chain(&error), Exit::Io),
        Err(CliError::Usage(message)) => fail(&message, Exit::Usage),
        Err(CliError::Access(message)) => fail(&message, Exit::Access),
        Err(CliError::Locked(message)) => fail(&message, Exit::Locked),
    }
}

fn fail(message: &str, exit: Exit) -> Exit {
    messages::eprint_line(message);
    exit
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

fn print(text: &str) -> Result<Exit, CliError> {
    let mut out = blocking_io::stdout();
    let text = crate::redact::redact(text);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context(STANDARD_OUTPUT)?;
    Ok(Exit::Done)
}

/// The same for JSON; on a terminal, control characters in its strings are escaped.
#[cfg(feature = "gcs")]
fn print_json(text: &str) -> Result<Exit, CliError> {
    let text: String =
        text.lines().map(|line| crate::redact::redact_json_text(line).into_owned() + "\n").collect();
    if io::stdout().is_terminal() { print(&crate::sanitize::escape_json(&text)) } else { print(&text) }
}

/// Returns a runtime for work on one thread.
#[cfg(feature = "gcs")]
fn current_thread_runtime() -> Result<tokio::runtime::Runtime, CliError> {
    build_runtime(tokio::runtime::Builder::new_current_thread(), 0)
}

/// A runtime for work that threads share, with room for `held` blocking tasks that last, beside those of `ingest`.
#[cfg(feature = "gcs")]
fn multi_thread_runtime(held: usize) -> Result<tokio::runtime::Runtime, CliError> {
    build_runtime(tokio::runtime::Builder::new_multi_thread(), held)
}

/// Builds a runtime whose number of threads has a limit. Tokio's default limit is 512, and it wakes idle threads in turn,
/// so none of them is idle long enough to end: a process that runs for days keeps as many as it ever needed at once.
#[cfg(feature = "gcs")]
fn build_runtime(
    mut builder: tokio::runtime::Builder,
    held: usize,
) -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = builder.enable_all().max_blocking_threads(crate::ingest::blocking_threads() + held).build();
    Ok(runtime.map_err(anyhow::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `look` with each visible command and its path.
    fn each(command: &Command, visit: &mut dyn FnMut(&Command, &str)) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            visit(verb, verb.get_bin_name().unwrap_or_default());
            each(verb, visit);
        }
    }

    #[test]
    fn every_help_has_examples_within_78_columns() {
        let mut all = command().disable_help_subcommand(true);
        all.build();
        let mut verbs = Vec::new();
        let mut check = |verb: &Command, path: &str| {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert!(line.chars().count() <= 78, "{path}: {line}");
            }
            verbs.push((path.to_owned(), help.contains("Example") && help.contains(&format!("  {path}"))));
        };
        check(&all, "zoom-udm");
        each(&all, &mut check);
        let without: Vec<_> = verbs[1..].iter().filter(|(_, has)| !has).collect();
        assert!(without.is_empty() && verbs.len() > 5, "{without:?}");
    }
}
