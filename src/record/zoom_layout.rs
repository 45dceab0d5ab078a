//! The reader for nearly every line: Zoom's fields in Zoom's order, formatted as JSON writers do. It reads the line in
//! one pass from its block and finds its end on the way. Returns `None` for any other layout.

use super::field::Field;
use super::field_spans::FieldSpans;

/// Reads the fields of a line in their order, each after the text before its value: without spaces, or as Python
/// writes it. The texts are literals, so that the compiler compares each with a few instructions.
macro_rules! read_line {
    ($text:ident, $start:ident, $found:ident, $scratch:ident, $($field:ident: $compact:literal $spaced:literal),*) => {{
        let mut rest = $text.get($start..)?;
        $(
            rest = rest.strip_prefix($compact).or_else(|| rest.strip_prefix($spaced))?;
            rest = $found.string(Field::$field, rest, $scratch)?;
        )*
        let end = $text.len() - rest.len() + "\"}".len();
        match *rest.as_bytes() {
            [b'"', b'}', b'\n', ..] | [b'"', b'}'] => Some(end),
            _ => None,
        }
    }};
}

/// Reads the operation log on the line that begins at `start` into `found`, and returns where it ends: at its newline,
/// or at the end of the text. Returns `None` for any other layout.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
pub(super) fn operation<'a>(
    text: &'a str,
    start: usize,
    found: &mut FieldSpans<'a>,
    scratch: &mut String,
) -> Option<usize> {
    read_line!(
        text, start, found, scratch,
        Time: "{\"time\":\"" "{\"time\": \"",
        Operator: "\",\"operator\":\"" "\", \"operator\": \"",
        CategoryType: "\",\"category_type\":\"" "\", \"category_type\": \"",
        Action: "\",\"action\":\"" "\", \"action\": \"",
        OperationDetail: "\",\"operation_detail\":\"" "\", \"operation_detail\": \""
    )
}

/// Reads the sign-in on the line that begins at `start`, as [`operation`] reads an operation log.
pub(super) fn sign_in<'a>(
    text: &'a str,
    start: usize,
    found: &mut FieldSpans<'a>,
    scratch: &mut String,
) -> Option<usize> {
    read_line!(
        text, start, found, scratch,
        Email: "{\"email\":\"" "{\"email\": \"",
        Time: "\",\"time\":\"" "\", \"time\": \"",
        Type: "\",\"type\":\"" "\", \"type\": \"",
        IpAddress: "\",\"ip_address\":\"" "\", \"ip_address\": \"",
        ClientType: "\",\"client_type\":\"" "\", \"client_type\": \"",
        Version: "\",\"version\":\"" "\", \"version\": \""
    )
}
