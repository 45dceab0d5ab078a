//! The record that nearly every line is: one object, its fields strings. Sure of what it reads, or silent.

use super::{Field, Found};
use crate::json::{plain_len, skip_space, walk};

/// Reads the fields of one object into `found`, or `None` where it is not sure: no object, text behind it, a field
/// that is a number, boolean, array or object, a key with an escape, a page of records, anything that is not JSON.
#[inline]
pub(super) fn scan<'a>(text: &'a str, found: &mut Found<'a>) -> Option<()> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.token(b'{')?;
    for index in 0.. {
        cursor.member(index, found)?;
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    (skip_space(text.as_bytes(), cursor.at) == text.len()).then_some(())
}

enum Key {
    Field(Field),
    Page,
    Other,
}

/// The key that a record has at an index, where it is as Zoom and all known collectors write it; then also how far its
/// value's first character is: behind the quote, with a space before it or none.
///
/// Spelled out: the compiler compares a constant in a few instructions, but not one from a table.
#[inline]
fn usual(index: usize, rest: &[u8]) -> Option<(Field, usize)> {
    macro_rules! usual {
        ($field:ident $key:literal) => {{
            const COMPACT: &[u8] = concat!("\"", $key, "\":\"").as_bytes();
            const SPACED: &[u8] = concat!("\"", $key, "\": \"").as_bytes();
            if rest.starts_with(COMPACT) {
                Some((Field::$field, COMPACT.len()))
            } else if rest.starts_with(SPACED) {
                Some((Field::$field, SPACED.len()))
            } else {
                None
            }
        }};
    }
    match index {
        0 => usual!(Time "time"),
        1 => usual!(Operator "operator"),
        2 => usual!(CategoryType "category_type"),
        3 => usual!(Action "action"),
        4 => usual!(OperationDetail "operation_detail"),
        _ => None,
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is not space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        let byte = *bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn token(&mut self, token: u8) -> Option<()> {
        (self.next()? == token).then_some(())
    }

    /// One member into `found`: most often the usual one.
    #[expect(clippy::inline_always, reason = "a call a member costs a tenth of reading a record")]
    #[inline(always)]
    fn member(&mut self, index: usize, found: &mut Found<'a>) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        match usual(index, &bytes[self.at..]) {
            Some((field, length)) => {
                self.at += length;
                self.string_into(field, found)
            }
            None => self.any_member(found),
        }
    }

    fn any_member(&mut self, found: &mut Found<'a>) -> Option<()> {
        match self.any_key()? {
            Key::Field(field) => self.field(field, found),
            Key::Page => None,
            Key::Other => {
                self.at = walk(self.text.as_bytes(), self.at, &mut ()).ok()?;
                Some(())
            }
        }
    }

    fn any_key(&mut self) -> Option<Key> {
        self.token(b'"')?;
        let (key, escaped) = self.string()?;
        self.token(b':')?;
        match Field::named(key.as_bytes()) {
            _ if escaped => None,
            Some(field) => Some(Key::Field(field)),
            None if key == "operation_logs" => Some(Key::Page),
            None => Some(Key::Other),
        }
    }

    /// The value of a field: a string, or `null`.
    fn field(&mut self, field: Field, found: &mut Found<'a>) -> Option<()> {
        match self.next()? {
            b'"' => self.string_into(field, found),
            b'n' => {
                self.text.as_bytes()[self.at..].starts_with(b"ull").then_some(())?;
                self.at += 3;
                found.insides[field as usize] = None;
                // Whether an earlier value's escapes are valid is for others to say.
                (found.escaped & (1 << field as u8) == 0).then_some(())
            }
            _ => None,
        }
    }

    /// The string whose first quote was just read, as the value of a field.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn string_into(&mut self, field: Field, found: &mut Found<'a>) -> Option<()> {
        let bit = 1 << field as u8;
        if found.escaped & bit != 0 {
            return None;
        }
        let (inside, escaped) = self.string()?;
        found.escaped |= if escaped { bit } else { 0 };
        found.maybe_blank |= !inside.as_bytes().first().is_some_and(u8::is_ascii_graphic) | escaped;
        found.insides[field as usize] = Some(inside);
        Some(())
    }

    /// The inside of the string whose first quote was just read, and whether it has an escape.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn string(&mut self) -> Option<(&'a str, bool)> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_len(&bytes[self.at..]);
            match *bytes.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at = (self.at + 2).min(bytes.len());
                }
                _ => return None,
            }
        }
        let inside = self.text.get(start..self.at)?;
        self.at += 1;
        Some((inside, escaped))
    }
}
