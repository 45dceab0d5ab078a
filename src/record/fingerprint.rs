//! A stable ID for a record, which has none of its own: a hash of its content.

use crate::json::{escape_into, has_lone_surrogate, members, minify, unescape};
use crate::reject::Rejection;
use arrayvec::ArrayString;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Returns the SHA-256, as 64 hexadecimal digits, of the canonical JSON of the object in `text`: its own members sorted
/// by key, the last of equal ones, no whitespace, only the escapes that JSON requires; nested members in their order,
/// numbers as written.
///
/// # Errors
/// Rejects text that is not a JSON object.
pub fn fingerprint(text: &str) -> Result<ArrayString<64>, Rejection> {
    super::object(text)?;
    let mut members: Vec<_> = members(text).map(|(key, value)| (exact(key), value)).collect();
    // Equal keys keep their order in the text.
    members.sort_unstable_by(|(one, value), (other, later)| {
        one.cmp(other).then(value.as_ptr().cmp(&later.as_ptr()))
    });
    let (mut hash, mut escaped) = (Sha256::new(), Vec::new());
    let mut before: &[u8] = b"{\"";
    for equal in members.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((key, value)) = equal.last() else { continue };
        escaped.clear();
        escape_into(&mut escaped, key);
        let value = as_text(value);
        [before, &escaped, b"\":", value.as_bytes()].iter().for_each(|part| hash.update(part));
        before = b",\"";
    }
    hash.update(if members.is_empty() { &b"{}"[..] } else { b"}" });
    Ok(hexadecimal(&hash.finalize().into()))
}

/// The text of a key. With half of a surrogate pair it stays as it was written, so that two such keys stay different.
fn exact(key: &str) -> Cow<'_, str> {
    let mut text = String::new();
    match unescape(key, &mut text) {
        Some(_) if text != key => text.into(),
        _ => key.into(),
    }
}

/// The compact text of a value; as it was written where that holds half of a surrogate pair.
fn as_text(value: &str) -> String {
    if has_lone_surrogate(value) {
        return value.to_owned();
    }
    let mut text = String::new();
    minify(value, &mut text);
    text
}

fn hexadecimal(digest: &[u8; 32]) -> ArrayString<64> {
    let mut out = ArrayString::new();
    for nibble in digest.iter().flat_map(|byte| [byte >> 4, byte & 0xF]) {
        out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_ignores_formatting() {
        let ids = [
            r#"{"time":"t","operator":"é/"}"#,
            r#"{ "operator" : "\u00e9\/", "time":"t" }"#,
            r#"{"time":"other","time":"t","operator":"é/"}"#,
        ]
        .map(|text| fingerprint(text).unwrap());
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
        // printf '{"operator":"é/","time":"t"}' | sha256sum
        assert_eq!(&*ids[0], "1391c18e93f81db5a37cec32be5a4d7de8cff0dc87675ec3d50a2d07ad2dd499");
        assert_ne!(ids[0], fingerprint(r#"{"time":"t","operator":"e/"}"#).unwrap());
        assert_ne!(fingerprint(r#"{"\ud800":1}"#).unwrap(), fingerprint(r#"{"\ud801":1}"#).unwrap());
    }
}
