//! JSON of pushes, checked.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;
use std::marker::PhantomData;

/// Why a push is malformed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

/// A value that must be a JSON object; serde would also accept an array for a struct.
pub(super) struct StrictObject<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StrictObject<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = StrictObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<StrictObject<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(StrictObject)
            }
        }
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// The maximum nesting, the same as `serde_json`'s for members that it does not skip.
const MAX_DEPTH: usize = 128;

/// Deserializes known members, and skips others without allocating.
pub(super) fn json_object<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, Malformed> {
    // serde_json skips members at any depth, so a message that consists only of nesting would look empty.
    if is_too_deep(bytes) {
        return Err(Malformed(format!("malformed {name}: nested deeper than {MAX_DEPTH} levels")));
    }
    let object = serde_json::from_slice::<StrictObject<T>>(bytes);
    object.map(|StrictObject(object)| object).map_err(|_| Malformed(format!("malformed {name}")))
}

/// Whether arrays and objects are nested deeper than [`MAX_DEPTH`].
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// Whether the start of a body that is too long contains a JSON error, or nests too deeply.
pub(crate) fn is_malformed_start(start: &[u8]) -> bool {
    let faulty = |error: serde_json::Error| !error.is_eof();
    matches!(start.trim_ascii_start().first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde_json::Value>(start).is_err_and(faulty)
}

/// Returns a name from outside, shortened and without control characters.
pub(super) fn sanitize(text: &str) -> String {
    let text = crate::redact::redact_and_truncate(text, 80);
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
