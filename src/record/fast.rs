//! The record that nearly every line is: one object, its fields neither lists nor objects. Sure of what it reads, or silent.

use super::{Field, Found};
use crate::json::{plain_len, scalar, skip_space, walk};

/// Reads the fields of one object into `found`, or `None` where it is not sure: no object, text behind it, a field that is
/// an array or object, a key with an escape, a page of records, anything that is not JSON.
#[inline]
pub(super) fn scan<'a>(text: &'a str, found: &mut Found<'a>, scratch: &mut String) -> Option<()> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.token(b'{')?;
    if cursor.peek()? == b'}' {
        cursor.at += 1;
    } else {
        cursor.members(found, scratch)?;
    }
    (skip_space(text.as_bytes(), cursor.at) == text.len()).then_some(())
}

enum Key {
    Field(Field),
    Page,
    Other,
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

    /// The same, and not behind it.
    fn peek(&mut self) -> Option<u8> {
        let byte = self.next()?;
        self.at -= 1;
        Some(byte)
    }

    /// All members, and behind the end of the object.
    #[inline]
    fn members(&mut self, found: &mut Found<'a>, scratch: &mut String) -> Option<()> {
        loop {
            self.member(found, scratch)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    #[inline]
    fn token(&mut self, token: u8) -> Option<()> {
        (self.next()? == token).then_some(())
    }

    /// One member into `found`.
    fn member(&mut self, found: &mut Found<'a>, scratch: &mut String) -> Option<()> {
        match self.key()? {
            Key::Field(field) => self.field(field, found, scratch),
            Key::Page => None,
            Key::Other => {
                self.at = walk(self.text.as_bytes(), self.at).ok()?;
                Some(())
            }
        }
    }

    fn key(&mut self) -> Option<Key> {
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

    /// The value of a field, but for lists and objects.
    fn field(&mut self, field: Field, found: &mut Found<'a>, scratch: &mut String) -> Option<()> {
        // Of two escaped texts the first was decoded to no end; that is rare enough to be left to the plain reading.
        if found.escaped & (1 << field as u8) != 0 {
            return None;
        }
        match self.next()? {
            b'"' => {
                let rest = found.string(field, self.text.get(self.at..)?, scratch)?;
                self.at = self.text.len() - rest.len() + 1;
            }
            // Numbers and booleans count as their text; of lists and objects the plain reading knows more.
            b'[' | b'{' => return None,
            first => {
                let start = self.at - 1;
                self.at = scalar(self.text.as_bytes(), start).ok()?;
                found.texts[field as usize] = self.text.get(start..self.at).filter(|_| first != b'n');
            }
        }
        Some(())
    }

    /// The inside of the string whose first quote was just read, and whether it has an escape.
    #[inline]
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
