//! The record that nearly every line is: one object, its fields strings. Sure of what it reads, or silent.

use super::{Field, Found, Raw};
use crate::json::{plain_len, skip_space, walk};

/// Reads the fields of one object, or `None` where it is not sure: no object, text behind it, a field that is a
/// number, boolean, array or object, a key with an escape, a page of records, anything that is not JSON.
pub(super) fn scan(text: &str) -> Option<Found<'_>> {
    let mut found = Found::default();
    let mut cursor = Cursor { text, at: 0 };
    cursor.token(b'{')?;
    loop {
        cursor.token(b'"')?;
        let key = cursor.string()?;
        if key.escaped {
            return None;
        }
        cursor.token(b':')?;
        match Field::named(key.inside.as_bytes()) {
            Some(field) => {
                let value = cursor.text_or_null()?;
                found.escaped |= value.is_some_and(|raw| raw.escaped);
                let earlier = std::mem::replace(&mut found.texts[field as usize], value);
                // Nobody would look whether its escapes are valid.
                if earlier.is_some_and(|raw| raw.escaped) {
                    return None;
                }
            }
            None if key.inside == "operation_logs" => return None,
            None => cursor.at = walk(text.as_bytes(), cursor.at, &mut ()).ok()?,
        }
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    (skip_space(text.as_bytes(), cursor.at) == text.len()).then_some(found)
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

    /// The string whose first quote was just read.
    #[inline]
    fn string(&mut self) -> Option<Raw<'a>> {
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
        Some(Raw { inside, escaped })
    }

    #[inline]
    fn text_or_null(&mut self) -> Option<Option<Raw<'a>>> {
        match self.next()? {
            b'"' => self.string().map(Some),
            b'n' => {
                let null = self.text.as_bytes()[self.at..].starts_with(b"ull");
                self.at += 3;
                null.then_some(None)
            }
            _ => None,
        }
    }
}
