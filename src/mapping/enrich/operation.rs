//! What an operation log says: its class, what was done, and its changes.

use super::head::Head;
use super::vocabulary::{
    ACTION_LETTERS, ACTIONS, CATEGORIES, CATEGORY_LETTERS, Class, OperationKind, ROLE_KEYS, Verb,
};
use super::words::{Spacing, same_text, same_words};
use crate::detail::{Change, Detail, old_and_new};
use crate::email;
use crate::json::{find_byte, trim};
use crate::record::{Field, Record};

/// The key of changes of a user's e-mail address.
const EMAIL_ADDRESS: &str = "Email Address";

/// What an operation log says.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    /// The category, trimmed; empty if it is absent.
    pub(super) category: &'a str,
    /// The spacing of the category.
    pub(super) spacing: Spacing,
    pub(super) class: Class,
    pub(super) kind: OperationKind,
    pub(super) head: Head<'a>,
    /// Whether HEAD begins with `Change Role`.
    pub(super) is_change_of_role: bool,
    head_text: &'a str,
    /// What stands before the changes without a key.
    pub(super) unkeyed: Option<&'a str>,
    keys_may_have_address: bool,
    changes: &'a [Change<'a>],
}

/// One change: what its key was before and is after.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadChange<'a> {
    pub(super) key: &'a str,
    /// The value in Zoom's words; empty for the change that HEAD names.
    pub(super) value: &'a str,
    pub(super) old: Option<&'a str>,
    pub(super) new: Option<&'a str>,
    /// Whether the key is an e-mail address.
    pub(super) is_of_address: bool,
}

impl<'a> Operation<'a> {
    pub(super) fn read(record: &Record<'a>, detail: &'a Detail<'_>) -> Self {
        let category = record.get(Field::CategoryType).map(trim).unwrap_or_default();
        let (class, spacing) = class(category);
        let is_change_of_role = detail.is_change_of_role();
        let head = Head::read(detail.head, category, (class, spacing), is_change_of_role);
        let kind = kind(record.get(Field::Action).unwrap_or_default(), head.verb);
        Self {
            category,
            spacing,
            class,
            kind,
            head,
            is_change_of_role,
            head_text: detail.head,
            unkeyed: detail.unkeyed,
            keys_may_have_address: detail.keys_may_have_address(),
            changes: &detail.changes,
        }
    }

    /// Returns HEAD if it begins with no verb: it names where settings are.
    pub(super) fn section(&self) -> Option<&'a str> {
        self.summary().filter(|_| self.head.verb.is_none())
    }

    /// Returns HEAD, if it is not empty.
    pub(super) fn summary(&self) -> Option<&'a str> {
        Some(self.head_text).filter(|head| !head.is_empty())
    }

    /// Returns the change that HEAD names, if it does. It precedes the others.
    pub(super) fn change_of_head(&self) -> Option<ReadChange<'a>> {
        let [old, new] = self.head.setting?.map(|text| Some(text).filter(|text| !text.is_empty()));
        let key = self.head.name.unwrap_or_default();
        Some(ReadChange { key, value: "", old, new, is_of_address: is_address(key) })
    }

    /// Returns the other changes.
    pub(super) fn changes(&self) -> impl Iterator<Item = ReadChange<'a>> + use<'a> {
        let keys_may_have_address = self.keys_may_have_address;
        self.changes.iter().map(move |Change { key, value }| {
            let [old, new] = old_and_new(value);
            ReadChange { key, value, old, new, is_of_address: keys_may_have_address && is_address(key) }
        })
    }

    /// Returns the old value of the last change of an e-mail address that HEAD does not name.
    pub(super) fn old_address(&self) -> Option<&'a str> {
        let last = self.changes.iter().rfind(|change| change.key == EMAIL_ADDRESS)?;
        let [old, _] = old_and_new(last.value);
        old
    }

    /// Returns whether a change says that somebody's role is another.
    pub(super) fn changes_role(&self) -> bool {
        let of_head = self.head.name.filter(|_| self.head.setting.is_some());
        let is_of_role = |key: &str| ROLE_KEYS.contains(&key);
        of_head.is_some_and(is_of_role) || self.changes.iter().any(|change| is_of_role(change.key))
    }

    /// Returns the key of the only change, if there is one.
    pub(super) fn only_key(&self) -> Option<&'a str> {
        let of_head = self.head.name.filter(|_| self.head.setting.is_some());
        let mut keys = of_head.into_iter().chain(self.changes.iter().map(|change| change.key));
        keys.next().filter(|_| keys.next().is_none())
    }
}

/// Returns whether a key is an e-mail address.
fn is_address(key: &str) -> bool {
    find_byte(b'@', key.as_bytes()).is_some() && email::is_email(key)
}

/// Returns the class and the spacing of a category.
fn class(category: &str) -> (Class, Spacing) {
    let categories = || CATEGORY_LETTERS.rows(category.as_bytes()).map(|row| &CATEGORIES[row]);
    if let Some((_, class)) = categories().find(|(name, _)| same_text(category, name)) {
        return (*class, Spacing::Single);
    }
    let spacing = Spacing::of(category);
    let found = categories().find(|(name, _)| same_words(category, name, spacing));
    (found.map_or(Class::Resource, |(_, class)| *class), spacing)
}

/// Returns what was done: a verb that decides says it, otherwise the action, otherwise any verb.
fn kind(action: &str, verb: Option<&'static Verb>) -> OperationKind {
    if let Some(verb) = verb.filter(|verb| verb.decides) {
        return verb.kind;
    }
    let said = ACTIONS.get(first_action(action));
    said.map(|(_, kind)| *kind).or(verb.map(|verb| verb.kind)).unwrap_or(OperationKind::Other)
}

/// Returns the index of the first row of [`ACTIONS`] whose word an action contains; their number if there is none.
fn first_action(action: &str) -> usize {
    // No word of the table contains an earlier one.
    let mut whole = ACTION_LETTERS.rows(action.as_bytes());
    if let Some(row) = whole.find(|row| same_text(action, ACTIONS[*row].0)) {
        return row;
    }
    let (action, mut found) = (action.as_bytes(), ACTIONS.len());
    for at in 0..action.len() {
        let rest = &action[at..];
        let starts = |row: &usize| {
            let word = ACTIONS[*row].0.as_bytes();
            rest.len() >= word.len()
                && rest.iter().zip(word).all(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        found = ACTION_LETTERS.rows(rest).take_while(|row| *row < found).find(starts).unwrap_or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_word_of_the_table_counts() {
        let first = |action| ACTIONS.get(first_action(action)).map(|row| row.0);
        for (action, expected) in [
            ("Update", Some("update")),
            ("SCIM API - Update", Some("update")),
            ("Add or Delete", Some("delete")),
            ("reDownloaded", Some("download")),
            ("Assign", None),
            ("", None),
        ] {
            assert_eq!(first(action), expected, "{action}");
        }
        for (row, (word, _)) in ACTIONS.iter().enumerate() {
            assert!(!ACTIONS[..row].iter().any(|(earlier, _)| word.contains(earlier)), "{word}");
        }
    }
}
