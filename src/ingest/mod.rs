//! Ingests objects: list, look up in the ledger, normalize, upload, record, and only then delete.
//!
//! Exactly-once processing does not require that a run ends well (docs/design/exactly-once.md). The name of an output
//! identifies the version of its object; its bytes depend on that version and the options only; it is created whole and
//! only if absent. The [`ledger`] saves work, keeps counts, and separates failed objects from pending ones.
//!
//! Memory is bounded by objects in flight (4 MiB of input and twice 8 MiB of output each), cores (64 MiB of events each
//! for a stream, an 8 MiB part each for Cloud Storage), four stored segments of the ledger, 8,192 queued names, and 16
//! bytes plus table space for each known object.

mod content;
mod convert;
mod growth;
mod isolation;
pub mod ledger;
mod listing;
mod local_file;
mod members;
mod name;
mod object;
mod observer;
mod options;
mod piped;
mod recovery;
mod removal;
mod report;
mod run;
mod select;
mod settle;
mod spool;
mod verify;

pub use crate::clock::Clock;
pub use crate::halt::Error;
pub use content::Content;
#[cfg(feature = "serve")]
pub(crate) use convert::guarded;
#[cfg(feature = "cli")]
pub(crate) use object::blocking_threads;
pub use observer::{Observer, Quiet};
pub use options::{Delete, Destination, Limits, Options, Shard};
pub use report::Report;
pub use run::run;
pub use select::Skip;
pub use settle::Settle;
pub use verify::{Gap, Verified, verify};
