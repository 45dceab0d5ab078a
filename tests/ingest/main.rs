//! Tests of `ingest` with directories and a fake Cloud Storage. They are one program, so that `testkit` is linked once.
#![cfg(feature = "cloud")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::semicolon_if_nothing_returned,
    clippy::naive_bytecount,
    reason = "a test that cannot go on fails"
)]

mod compatibility;
#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod delete;
#[cfg(unix)]
mod local;
mod login;
mod objects;
#[cfg(unix)]
mod runs;
#[cfg(unix)]
mod stalled;
mod stores;
#[cfg(target_os = "linux")]
mod threads;
mod verified;
