//! The grammar of `operation_detail`: HEAD, a space, then ` - CHANGE` for each change.

use memchr::{memchr, memchr_iter};
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{eof, rest, verify};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use smallvec::SmallVec;

/// What stands between two changes.
const DASH: &str = " - ";

/// One change: what was changed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What was changed: never empty; may hold spaces, brackets, an e-mail address.
    pub key: &'a str,
    /// How, in Zoom's words: `set to …`, `from … to …` or a bare value; may be empty.
    pub value: &'a str,
}

/// HEAD, and what follows the dash behind it. `text` is trimmed.
#[inline]
pub(super) fn head(text: &str) -> (&str, Option<&str>) {
    let Some(dash) = head_end(text) else { return (text, None) };
    let (head, dashed) = text.split_at(dash);
    (head.trim_end(), tag::<_, _, ()>("- ").parse(dashed).ok().map(|(rest, _)| rest))
}

/// The dash that ends HEAD: one at the very start, else the first behind two spaces, else the first behind one.
#[inline]
fn head_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut behind_one = None;
    for dash in memchr_iter(b'-', bytes) {
        if bytes.get(dash + 1) != Some(&b' ') {
            continue;
        }
        match bytes[..dash] {
            [] | [.., b' ', b' '] => return Some(dash),
            [.., b' '] => behind_one = behind_one.or(Some(dash)),
            _ => {}
        }
    }
    behind_one
}

/// Cuts what follows HEAD into changes. A piece that is none belongs to the piece before it; the first piece, where
/// it is none, stands alone and is returned.
#[inline]
pub(super) fn changes<'a>(text: &'a str, changes: &mut SmallVec<[Change<'a>; 6]>) -> Option<&'a str> {
    let mut alone = None;
    // What is being gathered begins here: `key` is its key, unless it stands alone.
    let (mut start, mut key) = (0, None);
    let mut at = 0;
    loop {
        let (behind, piece) = piece(&text[at..]);
        if let Some((value, found)) = change(piece) {
            close(&text[start..at.saturating_sub(DASH.len())], key, changes, &mut alone);
            (start, key) = (at + piece.len() - value.len(), Some(found));
        }
        let Some(behind) = behind else { break };
        at = text.len() - behind.len();
    }
    close(&text[start..], key, changes, &mut alone);
    alone
}

/// Ends the change whose value is `text`, or what stands alone.
#[inline]
fn close<'a>(
    text: &'a str,
    key: Option<&'a str>,
    changes: &mut SmallVec<[Change<'a>; 6]>,
    alone: &mut Option<&'a str>,
) {
    let text = text.trim();
    match key {
        Some(key) => changes.push(Change { key, value: text }),
        None if text.is_empty() => {}
        None => *alone = Some(text),
    }
}

/// The text up to the next dash between spaces, and what is behind it, if there is one.
#[inline]
fn piece(text: &str) -> (Option<&str>, &str) {
    let bytes = text.as_bytes();
    let dash = memchr_iter(b'-', bytes)
        .find(|&dash| dash > 0 && bytes[dash - 1] == b' ' && bytes.get(dash + 1) == Some(&b' '));
    match dash {
        Some(dash) => (Some(&text[dash + 2..]), &text[..dash - 1]),
        None => (None, text),
    }
}

/// `KEY: VALUE` or `KEY:`, as the value's text and the key.
#[inline]
fn change(piece: &str) -> Option<(&str, &str)> {
    fn parser(piece: &str) -> IResult<&str, &str, ()> {
        let (value, key) = verify(until_colon, |key: &str| !key.is_empty()).parse(piece)?;
        let (value, _) = alt((tag(" "), eof)).parse(value)?;
        Ok((value, key))
    }
    parser(piece).ok()
}

/// The text before the first colon, trimmed; the colon is read too.
#[inline]
fn until_colon(text: &str) -> IResult<&str, &str, ()> {
    match memchr(b':', text.as_bytes()) {
        Some(colon) => Ok((&text[colon + 1..], text[..colon].trim())),
        None => Err(nom::Err::Error(())),
    }
}

/// What a change sets: `set to NEW` → NEW; `from OLD to NEW` → NEW, behind the first ` to `; anything else → itself.
/// `None` where that is empty. `value` is trimmed.
#[must_use]
#[inline]
pub fn new_value(value: &str) -> Option<&str> {
    let new = match value.as_bytes().first() {
        Some(b's' | b'f') => alt((set_to, from_to, rest::<_, ()>)).parse(value).map_or(value, |(_, new)| new),
        _ => value,
    };
    Some(new.trim()).filter(|new| !new.is_empty())
}

fn set_to(value: &str) -> IResult<&str, &str, ()> {
    preceded(tag("set to"), alt((preceded(tag(" "), rest), eof))).parse(value)
}

fn from_to(value: &str) -> IResult<&str, &str, ()> {
    preceded((tag("from "), until_to), alt((preceded(tag(" "), rest), eof))).parse(value)
}

/// Behind the first ` to` that a space or the end follows.
fn until_to(text: &str) -> IResult<&str, &str, ()> {
    let end = memchr_iter(b' ', text.as_bytes())
        .find(|&space| {
            text[space..].strip_prefix(" to").is_some_and(|new| new.is_empty() || new.starts_with(' '))
        })
        .ok_or(nom::Err::Error(()))?;
    Ok((&text[end + 3..], &text[..end]))
}
