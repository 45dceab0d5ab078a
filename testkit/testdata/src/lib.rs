//! Generated records for tests and benchmarks: the same bytes for the same seed.
//!
//! Forms and their frequencies follow the real samples in `fixtures/real`: HEAD, two spaces, changes; a trailing space
//! if there are none. Names are invented.

mod adversarial;
mod adversarial_kinds;
mod adversarial_values;
mod corpus;
mod long_lines;
mod write;

pub use long_lines::{LONG, LongLineKind};
pub use write::{Kind, write};
