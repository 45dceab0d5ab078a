//! Properties of the JSON functions against `serde_json`; used by property tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::{
    SkipError, elements, escape_into, find_byte, for_each_position, minify, unescape, unescape_lossy,
};
use super::{has_lone_surrogate, members, positions, skip_value, trim, unescaped_prefix_len};
use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};
use serde_json::Value;
use std::fmt;
use wide::u8x16;

/// All of it holds of `text`.
pub(crate) fn text(text: &str) {
    plain(text.as_bytes());
    marked(text.as_bytes(), b'"');
    assert_eq!(trim(text), text.trim());
    escapes(text);
    replaced(text);
    unescaped(text);
    ends(text);
    parts(text);
    same_value(text);
}

/// A run of plain text ends at the first byte that ends one.
pub(crate) fn plain(bytes: &[u8]) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    assert_eq!(unescaped_prefix_len(bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
}

/// Every position of `byte` is reported, in order.
pub(crate) fn marked(bytes: &[u8], byte: u8) {
    let select = |step: u8x16| step.simd_eq(u8x16::splat(byte));
    let marked: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == byte).collect();
    assert_eq!(positions(bytes, select).collect::<Vec<_>>(), marked);
    let mut heard = Vec::new();
    for_each_position(bytes, select, |at| heard.push(at));
    assert_eq!(heard, marked);
    assert_eq!(find_byte(byte, bytes), marked.first().copied());
}

/// Unescaping gives what `serde_json` reads.
pub(crate) fn escapes(raw: &str) {
    let mut out = String::new();
    let plain = unescape(raw, &mut out);
    assert!(
        plain.is_none_or(|plain| plain == (unescaped_prefix_len(out.as_bytes()) == out.len())),
        "{raw:?}"
    );
    assert_eq!(plain.map(|_| out), serde_json::from_str::<String>(&format!("\"{raw}\"")).ok(), "{raw:?}");
}

/// Half of a surrogate pair is replaced where `serde_json` reads bytes that no text can hold.
pub(crate) fn replaced(raw: &str) {
    let json = format!("\"{raw}\"");
    let whole = skip_value(json.as_bytes(), 0) == Ok(json.len());
    let Some(Bytes(bytes)) = serde_json::from_str(&json).ok().filter(|_| whole) else { return };
    let mut out = String::new();
    let replaced = unescape_lossy(raw, &mut out);
    assert_eq!(out, lossy(&bytes), "{raw:?}");
    let is_text = std::str::from_utf8(&bytes).is_ok();
    assert_eq!((replaced == 0, has_lone_surrogate(raw)), (is_text, !is_text), "{raw:?}");
}

/// The text of a JSON string as `serde_json` reads it, with U+FFFD for half of a surrogate pair.
pub(crate) fn lossy_text(json: &str) -> String {
    lossy(&serde_json::from_str::<Bytes>(json).unwrap().0)
}

/// Text with U+FFFD for each half of a surrogate pair, which `serde_json` encodes in three bytes as other characters.
fn lossy(bytes: &[u8]) -> String {
    let mut replaced = bytes.to_vec();
    for at in 0..bytes.len() {
        if let [0xED, 0xA0..=0xBF, _, ..] = bytes[at..] {
            replaced[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    String::from_utf8(replaced).unwrap()
}

/// The bytes of a JSON string: with half of a surrogate pair they are no text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Any)
    }
}

/// Escaping gives what `serde_json` writes.
pub(crate) fn unescaped(text: &str) {
    let mut out = Vec::new();
    escape_into(&mut out, text);
    let written = format!("\"{}\"", String::from_utf8(out).unwrap());
    assert_eq!(written, serde_json::to_string(text).unwrap());
}

/// A value ends where `serde_json` says.
pub(crate) fn ends(text: &str) {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let reference = match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => Err(error.is_eof()),
        None => Err(true),
    };
    let ours = skip_value(text.as_bytes(), 0).map_err(|stop| stop == SkipError::Incomplete);
    // serde_json's stream also requires a delimiter after a scalar, reports a number that ends too early as invalid
    // instead of truncated, and checks first whether an escape is complete.
    let scalar = !text.trim_start().starts_with(['{', '[']);
    let in_number = text.ends_with(['.', '-', 'e', 'E', '+']);
    let last = &text.as_bytes()[text.len().saturating_sub(6)..];
    let in_escape = last.windows(2).any(|escape| escape == b"\\u");
    let excused = reference.is_err() && scalar
        || reference == Err(false) && ours == Err(true) && in_number
        || reference.is_err() && ours.is_err() && in_escape;
    assert!(excused || ours == reference, "{text:?}: {ours:?} {reference:?}");
}

/// An array or object has the elements that `serde_json` reads.
pub(crate) fn parts(text: &str) {
    match serde_json::from_str::<Value>(text.trim()) {
        Ok(Value::Array(values)) => {
            let items = elements(text.trim()).map(|item| serde_json::from_str(item).unwrap());
            assert_eq!(items.collect::<Vec<Value>>(), values);
        }
        Ok(Value::Object(values)) => {
            let items = members(text.trim()).map(|(key, value)| {
                let key: String = serde_json::from_str(&format!("\"{key}\"")).unwrap();
                (key, serde_json::from_str::<Value>(value).unwrap())
            });
            assert_eq!(items.collect::<serde_json::Map<_, _>>(), values);
        }
        _ => {}
    }
}

/// The compact text of a value is the same value.
pub(crate) fn same_value(text: &str) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let mut short = String::new();
        minify(text, &mut short);
        assert_eq!(serde_json::from_str::<Value>(&short).unwrap(), value);
        // A space may occur in a string, and nowhere else.
        assert!(text.contains('"') || !short.contains([' ', '\n']), "{text:?}");
    }
}
