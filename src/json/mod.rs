//! JSON as bytes: where strings and values end, and how strings are unescaped and escaped.
//!
//! All functions work on borrowed text and build no tree. Tests hold each of them equal to `serde_json`.

mod compact;
mod items;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod scan;
mod text;
mod texts;
mod walk;

pub(crate) use compact::compact;
pub(crate) use items::{Cursor, elements, members};
pub(crate) use scan::{each_position, find_byte, plain_len, positions, skip_space, trim};
pub(crate) use text::{decode, decode_lossy, decode_to_quote, escape_into, has_lone_surrogate};
pub use texts::Texts;
pub(crate) use texts::{sayings, string};
pub(crate) use walk::{Levels, Stop, Trail, scalar, walk, walk_along};
