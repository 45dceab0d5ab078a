//! Where a JSON value stands in a text: the leftmost place where one parses, found in time linear in the text.

use crate::json::{Trail, positions, skip_space, walk};
use memchr::memchr2_iter;
use std::ops::Range;
use wide::u8x16;

/// The leftmost array that begins with an object, or object, that parses whole.
#[inline]
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = memchr2_iter(b'[', b'{', bytes).find(|&at| looks_like_one(bytes, at))?;
    match walk(bytes, start, &mut NoTrail) {
        Ok(end) => Some(start..end),
        Err(_) => find_among(bytes, start),
    }
}

/// Whether what begins at `at` could be one: `[{`, white space allowed between; `{"`; `{}`.
fn looks_like_one(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'[' => bytes.get(skip_space(bytes, at + 1)) == Some(&b'{'),
        _ => matches!(bytes.get(at + 1), Some(b'"' | b'}')),
    }
}

/// Nobody asks where the walk came through.
struct NoTrail;

impl Trail for NoTrail {
    const PAIRED: bool = true;
    fn opened(&mut self, _: usize) {}
    fn closed(&mut self, _: usize, _: usize) {}
}

/// The leftmost from `start` on, where the first that looked like one was none.
///
/// Linear: an array or object that a failed walk came through needs no walk of its own: where it closed it is one,
/// where it did not it fails as the walk did. Only what stood inside a string of one walk is walked again by another,
/// and no byte is in the strings of more than two that way: what is a string for one is none for the other.
fn find_among(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let mut ends = Ends(vec![UNKNOWN; bytes.len()]);
    // `[` and `{` differ in the bit that also makes letters small.
    let brackets = |step: u8x16| (step | u8x16::splat(0x20)).simd_eq(u8x16::splat(b'{'));
    positions(&bytes[start..], brackets).find_map(|at| {
        let at = start + at;
        let end = match ends.0[at] {
            OPEN => None,
            UNKNOWN if !looks_like_one(bytes, at) => None,
            UNKNOWN => walk(bytes, at, &mut ends).ok(),
            end => Some(end as usize).filter(|_| looks_like_one(bytes, at)),
        };
        end.map(|end| at..end)
    })
}

/// For each position, where the array or object that begins there ends.
struct Ends(Vec<u32>);

/// No walk came by.
const UNKNOWN: u32 = 0;
/// A walk came by and did not see it end.
const OPEN: u32 = u32::MAX;

impl Trail for Ends {
    const PAIRED: bool = true;

    fn opened(&mut self, start: usize) {
        self.0[start] = OPEN;
    }

    fn closed(&mut self, start: usize, end: usize) {
        // A text longer than 4 GiB cannot be: lines are limited to 1 GiB.
        self.0[start] = u32::try_from(end).unwrap_or(OPEN);
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_leftmost_whole_value_is_found() {
        for (text, json) in [
            ("x [{\"a\":1}] y [{}]", Some("[{\"a\":1}]")),
            ("[ {\"a\":\"[{}]\"} ]", Some("[ {\"a\":\"[{}]\"} ]")),
            ("[[{\"a\":1}]", Some("[{\"a\":1}]")),
            ("[1,{\"a\":1}]", Some("{\"a\":1}")),
            ("[{\"a\":1},", Some("{\"a\":1}")),
            ("[{\"a: [{\"b\":1}]", Some("[{\"b\":1}]")),
            ("{} [{}]", Some("{}")),
            ("{ } { \"a\":1}", None),
            ("[{\"\\ud800\":1}] {\"\\ud83d\\ude00\":1}", Some("{\"\\ud83d\\ude00\":1}")),
            ("[] {x} [x] {'a':1} {\"a\"}", None),
            ("[{\"a\":01}]", None),
        ] {
            assert_eq!(find(text).map(|place| &text[place]), json, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn what_is_found_is_what_trying_every_place_finds(text in "([\\[{]{1,2}\"?|\"a\":|[\\]}]|\\{\\}|[\"\\\\, 1:]|\"b\"|\\{\"k\":1\\}){0,16}") {
            properties::leftmost(&text);
        }
    }
}
