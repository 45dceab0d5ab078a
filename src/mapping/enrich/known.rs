//! The names that the tables of `--enrich` know.

use super::put_sign_in::SIGN_IN_TYPES;
use super::vocabulary::{ACTIONS, CATEGORIES, PHONE_NUMBER, RECORDING};
use super::webhook_types;
use super::words::{Spacing, same_words};

/// The words of actions that do not say what was done.
const OTHER_WORDS: [&str; 4] = ["api", "batch", "scim", "-"];

/// Returns whether a category of operation logs is known.
pub(crate) fn is_known_category(name: &str) -> bool {
    let known = CATEGORIES.iter().map(|(name, _)| *name).chain([PHONE_NUMBER, RECORDING]);
    known.into_iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Returns whether all words of an action of operation logs are known.
pub(crate) fn is_known_action(action: &str) -> bool {
    let known = ACTIONS.iter().map(|(word, _)| *word).chain(OTHER_WORDS);
    action.split(' ').all(|word| known.clone().any(|known| known.eq_ignore_ascii_case(word)))
}

/// Returns whether a type of sign-ins is known.
pub(crate) fn is_known_sign_in(name: &str) -> bool {
    SIGN_IN_TYPES.iter().any(|(known, _)| same_words(name, known, Spacing::Any))
}

/// Returns the start of the name of a webhook event that is known: all of it, or its start up to a dot.
pub(crate) fn known_start_of_event(name: &str) -> &str {
    let known = webhook_types::names()
        .filter(|known| *known == name || known.ends_with('.') && name.starts_with(known));
    &name[..known.map(str::len).max().unwrap_or(0)]
}
