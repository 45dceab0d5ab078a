//! The fuzz targets: they decode bytes into inputs for the properties of each module. `fuzz/README.md` explains how to
//! run them. `cargo test` replays `fuzz/seeds` and `fuzz/regressions`.

mod fast_paths;
mod gzip;
mod kinds;
mod normalize;
mod records;
mod settings;
mod state;
mod targets;
mod values;

pub use targets::{TARGETS, Target, run};
