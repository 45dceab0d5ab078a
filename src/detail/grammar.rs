//! The grammar of `operation_detail`: HEAD, a space, then ` - CHANGE` for each change.
//!
//! One look over the text marks every byte that the grammar turns on ([`Marks`]); the rules then go from mark to mark.

use crate::json::{each, trim};
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{eof, rest};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use smallvec::SmallVec;
use wide::u8x16;

/// One change: what was changed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// What was changed: never empty; may hold spaces, brackets, an e-mail address.
    pub key: &'a str,
    /// How, in Zoom's words: `set to …`, `from … to …` or a bare value; may be empty.
    pub value: &'a str,
}

/// A list of changes: most details have no more than fit inline.
pub(super) type Changes<'a> = SmallVec<[Change<'a>; 6]>;

/// Where in a text the bytes are that the grammar turns on: dashes and colons that a space follows, or the end.
pub(super) struct Marks {
    places: SmallVec<[u32; 24]>,
    /// Whether there is a bracket or brace that a JSON value could begin with.
    pub(super) brackets: bool,
    /// How many `@` there are.
    pub(super) at_signs: u32,
}

impl Marks {
    /// Looks over a text, which must be shorter than 4 GiB (lines are limited to 1 GiB).
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut marks = Self { places: SmallVec::new(), brackets: false, at_signs: 0 };
        // `[` and `{` differ in the bit that also makes letters small.
        let select = |step: u8x16| {
            let small = step | u8x16::splat(0x20);
            let brackets = small.simd_eq(u8x16::splat(b'{'));
            step.simd_eq(u8x16::splat(b'-'))
                | step.simd_eq(u8x16::splat(b':'))
                | step.simd_eq(u8x16::splat(b'@'))
                | brackets
        };
        each(bytes, select, |at| {
            match bytes[at] {
                b'@' => marks.at_signs += 1,
                b'-' | b':' => {
                    if matches!(bytes.get(at + 1), None | Some(b' ')) || bytes[at] == b':' {
                        marks.places.push(u32::try_from(at).unwrap_or(u32::MAX));
                    }
                }
                _ => marks.brackets = true,
            }
            true
        });
        marks
    }
}

/// Cuts a text, which is trimmed, into HEAD, what stands alone, and changes.
#[inline]
pub(super) fn read<'a>(
    text: &'a str,
    marks: &Marks,
    changes: &mut Changes<'a>,
) -> (&'a str, Option<&'a str>) {
    let bytes = text.as_bytes();
    let Some(end) = head_end(bytes, &marks.places) else { return (text, None) };
    let dash = marks.places[end] as usize;
    let mut gathered = Gathered { text, start: dash + 2, key: None, alone: None, changes };
    let mut piece = Piece { start: dash + 2, colon: None };
    for &mark in &marks.places[end + 1..] {
        let mark = mark as usize;
        if bytes[mark] == b':' {
            piece.colon = piece.colon.or(Some(mark));
        } else if mark > piece.start && bytes[mark - 1] == b' ' && bytes.get(mark + 1) == Some(&b' ') {
            gathered.piece(&piece, mark - 1);
            piece = Piece { start: mark + 2, colon: None };
        }
    }
    gathered.piece(&piece, text.len());
    gathered.close(text.len());
    (trim(&text[..dash]), gathered.alone)
}

/// The mark of the dash that ends HEAD: one at the very start, else the first behind two spaces, else the first
/// behind one.
#[inline]
fn head_end(bytes: &[u8], marks: &[u32]) -> Option<usize> {
    let mut behind_one = None;
    for (index, &mark) in marks.iter().enumerate() {
        let dash = mark as usize;
        if bytes[dash] != b'-' || bytes.get(dash + 1) != Some(&b' ') {
            continue;
        }
        match bytes[..dash] {
            [] | [.., b' ', b' '] => return Some(index),
            [.., b' '] => behind_one = behind_one.or(Some(index)),
            _ => {}
        }
    }
    behind_one
}

/// The text between two dashes: where it starts, and its first colon.
struct Piece {
    start: usize,
    colon: Option<usize>,
}

/// Pieces on their way to changes.
struct Gathered<'a, 'c> {
    text: &'a str,
    /// Where what is being gathered starts: the value of `key`, or what stands alone.
    start: usize,
    key: Option<&'a str>,
    alone: Option<&'a str>,
    changes: &'c mut Changes<'a>,
}

impl Gathered<'_, '_> {
    /// Takes the piece that ends at `end`: if it is `KEY: VALUE` or `KEY:` it begins a change, otherwise it belongs to
    /// what is being gathered.
    #[inline]
    fn piece(&mut self, piece: &Piece, end: usize) {
        let Some(colon) = piece.colon else { return };
        let key = trim(&self.text[piece.start..colon]);
        // The colon must be followed by a space, or end the piece.
        if key.is_empty() || colon + 1 < end && self.text.as_bytes()[colon + 1] != b' ' {
            return;
        }
        // The dash and the spaces around it stand before the piece.
        self.close(piece.start.saturating_sub(" - ".len()));
        // Nearly always one space, and nothing to trim behind it.
        (self.start, self.key) = ((colon + 2).min(end), Some(key));
    }

    /// Ends what is being gathered.
    #[inline]
    fn close(&mut self, end: usize) {
        let text = trim(self.text.get(self.start..end).unwrap_or_default());
        match self.key {
            Some(key) => self.changes.push(Change { key, value: text }),
            None if text.is_empty() => {}
            None => self.alone = Some(text),
        }
    }
}

/// What a change sets: `set to NEW` → NEW; `from OLD to NEW` → NEW, behind the first ` to `; anything else → itself.
/// `None` where that is empty. `value` is trimmed.
#[must_use]
#[inline]
pub fn new_value(value: &str) -> Option<&str> {
    let phrase = match value.as_bytes().first() {
        Some(b's') => set_to(value),
        Some(b'f') => from_to(value),
        _ => rest(value),
    };
    Some(trim(phrase.map_or(value, |(_, new)| new))).filter(|new| !new.is_empty())
}

fn set_to(value: &str) -> IResult<&str, &str, ()> {
    preceded(tag("set to"), alt((preceded(tag(" "), rest), eof))).parse(value)
}

fn from_to(value: &str) -> IResult<&str, &str, ()> {
    preceded((tag("from "), until_to), alt((preceded(tag(" "), rest), eof))).parse(value)
}

/// Behind the first ` to` that a space or the end follows.
fn until_to(text: &str) -> IResult<&str, &str, ()> {
    let bytes = text.as_bytes();
    let mut end = None;
    each(
        bytes,
        |step| step.simd_eq(u8x16::splat(b' ')),
        |space| {
            let found =
                bytes[space..].starts_with(b" to") && matches!(bytes.get(space + 3), None | Some(b' '));
            end = found.then_some(space);
            !found
        },
    );
    let end = end.ok_or(nom::Err::Error(()))?;
    Ok((&text[end + 3..], &text[..end]))
}
