//! Properties of [`Detail`] against simple implementations of docs/mapping-rules.md; used by property tests and fuzz
//! targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::embedded_json::find;
use super::{Detail, JsonUser, JsonUsers, SpliceBuf, Text, TextValues, eq_ignore_case, new_value};
use crate::email;
use crate::json::invariants::{Bytes, lossy_text};
use crate::json::minify;
use once_cell::sync::Lazy;
use regex::Regex;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::ops::Range;

/// Checks all properties for `text`.
pub(crate) fn text(text: &str) {
    leftmost_of_usual(text);
    let (mut cut, mut room) = (SpliceBuf::default(), SpliceBuf::default());
    let (detail, places) = Detail::parse_with_spans(text, &mut cut);
    let text = text.trim();
    // If JSON was cut out of the middle, the rest is parsed as one text.
    let found = detail.json.map(|_| find(text).unwrap());
    assert_eq!(detail.json, found.as_ref().map(|found| &text[found.json.clone()]));
    let mut rest = text.to_owned();
    let mut seams = Vec::new();
    for hole in found.into_iter().flat_map(|found| [Some(found.json), found.old]).flatten() {
        rest.replace_range(hole.clone(), "");
        seams.iter_mut().for_each(|seam| *seam -= hole.len());
        seams.push(hole.start);
    }
    // At the start of a text, where trimming moves it, a seam does not count.
    grammar(rest.trim(), &seams, &detail);
    in_place(&detail, |part| places.find(part).into_vec());
    addresses(&detail);
    if let Some(json) = detail.json {
        users(json, detail.users());
    }
    let again = Detail::parse(text, &mut room);
    assert_eq!((again.head, again.unkeyed, &again.changes), (detail.head, detail.unkeyed, &detail.changes));
}

/// The JSON value is the right one, where `serde_json` can decide.
pub(crate) fn leftmost_of_usual(text: &str) {
    if is_usual(text) {
        leftmost(text);
    }
}

/// Returns whether `serde_json` accepts all valid JSON in a text: no deep nesting and no huge numbers.
fn is_usual(text: &str) -> bool {
    let deep = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100;
    let exponent = text.as_bytes().windows(2).any(|e| matches!(e, [b'0'..=b'9', b'e' | b'E']));
    // Exceeds the range of a floating-point number.
    let digits = text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 300);
    !deep && text.len() <= 4096 && !exponent && !digits
}

/// The JSON value is the one that trying every position finds.
pub(crate) fn leftmost(text: &str) {
    let leftmost = leftmost_twin(text, 0);
    let new = leftmost.clone().filter(|old| text[..old.start].ends_with("from ")).and_then(|old| {
        let start = old.end + text[old.end..].strip_prefix(" to ").map(|_| " to ".len())?;
        leftmost_twin(text, start).filter(|new| new.start == start)
    });
    let told = find(text).map(|found| (found.json, found.old));
    let twin = leftmost.map(|leftmost| match new {
        Some(new) => (new, Some(leftmost)),
        None => (leftmost, None),
    });
    assert_eq!(told, twin, "{text:?}");
}

/// Finds the JSON value with `serde_json`, trying every position.
fn leftmost_twin(text: &str, from: usize) -> Option<Range<usize>> {
    (from..text.len()).filter(|&at| text.is_char_boundary(at) && text[at..].starts_with(['[', '{'])).find_map(
        |at| {
            let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<IgnoredAny>();
            let read = values.next().is_some_and(|value| value.is_ok());
            let value = &text[at..at + if read { values.byte_offset() } else { 0 }];
            let object = value.starts_with("{\"") || value == "{}";
            let array = value.strip_prefix('[').is_some_and(|inside| inside.trim_start().starts_with('{'));
            (object || array).then_some(at..at + value.len())
        },
    )
}

/// HEAD, unkeyed piece and changes are those that splitting at every ` - ` gives.
fn grammar(text: &str, seams: &[usize], detail: &Detail<'_>) {
    let Some(dash) = head_end(text, seams) else {
        assert_eq!((detail.head, detail.unkeyed, detail.changes.len()), (text, None, 0));
        return;
    };
    assert_eq!(detail.head, text[..dash].trim(), "{text:?}");
    let (mut alone, mut changes) = (None, Vec::new());
    for piece in text[dash + 2..].split(" - ") {
        if let Some((key, value)) = change(piece) {
            changes.push((key, value.to_owned()));
        } else {
            let before = match changes.last_mut() {
                Some((_, value)) => value,
                None => match &mut alone {
                    None => {
                        alone = Some(piece.to_owned());
                        continue;
                    }
                    Some(alone) => alone,
                },
            };
            before.push_str(" - ");
            before.push_str(piece);
        }
    }
    let alone = alone.map(|alone| alone.trim().to_owned()).filter(|alone| !alone.is_empty());
    assert_eq!(detail.unkeyed, alone.as_deref(), "{text:?}");
    let told: Vec<_> = detail.changes.iter().map(|change| (change.key, change.value)).collect();
    let twin: Vec<_> = changes.iter().map(|(key, value)| (*key, value.trim())).collect();
    assert_eq!(told, twin, "{text:?}");
    twin.iter().for_each(|(_, value)| assert_eq!(new_value(value), new_value_twin(value), "{value:?}"));
}

/// Returns the dash that ends HEAD: the first one between spaces, or at the very start, unless one follows two spaces.
fn head_end(text: &str, seams: &[usize]) -> Option<usize> {
    let first = if text.starts_with("- ") { Some(0) } else { text.find(" - ").map(|at| at + 1) }?;
    let two_spaces = || {
        let mut places = (0..text.len()).filter(|&at| text.as_bytes()[at..].starts_with(b"  - "));
        places.find(|&at| !seams.contains(&(at + 1)) || text[..at].ends_with(' ')).map(|at| at + 2)
    };
    Some(if first == 0 { 0 } else { two_spaces().unwrap_or(first) })
}

/// Splits `KEY: VALUE` or `KEY:` at the first colon.
fn change(piece: &str) -> Option<(&str, &str)> {
    let (key, value) = piece.split_once(':')?;
    let key = key.trim();
    (!key.is_empty() && (value.is_empty() || value.starts_with(' '))).then_some((key, value))
}

fn new_value_twin(value: &str) -> Option<&str> {
    let new = if value == "set to" {
        ""
    } else if let Some(new) = value.strip_prefix("set to ") {
        new
    } else if let Some(rest) = value.strip_prefix("from ") {
        match rest.find(" to ").or_else(|| rest.ends_with(" to").then(|| rest.len() - 3)) {
            Some(to) => rest.get(to + 4..).unwrap_or_default(),
            None => value,
        }
    } else {
        value
    };
    Some(new.trim()).filter(|new| !new.is_empty())
}

/// Every part is at its stated position, in order.
fn in_place(detail: &Detail<'_>, find: impl Fn(&str) -> Vec<Range<usize>>) {
    let changes = detail.changes.iter().flat_map(|change| [change.key, change.value]);
    let mut end = 0;
    for part in std::iter::once(detail.head).chain(detail.unkeyed).chain(changes) {
        let places = find(part);
        assert_eq!(places.iter().map(Range::len).sum::<usize>(), part.len(), "{part:?}");
        for place in places.iter().filter(|place| !place.is_empty()) {
            assert!(end <= place.start, "{part:?} of {detail:?}");
            end = place.end;
        }
    }
}

/// The addresses are the first two that the pattern finds.
fn addresses(detail: &Detail<'_>) {
    static PATTERN: Lazy<Regex> = Lazy::new(|| Regex::new(email::PATTERN).unwrap());
    let keys = detail.changes.iter().map(|change| change.key);
    let places = std::iter::once(detail.head).chain(detail.unkeyed).chain(keys);
    let mut all = places.flat_map(|place| PATTERN.find_iter(place).map(|found| found.as_str()));
    let first = all.next();
    let second = all.find(|second| !eq_ignore_case(first.unwrap_or_default(), second));
    assert_eq!(detail.emails(), [first, second], "{detail:?}");
}

/// The users are those that `serde_json` finds.
fn users(json: &str, mut users: JsonUsers<'_>) {
    let elements = if json.starts_with('{') { vec![json] } else { raw(json) };
    let (objects, others): (Vec<_>, Vec<_>) =
        elements.into_iter().partition(|element| element.starts_with('{'));
    let mut told = objects.into_iter().map(|object| {
        let members: HashMap<Bytes, &RawValue> = serde_json::from_str(object).unwrap();
        let says =
            |name: &str| members.get(&Bytes(name.into())).map_or(Vec::new(), |value| said(value.get()));
        let userid = says("userId").first().map(|userid| userid.trim().to_owned());
        (userid, says("assistant"), says("options"))
    });
    let known = |user: JsonUser<'_>| {
        let texts = |texts: TextValues<'_>| texts.map(Text::into_owned).collect::<Vec<_>>();
        (user.userid.map(Text::into_owned), texts(user.assistant), texts(user.options))
    };
    assert_eq!(users.next().map(known), told.next(), "{json:?}");
    let further = told.filter(|(userid, assistant, options)| {
        userid.is_some() || !assistant.is_empty() || !options.is_empty()
    });
    assert_eq!(users.by_ref().map(known).collect::<Vec<_>>(), further.collect::<Vec<_>>(), "{json:?}");
    assert_eq!(users.skipped() as usize, others.len(), "{json:?}");
}

/// Returns the elements of an array, each as its text.
fn raw(array: &str) -> Vec<&str> {
    let values: Vec<&RawValue> = serde_json::from_str(array).unwrap();
    values.into_iter().map(RawValue::get).collect()
}

/// Returns the texts of a member that are not blank.
fn said(value: &str) -> Vec<String> {
    let values = if value.starts_with('[') { raw(value) } else { vec![value] };
    let text = |value: &str| match value.as_bytes()[0] {
        b'n' => String::new(),
        b'"' => lossy_text(value),
        b'[' | b'{' => {
            let mut text = String::new();
            minify(value, &mut text);
            text
        }
        _ => value.to_owned(),
    };
    values.into_iter().map(text).filter(|text| !text.trim().is_empty()).collect()
}
