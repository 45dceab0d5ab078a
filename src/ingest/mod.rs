//! The feed: list objects, ask the ledger, normalize, put, mark, and only then delete.
//!
//! Exactly once rests on three things, none of which needs a run to end well. An output's name says which version of
//! which object it holds; its bytes depend on that version and the options alone; it is made whole and only where there
//! is none. So whoever does an object again, after a kill or at the same time, finds it done. The [`ledger`] saves
//! that work, knows the counts, and keeps what failed apart from what is to do.
//!
//! Memory is bounded by objects in flight (4 MiB of input and twice 8 MiB of output each), cores (64 MiB of events
//! each on the way to a stream, an 8 MiB part each on the way to Cloud Storage), four segments of the ledger as they are
//! stored, 8,192 names of objects that wait for their turn, and 16 bytes and the table's room for each object that is
//! known.

mod content;
mod convert;
mod growth;
mod isolation;
pub mod ledger;
mod listing;
mod local_file;
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
