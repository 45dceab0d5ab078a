//! `operation_detail`: from Zoom's text to its head, its changes, the addresses it names and the users in its JSON.
//!
//! What the text looks like is in `grammar` (nom), where a JSON value stands in it in `embedded`, what that value
//! says in `users`. What any of it means for an event is the mapping's to say.

mod embedded;
mod grammar;
mod places;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod users;

use crate::email;
use crate::json::trim;
use embedded::Embedded;
use smallvec::SmallVec;
use std::borrow::Cow;

pub use crate::json::Texts;
pub use grammar::{Change, new_value};
pub(crate) use places::{Places, within};
pub use users::{JsonUser, JsonUsers, Member};

/// What an `operation_detail` says (mapping contract, section 3).
#[derive(Debug, Clone, Default)]
pub struct Detail<'a> {
    /// The text before the first change, trimmed; all of it where there is none.
    pub head: &'a str,
    /// What stands where the first change would, but is none.
    pub alone: Option<&'a str>,
    /// The changes, in order.
    pub changes: SmallVec<[Change<'a>; 6]>,
    /// The JSON value in the text, as it stands there.
    json: Option<&'a str>,
    /// How many `@` there are: there are no more addresses.
    at_signs: u32,
}

/// Room for a text whose JSON values were cut out of its middle.
#[derive(Debug, Default)]
pub struct Cut(String);

impl<'a> Detail<'a> {
    /// Reads a whole `operation_detail`. Every text is one: what fits no rule is head.
    #[must_use]
    #[inline]
    pub fn parse(text: &'a str, cut: &'a mut Cut) -> Self {
        let mut detail = Self::default();
        let text = trim(text);
        if grammar::read(text, &mut detail, ())
            && let Some(found) = embedded::find(text)
        {
            detail = Self { json: Some(&text[found.json.clone()]), ..Self::default() };
            let (rest, seams) = cut.without(text, &found);
            grammar::read(trim(rest), &mut detail, seams);
        }
        detail
    }

    /// The first two e-mail addresses, distinct whatever their case, in HEAD, in what stands alone and in KEYs.
    #[must_use]
    #[inline]
    pub fn emails(&self) -> [Option<&'a str>; 2] {
        if self.at_signs == 0 {
            return [None, None];
        }
        let keys = self.changes.iter().map(|change| change.key);
        let places = std::iter::once(self.head).chain(self.alone).chain(keys);
        let mut first = None;
        for place in places {
            let mut from = 0;
            while let Some(found) = email::find(place, from) {
                from = found.end;
                let found = &place[found];
                match first {
                    None if self.at_signs == 1 => return [Some(found), None],
                    None => first = Some(found),
                    Some(first) if same_ignoring_case(first, found) => {}
                    Some(_) => return [first, Some(found)],
                }
            }
        }
        [first, None]
    }

    /// Whether the text is about a change of role: HEAD starts with `Change Role`, in any case.
    #[must_use]
    pub fn is_change_of_role(&self) -> bool {
        const CHANGE_ROLE: &str = "Change Role";
        self.head.get(..CHANGE_ROLE.len()).is_some_and(|start| start.eq_ignore_ascii_case(CHANGE_ROLE))
    }

    /// Whether a JSON value stands in the text.
    #[must_use]
    pub fn has_json(&self) -> bool {
        self.json.is_some()
    }

    /// The JSON value in the text, as it stands there.
    pub(crate) fn json(&self) -> Option<&'a str> {
        self.json
    }

    /// The users that the JSON value in the text names.
    #[must_use]
    pub fn users(&self) -> JsonUsers<'a> {
        self.json.map(JsonUsers::of).unwrap_or_default()
    }
}

impl Cut {
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

/// Whether two texts are the same but for the case of their letters (Unicode's lower case).
#[must_use]
pub fn same_ignoring_case(one: &str, other: &str) -> bool {
    fn lower(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_lowercase)
    }
    one == other || lower(one).eq(lower(other))
}

/// A text that may have had to be made.
pub type Text<'a> = Cow<'a, str>;

#[cfg(test)]
mod tests;
