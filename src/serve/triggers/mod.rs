//! Pushes that start runs of collect and ingest.
//!
//! - `payload`: checked JSON of pushes. `cloudevent`, `push`: what a push asks for.
//! - `collect_handler`, `ingest_handler`: pushes to runs.
//! - `ingest_queue`: which push waits for which run of ingest. `ingest_outcome`: the outcome of a run.

mod cloudevent;
pub(crate) mod collect_handler;
pub(crate) mod ingest_handler;
mod ingest_outcome;
pub(crate) mod ingest_queue;
pub(crate) mod payload;
pub(crate) mod push;
