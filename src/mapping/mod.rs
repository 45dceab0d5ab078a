//! Maps a record and its content to an event. Mapping cannot fail: what does not fit is noted, and stays in the
//! description.
//!
//! The table ([`ROWS`]) defines which value goes where. `row_values`, `json_user_rows` and `webhook_rows` collect the values that its rows need,
//! `map` puts them into an event, and `template` is the table compiled to text. `enrich` reads what `--enrich` adds, and `template_enriched` writes it for usual operation logs.

mod about;
mod content;
mod diagnostics;
mod enrich;
mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod ip_address;
mod json_user_rows;
mod map;
mod options;
mod render;
mod row;
mod row_lookup;
mod row_values;
mod table;
mod table_enriched;
mod table_sign_in;
mod table_webhook;
mod template;
mod template_enriched;
#[cfg(test)]
mod tests;
mod trace;
mod trace_texts;
mod webhook_rows;

pub use content::Content;
pub(crate) use content::TimeSource;
pub use diagnostics::{Diagnostic, DiagnosticCounts};
pub(crate) use enrich::{is_known_action, is_known_category, is_known_sign_in, known_start_of_event};
pub use map::map;
pub(crate) use map::{put_all_but_about, put_other_members, write_from_template};
pub use options::{MappingOptions, Values};
pub use render::{json, markdown};
#[cfg(feature = "cli")]
pub(crate) use render::{json_of, markdown_of};
pub use row::{Profile, Provenance, Row, SettingsOf, Source, Take};
pub(crate) use row_lookup::row_of_key;
pub use table::ROWS;
pub(crate) use template::{EventBuffer, Template, TemplateWriter};
pub use trace::{KeyedValue, Trace};
pub(crate) use trace_texts::trace_texts;
