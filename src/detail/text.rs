//! Texts, and their comparison.

use std::borrow::Cow;

/// A text that is borrowed unless it had to be built.
pub type Text<'a> = Cow<'a, str>;

/// Returns whether two texts are equal ignoring case (Unicode lower case).
#[must_use]
pub fn eq_ignore_case(one: &str, other: &str) -> bool {
    fn lower(text: &str) -> impl Iterator<Item = char> {
        text.chars().flat_map(char::to_lowercase)
    }
    one == other || lower(one).eq(lower(other))
}
