//! Observes a run.

use super::filter::Skip;

/// Observes a run. Called from one task; must not block.
pub trait Observer: Send + Sync {
    /// An object will be read, or would be in a dry run.
    fn chosen(&self, _object: &str, _size: u64) {}
    /// An object is skipped.
    fn skipped(&self, _object: &str, _skip: Skip) {}
    /// Follows `skipped` for an object in backoff: why it failed, and whether the failure is permanent.
    fn on_backoff(&self, _object: &str, _reason: &str, _lasting: bool) {}
    /// An object is done: its stored bytes, and its events.
    fn done(&self, _object: &str, _size: u64, _events: u64) {}
    /// A warning about the whole run.
    fn warned(&self, message: &str) {
        tracing::warn!("{message}");
    }
    /// One of the first rejected records, with position and reason, if nothing stores rejects.
    fn rejected(&self, told: &str) {
        tracing::warn!("rejected: {told}");
    }
    /// An object failed; `passing` if it may succeed later.
    fn failed(&self, _object: &str, _size: u64, _reason: &str, _passing: bool) {}
}

/// Observes nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

impl Observer for NoopObserver {}
