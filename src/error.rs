//! Why a run ended early. Failures of single objects or windows do not end a run: they are recorded in the ledger or
//! the state, and in the report.

use crate::store;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use tokio::task::JoinError;

/// What failed, and what to do about it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What failed, and why.
    pub what: String,
    /// What to do, if anything helps.
    pub hint: Option<String>,
    /// The error of which `what` holds the message.
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure with a hint.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()), cause: None }
    }

    /// Adds the error that caused it, which must not hold secrets: nothing redacts the sources of an error.
    pub(crate) fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Compares what people read.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        (&self.what, &self.hint) == (&other.what, &other.hint)
    }
}

impl Eq for Failure {}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self { what, hint: None, cause: None }
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

/// Errors by what the caller can do about them. A message includes those of the error's sources.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Settings that do not fit together.
    #[error(transparent)]
    Usage(Failure),
    /// Missing credentials, scopes, roles or permissions.
    #[error(transparent)]
    Access(Failure),
    /// Other runs hold everything that this run would work on.
    #[error(transparent)]
    Locked(Failure),
    /// The ledger or the state is corrupt or newer than this program, or the local clock is wrong. Nothing is changed.
    #[error(transparent)]
    Corrupt(Failure),
    /// The bucket, destination, ledger or state is unreachable, or the disk is full.
    #[error(transparent)]
    Storage(Failure),
    /// Zoom's responses contain no usable records.
    #[error(transparent)]
    Zoom(Failure),
    /// Standard output was closed or cannot be written.
    #[error("writing events failed: {0}")]
    Output(#[source] std::io::Error),
}

impl RunError {
    /// Returns the error of a task that panicked; what it worked on may be fine.
    pub(crate) fn task_failed(error: JoinError) -> Self {
        Self::Storage(Failure::from(format!("a task failed: {error}")).caused_by(error))
    }
}

impl From<store::Error> for RunError {
    fn from(error: store::Error) -> Self {
        let kind: fn(Failure) -> Self = match &error {
            store::Error::Locked { .. } => Self::Locked,
            store::Error::Settings { .. } => Self::Usage,
            error if error.is_access() => Self::Access,
            _ => Self::Storage,
        };
        kind(Failure::from(error.to_string()).caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, RunError};
    use crate::store;
    use std::error::Error as _;
    use std::io;

    #[test]
    fn storage_error_keeps_its_causes() {
        let full = store::Error::io("file:///x", io::ErrorKind::StorageFull.into());
        let message = full.to_string();
        let error = RunError::from(full);
        assert_eq!(error.to_string(), message);
        let stored = error.source().and_then(|cause| cause.downcast_ref::<store::Error>());
        assert_eq!(stored.map(ToString::to_string), Some(message));
        let root = stored.and_then(|stored| stored.source()?.downcast_ref::<io::Error>());
        assert_eq!(root.map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn failures_are_compared_by_their_text() {
        let failure = || Failure::new("no listener", "name another address");
        let caused = failure().caused_by(io::Error::from(io::ErrorKind::AddrInUse));
        assert_eq!(caused, failure());
        assert_eq!(caused.to_string(), "no listener; name another address");
        assert!(RunError::Usage(caused).source().is_some() && RunError::Usage(failure()).source().is_none());
    }
}
