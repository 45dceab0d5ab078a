//! Tests of `serve`, and tests that cover every command. They are one program, so that `testkit` is linked once.
#![cfg(all(feature = "cloud", unix))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test that cannot go on fails, and a list is read in one piece"
)]

mod callers;
mod framing;
mod ingest;
mod limits;
mod normalize;
mod pushed;
#[cfg(target_os = "linux")]
mod secrets;
mod sign_ins;
#[cfg(target_os = "linux")]
mod threads;
mod webhook;
mod webhook_storage;
