//! Ingests objects: list, look up in the ledger, normalize, upload, record, and only then delete.
//!
//! Exactly-once processing does not require that a run ends well (docs/design/exactly-once.md). The name of an output
//! identifies the version of its object; its bytes depend on that version and the options only; it is created whole and
//! only if absent. The [`ledger`] saves work, keeps counts, and separates failed objects from pending ones.
//!
//! Memory is bounded by objects in flight (4 MiB of input and twice 8 MiB of output each), cores (64 MiB of events each
//! for a stream, an 8 MiB part each for Cloud Storage), four stored segments of the ledger, 8,192 queued names, and 16
//! bytes plus table space for each known object.

mod classify;
mod content_id;
mod context;
mod convert;
mod decompress;
mod deletion;
mod file_stability;
mod filter;
mod fingerprint;
mod growing_file;
mod gzip_tail;
pub mod ledger;
mod listing;
mod local_file;
mod options;
mod outcome;
mod output_name;
mod output_stream;
mod panic_guard;
mod read_range;
mod recorder;
mod recovery;
mod report;
mod run;
mod shard;
mod source_reader;
mod spool;
mod transfer;
mod upload;
mod verify;

pub use crate::clock::Clock;
pub use crate::error::RunError;
pub use crate::progress::{NoopObserver, ObjectEvent, Observer, Skip};
pub use content_id::ContentId;
pub(crate) use context::blocking_threads;
pub use decompress::Limits;
pub(crate) use decompress::decompress_limited;
pub use file_stability::StabilityCheck;
pub use options::{Delete, Destination, Options};
pub use report::Report;
pub use run::run;
pub use shard::Shard;
pub use verify::{Discrepancy, VerifyReport, verify};
