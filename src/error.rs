//! Why a run ended early. Failures of single objects or windows do not end a run: they are recorded in the ledger or
//! the state, and in the report.

use crate::store;
use serde::{Serialize, Serializer};
use std::fmt;

/// What failed, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed, and why.
    pub what: String,
    /// What to do, if anything helps.
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure with a hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()) }
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self { what, hint: None }
    }
}

impl From<&str> for Failure {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// As text.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Errors by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Settings that do not fit together.
    #[error("{0}")]
    Usage(Failure),
    /// Missing credentials, scopes, roles or permissions.
    #[error("{0}")]
    Access(Failure),
    /// Other runs hold everything that this run would work on.
    #[error("{0}")]
    Locked(Failure),
    /// The ledger or the state is corrupt or newer than this program, or the local clock is wrong. Nothing is changed.
    #[error("{0}")]
    Corrupt(Failure),
    /// The bucket, destination, ledger or state is unreachable, or the disk is full.
    #[error("{0}")]
    Storage(Failure),
    /// Zoom's responses contain no usable records.
    #[error("{0}")]
    Zoom(Failure),
    /// Standard output was closed or cannot be written.
    #[error("writing events failed: {0}")]
    Output(#[source] std::io::Error),
}

impl From<store::Error> for RunError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Locked { .. } => Self::Locked(error.to_string().into()),
            store::Error::Settings { .. } => Self::Usage(error.to_string().into()),
            error if error.is_access() => Self::Access(error.to_string().into()),
            error => Self::Storage(error.to_string().into()),
        }
    }
}
