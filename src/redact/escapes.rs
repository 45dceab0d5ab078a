//! Escapes in a text, resolved byte by byte so that each byte knows where in the text it stands.

use std::str;

/// A byte, and the part of the text that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Returns the bytes of a text, each standing for itself.
pub(super) fn units(text: &str) -> Vec<Unit> {
    text.bytes().enumerate().map(|(at, byte)| Unit { byte, start: at, end: at + 1 }).collect()
}

/// Returns the bytes with one level of escapes resolved, or `None` if there are no escapes.
pub(super) fn resolve(units: &[Unit]) -> Option<Vec<Unit>> {
    let mut resolved = Vec::with_capacity(units.len());
    let mut at = 0;
    while let Some(unit) = units.get(at) {
        let Some((value, length)) = escape(&units[at..]) else {
            resolved.push(*unit);
            at += 1;
            continue;
        };
        let end = units[at + length - 1].end;
        let mut buffer = [0; 4];
        let bytes = value.encode_utf8(&mut buffer).bytes();
        resolved.extend(bytes.map(|byte| Unit { byte, start: unit.start, end }));
        at += length;
    }
    (resolved.len() != units.len()).then_some(resolved)
}

/// The character that an escape at the beginning stands for, and the escape's length. A percent escape of a byte beyond
/// ASCII is left: secrets are ASCII.
fn escape(units: &[Unit]) -> Option<(char, usize)> {
    let byte = |at: usize| units.get(at).map(|unit| unit.byte);
    match byte(0)? {
        b'%' => Some((ascii(digits(units, 1, 2, 16)?)?, 3)),
        b'\\' => match byte(1)? {
            b'u' if byte(2) == Some(b'{') => {
                let length = units.iter().take(12).skip(3).position(|unit| unit.byte == b'}')?;
                Some((char::from_u32(digits(units, 3, length, 16)?)?, length + 4))
            }
            b'u' => Some((char::from_u32(digits(units, 2, 4, 16)?)?, 6)),
            b'x' => Some((ascii(digits(units, 2, 2, 16)?)?, 4)),
            quoted @ (b'"' | b'\'' | b'\\' | b'/') => Some((char::from(quoted), 2)),
            _ => None,
        },
        b'&' => entity(units),
        _ => None,
    }
}

/// `&#65;`, `&#x41;` and the five names.
fn entity(units: &[Unit]) -> Option<(char, usize)> {
    let length = units.iter().take(10).position(|unit| unit.byte == b';')?;
    let name: Vec<u8> = units[1..length].iter().map(|unit| unit.byte).collect();
    let value = match name.as_slice() {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', ..] => char::from_u32(digits(units, 3, length.checked_sub(3)?, 16)?)?,
        [b'#', ..] => char::from_u32(digits(units, 2, length.checked_sub(2)?, 10)?)?,
        _ => return None,
    };
    Some((value, length + 1))
}

fn digits(units: &[Unit], from: usize, count: usize, radix: u32) -> Option<u32> {
    let digits: Vec<u8> = units.get(from..from + count)?.iter().map(|unit| unit.byte).collect();
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(&digits).ok()?, radix).ok()
}

fn ascii(value: u32) -> Option<char> {
    u8::try_from(value).ok().filter(u8::is_ascii).map(char::from)
}
