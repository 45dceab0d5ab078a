//! Removes insignificant whitespace from a JSON value.

use super::skip::string;
use super::{escape_into, unescape_lossy};

/// Appends the compact form of one valid JSON value to `out`: no whitespace between tokens, numbers and member order as
/// written, strings with only the escapes that JSON requires.
///
/// Returns how many halves of surrogate pairs were replaced, each by U+FFFD.
pub(crate) fn minify(value: &str, out: &mut String) -> u32 {
    let bytes = value.as_bytes();
    let (mut at, mut text, mut written) = (0, String::new(), std::mem::take(out).into_bytes());
    let mut replaced = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let Ok(end) = string(bytes, at) else { break };
                text.clear();
                replaced += unescape_lossy(&value[at + 1..end - 1], &mut text);
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
    // Whole characters were copied, so this cannot fail.
    *out = String::from_utf8(written).unwrap_or_default();
    replaced
}

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::super::skip::tests::jsonish;
    use super::*;
    use proptest::prelude::*;

    fn compacted(value: &str) -> (String, u32) {
        let mut out = String::new();
        let replaced = minify(value, &mut out);
        (out, replaced)
    }

    #[test]
    fn minify_keeps_number_text_and_member_order() {
        let value = r#"{ "z" : 12345678901234567890, "a":[ 1.50 , 1E5 ] , "z":"\u00e9\/\u0001" }"#;
        let compact = "{\"z\":12345678901234567890,\"a\":[1.50,1E5],\"z\":\"é/\\u0001\"}";
        assert_eq!(compacted(value), (compact.to_owned(), 0));
    }

    #[test]
    fn minify_replaces_lone_surrogates() {
        let value = r#"["\ud800", {"\udc00": "\ud83d\ude00"}]"#;
        assert_eq!(compacted(value), ("[\"\u{fffd}\",{\"\u{fffd}\":\"\u{1F600}\"}]".to_owned(), 2));
    }

    proptest! {
        #[test]
        fn minified_text_is_the_same_value(text in jsonish()) {
            invariants::same_value(&text);
        }
    }
}
