//! Why a run ended before its work did. What one object or one window did wrong is no such reason: it is in the ledger or
//! the state, and in the report.

use crate::store;

/// The reasons, sorted by what a caller can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings that do not fit together.
    #[error("{0}")]
    Usage(String),
    /// Credentials are missing, or not good for this: scopes, roles or permissions.
    #[error("{0}")]
    Access(String),
    /// Other runs hold all that this one would work on.
    #[error("{0}")]
    Held(String),
    /// The ledger or the state cannot be understood, or the clock is wrong that it would be written under. It is left as it is.
    #[error("{0}")]
    Damaged(String),
    /// The bucket, the destination, the ledger or the state could not be reached, or the disk is full.
    #[error("{0}")]
    Store(String),
    /// Zoom's answers are none that records can be taken from.
    #[error("{0}")]
    Zoom(String),
    /// Standard output was closed, or cannot be written.
    #[error("writing events failed: {0}")]
    Output(#[source] std::io::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Busy { .. } => Self::Held(error.to_string()),
            store::Error::Settings { .. } => Self::Usage(error.to_string()),
            error if error.is_access() => Self::Access(error.to_string()),
            error => Self::Store(error.to_string()),
        }
    }
}
