//! Finds the leftmost JSON value in a text in linear time. Of `from OLD to NEW` it is the second.

use crate::json::{NestingStack, NestingTracker, positions, skip_space, skip_value, skip_value_with};
use memchr::memchr2_iter;
use std::ops::Range;
use wide::u8x16;

/// Where the JSON value of a text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Embedded {
    pub(super) json: Range<usize>,
    /// The value that it replaces: OLD of `from OLD to NEW`.
    pub(super) old: Option<Range<usize>>,
}

impl Embedded {
    /// The parts of a text of this length that remain when both values are cut out.
    pub(super) fn kept(&self, length: usize) -> [Range<usize>; 3] {
        let Range { start, end } = self.json;
        let old = self.old.clone().unwrap_or(start..start);
        [0..old.start, old.end..start, end..length]
    }
}

/// The leftmost array that begins with an object, or object, that parses whole; where that is the old value of a change
/// whose new value is one, too, the new one.
#[inline]
pub(super) fn find(text: &str) -> Option<Embedded> {
    let leftmost = leftmost(text.as_bytes())?;
    Some(match new_value(text, &leftmost) {
        Some(json) => Embedded { json, old: Some(leftmost) },
        None => Embedded { json: leftmost, old: None },
    })
}

#[inline]
fn leftmost(bytes: &[u8]) -> Option<Range<usize>> {
    let start = memchr2_iter(b'[', b'{', bytes).find(|&at| could_start_json(bytes, at))?;
    match skip_value(bytes, start) {
        Ok(end) => Some(start..end),
        Err(_) => find_after_failure(bytes, start),
    }
}

/// The value that replaces `old`, if the text says `from OLD to NEW`. One place is tried, so this is linear.
fn new_value(text: &str, old: &Range<usize>) -> Option<Range<usize>> {
    const TO: &str = " to ";
    let start = old.end + TO.len();
    let bytes = text.as_bytes();
    let is_change = bytes[..old.start].ends_with(b"from ") && bytes[old.end..].starts_with(TO.as_bytes());
    if !is_change || start >= bytes.len() || !could_start_json(bytes, start) {
        return None;
    }
    skip_value(bytes, start).ok().map(|end| start..end)
}

/// Returns whether a value could begin at `at`: `[{`, with optional whitespace between; `{"`; `{}`.
fn could_start_json(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'[' => bytes.get(skip_space(bytes, at + 1)) == Some(&b'{'),
        byte => byte == b'{' && matches!(bytes.get(at + 1), Some(b'"' | b'}')),
    }
}

/// Returns the leftmost value from `start` on, after the first candidate failed.
///
/// Linear: an array or object that a failed scan passed through needs no scan of its own. If that scan did not see its
/// end, it fails too; if it did, it is a value. Only the inside of one scan's strings is scanned again, and no byte is
/// in the strings of more than two scans: what is a string for one is not for the other.
fn find_after_failure(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let mut seen =
        BracketMarks { marks: vec![Bracket::None; bytes.len()], levels: NestingStack::new(), last: start };
    // `[` and `{` differ only in bit 0x20, which is also the lower-case bit.
    let brackets = |step: u8x16| (step | u8x16::splat(0x20)).simd_eq(u8x16::splat(b'{'));
    positions(&bytes[start..], brackets).find_map(|at| {
        let at = start + at;
        if seen.marks[at] == Bracket::Open || !could_start_json(bytes, at) {
            return None;
        }
        seen.walk(bytes, at).map(|end| at..end)
    })
}

/// What scans found out about each bracket and brace of a text, one byte each, because a text may consist of nothing
/// else.
struct BracketMarks {
    marks: Vec<Bracket>,
    levels: NestingStack,
    /// The last position that the current scan passed.
    last: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Not scanned.
    None,
    /// Passed by the current scan.
    Walked,
    /// Closed, or the closer.
    Closed,
    /// A scan did not find its end.
    Open,
}

impl BracketMarks {
    /// Returns where the array or object that begins at `start` ends. If it does not, marks the containers that the
    /// scan was in as open.
    fn walk(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        (self.levels, self.last) = (NestingStack::new(), start);
        if let Ok(end) = skip_value_with(bytes, start, self) {
            return Some(end);
        }
        let mut closers = 0_usize;
        let walked = self.marks[start..=self.last].iter_mut().zip(&bytes[start..]).rev();
        for (mark, byte) in walked.filter(|(mark, _)| **mark == Bracket::Walked) {
            *mark = Bracket::Closed;
            match byte {
                b']' | b'}' => closers += 1,
                _ if closers > 0 => closers -= 1,
                _ => *mark = Bracket::Open,
            }
        }
        None
    }

    fn mark(&mut self, at: usize) {
        self.marks[at] = Bracket::Walked;
        self.last = at;
    }
}

impl NestingTracker for BracketMarks {
    fn enter(&mut self, start: usize, opener: u8) {
        self.mark(start);
        self.levels.enter(start, opener);
    }

    fn top(&self) -> Option<u8> {
        self.levels.top()
    }

    fn exit(&mut self, end: usize) {
        self.mark(end - 1);
        self.levels.exit(end);
    }
}

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leftmost_complete_value_is_found() {
        for (text, json) in [
            ("x [{\"a\":1}] y [{}]", Some("[{\"a\":1}]")),
            ("[ {\"a\":\"[{}]\"} ]", Some("[ {\"a\":\"[{}]\"} ]")),
            ("[[{\"a\":1}]", Some("[{\"a\":1}]")),
            ("[1,{\"a\":1}]", Some("{\"a\":1}")),
            ("[{\"a\":1},", Some("{\"a\":1}")),
            ("[{\"a: [{\"b\":1}]", Some("[{\"b\":1}]")),
            ("{} [{}]", Some("{}")),
            ("{ } { \"a\":1}", None),
            ("[{\"\\ud800\":1}] {\"\\ud83d\\ude00\":1}", Some("[{\"\\ud800\":1}]")),
            ("[] {x} [x] {'a':1} {\"a\"}", None),
            ("[{\"a\":01}]", None),
        ] {
            assert_eq!(find(text).map(|found| &text[found.json]), json, "{text}");
        }
    }

    #[test]
    fn new_value_of_a_change_is_found() {
        for (text, json, old) in [
            ("x - K: from [{\"a\":1}] to [{\"b\":2}] - L: y", "[{\"b\":2}]", Some("[{\"a\":1}]")),
            ("from {} to {\"b\":2}", "{\"b\":2}", Some("{}")),
            ("from [{}] to [ {}]", "[ {}]", Some("[{}]")),
            ("from {} to {} to [{}]", "{}", Some("{}")),
            // Not such a change, or no such value.
            ("from [] to [{}]", "[{}]", None),
            ("from [{\"a\":1}] to []", "[{\"a\":1}]", None),
            ("from [{\"a\":1}] to [{\"b\":]", "[{\"a\":1}]", None),
            ("from [{\"a\":1}]  to [{}]", "[{\"a\":1}]", None),
            ("from  [{\"a\":1}] to  [{}]", "[{\"a\":1}]", None),
            ("From [{\"a\":1}] to [{}]", "[{\"a\":1}]", None),
            ("from [{\"a\":1}] to ", "[{\"a\":1}]", None),
            ("[{\"a\":1}] to [{}]", "[{\"a\":1}]", None),
        ] {
            let found = find(text).unwrap();
            assert_eq!((&text[found.json], found.old.map(|old| &text[old])), (json, old), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn search_agrees_with_trying_every_offset(text in "(from | to |[\\[{]{1,2}\"?|\"a\":|[\\]}]|\\{\\}|[\"\\\\, 1:]|\"b\"|\\{\"k\":1\\}){0,16}") {
            invariants::leftmost(&text);
        }
    }
}
