//! Objects by name in Cloud Storage, a directory tree or memory. Handles bytes only.
//!
//! All backends guarantee, beyond reading:
//! - [`Store::put_if_absent`] creates an object whole, durably and only if it is absent, or reports what is there.
//! - [`Store::compare_and_swap`] replaces an object only if it is the version that was read.

mod classify;
mod cloud;
mod config;
mod download_check;
mod error;
mod gcs;
mod gcs_http;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod listing;
mod local_fs;
mod location;
mod multipart;
mod name_escape;
mod object;
mod store;
mod task_stream;

pub use config::StoreConfig;
pub(crate) use download_check::read_to_end;
pub use error::{Error, Missing};
pub use location::Location;
pub use object::{Body, GetResult, MAX_BUFFERED_BYTES, ObjectMeta, Payload, PutOutcome, Version};
pub use store::Store;
pub(crate) use task_stream::TaskStream;
