//! Counts and cuts texts.

use std::borrow::Cow;

/// Returns the number of characters of a text, without ASCII white space.
pub(super) fn count(text: &str) -> u64 {
    // Sums of bytes, of which no one overflows, are computed for many bytes at once.
    let count = |chunk: &[u8]| chunk.iter().fold(0_u8, |sum, byte| sum.wrapping_add(u8::from(counts(*byte))));
    text.as_bytes().chunks(usize::from(u8::MAX)).map(|chunk| u64::from(count(chunk))).sum()
}

/// Returns whether a byte of UTF-8 begins a character that is not ASCII white space.
fn counts(byte: u8) -> bool {
    let (is_space, continues) = (byte == b' ' || byte.wrapping_sub(b'\t') < 5, byte & 0xC0 == 0x80);
    !(is_space | continues)
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
