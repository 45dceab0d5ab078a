//! Finds every scalar in a JSON value.

use super::skip::scalar;
use super::skip_space;
use std::ops::Range;

/// A scalar: where it stands, and where its key and it stand if it is the value of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) member: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// Returns all scalars in `json`, which must be valid, in order and at any depth, `null` and repeated members included.
///
/// Needs no stack: a string is a key if a colon follows it.
pub(crate) fn scalars(json: &str) -> impl Iterator<Item = Scalar> {
    let (bytes, mut at, mut key) = (json.as_bytes(), 0, None);
    std::iter::from_fn(move || {
        loop {
            match *bytes.get(at)? {
                b'{' | b'[' => key = None,
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    let value = at..scalar(bytes, at).ok()?;
                    at = value.end;
                    if bytes.get(skip_space(bytes, at)) == Some(&b':') {
                        key = Some(value.start);
                        continue;
                    }
                    return Some(Scalar { member: key.take().unwrap_or(value.start)..value.end, value });
                }
            }
            at += 1;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_found_with_their_keys() {
        let json = r#"{ "a" : [1, "x:y" , {"b":null}] , "c\"":{"d": true,"e":[{}, "f"]},"a":-1.5e3 }"#;
        let found: Vec<_> = scalars(json).map(|scalar| (&json[scalar.member], &json[scalar.value])).collect();
        let expected = [
            ("1", "1"),
            ("\"x:y\"", "\"x:y\""),
            ("\"b\":null", "null"),
            ("\"d\": true", "true"),
            ("\"f\"", "\"f\""),
            ("\"a\":-1.5e3", "-1.5e3"),
        ];
        assert_eq!(found, expected);
    }
}
