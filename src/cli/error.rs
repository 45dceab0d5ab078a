//! How a command ends: exit codes, and the errors that lead to them.

use super::messages;
use std::fmt::Display;
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

/// Exits from the least to the most serious: done; days are deferred or lost; run it again; wait for another run; input,
/// output or Zoom failed; an operator must grant access; an operator must change settings.
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "commands for files do one thing"))]
const BY_SERIOUSNESS: [Exit; 7] =
    [Exit::Done, Exit::Rejects, Exit::Stopped, Exit::Locked, Exit::Io, Exit::Access, Exit::Usage];

#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "commands for files do one thing"))]
impl Exit {
    /// Returns the more serious of two exits, for a command that does several things.
    pub(super) fn most_serious(self, other: Self) -> Self {
        let rank = |exit: Self| BY_SERIOUSNESS.iter().position(|known| *known == exit);
        if rank(other) > rank(self) { other } else { self }
    }
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

/// Says what an error is about, if the command does `several` things.
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "commands for files do one thing"))]
pub(super) fn about(what: impl Display, several: bool, error: CliError) -> CliError {
    if !several {
        return error;
    }
    let named = |message: String| format!("{what}: {message}");
    match error {
        CliError::Usage(message) => CliError::Usage(named(message)),
        CliError::Access(message) => CliError::Access(named(message)),
        CliError::Locked(message) => CliError::Locked(named(message)),
        CliError::Io(error) => CliError::Io(error.context(what.to_string())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_serious_exit_is_kept_in_any_order() {
        for (index, less) in BY_SERIOUSNESS.iter().enumerate() {
            for more in &BY_SERIOUSNESS[index..] {
                assert_eq!(less.most_serious(*more), *more);
                assert_eq!(more.most_serious(*less), *more);
            }
        }
    }

    #[test]
    fn error_names_its_subject_among_several() {
        let text = |error: CliError| match error {
            CliError::Usage(message) | CliError::Access(message) | CliError::Locked(message) => message,
            CliError::Io(error) => messages::format_chain(&error),
        };
        let errors = || [CliError::Usage("x".into()), CliError::Io(anyhow::anyhow!("x"))];
        for error in errors() {
            assert_eq!(text(about("sign-in", true, error)), "sign-in: x");
        }
        for error in errors() {
            assert_eq!(text(about("sign-in", false, error)), "x");
        }
    }
}
