//! What all objects of a run share.

use super::content_id::ProcessedContents;
use super::convert::ConvertOptions;
use super::options::Options;
use super::recovery::OrphanOutputs;
use crate::store::Store;
use crate::timestamp::Timestamp;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Bytes of an object's events that are held in memory for a stream.
const STREAM_IN_MEMORY: usize = 64 << 20;

/// Stores, options and limits of a run.
pub(super) struct IngestContext {
    pub(super) from: Store,
    pub(super) to: Option<Store>,
    pub(super) rejects: Option<Store>,
    pub(super) options: Options,
    /// The contents of local files that are done; `None` without a ledger, and for other sources.
    pub(super) contents: Option<Arc<ProcessedContents>>,
    /// Outputs of local files that a killed run did not record.
    pub(super) recovered: OnceLock<OrphanOutputs>,
    /// One permit per core: for objects in memory and files.
    pub(super) threads: Semaphore,
    /// A few permits: for objects that are converted while they are fetched.
    pub(super) streams: Semaphore,
}

impl IngestContext {
    /// Returns the options for an object with this modification time, in milliseconds since the epoch.
    pub(super) fn convert_options(&self, modified: i64) -> ConvertOptions {
        let options = &self.options;
        let mut normalize = options.normalize.clone();
        if options.default_time_from_mtime {
            let modified = chrono::DateTime::from_timestamp_millis(modified).and_then(Timestamp::from_chrono);
            normalize.default_time = modified.or(normalize.default_time);
        }
        ConvertOptions {
            options: normalize,
            requests: options.requests.clone(),
            limits: options.limits,
            plain: options.to.location().is_none().then_some(STREAM_IN_MEMORY),
            rejects: options.rejects.is_some(),
            skip: 0,
        }
    }
}

/// Returns how many objects in memory or files are converted at once, and how many streamed ones.
pub(super) fn conversions() -> [usize; 2] {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    [cores, cores.max(2)]
}

/// The number of blocking tasks of a run besides conversions: the walk of a directory, writing to a stream, segments of the
/// ledger, and lookups of files and names. Conversions may wait for the network, so they must never hold all threads:
/// looking up a name needs one.
const OTHER_BLOCKING: usize = 10;

/// Returns the maximum number of threads for blocking work that a run needs.
pub(crate) fn blocking_threads() -> usize {
    conversions().iter().sum::<usize>() + OTHER_BLOCKING
}
