//! Cuts embedded JSON out of a text.

use super::embedded_json::Embedded;
use crate::json::trim;

/// A buffer for a text whose embedded JSON was cut out. Reuse one for all records.
#[derive(Debug, Default)]
pub struct SpliceBuf(pub(super) String);

impl SpliceBuf {
    /// `text` without its JSON values, a part of it where one is enough; and where they were cut out. What is kept begins
    /// with no space, as `text` does, unless a seam is at its start.
    pub(super) fn without<'a>(&'a mut self, text: &'a str, found: &Embedded) -> (&'a str, [usize; 2]) {
        let kept = found.kept(text.len());
        let seams = [kept[0].len(), kept[0].len() + kept[1].len()];
        let [before, between, after] = kept.map(|part| &text[part]);
        if between.is_empty() && trim(after).is_empty() {
            return (before, seams);
        }
        self.0.clear();
        [before, between, after].iter().for_each(|part| self.0.push_str(part));
        (&self.0, seams)
    }
}
