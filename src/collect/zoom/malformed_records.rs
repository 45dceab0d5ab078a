//! A page of which a record is not valid text or JSON: the valid records are collected; the invalid one is stored byte
//! for byte.

use serde_json::value::RawValue;

/// Returns the body as text of the same length: with `?` for bytes that are not UTF-8, for control characters in strings and
/// for escapes that JSON does not have, with spaces for control characters elsewhere, and with strings for words that are
/// not JSON. A place in it is the same place in the body.
pub(super) fn repair(body: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        text.extend(chunk.invalid().iter().map(|_| b'?'));
    }
    let (mut at, mut in_string) = (0, false);
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                if !is_escape(&text[at..]) {
                    text[at] = b'?';
                }
                // What is escaped, a quote above all, ends nothing; a control character is seen next time.
                at += usize::from(matches!(text.get(at + 1), Some(b'"' | b'\\')));
            }
            0..0x20 if in_string => text[at] = b'?',
            0..0x20 if !matches!(byte, b'\t' | b'\n' | b'\r') => text[at] = b' ',
            _ if !in_string && is_in_word(byte) => {
                let length = text[at..].iter().take_while(|byte| is_in_word(**byte)).count();
                repair_word(&mut text[at..at + length]);
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    String::from_utf8(text).ok()
}

/// Whether a byte outside strings belongs to a number or literal.
fn is_in_word(byte: u8) -> bool {
    byte > b' ' && !b"{}[]:,\"".contains(&byte)
}

/// Replaces what is not a number or literal of JSON, such as `NaN` and `01`, with a string of the same length.
fn repair_word(word: &mut [u8]) {
    if serde_json::from_slice::<&RawValue>(word).is_ok() {
        return;
    }
    match word {
        [only] => *only = b'0',
        [first, inner @ .., last] => {
            inner.fill(b'?');
            (*first, *last) = (b'"', b'"');
        }
        [] => {}
    }
}

/// Whether the backslash at the beginning begins an escape of JSON's.
fn is_escape(text: &[u8]) -> bool {
    match text.get(1) {
        Some(b'u') => text.get(2..6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        Some(escaped) => br#""\/bfnrt"#.contains(escaped),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::repair;

    #[test]
    fn repaired_text_keeps_every_offset() {
        for (body, text) in [
            (&b"{\"a\":\"x\xFFy\x00z\"}"[..], r#"{"a":"x?y?z"}"#),
            (b"{\"a\":\"\x1b[1m\"\x00,\n\"b\":1}", "{\"a\":\"?[1m\" ,\n\"b\":1}"),
            (br#"{"a":"\q\u12\"\\\n\u00e9"}"#, r#"{"a":"?q?u12\"\\\n\u00e9"}"#),
            (b"\"\xE2\x82 \xC3\xA9\"", "\"?? \u{e9}\""),
            (
                b"[NaN,-Infinity,01, \xC3\xA9\xFF,x,-1.5e+999,null]",
                r#"["?","???????","", "?",0,-1.5e+999,null]"#,
            ),
            (b"{\"a\":\"\\\x01\"}", r#"{"a":"??"}"#),
        ] {
            assert_eq!(repair(body).unwrap(), text);
            assert_eq!(text.len(), body.len());
        }
    }
}
