//! Who hears of a run while it goes on.

use super::select::Skip;

/// Hears of a run while it goes on. Called from one task; must not block.
pub trait Observer: Send + Sync {
    /// An object is going to be read, or would be in a dry run.
    fn chosen(&self, _object: &str, _size: u64) {}
    /// An object is not read.
    fn skipped(&self, _object: &str, _skip: Skip) {}
    /// After that, of one that waits: why it failed before, and whether that will not pass while it is as it is.
    fn rests(&self, _object: &str, _reason: &str, _lasting: bool) {}
    /// An object is done: bytes as stored, events.
    fn done(&self, _object: &str, _size: u64, _events: u64) {}
    /// Something of the whole run that its owner should know.
    fn warned(&self, message: &str) {
        tracing::warn!("{message}");
    }
    /// One of the first records of an object that were refused, with its place and why: nothing keeps it.
    fn rejected(&self, told: &str) {
        tracing::warn!("rejected: {told}");
    }
    /// An object failed; `passing` where it may go well another time, as it is.
    fn failed(&self, _object: &str, _size: u64, _reason: &str, _passing: bool) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Observer for Quiet {}
