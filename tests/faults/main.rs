//! Each place where bytes are read or written, with each fault that may happen there, for each verb: it ends as the README
//! says, says what went wrong and where, and a clean run after it gives what an undisturbed one gives. The matrix is
//! printed (`cargo test --locked --test faults -- --nocapture`); `FAULTS='ingest put events'` picks cells and shows what they say.
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
mod storage;

#[test]
fn every_fault_has_its_documented_exit_and_recovery() {
    let mut fault_cases = files::fault_cases();
    fault_cases.extend(feed::fault_cases());
    fault_cases.extend(collects::fault_cases());
    fault_cases.extend(service::fault_cases());
    let wrong = matrix::run(fault_cases);
    assert!(wrong.is_empty(), "{} cells are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}
