//! The line that nearly every line is: Zoom's five fields in Zoom's order, laid out as JSON's writers do. It is read in
//! one go from the block it stands in, and its end is found on the way. Sure of what it reads, or silent.

use super::{Field, Found};
use crate::json::plain_len;

/// Reads the line that begins at `start` into `found`, and says where it ends: at its newline, or at the text's end.
/// `None` for any other layout.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
pub(super) fn read<'a>(text: &'a str, start: usize, found: &mut Found<'a>) -> Option<usize> {
    let mut rest = text.get(start..)?;
    // What stands before each text, as writers without spaces have it and as Python's has it. Spelled out, for then the
    // compiler compares each in a few instructions.
    macro_rules! fields {
        ($($field:ident: $compact:literal $spaced:literal),*) => {$(
            rest = rest.strip_prefix($compact).or_else(|| rest.strip_prefix($spaced))?;
            rest = string(rest, Field::$field, found)?;
        )*};
    }
    fields! {
        Time: "{\"time\":\"" "{\"time\": \"",
        Operator: "\",\"operator\":\"" "\", \"operator\": \"",
        CategoryType: "\",\"category_type\":\"" "\", \"category_type\": \"",
        Action: "\",\"action\":\"" "\", \"action\": \"",
        OperationDetail: "\",\"operation_detail\":\"" "\", \"operation_detail\": \""
    }
    let end = text.len() - rest.len() + "\"}".len();
    match *rest.as_bytes() {
        [b'"', b'}', b'\n', ..] | [b'"', b'}'] => Some(end),
        _ => None,
    }
}

/// Takes what stands up to the next quote for the text of a field. What follows, from that quote on.
#[expect(clippy::inline_always, reason = "a call a string costs a tenth of reading a record")]
#[inline(always)]
fn string<'a>(text: &'a str, field: Field, found: &mut Found<'a>) -> Option<&'a str> {
    let plain = plain_len(text.as_bytes());
    let escaped = match *text.as_bytes().get(plain)? {
        b'"' => None,
        b'\\' => Some(escaped_len(text.as_bytes(), plain)?),
        _ => return None,
    };
    let (inside, rest) = text.split_at_checked(escaped.unwrap_or(plain))?;
    found.set(field, inside, escaped.is_some());
    Some(rest)
}

/// The length of what stands up to the next quote, a backslash being at `at`.
fn escaped_len(bytes: &[u8], mut at: usize) -> Option<usize> {
    while *bytes.get(at)? == b'\\' {
        at += 2;
        at += plain_len(bytes.get(at..)?);
    }
    (bytes[at] == b'"').then_some(at)
}
