//! Fast paths, and the parser of details.

use crate::{detail, email, json, mapping, record, timestamp};

/// The grammar of `operation_detail`.
pub(super) fn detail(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        detail::invariants::text(text);
    }
}

/// Every fast path against its reference.
pub(super) fn fast(bytes: &[u8]) {
    json::invariants::plain(bytes);
    bytes.first().iter().for_each(|byte| json::invariants::marked(bytes, **byte));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    json::invariants::text(text);
    record::invariants::text(text);
    mapping::invariants::text(text);
    text.split(['"', '\n']).for_each(timestamp::invariants::text);
    email::invariants::text(text);
    if text.len() < 200 {
        detail::invariants::leftmost_of_usual(text);
    }
}
