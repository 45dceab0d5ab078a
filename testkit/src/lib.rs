//! Code shared by the tests, examples and benches of zoom-udm: fakes of Cloud Storage, Zoom and gcloud, which inject
//! faults, and helpers that run the program.

pub mod browser;
pub mod collect;
#[cfg(unix)]
pub mod fake_gcloud;
pub mod files;
pub mod fixtures;
pub mod gcs;
pub mod ingest;
pub mod normalize;
pub mod process;
pub mod proxy;
pub mod serve;
pub mod stall;
#[cfg(unix)]
pub mod unprivileged;
pub mod zoom;
