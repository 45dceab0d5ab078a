//! A parsed `operation_detail`.

use super::change::Change;
use super::json_users::JsonUsers;
use super::text::eq_ignore_case;
use crate::email;
use smallvec::SmallVec;

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
    pub(super) json: Option<&'a str>,
    /// The number of `@` characters, an upper bound for the number of addresses.
    pub(super) at_signs: u32,
    /// Whether an `@` may stand after HEAD.
    pub(super) has_at_sign_after_head: bool,
}

impl<'a> Detail<'a> {
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

    /// Returns all e-mail addresses in HEAD, the unkeyed piece and KEYs, in order of appearance.
    pub(crate) fn all_emails(&self) -> impl Iterator<Item = &'a str> {
        let keys = self.changes.iter().map(|change| change.key);
        let places = std::iter::once(self.head).chain(self.unkeyed).chain(keys);
        // Each address has a sign of its own, so the rest is not searched.
        places.flat_map(addresses).take(self.at_signs as usize)
    }

    /// Returns whether the text may contain an e-mail address.
    pub(crate) fn may_have_address(&self) -> bool {
        self.at_signs > 0
    }

    /// Returns whether a KEY may contain an e-mail address.
    pub(crate) fn keys_may_have_address(&self) -> bool {
        self.has_at_sign_after_head
    }

    /// Returns whether the text may contain several e-mail addresses.
    pub(crate) fn may_have_addresses(&self) -> bool {
        self.at_signs > 1
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

/// Returns the e-mail addresses in a text.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let found = email::find(text, from)?;
        from = found.end;
        text.get(found)
    })
}
