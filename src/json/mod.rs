//! JSON as bytes: where a string ends, where a value ends, what a string says, how a string is written.
//!
//! Everything here works on text that stays where it is; nothing builds a tree. `serde_json` is the plain twin that
//! each function is held equal to in the tests.

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
pub(crate) use text::{decode, decode_to_quote, escape_into};
pub use texts::Texts;
pub(crate) use texts::{sayings, string};
pub(crate) use walk::{Levels, Stop, Trail, scalar, walk, walk_along};
