//! Unescapes and escapes JSON strings.

use super::scan::{LANES, unescaped_prefix_len_of_chunk};
use super::{find_byte, unescaped_prefix_len};

/// Appends the unescaped text of a JSON string to `out`; `raw` is the text between its quotes.
///
/// Returns whether the result may appear in JSON unescaped, which is common because most escapes are letters beyond ASCII. Returns `None` if
/// `raw` is not the inside of a string: an unknown escape, a control character, or half of a surrogate pair. `out` then keeps what
/// was appended so far.
pub(crate) fn unescape(raw: &str, out: &mut String) -> Option<bool> {
    let (plain, rest) = unescape_until_quote(raw, out)?;
    rest.is_empty().then_some(plain)
}

/// Appends the unescaped text of a valid JSON string to `out`, with U+FFFD for each half of a surrogate pair.
///
/// Returns how many halves were replaced.
pub(crate) fn unescape_lossy(raw: &str, out: &mut String) -> u32 {
    let (mut rest, mut replaced) = (raw, 0);
    loop {
        let (plain, special) = rest.split_at(unescaped_prefix_len(rest.as_bytes()));
        out.push_str(plain);
        if special.is_empty() {
            return replaced;
        }
        let (character, after) = unescape_char(special).unwrap_or_else(|| {
            replaced += 1;
            (char::REPLACEMENT_CHARACTER, special.get(UNIT_LEN..).unwrap_or_default())
        });
        out.push(character);
        rest = after;
    }
}

/// Returns whether an escape in `json`, valid JSON or a part of it, is half of a surrogate pair.
pub(crate) fn has_lone_surrogate(json: &str) -> bool {
    let mut rest = json;
    while let Some(escape) = find_byte(b'\\', rest.as_bytes()) {
        let Some((_, after)) = unescape_char(&rest[escape..]) else { return true };
        rest = after;
    }
    false
}

/// The length of `\uXXXX`.
const UNIT_LEN: usize = 6;

/// Unescapes like [`unescape`], up to the next quote or the end; also returns the rest, from that quote on.
pub(crate) fn unescape_until_quote<'r>(raw: &'r str, out: &mut String) -> Option<(bool, &'r str)> {
    let (mut rest, mut plain) = (raw, true);
    loop {
        while rest.starts_with('\\') {
            let (character, after) = unescape_char(rest)?;
            out.push(character);
            plain &= character > '\\' || (character >= ' ' && character != '"' && character != '\\');
            rest = after;
        }
        let (text, special) = rest.split_at(unescaped_prefix_len(rest.as_bytes()));
        out.push_str(text);
        rest = special;
        match rest.as_bytes().first() {
            None | Some(b'"') => return Some((plain, rest)),
            Some(b'\\') => {}
            Some(_) => return None,
        }
    }
}

/// Returns the character that the escape at the start of `text` encodes, and the text after it.
#[inline]
fn unescape_char(text: &str) -> Option<(char, &str)> {
    let simple = match *text.as_bytes().first_chunk::<2>()? {
        [b'\\', b'u'] => return unescape_unicode(text),
        [b'\\', b'n'] => '\n',
        [b'\\', b't'] => '\t',
        [b'\\', b'r'] => '\r',
        [b'\\', b'b'] => '\x08',
        [b'\\', b'f'] => '\x0c',
        [b'\\', byte @ (b'"' | b'\\' | b'/')] => char::from(byte),
        _ => return None,
    };
    Some((simple, &text[2..]))
}

/// Decodes `\uXXXX`, or two of them that form a surrogate pair.
#[inline]
fn unescape_unicode(text: &str) -> Option<(char, &str)> {
    let unit = code_unit(text.as_bytes())?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, &text[UNIT_LEN..]));
    }
    let low = code_unit(text.as_bytes().get(UNIT_LEN..)?)?;
    if unit >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    let character = char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?;
    Some((character, &text[2 * UNIT_LEN..]))
}

/// Returns the UTF-16 code unit of the `\uXXXX` at the start of `bytes`.
#[inline]
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.first_chunk::<6>()? else { return None };
    let unit = digits.iter().fold(0, |unit, &digit| unit << 4 | HEXADECIMAL[usize::from(digit)]);
    (unit <= 0xFFFF).then_some(unit)
}

/// The value of each hexadecimal digit; for other bytes, a value that stays out of range after any addition.
static HEXADECIMAL: [u32; 256] = {
    let mut values = [1 << 16; 256];
    let mut digit = 0_u8;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit as u32;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit as u32;
        digit += 1;
    }
    values
};

/// Appends `text` to `out` as it must appear between the quotes of a JSON string: quotes, backslashes and control characters
/// escaped, everything else unchanged.
#[inline]
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    let (plain, rest) = text.as_bytes().split_at(unescaped_prefix_len(text.as_bytes()));
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        rest.chunks(CHUNK).for_each(|piece| escape_chunk(out, piece));
    }
}

/// Space is reserved for chunks of this length, times two, so that a long text does not need a buffer of twice its length.
const CHUNK: usize = 512;

/// The same for text that needs many escapes.
fn escape_chunk(out: &mut Vec<u8>, piece: &[u8]) {
    let (mut rest, mut at) = (piece, out.len());
    out.resize(at + 2 * piece.len() + LANES, 0);
    // Copies a whole vector and overwrites the bytes after the plain prefix: faster than copying the exact length.
    while let Some(step) = rest.first_chunk::<LANES>() {
        let plain = unescaped_prefix_len_of_chunk(step);
        out[at..at + LANES].copy_from_slice(step);
        at += plain;
        rest = &rest[plain..];
        let short = match rest.first() {
            Some(&special) if plain < LANES => SHORT[usize::from(special)],
            _ => continue,
        };
        if short == 0 {
            break;
        }
        out[at..at + 2].copy_from_slice(&[b'\\', short]);
        at += 2;
        rest = &rest[1..];
    }
    out.truncate(at);
    // Handles the remainder shorter than a vector, or an escape without a short form.
    loop {
        let (plain, special) = rest.split_at(unescaped_prefix_len(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        push_escape(out, byte);
        rest = after;
    }
}

/// Appends one escape, in its short form if JSON has one.
#[inline]
fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = SHORT[usize::from(byte)];
    if short != 0 {
        out.extend_from_slice(&[b'\\', short]);
    } else {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xF)]);
    }
}

/// The letter of each byte's short escape, or 0.
static SHORT: [u8; 256] = {
    let mut letters = [0; 256];
    let pairs =
        [(b'"', b'"'), (b'\\', b'\\'), (b'\n', b'n'), (b'\t', b't'), (b'\r', b'r'), (8, b'b'), (12, b'f')];
    let mut index = 0;
    while index < pairs.len() {
        letters[pairs[index].0 as usize] = pairs[index].1;
        index += 1;
    }
    letters
};

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &str) -> Option<String> {
        let mut out = String::new();
        unescape(raw, &mut out).map(|_| out)
    }

    #[test]
    fn lone_surrogate_is_not_decoded() {
        for raw in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\n", r"\ud800\ud800", r"\udc00\ud800"] {
            assert_eq!(decoded(raw), None, "{raw}");
        }
        assert_eq!(decoded(r"\ud83d\ude00!").as_deref(), Some("\u{1F600}!"));
    }

    proptest! {
        #[test]
        fn unescape_matches_serde_json(
            parts in prop::collection::vec(
                prop_oneof![
                    r#"\\u[0-9a-fA-F]{4}"#, r#"\\u[dD][89a-fA-F][0-9a-f]{2}"#, r#"\\u[dD]8[0-9a-f]{2}\\u[dD][c-f][0-9a-f]{2}"#,
                    r#"\\["\\/bfnrtxu]"#, r#"\\u.{0,4}"#, r#"[^"\\]{0,12}"#
                ],
                0..8,
            )
        ) {
            invariants::escapes(&parts.concat());
            invariants::replaced(&parts.concat());
        }

        #[test]
        fn escape_matches_serde_json(text in ".{0,40}", control in "[\\x00-\\x22\\\\\\x7f]{0,20}") {
            invariants::unescaped(&(control + &text));
        }
    }
}
