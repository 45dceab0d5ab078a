//! Reads HEAD: the verb, the name of what an operation was done to, and what Zoom says there of a change.

use super::vocabulary::{
    ARTICLES, Class, LONGEST_ARTICLE, NAME_HEADS, NOUN_LETTERS, NOUNS, PHONE_NUMBER, SETTING_HEAD,
    VERB_LETTERS, VERBS, Verb,
};
use super::words::{
    Spacing, find_ignoring_case, first_word, same_text, same_words, strip_words, without_spaces,
};
use crate::json::trim;

/// What HEAD says.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) verb: Option<&'static Verb>,
    /// The name of what the operation was done to.
    pub(super) name: Option<&'a str>,
    /// The old and the new value of the setting that is named, if HEAD is its change; both trimmed, and may be empty.
    pub(super) setting: Option<[&'a str; 2]>,
    /// Whether it is about a phone number, so that it may say between whom the number moved.
    pub(super) is_of_phone_number: bool,
}

impl<'a> Head<'a> {
    /// Reads HEAD, which is trimmed, of an operation log of this category, whose class and spacing are known.
    pub(super) fn read(
        head: &'a str,
        category: &str,
        (class, spacing): (Class, Spacing),
        is_change_of_role: bool,
    ) -> Self {
        let (word, rest) = first_word(head);
        let mut verbs = VERB_LETTERS.rows(word.as_bytes()).map(|row| &VERBS[row]);
        let verb = verbs.find(|verb| same_text(verb.word, word));
        let is_of_phone_number = same_words(category, PHONE_NUMBER, spacing);
        let mut read = Self { verb, is_of_phone_number, ..Self::default() };
        if verb.is_none() || is_change_of_role {
            return read;
        }
        let spacing = if spacing == Spacing::Single { Spacing::of(head) } else { spacing };
        let has_noun_only = matches!(class, Class::User | Class::Group);
        if !has_noun_only && read.read_special(head, spacing) {
            return read;
        }
        let end = if is_of_phone_number { first_move(head).unwrap_or(head.len()) } else { head.len() };
        // A move before the name leaves none.
        let rest = head.get(head.len() - rest.len()..end).unwrap_or_default();
        read.name = general_name(rest, category, spacing, has_noun_only);
        read
    }

    /// Reads a head that has its own form; returns whether it is one.
    fn read_special(&mut self, head: &'a str, spacing: Spacing) -> bool {
        if let Some((name, values)) = strip_words(head, SETTING_HEAD, spacing).and_then(setting) {
            (self.name, self.setting) = (Some(name), Some(values));
            return true;
        }
        let mut names = NAME_HEADS.into_iter().filter_map(|words| strip_words(head, words, spacing));
        self.name = names.next().map(trim).filter(|name| !name.is_empty());
        self.name.is_some()
    }
}

/// Returns what follows the verb of HEAD without articles and a noun. If `needs_noun`, only what follows a noun is a name.
fn general_name<'a>(
    mut rest: &'a str,
    category: &str,
    spacing: Spacing,
    needs_noun: bool,
) -> Option<&'a str> {
    while let (word, after) = first_word(rest)
        && word.len() <= LONGEST_ARTICLE
        && ARTICLES.iter().any(|article| same_text(article, word))
    {
        rest = after;
    }
    let after_noun = after_noun(rest, category, spacing);
    let name = trim(without_spaces(after_noun.unwrap_or(rest)));
    (!name.is_empty() && (after_noun.is_some() || !needs_noun)).then_some(name)
}

/// Returns what follows the longest noun with which a text begins: the category, its last word, either without a final s, or
/// one of the table.
fn after_noun<'a>(text: &'a str, category: &str, spacing: Spacing) -> Option<&'a str> {
    // Of a category of one word, it is the category.
    let last_space = category.bytes().rposition(|byte| byte == b' ');
    let last_word = last_space.map_or("", |space| &category[space + 1..]);
    let (text, mut shortest) = (without_spaces(text), None);
    for noun in [category, last_word] {
        if !noun.is_empty() {
            shortest = longest_noun(text, noun, spacing, shortest);
            if let Some(singular) = singular(noun) {
                shortest = longest_noun(text, singular, spacing, shortest);
            }
        }
    }
    let is_found = shortest.is_some();
    for noun in NOUN_LETTERS.rows(text.as_bytes()).map(|row| NOUNS[row]) {
        // After any noun, only one of several words can be longer.
        if !is_found || noun.contains(' ') {
            shortest = longest_noun(text, noun, spacing, shortest);
        }
    }
    shortest
}

/// Returns what follows a noun with which a text begins, if it is shorter than what follows another one.
fn longest_noun<'a>(text: &'a str, noun: &str, spacing: Spacing, other: Option<&'a str>) -> Option<&'a str> {
    // Nouns of as many words end at the same place.
    let rest = strip_words(text, noun, spacing);
    rest.filter(|rest| other.is_none_or(|other| rest.len() < other.len())).or(other)
}

/// Returns a noun without its final s, if it has one and something is left.
fn singular(noun: &str) -> Option<&str> {
    noun.strip_suffix(['s', 'S']).map(|rest| rest.trim_end_matches(' ')).filter(|rest| !rest.is_empty())
}

/// Reads `NAME from OLD to NEW`, where NAME ends at the last `from` that a `to` follows, and OLD at the first `to`.
fn setting(text: &str) -> Option<(&str, [&str; 2])> {
    const FROM: &str = " from ";
    let is_to = |&(at, _): &(usize, &str)| matches!(text.as_bytes().get(at + 3), None | Some(b' '));
    let last_to = text.rmatch_indices(" to").find(is_to)?.0;
    // The two share no space.
    let end = text[..last_to].rfind(FROM)?;
    let start = end + FROM.len();
    let to = text[start..].match_indices(" to").map(|(at, to)| (at + start, to)).find(is_to)?.0;
    let name = trim(&text[..end]);
    (!name.is_empty()).then(|| (name, [&text[start..to], &text[to + 3..]].map(trim)))
}

/// The words in HEAD that say between whom a phone number moved, with the keys of their labels.
const MOVES: [(&str, &str); 2] = [(" from ", "From"), (" to ", "To")];

/// Returns where the first of these words stands in HEAD.
fn first_move(head: &str) -> Option<usize> {
    MOVES.iter().filter_map(|(word, _)| find_ignoring_case(head, word)).min()
}

/// Reads from whom and to whom a phone number moved: the key of the label and its value, in order of appearance. Each text
/// ends where the other word stands.
pub(super) fn moves(head: &str) -> [Option<(&'static str, &str)>; 2] {
    let places = MOVES.map(|(word, _)| find_ignoring_case(head, word));
    let read = |index: usize| {
        let (start, other) = (places[index]? + MOVES[index].0.len(), places[1 - index]);
        let end = other.filter(|&other| places[index] < Some(other)).unwrap_or(head.len());
        let text = head.get(start..end).map(trim).filter(|text| !text.is_empty())?;
        Some((MOVES[index].1, text))
    };
    let [from, to] = [read(0), read(1)];
    if places[0] < places[1] { [from, to] } else { [to, from] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &'static str, category: &str, class: Class) -> Head<'static> {
        Head::read(head, category, (class, Spacing::of(category)), false)
    }

    #[test]
    fn name_follows_verb_articles_and_noun() {
        for (head, category, class, name) in [
            ("Add User ann", "User", Class::User, Some("ann")),
            ("Add ann", "User", Class::User, None),
            ("ADD  the new  Zoom  Room Oslo", "Zoom Rooms", Class::Device, Some("Oslo")),
            ("Add Webinar", "Webinar", Class::Resource, None),
            ("Add Town Hall", "Webinar", Class::Resource, Some("Town Hall")),
            ("Town Hall", "Webinar", Class::Resource, None),
            ("Delete recording for meeting 1 2", "Recording", Class::Resource, Some("1 2")),
            ("Assign admin for channel", "Channels", Class::Resource, Some("admin for channel")),
            ("Delete Phone Number +1 From x to y", "Phone Number", Class::Resource, Some("+1")),
            ("Add Phone Number from x", "Phone Number", Class::Resource, None),
        ] {
            assert_eq!(read(head, category, class).name, name, "{head}");
        }
    }

    #[test]
    fn setting_ends_at_last_from_before_to() {
        for (head, expected) in [
            ("Change account setting A from B to C", Some(("A", ["B", "C"]))),
            ("Change account setting A from X from B to C to D", Some(("A from X", ["B", "C to D"]))),
            ("change  Account setting A from  to C", Some(("A", ["", "C"]))),
            ("Change account setting A from B to", Some(("A", ["B", ""]))),
            ("Change account setting A from to C", None),
            ("Change account setting from B to C", None),
            ("Change account setting A From B to C", None),
        ] {
            let found = read(head, "Account", Class::Setting);
            assert_eq!(found.setting.and_then(|values| Some((found.name?, values))), expected, "{head}");
        }
    }

    #[test]
    fn phone_number_moves_are_in_order_of_appearance() {
        for (head, moves) in [
            ("Assign Phone Number +1 To Bob FROM Ann", [Some(("To", "Bob")), Some(("From", "Ann"))]),
            ("Assign +1 from Ann to Bob", [Some(("From", "Ann")), Some(("To", "Bob"))]),
            ("Assign +1 from", [None, None]),
            ("x from to Bob", [Some(("To", "Bob")), None]),
        ] {
            assert!(read(head, "Phone Number", Class::Resource).is_of_phone_number);
            let mut found: Vec<_> = super::moves(head).into_iter().flatten().collect();
            found.resize(2, ("", ""));
            assert_eq!(found, moves.map(Option::unwrap_or_default), "{head}");
        }
    }
}
