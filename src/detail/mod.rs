//! Parses `operation_detail`: head, changes, e-mail addresses, and the users in its embedded JSON.
//!
//! `parser` splits the text, `change` (nom) reads new values, `embedded_json` finds the JSON value, and `json_users` reads
//! it. `mapping` decides what the parts mean for an event.

mod change;
mod detail;
mod embedded_json;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod json_users;
mod parser;
mod spans;
mod splice_buf;
#[cfg(test)]
mod tests;
mod text;

pub use crate::json::TextValues;
pub use change::{Change, new_value, old_and_new};
pub use detail::Detail;
pub use json_users::{JsonUser, JsonUsers, UserField};
pub(crate) use spans::{Ranges, SpanMap, span_within};
pub use splice_buf::SpliceBuf;
pub use text::{Text, eq_ignore_case};
