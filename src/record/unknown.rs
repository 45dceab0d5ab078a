//! The rejection of an object that is not a record of Zoom.

use crate::json::{members, string};
use crate::reject::{RejectReason, Rejection};
use crate::sanitize;
use std::fmt::Write as _;

/// The number of keys that a message names, and of characters of each.
const MAX_KEYS: usize = 5;
const MAX_KEY_CHARS: usize = 40;

/// What is expected, and what to do.
macro_rules! expected {
    () => {
        "; expected a value in operator, category_type, action or operation_detail (operation log), texts in type and \
         email (sign-in), or a text in event and an object in payload (webhook): is it an API error or of another log? \
         remove it, or leave its file out"
    };
}

/// Returns the rejection of an object, which must be valid JSON. Names its first keys.
#[cold]
pub(super) fn rejection(object: &str) -> Rejection {
    let mut keys = members(object).map(|(key, _)| key);
    let mut found = String::new();
    for key in keys.by_ref().take(MAX_KEYS) {
        let separator = if found.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(found, "{separator}{}", shown(key));
    }
    if found.is_empty() {
        // Precomputed, because a line may consist of nothing but such objects.
        const EMPTY: &str = concat!("not a record of Zoom: an object without members", expected!());
        return Rejection::new(RejectReason::UnknownRecord, EMPTY, expected!());
    }
    let more = if keys.next().is_some() { ", …" } else { "" };
    let message = format!(concat!("not a record of Zoom: found the keys {}{}", expected!()), found, more);
    Rejection::new(RejectReason::UnknownRecord, message, expected!())
}

/// Returns a key, shortened and safe to show.
fn shown(key: &str) -> String {
    // A key may be as long as a line: only its start is decoded, in which an escape has at most 12 bytes.
    let start = key.char_indices().nth(12 * MAX_KEY_CHARS).map_or(key, |(end, _)| &key[..end]);
    let text = string(start);
    let short: String = text.chars().take(MAX_KEY_CHARS).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    sanitize::single_line(&short) + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_first_keys() {
        let found = |object: &str| {
            let rejection = rejection(object);
            assert_eq!(rejection.reason, RejectReason::UnknownRecord);
            let (found, expected) = rejection.message.split_once("; expected ").unwrap();
            assert!(expected.contains("operation_detail") && expected.contains("payload"), "{expected}");
            found.strip_prefix("not a record of Zoom: ").unwrap().to_owned()
        };
        assert_eq!(found("{}"), "an object without members");
        assert_eq!(found(r#"{"code":124,"message":"x"}"#), "found the keys code, message");
        assert_eq!(
            found(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":{"g":1}}"#),
            "found the keys a, b, c, d, e, …"
        );
    }

    #[test]
    fn keys_in_messages_are_short_and_safe() {
        let object = format!(r#"{{"{}":1,"\u001b[2J\ud800":2,"a\nb":3}}"#, "\\u00e9".repeat(1 << 20));
        let message = rejection(&object).message.into_owned();
        assert!(message.len() < 500, "{message}");
        assert!(message.contains(&"é".repeat(MAX_KEY_CHARS)) && message.contains('…'), "{message}");
        assert!(!message.chars().any(sanitize::is_unsafe_char) && !message.contains('\n'), "{message}");
    }
}
