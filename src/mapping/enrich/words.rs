//! Texts word by word: words are separated by spaces, and compared ignoring ASCII case.

use crate::json::{find_byte, positions};
use wide::u8x16;

/// How many spaces stand between the words of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// One.
    Single,
    /// Possibly more.
    Any,
}

impl Spacing {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut spaces = positions(bytes, |step| step.simd_eq(u8x16::splat(b' ')));
        if spaces.any(|space| bytes.get(space + 1) == Some(&b' ')) { Self::Any } else { Self::Single }
    }
}

/// Splits the first word off a text: returns it, and what follows it.
#[inline]
pub(super) fn first_word(text: &str) -> (&str, &str) {
    let text = without_spaces(text);
    text.split_at(find_byte(b' ', text.as_bytes()).unwrap_or(text.len()))
}

/// Returns a text without the spaces at its start.
#[inline]
pub(super) fn without_spaces(text: &str) -> &str {
    let spaces = text.bytes().take_while(|byte| *byte == b' ').count();
    &text[spaces..]
}

/// Returns whether two texts are equal ignoring ASCII case. Faster than `eq_ignore_ascii_case` for words, which mostly differ
/// in the case of their first letter only.
#[inline]
pub(super) fn same_text(one: &str, other: &str) -> bool {
    let same = |(one, other): (u8, u8)| one == other || one.eq_ignore_ascii_case(&other);
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(same)
}

/// Returns what follows the words of `phrase` in a text that begins with them, given the spacing of both.
#[inline]
pub(super) fn strip_words<'t>(text: &'t str, phrase: &str, spacing: Spacing) -> Option<&'t str> {
    // Most texts begin with a word, and have one space between words.
    let (text_bytes, bytes) = (text.as_bytes(), phrase.as_bytes());
    if let (Some(first), Some(expected)) = (text_bytes.first(), bytes.first())
        && *first != b' '
        && *expected != b' '
    {
        if !first.eq_ignore_ascii_case(expected) {
            return None;
        }
        if let Some((start, rest)) = text.split_at_checked(phrase.len())
            && matches!(rest.as_bytes().first(), None | Some(b' '))
            && same_text(start, phrase)
        {
            return Some(rest);
        }
        if spacing == Spacing::Single || !bytes.contains(&b' ') {
            return None;
        }
    }
    strip_spaced_words(text, phrase)
}

/// The same with any number of spaces between words.
fn strip_spaced_words<'t>(text: &'t str, phrase: &str) -> Option<&'t str> {
    let (bytes, mut at, mut in_word) = (text.as_bytes(), 0, false);
    for expected in phrase.bytes() {
        if expected == b' ' {
            in_word = false;
            continue;
        }
        if !in_word {
            let end = at;
            at += bytes[at..].iter().take_while(|byte| **byte == b' ').count();
            if end > 0 && at == end {
                return None;
            }
            in_word = true;
        }
        if !bytes.get(at)?.eq_ignore_ascii_case(&expected) {
            return None;
        }
        at += 1;
    }
    matches!(bytes.get(at), None | Some(b' ')).then(|| &text[at..]).or((at == 0).then_some(text))
}

/// Returns whether two trimmed texts have the same words, given the spacing of both.
#[inline]
pub(super) fn same_words(one: &str, other: &str, spacing: Spacing) -> bool {
    let same_if_spaced =
        || strip_words(one, other, spacing).is_some_and(|rest| first_word(rest).0.is_empty());
    same_text(one, other) || spacing == Spacing::Any && same_if_spaced()
}

/// Returns the position of a text in another, ignoring ASCII case.
pub(super) fn find_ignoring_case(text: &str, part: &str) -> Option<usize> {
    let mut places = text.as_bytes().windows(part.len());
    places.position(|place| place.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_spaces_and_case() {
        let strip = |text: &'static str, phrase| {
            let spacing = Spacing::of(text);
            let stripped = strip_words(text, phrase, spacing);
            assert_eq!(stripped, strip_words(text, phrase, Spacing::Any), "{text}");
            stripped
        };
        assert_eq!(strip("Add  USER group x", "user Group"), None);
        assert_eq!(strip("USER   group x", "user Group"), Some(" x"));
        assert_eq!(strip("USER group x", "user Group"), Some(" x"));
        assert_eq!(strip("user grou", "user group"), None);
        assert_eq!(strip("User: x", "user"), None);
        assert_eq!(strip("usergroup x", "user group"), None);
        assert_eq!(strip("us", "user"), None);
        assert_eq!(strip_words(" user", " user ", Spacing::Any), Some(""));
        assert_eq!(strip_words("x y", "", Spacing::Any), Some("x y"));
        assert_eq!(strip_words("", "", Spacing::Any), Some(""));
        assert!(same_words("Phone  number ", "phone NUMBER", Spacing::Any));
        assert!(same_words("Phone number", "phone NUMBER", Spacing::Single));
        assert!(!same_words("Phone numbers", "phone number", Spacing::Any));
        assert_eq!(find_ignoring_case("a From b", " from "), Some(1));
        assert_eq!(find_ignoring_case("from", " from "), None);
    }
}
