//! Escapes object names that Cloud Storage allows but `object_store` does not, because one of them would fail a whole
//! listing. Escaped names are used between this crate and the HTTP client, which unescapes requests and escapes
//! listings.
//!
//! A private-use character is inserted before an empty part (`a//b`, `directory/`), before a part `.` or `..`, before a
//! control character or a space at either end (which become private-use characters), and before itself.

use memchr::memmem;
use std::borrow::Cow;

const ESCAPE: char = '\u{F8FF}';
const ESCAPE_IN_URI: &str = "%EF%A3%BF";
/// Marks a last part of a name that holds the generation a DELETE is meant for, because `object_store` has no
/// conditional DELETE.
const GENERATION_TAG: char = '\u{F8FE}';
const GENERATION_IN_URI: &str = "%EF%A3%BE";
/// Added to a control character or space after the escape character.
const SHIFT: u32 = 0xF600;

fn shifted(c: char) -> char {
    char::from_u32(SHIFT + u32::from(c)).unwrap_or(c)
}

fn unshifted(c: char) -> Option<char> {
    let ascii = u32::from(c).checked_sub(SHIFT)?;
    u8::try_from(ascii).ok().filter(u8::is_ascii).map(char::from)
}

fn needs_escape(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}

/// Escapes a name if necessary; most names are returned unchanged.
pub(super) fn escape(name: &str) -> Cow<'_, str> {
    let start = name.len() - name.trim_start_matches(' ').len();
    let end = name.trim_end_matches(' ').len();
    let needs = |c: char| c.is_ascii_control() || c == ESCAPE;
    if start == 0 && end == name.len() && !name.split('/').any(needs_escape) && !name.contains(needs) {
        return name.into();
    }
    let mut escaped = String::with_capacity(name.len() + 16);
    for (at, c) in name.char_indices() {
        let begins = at == 0 || name.as_bytes()[at - 1] == b'/';
        if begins && name[at..].split('/').next().is_some_and(needs_escape) {
            escaped.push(ESCAPE);
        }
        match c {
            ESCAPE => escaped.extend([ESCAPE, ESCAPE]),
            c if c.is_ascii_control() || (c == ' ' && (at < start || at >= end)) => {
                escaped.extend([ESCAPE, shifted(c)]);
            }
            c => escaped.push(c),
        }
    }
    if name.is_empty() || name.ends_with('/') {
        escaped.push(ESCAPE);
    }
    escaped.into()
}

/// Unescapes a name.
pub(super) fn unescape(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains(ESCAPE) {
        return escaped.into();
    }
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped.chars().peekable();
    while let Some(c) = rest.next() {
        if c != ESCAPE {
            name.push(c);
        } else if let Some(tail) = rest.next_if(|c| *c == ESCAPE || unshifted(*c).is_some()) {
            name.push(unshifted(tail).unwrap_or(ESCAPE));
        }
    }
    name.into()
}

/// Returns an escaped name with a generation tag, for a DELETE of exactly that generation.
pub(super) fn with_generation(escaped: &str, generation: &str) -> String {
    format!("{escaped}/{ESCAPE}{GENERATION_TAG}{generation}")
}

/// Unescapes the URL of a request; returns it with the generation that was tagged to its name.
pub(super) fn unescape_uri(uri: &str) -> Option<(String, Option<String>)> {
    let mut plain = String::with_capacity(uri.len());
    let (before, mut rest) = uri.split_once(ESCAPE_IN_URI)?;
    plain.push_str(before);
    loop {
        if let Some(generation) = rest.strip_prefix(GENERATION_IN_URI) {
            let name = plain.strip_suffix("%2F").or_else(|| plain.strip_suffix('/'));
            return Some((name.unwrap_or(&plain).to_owned(), Some(generation.to_owned())));
        }
        if let Some(tail) = rest.strip_prefix(ESCAPE_IN_URI) {
            plain.push_str(ESCAPE_IN_URI);
            rest = tail;
        } else if let Some((byte, tail)) = shifted_in_uri(rest) {
            plain.push_str(&format!("%{byte:02X}"));
            rest = tail;
        }
        let Some((before, tail)) = rest.split_once(ESCAPE_IN_URI) else { break };
        plain.push_str(before);
        rest = tail;
    }
    plain.push_str(rest);
    Some((plain, None))
}

/// Decodes the character from which three percent-encoded bytes were shifted.
fn shifted_in_uri(uri: &str) -> Option<(u32, &str)> {
    let (escaped, tail) = uri.split_at_checked(9)?;
    let bytes: Option<Vec<u8>> =
        escaped.split('%').skip(1).map(|hex| u8::from_str_radix(hex, 16).ok()).collect();
    let bytes = bytes?;
    let c = std::str::from_utf8(&bytes).ok()?.chars().next()?;
    unshifted(c).map(|c| (u32::from(c), tail))
}

/// Escapes the names in a listing page; returns `None` if none needs it.
pub(super) fn escape_listing_keys(page: &str) -> Option<String> {
    const KEY: &str = "<Key>";
    let mut escaped: Option<String> = None;
    let mut copied = 0;
    for at in memmem::find_iter(page.as_bytes(), KEY) {
        let start = at + KEY.len();
        let length = memchr::memchr(b'<', &page.as_bytes()[start..]).unwrap_or(page.len() - start);
        let key = &page[start..start + length];
        let read = decode_char_refs(key);
        let name = escape(&read);
        if name != key {
            let to = escaped.get_or_insert_with(|| String::with_capacity(page.len() + 64));
            to.push_str(&page[copied..start]);
            to.push_str(&name);
            copied = start + length;
        }
    }
    escaped.map(|mut escaped| {
        escaped.push_str(&page[copied..]);
        escaped
    })
}

/// Decodes XML character references to control characters and spaces (`&#9;`, `&#x1f;`); keeps others.
pub(super) fn decode_char_refs(text: &str) -> Cow<'_, str> {
    if !text.contains("&#") {
        return text.into();
    }
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("&#") {
        read.push_str(before);
        let number = tail.split_once(';').and_then(|(digits, tail)| {
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u8::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            let c = number.ok().map(char::from).filter(|c| c.is_ascii_control() || *c == ' ')?;
            Some((c, tail))
        });
        let Some((c, after)) = number else {
            read.push_str("&#");
            rest = tail;
            continue;
        };
        read.push(c);
        rest = after;
    }
    read.push_str(rest);
    read.into()
}

#[cfg(test)]
mod tests {
    use super::super::invariants::{self, escaped};
    use super::{escape, escape_listing_keys, unescape_uri, with_generation};
    use proptest::prelude::*;

    #[test]
    fn special_name_parts_are_escaped() {
        assert_eq!(escape("a/b.gz"), "a/b.gz");
        assert_eq!(escape("a//b/"), "a/\u{F8FF}/b/\u{F8FF}");
        assert_eq!(escape("../b"), "\u{F8FF}../b");
        assert_eq!(escape("a\tb "), "a\u{F8FF}\u{F609}b\u{F8FF}\u{F620}");
        assert_eq!(
            escape_listing_keys("<Key>a/</Key><Size>1</Size><Key>b</Key>").unwrap(),
            "<Key>a/\u{F8FF}</Key><Size>1</Size><Key>b</Key>"
        );
        assert_eq!(escape_listing_keys("<Key>a</Key><Size>1</Size><Key>b&amp;&#233;</Key>"), None);
        assert_eq!(
            escape_listing_keys("<Key>a&#x1;b&#10;&#233;</Key>").unwrap(),
            "<Key>a\u{F8FF}\u{F601}b\u{F8FF}\u{F60A}&#233;</Key>"
        );
    }

    #[test]
    fn generation_tag_is_removed_from_the_uri() {
        let marked = with_generation(&escape("a\u{F8FE}/"), "");
        let uri = format!("http://h/b/{}17", escaped(&marked));
        assert_eq!(
            unescape_uri(&uri).unwrap(),
            (format!("http://h/b/{}", escaped("a\u{F8FE}/")), Some("17".into()))
        );
    }

    proptest! {
        #[test]
        fn every_name_round_trips(name in "([a./ \u{0}-\u{1F}\u{7F}\u{F8FF}\u{F8FE}\u{F600}-\u{F680}é]|\\PC){0,12}") {
            invariants::name(&name);
        }
    }
}
