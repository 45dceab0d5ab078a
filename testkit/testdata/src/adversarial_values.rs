//! Values of adversarial records.

use fastrand::Rng;

pub(super) fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// Appends one member; once in `odd` times its value is not a string.
pub(super) fn member(random: &mut Rng, key: &str, values: &[&str], odd: u8) -> String {
    let value = if odd > 0 && random.u8(..odd) == 0 {
        odd_value(random).to_owned()
    } else {
        pick(random, values).to_owned()
    };
    let is_json =
        value.starts_with(['{', '[']) || ODD_VALUES.contains(&value.as_str()) || value.starts_with('\u{0}');
    let value =
        if is_json || value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() && random.bool() {
            value
        } else {
            text(&value, random)
        };
    format!("\"{key}\":{}{value}", pick(random, &["", " "]))
}

pub(super) fn odd_value(random: &mut Rng) -> &'static str {
    ODD_VALUES[random.usize(..ODD_VALUES.len())]
}

const ODD_VALUES: [&str; 14] = [
    "null",
    "true",
    "12345678901234567890",
    "-1.50e3",
    "{}",
    "[]",
    "[{\"userId\": \"u\\u00e9\"}]",
    "{\"a\": [1, {\"b\" : null}]}",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"a\\ud83d\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "[1.0, \"x y\"]",
    "false",
];

pub(super) const TIMES: [&str; 26] = [
    " 2024-01-31T23:59:59Z ",
    "\u{a0}1704067200\t",
    "2024-01-31T23:59:59Z",
    "2024-01-31 23:59:59",
    "2024-02-29T00:00:00+0530",
    "2024-02-30T00:00:00Z",
    "2024-01-01T00:00:00.5Z",
    "2024-01-01T00:00:00.123456789-08:00",
    "2024-01-01T00:00:00.1234567890Z",
    "1704067200",
    "1704067200123",
    "2024-01-31T12:00:00Z0530",
    "2024-01-01T24:00:00Z",
    "2024-01-01T23:59:60Z",
    "2024-01-01t00:00:00z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59Z",
    "2024-01-01",
    "now",
    "",
    " ",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00:00.000Z",
    "2024-01-01T00:00:00+24:00",
    "2024-1-1T00:00:00Z",
    "2024-01-31T12:00:00Z",
];

pub(super) const OPERATORS: [&str; 16] = [
    "a@b.co",
    " admin-test%1223+123@duff.dev.co ",
    "m\u{fc}ller@b\u{fc}cher.example",
    "SCIM@Okta",
    "a@b",
    "John Smith",
    "@",
    ".a@b.co",
    "a@b-.co",
    "a@-b.co",
    "a@b.c-d_e.f",
    "\u{65e5}\u{672c}@\u{4f8b}.\u{30c6}",
    "a@b.co.",
    "a@b@c.d",
    "",
    "\u{a0}",
];

/// Appends a JSON string with its text escaped in one way or another.
pub(super) fn text(text: &str, random: &mut Rng) -> String {
    let ascii = random.bool();
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\t' => out.push_str("\\t"),
            // What a collector makes of a character that it cuts.
            '\u{1f600}' if random.u8(..4) == 0 => out.push_str("\\ud83d"),
            _ if character.is_control() || ascii && !character.is_ascii() || random.u16(..400) == 0 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => out.push(character),
        }
    }
    out + "\""
}
