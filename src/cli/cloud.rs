//! The commands that talk to Zoom, Cloud Storage or HTTP clients. They need an async runtime and TLS, which the feature
//! `cloud` brings.

use super::error::{CliError, Exit};
use super::{check, collect, ingest, ledger, serve};
use crate::error::RunError;
use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum CloudCommand {
    Collect(Box<collect::CollectArgs>),
    Check(Box<check::CheckArgs>),
    Ingest(Box<ingest::IngestArgs>),
    Ledger(ledger::LedgerArgs),
    Serve(Box<serve::ServeArgs>),
}

impl CloudCommand {
    pub(super) fn run(&self) -> Result<Exit, CliError> {
        match self {
            Self::Collect(args) => collect::run(args),
            Self::Check(args) => check::run(args),
            Self::Ingest(args) => ingest::run(args),
            Self::Ledger(args) => ledger::run(args),
            Self::Serve(args) => serve::run(args),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Usage(failure) => Self::Usage(failure.to_string()),
            RunError::Access(failure) => Self::Access(failure.to_string()),
            RunError::Locked(failure) => Self::Locked(failure.to_string()),
            RunError::Output(error) => Self::Io(anyhow::Error::from(error).context("writing events failed")),
            error => Self::Io(anyhow::Error::msg(error.to_string())),
        }
    }
}
