//! Where a JSON value stands in a text: the leftmost place where one parses, found in time linear in the text.

use crate::json::{Levels, Trail, positions, skip_space, walk_along};
use memchr::memchr2_iter;
use std::ops::Range;
use wide::u8x16;

/// The leftmost array that begins with an object, or object, that parses whole.
#[inline]
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = memchr2_iter(b'[', b'{', bytes).find(|&at| looks_like_one(bytes, at))?;
    match walk_along(bytes, start, &mut Levels::<true>::new()) {
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

/// The leftmost from `start` on, where the first that looked like one was none.
///
/// Linear: an array or object that a failed walk came through needs no walk of its own, where the walk did not see it end:
/// it fails as the walk did. Where it did, it is one. Only what stood inside a string of one walk is walked again by
/// another, and no byte is in the strings of more than two that way: what is a string for one is none for the other.
fn find_among(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let mut seen = Seen { marks: vec![Mark::None; bytes.len()], levels: Levels::new(), last: start };
    // `[` and `{` differ in the bit that also makes letters small.
    let brackets = |step: u8x16| (step | u8x16::splat(0x20)).simd_eq(u8x16::splat(b'{'));
    positions(&bytes[start..], brackets).find_map(|at| {
        let at = start + at;
        if seen.marks[at] == Mark::Open || !looks_like_one(bytes, at) {
            return None;
        }
        seen.walk(bytes, at).map(|end| at..end)
    })
}

/// What walks saw of the brackets and braces of a text: a byte each, for a line may be nothing else.
struct Seen {
    marks: Vec<Mark>,
    levels: Levels<true>,
    /// The last that the walk at hand came by.
    last: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// No walk came by.
    None,
    /// The walk at hand came by.
    Walked,
    /// It was closed, or closes one.
    Closed,
    /// A walk did not see it end.
    Open,
}

impl Seen {
    /// Where the array or object that begins at `start` ends, if it does. Where not, what the walk was in is open.
    fn walk(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        (self.levels, self.last) = (Levels::new(), start);
        if let Ok(end) = walk_along(bytes, start, self) {
            return Some(end);
        }
        let mut closers = 0_usize;
        let walked = self.marks[start..=self.last].iter_mut().zip(&bytes[start..]).rev();
        for (mark, byte) in walked.filter(|(mark, _)| **mark == Mark::Walked) {
            *mark = Mark::Closed;
            match byte {
                b']' | b'}' => closers += 1,
                _ if closers > 0 => closers -= 1,
                _ => *mark = Mark::Open,
            }
        }
        None
    }

    fn mark(&mut self, at: usize) {
        self.marks[at] = Mark::Walked;
        self.last = at;
    }
}

impl Trail for Seen {
    const PAIRED: bool = true;

    fn opened(&mut self, start: usize, opener: u8) {
        self.mark(start);
        self.levels.opened(start, opener);
    }

    fn innermost(&self) -> Option<u8> {
        self.levels.innermost()
    }

    fn closed(&mut self, end: usize) {
        self.mark(end - 1);
        self.levels.closed(end);
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
