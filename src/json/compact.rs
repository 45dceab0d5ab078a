//! Removes insignificant whitespace from a JSON value.

use super::walk::{Levels, string};
use super::{decode, escape_into};

/// Appends the compact form of one valid JSON value to `out`: no whitespace between tokens, numbers and member order as
/// written, strings with only the escapes that JSON requires.
///
/// Returns `None` if a string contains half of a surrogate pair, which UTF-8 cannot hold; `out` is then incomplete.
pub(crate) fn compact(value: &str, out: &mut String) -> Option<()> {
    let bytes = value.as_bytes();
    let (mut at, mut text, mut written) = (0, String::new(), std::mem::take(out).into_bytes());
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string::<Levels>(bytes, at).ok()?;
                text.clear();
                decode(&value[at + 1..end - 1], &mut text)?;
                written.push(b'"');
                escape_into(&mut written, &text);
                written.push(b'"');
                at = end;
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ => {
                written.push(byte);
                at += 1;
            }
        }
    }
    *out = String::from_utf8(written).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::properties;
    use super::super::walk::tests::jsonish;
    use super::*;
    use proptest::prelude::*;

    fn compacted(value: &str) -> Option<String> {
        let mut out = String::new();
        compact(value, &mut out).map(|()| out)
    }

    #[test]
    fn numbers_and_order_stay_as_they_were_written() {
        let value = r#"{ "z" : 12345678901234567890, "a":[ 1.50 , 1E5 ] , "z":"\u00e9\/\u0001" }"#;
        let compact = "{\"z\":12345678901234567890,\"a\":[1.50,1E5],\"z\":\"é/\\u0001\"}";
        assert_eq!(compacted(value).as_deref(), Some(compact));
    }

    #[test]
    fn half_a_surrogate_pair_has_no_compact_text() {
        assert_eq!(compacted(r#"["\ud800"]"#), None);
    }

    proptest! {
        #[test]
        fn compact_text_is_the_same_value(text in jsonish()) {
            properties::same_value(&text);
        }
    }
}
