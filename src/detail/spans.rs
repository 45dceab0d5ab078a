//! Maps the parts of a [`Detail`] back to their positions in the text, for `explain`.

use super::detail::Detail;
use super::embedded_json;
use super::splice_buf::SpliceBuf;
use crate::json::trim;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// Byte ranges of a text; nearly every part of a text has one.
pub(crate) type Ranges = SmallVec<[Range<usize>; 2]>;

/// Finds the positions of the parts of one detail.
#[derive(Debug, Clone)]
pub(crate) struct SpanMap {
    /// The address range of the text.
    text: Range<usize>,
    /// Where the text without its JSON values begins, if it had to be put together; and what was kept of the trimmed
    /// text, which itself begins so far into the text.
    cut: usize,
    kept: [Range<usize>; 3],
    before: usize,
    /// Where in the text the JSON value stands that was replaced by another.
    old: Option<Range<usize>>,
}

/// Returns the address range of a text.
fn addresses(text: &str) -> Range<usize> {
    let start = text.as_ptr() as usize;
    start..start + text.len()
}

/// Returns the position of `part` in `whole`, if it is a slice of it.
pub(crate) fn span_within(whole: &str, part: &str) -> Option<Range<usize>> {
    let (whole, part) = (addresses(whole), addresses(part));
    (whole.start <= part.start && part.end <= whole.end)
        .then(|| part.start - whole.start..part.end - whole.start)
}

impl<'a> Detail<'a> {
    /// Parses like [`Detail::parse`], and keeps the positions.
    pub(crate) fn parse_with_spans(text: &'a str, cut: &'a mut SpliceBuf) -> (Self, SpanMap) {
        // Reserves enough space that the buffer never moves.
        cut.0.clear();
        cut.0.reserve(text.len());
        let begins = cut.0.as_ptr() as usize;
        let detail = Self::parse(text, cut);
        let trimmed = trim(text);
        let before = span_within(text, trimmed).map_or(0, |place| place.start);
        let found = detail.json.and_then(|_| embedded_json::find(trimmed));
        let kept =
            found.as_ref().map_or_else(|| [0..trimmed.len(), 0..0, 0..0], |found| found.kept(trimmed.len()));
        let old = found.and_then(|found| found.old).map(|old| old.start + before..old.end + before);
        (detail, SpanMap { text: addresses(text), cut: begins, kept, before, old })
    }
}

impl SpanMap {
    /// Where in the text the JSON value stands that the one that counts replaced.
    pub(crate) fn old_json(&self) -> Option<Range<usize>> {
        self.old.clone()
    }

    /// Where `part` stands in the text, if it is a slice of it.
    #[inline]
    pub(crate) fn find_whole(&self, part: &str) -> Option<Range<usize>> {
        let part = addresses(part);
        let is_slice = self.text.start <= part.start && part.end <= self.text.end;
        is_slice.then(|| part.start - self.text.start..part.end - self.text.start)
    }

    /// Where `part` stands in the text: in several places, where JSON was cut out of its middle; in none, where it had to
    /// be made.
    pub(crate) fn find(&self, part: &str) -> Ranges {
        if let Some(range) = self.find_whole(part) {
            return smallvec![range];
        }
        let part = addresses(part);
        let length: usize = self.kept.iter().map(Range::len).sum();
        if part.start < self.cut || part.end > self.cut + length {
            return Ranges::new();
        }
        let (start, end) = (part.start - self.cut, part.end - self.cut);
        let (mut places, mut from) = (Ranges::new(), 0);
        for kept in &self.kept {
            let to = from + kept.len();
            if start.max(from) < end.min(to) {
                let moved = |at: usize| at - from + kept.start + self.before;
                places.push(moved(start.max(from))..moved(end.min(to)));
            }
            from = to;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_found_on_both_sides_of_the_json() {
        let text = r#"  Update a@b.co  - K: v [{"userId":"u"}] w - L: x "#;
        let mut cut = SpliceBuf::default();
        let (detail, places) = Detail::parse_with_spans(text, &mut cut);
        let found = |part: &str| places.find(part).into_iter().map(|place| &text[place]).collect::<Vec<_>>();
        assert_eq!(found(detail.head), ["Update a@b.co"]);
        assert_eq!(found(detail.changes[0].value), ["v ", " w"]);
        assert_eq!(found(detail.changes[1].key), ["L"]);
        assert_eq!(found(detail.changes[1].value), ["x"]);
        assert_eq!(found(detail.json.unwrap()), [r#"[{"userId":"u"}]"#]);
        assert!(places.find("made").is_empty());
        let (text, mut cut) = (r#"Update  - K: [{"userId":"u"}] w"#, SpliceBuf::default());
        let (detail, places) = Detail::parse_with_spans(text, &mut cut);
        let found: Vec<_> =
            places.find(detail.changes[0].value).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["w"]);
        let text = r#" Update  - K: a from [{"userId":"u"}] to {} b - L: x"#;
        let mut cut = SpliceBuf::default();
        let (detail, places) = Detail::parse_with_spans(text, &mut cut);
        let found: Vec<_> =
            places.find(detail.changes[0].value).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["a from ", " to ", " b"]);
        assert_eq!(places.old_json().map(|place| &text[place]), Some(r#"[{"userId":"u"}]"#));
    }
}
