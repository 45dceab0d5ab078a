//! What an input is, by how it begins: lines, a document, CSV, or not a log at all.

use super::binary_format::binary_format;
use super::csv::{self, Header};
use super::multiline;
use super::read_more::RescanTrigger;
use crate::json::skip_space;
use memchr::{memchr, memmem};

/// How much is looked at of what does not begin as JSON does, in bytes.
const SAMPLE: usize = 8 << 10;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// What an input is.
#[derive(Debug)]
pub(super) enum InputKind {
    Lines,
    Multiline,
    /// Zoom's export, and where its rows begin.
    Csv(Header, usize),
    /// Nothing that records could be read from, and why.
    Unreadable(String),
}

/// What an input is that begins with `bytes`, or until what more must be seen. `csv` forces CSV.
///
/// The answer depends on the input alone, not on how much of it was read: a first line that is text is enough; otherwise
/// the first 8 KiB are looked at.
pub(super) fn detect(bytes: &[u8], ended: bool, max: usize, csv: bool) -> Result<InputKind, RescanTrigger> {
    let text = bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes);
    let start = bytes.len() - text.len() + skip_space(text, 0);
    // With a NUL after it the brace is the first half of a UTF-16 unit.
    let begins_as_json = matches!(bytes.get(start), Some(b'{' | b'[')) && bytes.get(start + 1) != Some(&0);
    if !csv && (begins_as_json || start == bytes.len()) {
        let is_multiline = multiline::is_multiline(bytes, ended, max)?;
        return Ok(if is_multiline { InputKind::Multiline } else { InputKind::Lines });
    }
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let all = ended || bytes.len() >= SAMPLE;
    let end = memchr(b'\n', &sample[start.min(sample.len())..]).map(|length| start + length);
    if end.is_none() && !all {
        return Err(RescanTrigger::Line);
    }
    let line = &sample[start.min(sample.len())..end.unwrap_or(sample.len())];
    if !is_text(line) {
        if !all {
            return Err(RescanTrigger::Nothing);
        }
        if let Some(why) = not_text(sample) {
            return Ok(InputKind::Unreadable(why));
        }
    }
    let begin = end.map_or(bytes.len(), |end| end + 1);
    // A header is shorter than the sample.
    let is_whole = end.is_some() || ended && bytes.len() < SAMPLE;
    let (header, begin) = match memchr(b'\r', line) {
        // Some programs end lines with a carriage return alone: what comes after it are rows.
        Some(end) => (&line[..end], start + end + 1),
        None if is_whole => (line, begin),
        None => (&b""[..], begin),
    };
    match Header::read(header) {
        Ok(header) => Ok(InputKind::Csv(header, begin)),
        // An input without a line has no rows either.
        Err(_) if csv && line.is_empty() => Ok(InputKind::Lines),
        Err(missing) if csv => Ok(InputKind::Unreadable(other_csv(&missing))),
        Err(missing) if is_other_csv(line, &sample[begin.min(sample.len())..], all)? => {
            Ok(InputKind::Unreadable(other_csv(&missing)))
        }
        Err(_) => Ok(InputKind::Lines),
    }
}

/// Whether a line is UTF-8 without NUL, but for a character that is cut off at its end.
fn is_text(line: &[u8]) -> bool {
    let whole = std::str::from_utf8(line).map_or_else(|error| error.error_len().is_none(), |_| true);
    whole && memchr(0, line).is_none() && binary_format(line).is_none()
}

/// Why a sample is not text: it begins as a known format does, holds NUL, or more than a tenth of it is not UTF-8. A sample
/// in which a line begins as a record does is text all the same, since a log may begin with a damaged part.
fn not_text(sample: &[u8]) -> Option<String> {
    if holds_records(sample) {
        return None;
    }
    let nul = memchr::memchr_iter(0, sample).count();
    let invalid: usize = sample.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    let (format, length) = (binary_format(sample), sample.len());
    if nul == 0 && invalid * 10 <= length && format.is_none() {
        return None;
    }
    // Text in UTF-16 without a mark: every other byte is NUL.
    let format = format.or((nul * 5 > length * 2 && nul * 5 < length * 3).then_some("UTF-16"));
    let cure = match format {
        Some("UTF-16") => "convert it, for example with iconv -f UTF-16 -t UTF-8",
        Some(_) => "unpack it first",
        None => "convert it, or leave it out",
    };
    let format = format.map(|format| format!(", this looks like {format}")).unwrap_or_default();
    Some(format!(
        "not text: of the first {length} bytes {nul} are NUL and {invalid} are not UTF-8{format}; {cure}"
    ))
}

/// Whether a line that is not the header of an export is that of another table: three or more names, and as many fields in
/// the line after it.
fn is_other_csv(line: &[u8], rest: &[u8], all: bool) -> Result<bool, RescanTrigger> {
    let Ok(line) = std::str::from_utf8(line) else { return Ok(false) };
    let names = csv::names(line);
    if names.len() < 3 || !names.iter().all(|name| is_name(name)) {
        return Ok(false);
    }
    // A record right after it is read at once.
    if matches!(rest.first(), Some(b'{' | b'[')) {
        return Ok(false);
    }
    if !all {
        return Err(RescanTrigger::Nothing);
    }
    let second = memchr(b'\n', rest).map_or(rest, |end| &rest[..end]);
    let fields = csv::names(&String::from_utf8_lossy(second)).len();
    Ok(fields == names.len() && !holds_records(rest))
}

/// Whether a line after the first begins as a record does, or an array of them.
fn holds_records(sample: &[u8]) -> bool {
    ["\n{\"", "\n[{"].iter().any(|start| memmem::find(sample, start.as_bytes()).is_some())
}

/// Whether a text could be the name of a column.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 64
        && text.starts_with(char::is_alphabetic)
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '(' | ')' | '#'))
}

fn other_csv(missing: &[&str]) -> String {
    format!(
        "CSV, but not Zoom's export of operation logs: no column is called {}; expected the columns Time, Operator (or \
         Admin), Category, Action and Operation Detail; export the operation logs, or leave this file out",
        missing.join(", or ")
    )
}
