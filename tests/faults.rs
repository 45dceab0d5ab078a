//! Each place where bytes are read or written, with each fault that may happen there, for each verb: it ends as the README
//! says, says what went wrong and where, and a clean run after it gives what an undisturbed one gives. The matrix is
//! printed (`cargo test --locked --test faults -- --nocapture`); `FAULTS='ingest put events'` picks cells and shows what they say.
#![cfg(all(feature = "serve", unix))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a test that cannot go on fails, and a list is read in one piece"
)]

mod collecting;
mod faulting;
#[path = "common/nobody.rs"]
mod nobody;
mod serving;

use faulting::{collects, feed, files, service};

#[test]
fn every_fault_ends_as_documented_and_is_made_good_by_a_clean_run() {
    let mut cells = files::cells();
    cells.extend(feed::cells());
    cells.extend(collects::cells());
    cells.extend(service::cells());
    let wrong = faulting::run(cells);
    assert!(wrong.is_empty(), "{} cells are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}
