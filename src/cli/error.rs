//! How a command ends: exit codes, and the errors that lead to them.

use super::messages;
use std::io;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
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
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "files need no credentials and no lease"))]
pub(super) enum CliError {
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

/// Converts every error to its exit code.
pub(super) fn exit_code(outcome: Result<Exit, CliError>) -> Exit {
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

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}
