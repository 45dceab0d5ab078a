//! Records generated from bytes: valid, invalid, and everything in between.

use super::kinds;
use super::normalize::hold;
use super::values::{content, value};
use arbitrary::{Result, Unstructured};

/// Lines of records, normalized in one of many ways, and each fast path against its reference on them.
pub(super) fn records(bytes: &[u8]) {
    let mut script = Unstructured::new(bytes);
    let how: [u8; 2] = script.arbitrary().unwrap_or_default();
    let line = if how[1] & 64 == 0 { line } else { kinds::line };
    let mut lines = String::new();
    // A script that ends early is valid.
    while !script.is_empty() && lines.len() < 4096 && line(&mut script, &mut lines).is_ok() {}
    hold(lines.as_bytes(), how);
    crate::record::invariants::text(&lines);
    lines.lines().for_each(crate::record::invariants::text);
    crate::mapping::invariants::text(&lines);
}

const FIELDS: [&str; 5] = ["time", "operator", "category_type", "action", "operation_detail"];

/// One line: a record in Zoom's layout or another, a page or an array; with its end.
fn line(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    match script.int_in_range(0..=9)? {
        0..=3 => usual(script, out)?,
        4..=7 => record(script, out)?,
        8 => list(script, out)?,
        _ => page(script, out)?,
    }
    let ends = ["\n", "\n", "\n", "\r\n", " \n", "\n\n", "", ",\n", "}\n", "\u{feff}"];
    out.push_str(script.choose(&ends)?);
    Ok(())
}

/// Zoom's fields of an operation log or sign-in, in Zoom's order.
fn usual(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    let spaced = script.arbitrary::<bool>()?;
    let (comma, colon) = if spaced { (", ", ": ") } else { (",", ":") };
    let sign_in = ["email", "time", "type", "ip_address", "client_type", "version"];
    let fields = if script.ratio(1, 4)? { &sign_in[..] } else { &FIELDS[..] };
    for (index, field) in fields.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { comma });
        out.push_str(&format!("\"{field}\"{colon}\""));
        // The first field of an operation log is its time.
        content(script, if *field == "time" { 0 } else { index.max(1) }, out)?;
        out.push('"');
    }
    out.push('}');
    Ok(())
}

/// Members in any order, repeated or missing, with others in between.
fn record(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push('{');
    for member in 0..script.int_in_range(0..=8)? {
        if member > 0 {
            out.push_str(script.choose(&[",", ",", ", ", " ,\t", ""])?);
        }
        let index = script.int_in_range(0..=9)?;
        let odd = ["event_type", "t\\u0069me", "operation_logs", "x", "\\ud800"];
        let key = FIELDS.get(index).or_else(|| odd.get(index - FIELDS.len())).copied().unwrap_or_default();
        out.push_str(&format!("\"{key}\"{}", script.choose(&[":", ":", ": ", " : ", ""])?));
        match script.int_in_range(0..=7)? {
            0..=4 => {
                out.push('"');
                content(script, index, out)?;
                out.push('"');
            }
            _ => value(script, out, 3)?,
        }
    }
    out.push_str(script.choose(&["}", "}", "}", " }", "", "]"])?);
    Ok(())
}

fn list(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push('[');
    for element in 0..script.int_in_range(0..=3)? {
        if element > 0 {
            out.push_str(script.choose(&[",", ", ", ",\n", " , "])?);
        }
        match script.int_in_range(0..=6)? {
            0 => value(script, out, 2)?,
            1 => usual(script, out)?,
            6 => page(script, out)?,
            _ => record(script, out)?,
        }
    }
    out.push_str(script.choose(&["]", "]", "]", "\n]", ""])?);
    Ok(())
}

/// A page of them, with a record's own field now and then.
fn page(script: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push_str("{\"operation_logs\":");
    list(script, out)?;
    out.push_str(script.choose(&[",\"next_page_token\":\"\"}", "}", ",\"action\":\"\"}"])?);
    Ok(())
}
