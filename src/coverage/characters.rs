//! Counts and cuts texts.

use std::borrow::Cow;
use wide::u8x16;

/// The number of bytes that are counted at a time.
const LANES: usize = 16;

/// Returns the number of characters of a text, without ASCII white space.
pub(super) fn count(text: &str) -> u64 {
    let (steps, rest) = text.as_bytes().as_chunks::<LANES>();
    let mut last = [0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let others = steps.iter().map(count_others).sum::<u64>() + count_others(&last);
    text.len() as u64 - others
}

/// Counts the bytes of UTF-8 that are ASCII white space, or continue a character.
#[inline]
fn count_others(step: &[u8; LANES]) -> u64 {
    let bytes = u8x16::new(*step);
    let is_space = bytes.simd_eq(u8x16::splat(b' '));
    let from_tab = bytes - u8x16::splat(b'\t');
    let is_control = from_tab.simd_eq(from_tab.min(u8x16::splat(b'\r' - b'\t')));
    let continues = (bytes & u8x16::splat(0xC0)).simd_eq(u8x16::splat(0x80));
    let others = (is_space | is_control | continues).to_bitmask();
    // Many steps have none, and the oldest processors have no instruction that counts bits.
    if others == 0 { 0 } else { u64::from(others.count_ones()) }
}

/// The maximum length of a name, in bytes.
const MAX_NAME: usize = 200;

/// Returns a name, cut to the maximum length.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    cut(text, MAX_NAME)
}

/// Returns a text that has at most `most` bytes; one that was cut ends in `…`.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most - '…'.len_utf8()).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// An example of a value: the start of its text, and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) text: Box<str>,
    /// The number of characters of the whole text.
    pub(super) length: usize,
}

impl Example {
    /// The maximum length of the start, in bytes.
    const MAX: usize = 100;

    // Called once for a name, so it does not belong into the code for each record.
    #[inline(never)]
    pub(super) fn new(text: &str) -> Self {
        Self { text: cut(text, Self::MAX).into(), length: text.chars().count() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_exclude_ascii_white_space() {
        assert_eq!(count(" a\t\r\n é🙂\u{b}"), 3);
        assert_eq!(count("\u{0}\u{a0}"), 2);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("éééé", 6), "é…");
        let example = Example::new(&"é".repeat(1000));
        assert!(example.text.len() <= Example::MAX && example.text.ends_with("é…"), "{example:?}");
        assert_eq!(example.length, 1000);
    }
}
