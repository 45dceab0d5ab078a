//! Tests of `collect` and `check` with fakes of Zoom and Cloud Storage. They are one program, so that `testkit` is
//! linked once.
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
mod sign_ins;
mod stand_in;
