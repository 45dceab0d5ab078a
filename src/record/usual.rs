//! The line that nearly every line is: Zoom's five fields in Zoom's order, laid out as JSON's writers do. It is read in
//! one go from the block it stands in, and its end is found on the way. Sure of what it reads, or silent.

use super::{Field, Found};

/// Reads the line that begins at `start` into `found`, and says where it ends: at its newline, or at the text's end.
/// `None` for any other layout.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
pub(super) fn read<'a>(
    text: &'a str,
    start: usize,
    found: &mut Found<'a>,
    scratch: &mut String,
) -> Option<usize> {
    let mut rest = text.get(start..)?;
    // What stands before each text, as writers without spaces have it and as Python's has it. Spelled out, for then the
    // compiler compares each in a few instructions.
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
