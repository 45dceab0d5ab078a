//! Why a run ended early.

use std::io;

/// Why a run ended early. An input that cannot be read does not end the run: it is listed in [`Summary::failures`](super::Summary::failures), and
/// the other inputs are read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sink failed to take events.
    #[error("writing events failed: {0}")]
    Output(#[source] io::Error),
    /// The sink failed to take rejects.
    #[error("writing rejects failed: {0}")]
    Rejects(#[source] io::Error),
    /// The threads could not be started.
    #[error("starting {threads} threads failed: {source}")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The error of the operating system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
