//! `zoom-udm generate` (hidden): generates records for tests and benchmarks.

use super::error::{CliError, Exit};
use crate::polling_stdio::PollingStream;
use crate::testdata::{self, Kind};
use clap::{ArgMatches, Args, Command, FromArgMatches as _, ValueEnum};
use std::io::{self, BufWriter, Write as _};

/// Generate operation logs, the same for the same seed
#[derive(Args)]
struct GenerateArgs {
    /// Number of records
    #[arg(long, default_value_t = 1000)]
    records: u64,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kind of records
    #[arg(long, value_enum, default_value_t)]
    kind: KindFlag,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum KindFlag {
    #[default]
    Realistic,
    Plain,
    Escaped,
    Hostile,
}

/// The name of the command.
pub(super) const NAME: &str = "generate";

/// Returns the command, which is hidden from help.
pub(super) fn command() -> Command {
    GenerateArgs::augment_args(Command::new(NAME).hide(true))
}

pub(super) fn run(matches: &ArgMatches) -> Result<Exit, CliError> {
    let args = GenerateArgs::from_arg_matches(matches).map_err(|error| CliError::Usage(error.to_string()))?;
    let kind = match args.kind {
        KindFlag::Realistic => Kind::Realistic,
        KindFlag::Plain => Kind::Plain,
        KindFlag::Escaped => Kind::Escaped,
        KindFlag::Hostile => Kind::Hostile,
    };
    let mut out = BufWriter::with_capacity(1 << 20, PollingStream(io::stdout().lock()));
    let written = testdata::write(kind, args.records, args.seed, &mut out).and_then(|()| out.flush());
    written.map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}
