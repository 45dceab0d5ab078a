//! The reader for nearly every line: Zoom's five fields in Zoom's order, formatted as JSON writers do. It reads the
//! line in one pass from its block and finds its end on the way. Returns `None` for any other layout.

use super::field::Field;
use super::field_spans::FieldSpans;

/// Reads the line that begins at `start` into `found`, and returns where it ends: at its newline, or at the end of the
/// text. Returns `None` for any other layout.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
pub(super) fn read<'a>(
    text: &'a str,
    start: usize,
    found: &mut FieldSpans<'a>,
    scratch: &mut String,
) -> Option<usize> {
    let mut rest = text.get(start..)?;
    // The text before each value, without spaces and as Python writes it. Spelled out, so that the compiler compares
    // each with a few instructions.
    macro_rules! fields {
        ($($field:ident: $compact:literal $spaced:literal),*) => {$(
            rest = rest.strip_prefix($compact).or_else(|| rest.strip_prefix($spaced))?;
            rest = found.string(Field::$field, rest, scratch)?;
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
