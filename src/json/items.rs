//! What a JSON array or object holds, each part as the text it is.

use super::{skip_space, walk};

/// The elements of `array`, which must be a valid JSON array; of anything else there are none, or fewer.
pub(crate) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut at = 1;
    std::iter::from_fn(move || {
        let start = next_item(array.as_bytes(), at)?;
        at = walk(array.as_bytes(), start, &mut ()).ok()?;
        array.get(start..at)
    })
}

/// The members of `object`, which must be a valid JSON object: what stands between a key's quotes, and the value.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let bytes = object.as_bytes();
    let mut at = 1;
    std::iter::from_fn(move || {
        let start = next_item(bytes, at)?;
        let end = walk(bytes, start, &mut ()).ok()?;
        let value = skip_space(bytes, skip_space(bytes, end) + 1);
        at = walk(bytes, value, &mut ()).ok()?;
        Some((object.get(start + 1..end - 1)?, object.get(value..at)?))
    })
}

/// Where the next element or member begins, if there is one.
fn next_item(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = skip_space(bytes, at);
    if bytes.get(at) == Some(&b',') {
        at = skip_space(bytes, at + 1);
    }
    (!matches!(bytes.get(at), None | Some(b']' | b'}'))).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::super::walk::tests::jsonish;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    proptest! {
        #[test]
        fn items_are_those_that_serde_json_reads(text in jsonish()) {
            match serde_json::from_str::<Value>(text.trim()) {
                Ok(Value::Array(values)) => {
                    let items: Vec<Value> = elements(text.trim()).map(|item| serde_json::from_str(item).unwrap()).collect();
                    prop_assert_eq!(items, values);
                }
                Ok(Value::Object(values)) => {
                    let items: serde_json::Map<_, _> = members(text.trim())
                        .map(|(key, value)| {
                            let key = serde_json::from_str(&format!("\"{key}\"")).unwrap();
                            (key, serde_json::from_str::<Value>(value).unwrap())
                        })
                        .collect();
                    prop_assert_eq!(items, values);
                }
                _ => {}
            }
        }
    }
}
