//! Why a run ended early. Failures of single objects or windows do not end a run: they are recorded in the ledger or
//! the state, and in the report.

use crate::store;

/// Errors by what the caller can do about them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Settings that do not fit together.
    #[error("{0}")]
    Usage(String),
    /// Missing credentials, scopes, roles or permissions.
    #[error("{0}")]
    Access(String),
    /// Other runs hold everything that this run would work on.
    #[error("{0}")]
    Locked(String),
    /// The ledger or the state cannot be understood, or the clock is wrong that it would be written under. It is left as it is.
    #[error("{0}")]
    Damaged(String),
    /// The bucket, destination, ledger or state is unreachable, or the disk is full.
    #[error("{0}")]
    Store(String),
    /// Zoom's responses contain no usable records.
    #[error("{0}")]
    Zoom(String),
    /// Standard output was closed or cannot be written.
    #[error("writing events failed: {0}")]
    Output(#[source] std::io::Error),
}

impl From<store::Error> for RunError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Locked { .. } => Self::Locked(error.to_string()),
            store::Error::Settings { .. } => Self::Usage(error.to_string()),
            error if error.is_access() => Self::Access(error.to_string()),
            error => Self::Store(error.to_string()),
        }
    }
}
