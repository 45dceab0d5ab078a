//! A stable id for a record, which has none of its own: a hash of what it says.

use crate::json::{compact, escape_into};
use crate::refusal::Refusal;
use arrayvec::ArrayString;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The SHA-256, as 64 hexadecimal digits, of the canonical JSON of the object in `text`: members sorted by key, the
/// last of equal ones, no space, only the escapes that JSON demands, numbers as they were written.
///
/// # Errors
/// The refusal of a text that is no JSON object.
pub fn id(text: &str) -> Result<ArrayString<64>, Refusal> {
    let Members(members) = serde_json::from_str(text).map_err(|_| match super::object(text) {
        Err(refusal) => refusal,
        Ok(_) => Refusal::new(crate::Reason::NotJson, "a key of the record holds half of a surrogate pair"),
    })?;
    let mut canonical = Vec::new();
    for (key, value) in members {
        canonical.extend_from_slice(if canonical.is_empty() { b"{\"" } else { b",\"" });
        escape_into(&mut canonical, &key);
        canonical.extend_from_slice(b"\":");
        let mut text = String::new();
        // A string in it that no text can hold stays as it was written: it is told apart from others all the same.
        match compact(value.get(), &mut text) {
            Some(()) => canonical.extend_from_slice(text.as_bytes()),
            None => canonical.extend_from_slice(value.get().as_bytes()),
        }
    }
    canonical.extend_from_slice(if canonical.is_empty() { b"{}" } else { b"}" });
    Ok(hexadecimal(&Sha256::digest(&canonical).into()))
}

fn hexadecimal(digest: &[u8; 32]) -> ArrayString<64> {
    let mut out = ArrayString::new();
    for nibble in digest.iter().flat_map(|byte| [byte >> 4, byte & 0xF]) {
        out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
    }
    out
}

/// The members of an object by key: the last of equal ones.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sorted;
        impl<'de> Visitor<'de> for Sorted {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    members.insert(key, value);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Sorted)
    }
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
    }
}
