//! Why a run ended before its work did. What one window did wrong is no such reason: it is in the state and the report.

use crate::{lease, store};

/// The reasons, sorted by what a caller can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings that do not fit together.
    #[error("{0}")]
    Usage(String),
    /// Credentials, scopes, roles or permissions.
    #[error("{0}")]
    Access(String),
    /// Another run is at work.
    #[error("{0}")]
    Held(String),
    /// The state cannot be understood. It is left as it is.
    #[error("{0}")]
    State(String),
    /// The bucket or the state could not be reached, or the disk is full.
    #[error("{0}")]
    Store(String),
    /// Zoom's answers are none that records can be taken from.
    #[error("{0}")]
    Zoom(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        if error.is_access() { Self::Access(error.to_string()) } else { Self::Store(error.to_string()) }
    }
}

impl From<lease::Error> for Error {
    fn from(error: lease::Error) -> Self {
        match error {
            lease::Error::Store(error) => error.into(),
            lease::Error::Damaged(message) => Self::State(message),
        }
    }
}
