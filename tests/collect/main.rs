//! `collect` and `check`, in a world of a Zoom, a bucket and a clock: one program, so that the world is compiled once.
#![cfg(feature = "cloud")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::semicolon_if_nothing_returned,
    reason = "a test that cannot go on fails"
)]

mod acceptance;
mod check;
mod compatibility;
#[cfg(unix)]
mod crash;
mod defects;
#[cfg(unix)]
mod deployed;
#[cfg(unix)]
mod fence;
mod identical_records;
mod progress;
mod replies;
mod runs;
mod stand_in;
