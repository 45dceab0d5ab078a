//! One raw record, borrowed from its text.
//!
//! Three readers, each falling back to the next: `zoom_layout` reads Zoom's exact layouts, `fast` reads ordinary records in
//! any layout, and `reference` reads everything with `serde_json` and defines the result. Property tests hold them equal.

mod fast;
mod field;
mod field_spans;
mod fingerprint;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod kind;
mod pages;
mod read;
mod record;
mod reference;
#[cfg(test)]
mod tests;
mod unknown;
mod zoom_layout;

pub use field::Field;
#[cfg(any(test, fuzzing))]
pub(crate) use field::PAGE_LISTS;
pub(crate) use field::page_list;
pub use fingerprint::fingerprint;
pub use kind::RecordKind;
pub(crate) use pages::Elements;
pub use record::{Record, Scratch};
#[cfg(feature = "cloud")]
pub(crate) use reference::time_of;
pub(crate) use reference::{Object, elements, is_whole, not_an_object, object, values};
