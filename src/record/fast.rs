//! The fast reader for ordinary records: one object whose fields are neither lists nor objects.
//!
//! Returns `None` if the text is anything else; the caller then falls back to the reference reader.

use super::field::{Field, ValueType, page_list};
use super::field_spans::FieldSpans;
use crate::json::{scalar, skip_space, skip_value, unescaped_prefix_len};

/// Reads the fields of one object into `found`. Returns `None` if undecided: not an object, text after it, a field that
/// is an array or object, a key with an escape, a page of records, or invalid JSON.
#[inline]
pub(super) fn scan<'a>(text: &'a str, found: &mut FieldSpans<'a>, scratch: &mut String) -> Option<()> {
    found.may_have_others = true;
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
    /// Moves past the next byte that is not whitespace, and returns it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        let byte = *bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Returns the next byte that is not whitespace, without moving past it.
    fn peek(&mut self) -> Option<u8> {
        let byte = self.next()?;
        self.at -= 1;
        Some(byte)
    }

    /// Reads all members and the end of the object.
    #[inline]
    fn members(&mut self, found: &mut FieldSpans<'a>, scratch: &mut String) -> Option<()> {
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

    /// Reads one member into `found`.
    fn member(&mut self, found: &mut FieldSpans<'a>, scratch: &mut String) -> Option<()> {
        match self.key()? {
            Key::Field(field) => self.field(field, found, scratch),
            Key::Page => None,
            Key::Other => {
                self.at = skip_value(self.text.as_bytes(), self.at).ok()?;
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
            None if page_list(key.as_bytes()).is_some() => Some(Key::Page),
            None => Some(Key::Other),
        }
    }

    /// Reads the value of a field, unless it is a list or object.
    fn field(&mut self, field: Field, found: &mut FieldSpans<'a>, scratch: &mut String) -> Option<()> {
        // If a field is given twice with escapes, its first text was decoded in vain; rare enough to leave to the
        // reference reader.
        if found.escaped & field.bit() != 0 {
            return None;
        }
        match (self.next()?, field.value_type()) {
            (b'"', ValueType::Scalar | ValueType::String | ValueType::Any) => {
                let rest = found.string(field, self.text.get(self.at..)?, scratch)?;
                self.at = self.text.len() - rest.len() + 1;
            }
            (b'{', ValueType::Object) => {
                let start = self.at - 1;
                self.at = skip_value(self.text.as_bytes(), start).ok()?;
                found.json(field, self.text.get(start..self.at)?);
            }
            // Numbers and booleans count as their text. Other values are left to the reference reader.
            (first, ValueType::Scalar | ValueType::Any) if !matches!(first, b'[' | b'{') => {
                let start = self.at - 1;
                self.at = scalar(self.text.as_bytes(), start).ok()?;
                found.texts[field as usize] = self.text.get(start..self.at).filter(|_| first != b'n');
            }
            _ => return None,
        }
        Some(())
    }

    /// Returns the inside of the string whose first quote was just read, and whether it contains an escape.
    #[inline]
    fn string(&mut self) -> Option<(&'a str, bool)> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += unescaped_prefix_len(&bytes[self.at..]);
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
