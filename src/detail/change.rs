//! One change, and the new value that it gives.

use crate::json::{positions, trim};
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{eof, rest};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use wide::u8x16;

/// One change: a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What was changed; never empty. May contain spaces, brackets and an e-mail address.
    pub key: &'a str,
    /// The change in Zoom's words: `set to …`, `from … to …` or a bare value. May be empty.
    pub value: &'a str,
}

/// Returns the new value of a change: `set to NEW` → NEW; `from OLD to NEW` → NEW, split at the first ` to `; anything
/// else → itself. `None` if it is empty. `value` must be trimmed.
#[must_use]
#[inline]
pub fn new_value(value: &str) -> Option<&str> {
    let new = match value.as_bytes().first() {
        Some(b's') => set_to(value),
        Some(b'f') => from_to(value).map_or(value, |(_, new)| new),
        _ => value,
    };
    Some(trim(new)).filter(|new| !new.is_empty())
}

/// Returns the old and the new value of a change: of `from OLD to NEW` both, of anything else no old value. `None` if one is
/// empty. `value` must be trimmed.
#[must_use]
#[inline]
pub fn old_and_new(value: &str) -> [Option<&str>; 2] {
    match from_old(value) {
        Some((new, old)) => [old, new].map(|text| Some(trim(text)).filter(|text| !text.is_empty())),
        None => [None, new_value(value)],
    }
}

/// Returns what follows `to` in `from OLD to NEW`, and OLD.
fn from_old(value: &str) -> Option<(&str, &str)> {
    value.starts_with('f').then(|| preceded(tag("from "), until_to).parse(value).ok()).flatten()
}

/// Returns what follows `set to`, if a value begins with these words, otherwise all of it.
fn set_to(value: &str) -> &str {
    match value.strip_prefix("set to ") {
        Some(new) => new,
        None if value == "set to" => "",
        None => value,
    }
}

fn from_to(value: &str) -> IResult<&str, &str, ()> {
    preceded((tag("from "), until_to), alt((preceded(tag(" "), rest), eof))).parse(value)
}

/// Returns the text after the first ` to` that is followed by a space or the end, and the text before it.
fn until_to(text: &str) -> IResult<&str, &str, ()> {
    let bytes = text.as_bytes();
    let ends = |space: usize| {
        bytes[space..].starts_with(b" to") && matches!(bytes.get(space + 3), None | Some(b' '))
    };
    let mut spaces = positions(bytes, |step| step.simd_eq(u8x16::splat(b' ')));
    let end = spaces.find(|&space| ends(space)).ok_or(nom::Err::Error(()))?;
    Ok((&text[end + 3..], &text[..end]))
}
