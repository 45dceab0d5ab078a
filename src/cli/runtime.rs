//! Async runtimes.

use super::error::CliError;
use tokio::runtime::{Builder, Runtime};

/// Returns a runtime for work on one thread.
pub(super) fn current_thread_runtime() -> Result<Runtime, CliError> {
    build_runtime(Builder::new_current_thread(), 0)
}

/// Returns a multi-threaded runtime with threads for this many long-running blocking tasks, in addition to those of
/// `ingest`.
pub(super) fn multi_thread_runtime(blocking_tasks: usize) -> Result<Runtime, CliError> {
    build_runtime(Builder::new_multi_thread(), blocking_tasks)
}

/// Builds a runtime whose number of threads has a limit. Tokio's default limit is 512, and it wakes idle threads in
/// turn, so none of them is idle long enough to end: a process that runs for days keeps as many as it ever needed at
/// once.
fn build_runtime(mut builder: Builder, blocking_tasks: usize) -> Result<Runtime, CliError> {
    let max_threads = crate::ingest::blocking_threads() + blocking_tasks;
    Ok(builder.enable_all().max_blocking_threads(max_threads).build().map_err(anyhow::Error::from)?)
}
