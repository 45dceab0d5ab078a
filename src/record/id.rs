//! A stable id for a record, which has none of its own: a hash of what it says.

use crate::json::{compact, decode, escape_into, members};
use crate::refusal::Refusal;
use arrayvec::ArrayString;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The SHA-256, as 64 hexadecimal digits, of the canonical JSON of the object in `text`: members sorted by key, the
/// last of equal ones, no space, only the escapes that JSON demands, numbers as they were written.
///
/// # Errors
/// The refusal of a text that is no JSON object.
pub fn id(text: &str) -> Result<ArrayString<64>, Refusal> {
    super::object(text)?;
    let members: BTreeMap<String, &str> =
        members(text).map(|(key, value)| (as_text(key, decode), value)).collect();
    let mut canonical = Vec::new();
    for (key, value) in members {
        canonical.extend_from_slice(if canonical.is_empty() { b"{\"" } else { b",\"" });
        escape_into(&mut canonical, &key);
        canonical.extend_from_slice(b"\":");
        canonical.extend_from_slice(as_text(value, compact).as_bytes());
    }
    canonical.extend_from_slice(if canonical.is_empty() { b"{}" } else { b"}" });
    Ok(hexadecimal(&Sha256::digest(&canonical).into()))
}

/// What `read` makes of `written`. What no text can hold stays as it was written: it is told apart from others all the
/// same.
fn as_text<T>(written: &str, read: impl Fn(&str, &mut String) -> Option<T>) -> String {
    let mut text = String::new();
    match read(written, &mut text) {
        Some(_) => text,
        None => written.to_owned(),
    }
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
    fn the_same_content_has_the_same_id_however_it_is_written() {
        let ids = [
            r#"{"time":"t","operator":"é/"}"#,
            r#"{ "operator" : "\u00e9\/", "time":"t" }"#,
            r#"{"time":"other","time":"t","operator":"é/"}"#,
        ]
        .map(|text| id(text).unwrap());
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
        // printf '{"operator":"é/","time":"t"}' | sha256sum
        assert_eq!(&*ids[0], "1391c18e93f81db5a37cec32be5a4d7de8cff0dc87675ec3d50a2d07ad2dd499");
        assert_ne!(ids[0], id(r#"{"time":"t","operator":"e/"}"#).unwrap());
        assert_ne!(id(r#"{"\ud800":1}"#).unwrap(), id(r#"{"\ud801":1}"#).unwrap());
    }
}
