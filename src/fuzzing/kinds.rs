//! Sign-ins and webhook events generated from bytes, and pages of both kinds.

use super::values::{content, value};
use arbitrary::{Result, Unstructured};

/// One line with its end.
pub(super) fn line(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    if script.ratio(1, 5)? {
        out.push_str(script.choose(&[
            "{\"activity_logs\":[",
            "[",
            "{\"operation_logs\":[1],\"activity_logs\":[",
        ])?);
        record(script, out)?;
        out.push(',');
        record(script, out)?;
        out.push_str(script.choose(&["]}", "]", "],\"operation_logs\":[{\"action\":1}]}", ""])?);
    } else {
        record(script, out)?;
    }
    out.push_str(script.choose(&["\n", "\n", "\r\n", "", " "])?);
    Ok(())
}

const KEYS: [&str; 14] = [
    "type",
    "email",
    "type",
    "email",
    "time",
    "ip_address",
    "client_type",
    "version",
    "event",
    "event_ts",
    "payload",
    "event_type",
    "action",
    "typ\\u0065",
];

fn record(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    let starts = [
        "{\"time\":1577836800",
        "{\"type\":\"a\",\"email\":\"b\"",
        "{\"event\":\"user.x\",\"event_ts\":1577836800",
        "{\"a\":1",
    ];
    out.push_str(script.choose(&starts)?);
    for _ in 0..script.int_in_range(0..=6)? {
        let key = *script.choose(&KEYS)?;
        out.push_str(&format!(",\"{key}\":"));
        if key == "payload" && script.ratio(7, 8)? {
            object(script, out, 4)?;
        } else {
            scalar(script, out)?;
        }
    }
    out.push_str(script.choose(&["}", "}", "}", ""])?);
    Ok(())
}

fn scalar(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    if script.ratio(1, 3)? {
        return value(script, out, 2);
    }
    out.push('"');
    content(script, script.len() % 2, out)?;
    out.push('"');
    Ok(())
}

const PAYLOAD_KEYS: [&str; 16] = [
    "object",
    "object",
    "old_object",
    "settings",
    "settings",
    "participant",
    "operator",
    "account_id",
    "time_stamp",
    "id",
    "email",
    "login_type",
    "version",
    "public_ip",
    "a.b",
    "",
];

fn object(script: &mut Unstructured<'_>, out: &mut String, depth: u8) -> Result<()> {
    out.push('{');
    for member in 0..script.int_in_range(0..=4)? {
        out.push_str(if member > 0 { "," } else { "" });
        out.push_str(&format!("\"{}\":", script.choose(&PAYLOAD_KEYS)?));
        if depth > 0 && script.ratio(2, 3)? {
            object(script, out, depth - 1)?;
        } else {
            scalar(script, out)?;
        }
    }
    out.push('}');
    Ok(())
}
