//! The part of a local file that is read, and what counts as a whole line.

use serde::de::IgnoredAny;

/// Maximum line length to search for, in bytes; a file with a longer line is read whole.
pub(super) const MAX_LINE: u64 = 4 << 20;

/// What to read of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadRange {
    pub(super) start: u64,
    /// Of gzip members: how many unpacked bytes after `start` are done.
    pub(super) skip: u64,
    pub(super) end: u64,
    /// Whether an unfinished line after `end` is left for later.
    pub(super) unfinished: bool,
}

/// Returns whether a line has nothing but white space.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Returns whether a line holds one JSON value or more, and nothing else.
pub(super) fn is_complete_json(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>().peekable();
    values.peek().is_some() && values.all(|value| value.is_ok())
}
