//! Maps a record and its detail to an event. Mapping cannot fail: what does not fit is noted, and stays in the
//! description.
//!
//! The table ([`ROWS`]) defines which value goes where. `row_values` and `users` collect the values that its rows need,
//! `map` puts them into an event, and `template` is the table compiled to text.

mod diagnostics;
mod index;
mod map;
mod options;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod render;
mod row;
mod row_values;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod trace;
mod users;

pub use diagnostics::{Diagnostic, DiagnosticCounts};
pub(crate) use index::row_of_key;
pub use map::map;
pub(crate) use map::{map_all_but_about, write_from_template};
pub use options::{MappingOptions, Values};
pub use render::{json, markdown};
pub use row::{Provenance, Row, Source};
pub use table::ROWS;
pub(crate) use template::{EventBuffer, Template, TemplateOutput};
pub use trace::Trace;
