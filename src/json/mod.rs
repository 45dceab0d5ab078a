//! JSON as bytes: where strings and values end, and how strings are unescaped and escaped.
//!
//! All functions work on borrowed text and build no tree. Tests hold each of them equal to `serde_json`.

#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod iter;
mod leaves;
mod minify;
mod scalars;
mod scan;
mod skip;
mod string;
mod text_values;

pub(crate) use iter::{Cursor, elements, members};
pub(crate) use leaves::Leaves;
pub(crate) use minify::minify;
pub(crate) use scalars::scalars;
pub(crate) use scan::{find_byte, for_each_position, positions, skip_space, trim, unescaped_prefix_len};
pub(crate) use skip::{NestingStack, NestingTracker, SkipError, scalar, skip_value, skip_value_with};
pub(crate) use string::{escape_into, has_lone_surrogate, unescape, unescape_lossy, unescape_until_quote};
pub use text_values::TextValues;
pub(crate) use text_values::{leaf_text, non_empty_elements, string};
