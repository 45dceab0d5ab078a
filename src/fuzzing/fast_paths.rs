//! Fast paths, and the parser of details.

use crate::{detail, email, json, mapping, record, timestamp};

/// The grammar of `operation_detail`.
pub(super) fn detail(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        detail::properties::text(text);
    }
}

/// Every fast path against its reference.
pub(super) fn fast(bytes: &[u8]) {
    json::properties::plain(bytes);
    bytes.first().iter().for_each(|byte| json::properties::marked(bytes, **byte));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    json::properties::text(text);
    record::properties::text(text);
    mapping::properties::text(text);
    text.split(['"', '\n']).for_each(timestamp::properties::text);
    email::properties::text(text);
    if text.len() < 200 {
        detail::properties::leftmost_of_usual(text);
    }
}
