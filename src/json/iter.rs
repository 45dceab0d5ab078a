//! Iterators over the elements of a JSON array and the members of a JSON object, as slices of the text.

use super::skip::string;
use super::{positions, skip_space};
use wide::u8x16;

/// Returns the elements of `array`, which must be a valid JSON array; for other text, none or fewer.
pub(crate) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut cursor = Cursor::new(array);
    cursor.enter();
    std::iter::from_fn(move || if cursor.next_item() { cursor.value() } else { None })
}

/// Returns the members of `object`, which must be a valid JSON object: the raw key without quotes, and the value.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut cursor = Cursor::new(object);
    cursor.enter();
    std::iter::from_fn(move || if cursor.next_item() { cursor.member() } else { None })
}

/// A position in valid JSON text. In invalid text it finds fewer items.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor before the first value of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: skip_space(text.as_bytes(), 0) }
    }

    /// At a position of `text`, which must be one where a value begins or ends.
    pub(crate) fn at(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Returns the position in the text.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Returns the byte at the cursor.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Enters the array or object at the cursor.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// Moves to the next item of the array or object, or past its end; returns `None` at the end.
    #[inline]
    pub(crate) fn next_item(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        match bytes.get(self.at) {
            Some(b',') => self.at = skip_space(bytes, self.at + 1),
            Some(b']' | b'}') => {
                self.at += 1;
                return false;
            }
            _ => {}
        }
        self.at < bytes.len()
    }

    /// Returns the value at the cursor, and moves past it.
    #[inline]
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        self.at = match bytes.get(start)? {
            b'[' | b'{' => skip_container(bytes, start)?,
            b'"' => string(bytes, start).ok()?,
            _ => skip_scalar(bytes, start)?,
        };
        self.text.get(start..self.at)
    }

    /// Returns the key at the cursor, without its quotes, and moves to its value.
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let key = self.value()?;
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, skip_space(bytes, self.at) + 1);
        key.get(1..key.len() - 1)
    }

    /// Returns the key at the cursor without its quotes, and its value; moves past both.
    pub(crate) fn member(&mut self) -> Option<(&'a str, &'a str)> {
        Some((self.key()?, self.value()?))
    }
}

/// Returns the position after the valid number, boolean or `null` that begins at `start`.
#[inline]
fn skip_scalar(bytes: &[u8], start: usize) -> Option<usize> {
    let goes_on = |byte: &&u8| **byte > b' ' && !matches!(**byte, b',' | b']' | b'}');
    let length = bytes[start..].iter().take_while(goes_on).count();
    (length > 0).then_some(start + length)
}

/// Returns the position after the valid array or object that begins at `start`.
fn skip_container(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut end) = (0_usize, start);
    // A bracket differs from its brace only in bit 0x20, which is also the lower-case bit.
    let marks = |step: u8x16| {
        let braces = step | u8x16::splat(0x20);
        let [quote, open, close] = [b'"', b'{', b'}'].map(u8x16::splat);
        step.simd_eq(quote) | braces.simd_eq(open) | braces.simd_eq(close)
    };
    for at in positions(&bytes[start..], marks) {
        let at = start + at;
        match bytes[at] {
            _ if at < end => {}
            b'"' => end = string(bytes, at).ok()?,
            b'[' | b'{' => depth += 1,
            _ if depth > 1 => depth -= 1,
            _ => return Some(at + 1),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::super::skip::tests::jsonish;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_match_serde_json(text in jsonish()) {
            invariants::parts(&text);
        }
    }
}
