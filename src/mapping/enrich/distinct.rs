//! Distinct texts, in linear time for any number of them.

use crate::detail::eq_ignore_case;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// How texts are compared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    #[default]
    Exactly,
    /// By their Unicode lower case.
    IgnoringCase,
}

/// Distinct texts in order. A few need no memory of their own.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Distinct<'a> {
    compare: Compare,
    texts: SmallVec<[&'a str; 4]>,
    /// The index of each text, once there are too many to compare with each.
    indices: Option<HashMap<Cow<'a, str>, usize>>,
}

/// The number of texts up to which each is compared with a new one.
const MOST_COMPARED: usize = 8;

impl<'a> Distinct<'a> {
    pub(super) fn new(compare: Compare) -> Self {
        Self { compare, texts: SmallVec::new(), indices: None }
    }

    /// Returns the texts.
    #[inline]
    pub(in crate::mapping) fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// Returns the index of a text, if it is there.
    pub(super) fn index_of(&self, text: &str) -> Option<usize> {
        match &self.indices {
            Some(indices) => indices.get(&*folded(text, self.compare)).copied(),
            None => self.compared(text),
        }
    }

    /// Returns the same, comparing it with each.
    #[inline]
    fn compared(&self, text: &str) -> Option<usize> {
        self.texts.iter().position(|known| match self.compare {
            Compare::Exactly => *known == text,
            Compare::IgnoringCase => eq_ignore_case(known, text),
        })
    }

    /// Adds a text, and returns whether it is new.
    #[expect(clippy::inline_always, reason = "a call costs as much as comparing a few texts")]
    #[inline(always)]
    pub(super) fn insert(&mut self, text: &'a str) -> bool {
        if self.texts.len() >= MOST_COMPARED {
            return self.insert_indexed(text);
        }
        let is_new = self.compared(text).is_none();
        if is_new {
            self.texts.push(text);
        }
        is_new
    }

    #[cold]
    fn insert_indexed(&mut self, text: &'a str) -> bool {
        if self.index_of(text).is_some() {
            return false;
        }
        self.texts.push(text);
        let indices = self.indices.get_or_insert_default();
        let new = self.texts.iter().enumerate().skip(indices.len());
        indices.extend(new.map(|(index, text)| (folded(text, self.compare), index)));
        true
    }
}

/// Returns a text as it is compared.
fn folded(text: &str, compare: Compare) -> Cow<'_, str> {
    match compare {
        Compare::Exactly => Cow::Borrowed(text),
        Compare::IgnoringCase => Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_texts_is_kept_distinct() {
        let texts: Vec<String> = (0..40).map(|number| format!("Text {number}")).collect();
        for (compare, other_case) in [(Compare::Exactly, true), (Compare::IgnoringCase, false)] {
            let mut distinct = Distinct::new(compare);
            let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
            for (index, text) in texts.iter().enumerate() {
                assert!(distinct.insert(text) && !distinct.insert(text), "{text}");
                assert_eq!(distinct.index_of(text), Some(index));
                assert_eq!(distinct.index_of(&lower[index]).is_none(), other_case, "{text}");
            }
            assert_eq!(distinct.texts().len(), texts.len());
        }
    }
}
