//! Ingests objects: list, look up in the ledger, normalize, upload, record, and only then delete.
//!
//! Exactly-once processing does not require that a run ends well (docs/design/exactly-once.md). The name of an output
//! identifies the version of its object; its bytes depend on that version and the options only; it is created whole and
//! only if absent. The [`ledger`] saves work, keeps counts, and separates failed objects from pending ones.
//!
//! Memory is bounded by objects in flight (4 MiB of input and twice 8 MiB of output each), cores (64 MiB of events each
//! for a stream, an 8 MiB part each for Cloud Storage), four stored segments of the ledger, 8,192 queued names, and 16
//! bytes plus table space for each known object.

mod content_id;
mod convert;
mod deletion;
mod extent;
mod filter;
pub mod ledger;
mod listing;
mod local_file;
mod members;
mod options;
mod output_name;
mod panic_guard;
mod progress;
mod recovery;
mod report;
mod run;
mod settling;
mod source_reader;
mod spool;
mod transfer;
mod verify;

pub use crate::clock::Clock;
pub use crate::error::RunError;
pub use content_id::ContentId;
pub(crate) use convert::decompress_limited;
pub use filter::Skip;
pub use options::{Delete, Destination, Limits, Options, Shard};
pub use progress::{NoopObserver, Observer};
pub use report::Report;
pub use run::run;
pub use settling::WriteSettling;
pub(crate) use transfer::blocking_threads;
pub use verify::{Discrepancy, VerifyReport, verify};
