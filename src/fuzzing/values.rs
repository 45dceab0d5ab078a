//! JSON values and texts generated from bytes.

use arbitrary::{Result, Unstructured};

/// JSON of any kind, mostly valid.
pub(super) fn value(script: &mut Unstructured<'_>, out: &mut String, depth: u8) -> Result<()> {
    let leaves = [
        "null",
        "true",
        "0",
        "-1.5e3",
        "1.50",
        "1566328141",
        "\"\"",
        "\"a@b.co\"",
        "nul",
        "1.",
        "\"\\ud83d\\ude00\"",
    ];
    match script.int_in_range(0..=3)? {
        0 if depth > 0 => {
            out.push('[');
            value(script, out, depth - 1)?;
            out.push_str(", ");
            value(script, out, depth - 1)?;
            out.push(']');
        }
        1 if depth > 0 => {
            out.push_str(script.choose(&[
                "{\"userId\": ",
                "{\"assistant\":",
                "{ \"options\":",
                "{\"a\\nb\":",
            ])?);
            value(script, out, depth - 1)?;
            out.push('}');
        }
        _ => out.push_str(script.choose(&leaves)?),
    }
    Ok(())
}

const TIMES: [&str; 8] = [
    "2019-08-20T19:09:01Z",
    "2022-12-16 18:15:38",
    "2022-01-25T17:52:16.1234+05:30",
    "1566328141",
    "1566328141007",
    "2023-02-29T00:00:00Z",
    "2019-08-20T19:09:01\\u005a",
    "now",
];

/// The parts of details, as written in JSON.
const PARTS: [&str; 40] = [
    "Update User ",
    "Add ",
    "a@b.co",
    "m\u{fc}ller@b\u{fc}cher.example",
    "A@B.co ",
    "  - ",
    " - ",
    "- ",
    " -",
    ": ",
    ":",
    "Department",
    "Department: from ",
    "Role: ",
    "Change Role  - ",
    "Email Address: ",
    "User Type: ",
    "set to ",
    "set to",
    "from ",
    " to ",
    " to",
    "[{\\\"userId\\\": \\\"u\\\", ",
    "\\\"options\\\": [1, \\\"x\\\"]}",
    "]",
    "{}",
    "[{",
    "}",
    "\\\"",
    "\\\\",
    "\\/",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\x",
    "\t",
    " ",
    "\u{a0}",
    "A text longer than a vector of sixteen bytes, and than four of them in a row: sixty-four",
    "x",
];

/// The inside of a field's string.
pub(super) fn content(script: &mut Unstructured<'_>, field: usize, out: &mut String) -> Result<()> {
    if field == 0 && script.ratio(7, 8)? {
        out.push_str(script.choose(&TIMES)?);
        return Ok(());
    }
    for _ in 0..script.int_in_range(0..=6)? {
        if script.ratio(1, 8)? {
            let length = script.int_in_range(0..=12)?.min(script.len());
            out.push_str(&String::from_utf8_lossy(script.bytes(length)?));
        } else {
            out.push_str(script.choose(&PARTS)?);
        }
    }
    Ok(())
}
