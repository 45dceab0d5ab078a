//! The fault matrix: every command with every fault at every place where it reads or writes. Each case must end with
//! the documented exit code, name the fault and its location, and recover: a clean run must then produce the same
//! result as one without faults.
//!
//! `cargo test --locked --test faults -- --nocapture` prints the matrix. `FAULTS='ingest put events'` selects cases and
//! prints their messages.
#![cfg(all(feature = "cloud", unix))]
#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, and a list is read in one piece"
)]

mod collects;
mod feed;
mod files;
mod matrix;
mod service;
mod sign_ins;
mod storage;
mod webhook;

#[test]
fn every_fault_has_its_documented_exit_and_recovery() {
    let mut fault_cases = files::fault_cases();
    fault_cases.extend(feed::fault_cases());
    fault_cases.extend(collects::fault_cases());
    fault_cases.extend(service::fault_cases());
    fault_cases.extend(sign_ins::fault_cases());
    fault_cases.extend(webhook::fault_cases());
    let wrong = matrix::run(fault_cases);
    assert!(wrong.is_empty(), "{} cases are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}
