//! Parses `operation_detail`: head, changes, e-mail addresses, and the users in its embedded JSON.
//!
//! `grammar` (nom) splits the text, `embedded` finds the JSON value, and `users` reads it. `mapping` decides what the
//! parts mean for an event.

mod embedded_json;
mod json_users;
mod parser;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod spans;

use crate::email;
use crate::json::trim;
use embedded_json::Embedded;
use smallvec::SmallVec;
use std::borrow::Cow;

pub use crate::json::TextValues;
pub use json_users::{JsonUser, JsonUsers, Member};
pub use parser::{Change, new_value};
pub(crate) use spans::{SpanMap, span_within};

/// A parsed `operation_detail` (docs/mapping-rules.md, section 3).
#[derive(Debug, Clone, Default)]
pub struct Detail<'a> {
    /// The text before the first change, trimmed; the whole text if there is none.
    pub head: &'a str,
    /// The first piece, if it is not a change.
    pub unkeyed: Option<&'a str>,
    /// The changes, in order.
    pub changes: SmallVec<[Change<'a>; 6]>,
    /// The embedded JSON value, as written.
    json: Option<&'a str>,
    /// The number of `@` characters, an upper bound for the number of addresses.
    at_signs: u32,
}

/// Room for a text whose JSON values were cut out of its middle.
#[derive(Debug, Default)]
pub struct SpliceBuf(String);

impl<'a> Detail<'a> {
    /// Parses an `operation_detail`. Every text is valid: what matches no rule is head.
    #[must_use]
    #[inline]
    pub fn parse(text: &'a str, cut: &'a mut SpliceBuf) -> Self {
        let mut detail = Self::default();
        let text = trim(text);
        if parser::read(text, &mut detail, ())
            && let Some(found) = embedded_json::find(text)
        {
            detail = Self { json: Some(&text[found.json.clone()]), ..Self::default() };
            let (rest, seams) = cut.without(text, &found);
            parser::read(trim(rest), &mut detail, seams);
        }
        detail
    }

    /// Returns the first two e-mail addresses, distinct ignoring case, in HEAD, the unkeyed piece and KEYs.
    #[must_use]
    #[inline]
    pub fn emails(&self) -> [Option<&'a str>; 2] {
        if self.at_signs == 0 {
            return [None, None];
        }
        let keys = self.changes.iter().map(|change| change.key);
        let places = std::iter::once(self.head).chain(self.unkeyed).chain(keys);
        let mut first = None;
        for place in places {
            let mut from = 0;
            while let Some(found) = email::find(place, from) {
                from = found.end;
                let found = &place[found];
                match first {
                    None if self.at_signs == 1 => return [Some(found), None],
                    None => first = Some(found),
                    Some(first) if eq_ignore_case(first, found) => {}
                    Some(_) => return [first, Some(found)],
                }
            }
        }
        [first, None]
    }

    /// Returns whether HEAD starts with `Change Role`, in any case.
    #[must_use]
    pub fn is_change_of_role(&self) -> bool {
        const CHANGE_ROLE: &str = "Change Role";
        self.head.get(..CHANGE_ROLE.len()).is_some_and(|start| start.eq_ignore_ascii_case(CHANGE_ROLE))
    }

    /// Returns whether the text contains a JSON value.
    #[must_use]
    pub fn has_json(&self) -> bool {
        self.json.is_some()
    }

    /// Returns the embedded JSON value, as written.
    pub(crate) fn json(&self) -> Option<&'a str> {
        self.json
    }

    /// Returns the users that the JSON value names.
    #[must_use]
    pub fn users(&self) -> JsonUsers<'a> {
        self.json.map(JsonUsers::of).unwrap_or_default()
    }
}

impl SpliceBuf {
    /// `text` without its JSON values, a part of it where one is enough; and where they were cut out. What is kept begins
    /// with no space, as `text` does, unless a seam is at its start.
    fn without<'a>(&'a mut self, text: &'a str, found: &Embedded) -> (&'a str, [usize; 2]) {
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

/// Returns whether two texts are equal ignoring case (Unicode lower case).
#[must_use]
pub fn eq_ignore_case(one: &str, other: &str) -> bool {
    fn lower(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_lowercase)
    }
    one == other || lower(one).eq(lower(other))
}

/// A text that is borrowed unless it had to be built.
pub type Text<'a> = Cow<'a, str>;

#[cfg(test)]
mod tests;
