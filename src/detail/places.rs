//! Where in a text the parts of its [`Detail`] stand, for whoever explains them.

use super::{Cut, Detail};
use crate::json::trim;
use std::ops::Range;

/// Finds the parts of one detail in its text.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The addresses of the text.
    text: Range<usize>,
    /// Where the text without its JSON value begins, if it had to be put together; and what was cut out of the trimmed
    /// text, which itself begins so far into the text.
    cut: usize,
    hole: Range<usize>,
    before: usize,
}

/// The addresses of a text's bytes.
fn addresses(text: &str) -> Range<usize> {
    let start = text.as_ptr() as usize;
    start..start + text.len()
}

/// Where `part` stands in `whole`, if it is a part of it.
pub(crate) fn within(whole: &str, part: &str) -> Option<Range<usize>> {
    let (whole, part) = (addresses(whole), addresses(part));
    (whole.start <= part.start && part.end <= whole.end)
        .then(|| part.start - whole.start..part.end - whole.start)
}

impl<'a> Detail<'a> {
    /// As [`Detail::parse`], with the places of its parts.
    pub(crate) fn placed(text: &'a str, cut: &'a mut Cut) -> (Self, Places) {
        // With room for all of it, it stays where it is.
        cut.0.clear();
        cut.0.reserve(text.len());
        let begins = cut.0.as_ptr() as usize;
        let detail = Self::parse(text, cut);
        let trimmed = trim(text);
        let hole = detail.json.and_then(|json| within(trimmed, json)).unwrap_or(0..0);
        let before = within(text, trimmed).map_or(0, |place| place.start);
        (detail, Places { text: addresses(text), cut: begins, hole, before })
    }
}

impl Places {
    /// Where `part` stands in the text: in two places, where the JSON value was cut out of its middle; in none, where it
    /// had to be made.
    pub(crate) fn find(&self, part: &str) -> Vec<Range<usize>> {
        let part = addresses(part);
        if self.text.start <= part.start && part.end <= self.text.end {
            return std::iter::once(part.start - self.text.start..part.end - self.text.start).collect();
        }
        let length = (self.text.end - self.text.start).saturating_sub(self.hole.len());
        if part.start < self.cut || part.end > self.cut + length {
            return Vec::new();
        }
        let (start, end) = (part.start - self.cut, part.end - self.cut);
        let Range { start: hole, end: after } = self.hole;
        let pieces = [start..end.min(hole), start.max(hole) - hole + after..end.max(hole) - hole + after];
        pieces
            .into_iter()
            .filter(|piece| piece.start < piece.end)
            .map(|piece| piece.start + self.before..piece.end + self.before)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_on_both_sides_of_the_json() {
        let text = r#"  Update a@b.co  - K: v [{"userId":"u"}] w - L: x "#;
        let mut cut = Cut::default();
        let (detail, places) = Detail::placed(text, &mut cut);
        let found = |part: &str| places.find(part).into_iter().map(|place| &text[place]).collect::<Vec<_>>();
        assert_eq!(found(detail.head), ["Update a@b.co"]);
        assert_eq!(found(detail.changes[0].value), ["v ", " w"]);
        assert_eq!(found(detail.changes[1].key), ["L"]);
        assert_eq!(found(detail.changes[1].value), ["x"]);
        assert_eq!(found(detail.json.unwrap()), [r#"[{"userId":"u"}]"#]);
        assert!(places.find("made").is_empty());
        let (text, mut cut) = (r#"Update  - K: [{"userId":"u"}] w"#, Cut::default());
        let (detail, places) = Detail::placed(text, &mut cut);
        let found: Vec<_> =
            places.find(detail.changes[0].value).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["w"]);
    }
}
