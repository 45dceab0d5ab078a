//! The line that nearly every line is: Zoom's five fields in Zoom's order, laid out as JSON's writers do. It is read in
//! one go from the block it stands in, and its end is found on the way. Sure of what it reads, or silent.

use super::{Field, Found};
use crate::json::plain_len;

/// Reads the line that begins at `start` into `found`, and says where it ends: at its newline, or at the text's end. `None` for any
/// other layout.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
pub(super) fn read<'a>(text: &'a str, start: usize, found: &mut Found<'a>) -> Option<usize> {
    // What stands before each text, as writers without spaces have it and as Python's has it. Spelled out, for then the
    // compiler compares each in a few instructions.
    macro_rules! fields {
        ($($field:ident: $compact:literal $spaced:literal),*) => {{
            let mut cursor = Cursor { text, at: start };
            $(
                cursor.pass($compact, $spaced)?;
                let (inside, escaped) = cursor.string()?;
                found.set(Field::$field, inside, escaped);
            )*
            cursor.end()
        }};
    }
    fields! {
        Time: b"{\"time\":\"" b"{\"time\": \"",
        Operator: b"\",\"operator\":\"" b"\", \"operator\": \"",
        CategoryType: b"\",\"category_type\":\"" b"\", \"category_type\": \"",
        Action: b"\",\"action\":\"" b"\", \"action\": \"",
        OperationDetail: b"\",\"operation_detail\":\"" b"\", \"operation_detail\": \""
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn rest(&self) -> Option<&'a [u8]> {
        self.text.as_bytes().get(self.at..)
    }

    /// Goes past one of two texts.
    #[expect(clippy::inline_always, reason = "the texts' lengths must be known to compare them well")]
    #[inline(always)]
    fn pass(&mut self, compact: &[u8], spaced: &[u8]) -> Option<()> {
        let rest = self.rest()?;
        if rest.starts_with(compact) {
            self.at += compact.len();
        } else if rest.starts_with(spaced) {
            self.at += spaced.len();
        } else {
            return None;
        }
        Some(())
    }

    /// What stands up to the next quote, which is not passed, and whether it has an escape.
    #[expect(clippy::inline_always, reason = "a call a string costs a tenth of reading a record")]
    #[inline(always)]
    fn string(&mut self) -> Option<(&'a str, bool)> {
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.rest()?;
            let plain = plain_len(rest);
            self.at += plain;
            match *rest.get(plain)? {
                b'"' => return Some((self.text.get(start..self.at)?, escaped)),
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => return None,
            }
        }
    }

    /// The end of the line, if nothing but the record's end stands before it.
    #[inline]
    fn end(&self) -> Option<usize> {
        match *self.rest()? {
            [b'"', b'}', b'\n', ..] | [b'"', b'}'] => Some(self.at + 2),
            _ => None,
        }
    }
}
