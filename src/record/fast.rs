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
        match cursor.key(index)? {
            Key::Field(field) => cursor.field(field, found)?,
            Key::Page => return None,
            Key::Other => cursor.at = walk(text.as_bytes(), cursor.at, &mut ()).ok()?,
        }
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

/// The keys in the order in which Zoom and all known collectors write them, each with its colon.
const USUAL: [(Field, &[u8]); 5] = [
    (Field::Time, b"\"time\":"),
    (Field::Operator, b"\"operator\":"),
    (Field::CategoryType, b"\"category_type\":"),
    (Field::Action, b"\"action\":"),
    (Field::OperationDetail, b"\"operation_detail\":"),
];

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

    /// The key of the member that is the `index`th, and its colon: most often the usual one.
    #[inline]
    fn key(&mut self, index: usize) -> Option<Key> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        let rest = &bytes[self.at..];
        // Spelled out: the compiler compares a constant in a few instructions, but not one from a table.
        let usual = match index {
            0 => rest.starts_with(USUAL[0].1),
            1 => rest.starts_with(USUAL[1].1),
            2 => rest.starts_with(USUAL[2].1),
            3 => rest.starts_with(USUAL[3].1),
            4 => rest.starts_with(USUAL[4].1),
            _ => false,
        };
        if usual {
            let (field, key) = USUAL[index];
            self.at += key.len();
            return Some(Key::Field(field));
        }
        self.any_key()
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
    #[inline]
    fn field(&mut self, field: Field, found: &mut Found<'a>) -> Option<()> {
        let bit = 1 << field as u8;
        // Of an earlier value that does not count nobody would look whether its escapes are valid.
        if found.escaped & bit != 0 {
            return None;
        }
        found.insides[field as usize] = match self.next()? {
            b'"' => {
                let (inside, escaped) = self.string()?;
                found.escaped |= if escaped { bit } else { 0 };
                Some(inside)
            }
            b'n' => {
                self.text.as_bytes()[self.at..].starts_with(b"ull").then_some(())?;
                self.at += 3;
                None
            }
            _ => return None,
        };
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
