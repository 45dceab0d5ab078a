//! Reads JSON that spans lines: pretty-printed pages, arrays and records, one value after the other.
//!
//! A value that fits the line limit is passed on whole. A longer array or page is passed on element by element, so its
//! length does not matter. The same happens to a broken one: its complete elements survive, the rest is rejected.

use super::block::{BLOCK, Block, Content, Value};
use super::read_more::{RescanTrigger, read_until_rescan};
use crate::json::{SkipError, skip_space, skip_value};
use crate::record::page_list;
use memchr::{memchr, memchr_iter, memrchr};
use std::io;
use std::ops::Range;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Returns whether an input that begins with `bytes` is multi-line: its first non-blank line begins a JSON value that
/// later lines continue. Otherwise returns what else must be read to decide.
pub(super) fn is_multiline(bytes: &[u8], ended: bool, max: usize) -> Result<bool, RescanTrigger> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let too_long = bytes.len() > max;
    // The decision does not depend on how much was read at once.
    let bytes = &bytes[..bytes.len().min(max + 1)];
    let start = skip_space(bytes, 0);
    let Some(line) = memchr(b'\n', &bytes[start..]) else {
        return if ended || too_long { Ok(false) } else { Err(RescanTrigger::Line) };
    };
    let first = &bytes[..start + line];
    if !matches!(first.get(start), Some(b'{' | b'['))
        || skip_value(first, start) != Err(SkipError::Incomplete)
    {
        return Ok(false);
    }
    match skip_value(bytes, start) {
        Ok(_) => Ok(true),
        Err(SkipError::Invalid(fault)) => Ok(continues_on_next_line(bytes, first.len(), fault)),
        Err(SkipError::Incomplete) if too_long => Ok(skip_space(bytes, first.len()) < bytes.len()),
        Err(SkipError::Incomplete) if ended => {
            Ok(continues_on_next_line(bytes, first.len(), bytes.len()) || array_start(bytes, start).is_some())
        }
        Err(SkipError::Incomplete) => Err(RescanTrigger::Value),
    }
}

/// Returns whether the line after the first, which ends at `first`, is indented and complete before the error. If so,
/// it continues the first line and a multi-line value is broken; otherwise the first line is broken.
fn continues_on_next_line(bytes: &[u8], first: usize, fault: usize) -> bool {
    let second = skip_space(bytes, first);
    matches!(bytes[second - 1], b' ' | b'\t') && memchr(b'\n', &bytes[second..fault.max(second)]).is_some()
}

/// The state of splitting a multi-line input into blocks.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct MultilineScanner {
    place: Context,
    /// The indentation of the current value, if it begins its line; a broken value ends where the next one begins with
    /// the same indentation.
    indent: Option<usize>,
    rest: OverlongTail,
}

/// The rest of a value that is too long and was passed on in part; nothing in it is read as a record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum OverlongTail {
    /// No such value.
    #[default]
    None,
    /// The rest begins with a line.
    Lines,
    /// The rest begins within a line.
    Line,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Between values.
    #[default]
    Top,
    /// In an array of records whose elements are passed on one by one; or in the array of a page.
    Array { page: bool },
    /// After the array of a page.
    Page,
}

/// How far a document is read.
#[derive(Clone, Copy)]
struct Bounds {
    /// The longest value.
    max: usize,
    /// No more comes.
    ended: bool,
    /// And that is because reading failed.
    cut: bool,
}

/// What to do with the text at a position.
enum Step {
    /// Pass on a value, and continue after it.
    Value(Range<usize>),
    /// Skip to this position.
    Skip(usize),
    /// Read more, because more text could complete the value.
    More(RescanTrigger),
    /// The value exceeds the limit up to this position.
    TooLong(usize),
    /// A new value begins here, which ends the over-long one.
    Resync,
}

impl MultilineScanner {
    /// Fills a block with values, reading `more` (`false` at the end) as needed; returns where they end.
    pub(super) fn next(
        &mut self,
        block: &mut Block,
        max: usize,
        cut: bool,
        more: &mut dyn FnMut(&mut Block) -> io::Result<bool>,
    ) -> io::Result<usize> {
        let (mut at, mut values) = (0, Vec::new());
        let mut ended = false;
        loop {
            if self.rest == OverlongTail::None {
                at = self.skip_separators(block.bytes(), at);
            }
            let rest = &block.bytes()[at..];
            // A byte-order mark may have arrived in part.
            let step = if rest.is_empty() || !ended && self.place == Context::Top && BOM.starts_with(rest) {
                Step::More(RescanTrigger::Nothing)
            } else if self.rest == OverlongTail::None {
                self.step(block.bytes(), at, Bounds { max, ended, cut })
            } else {
                self.rest_of_too_long(block.bytes(), ended, max)
            };
            match step {
                // Pass on what is complete first.
                Step::More(_) if !values.is_empty() => break,
                Step::TooLong(_) if at > 0 => break,
                Step::Value(place) => {
                    at = place.end;
                    self.indent = None;
                    values.push(Value { place, is_element: matches!(self.place, Context::Array { .. }) });
                    if at >= BLOCK {
                        break;
                    }
                }
                Step::Skip(end) => {
                    at = end;
                    self.indent = None;
                }
                Step::Resync => {}
                Step::TooLong(end) => {
                    self.rest = if block.bytes()[end - 1] == b'\n' {
                        OverlongTail::Lines
                    } else {
                        OverlongTail::Line
                    };
                    block.content = Content::TooLong { first: true, last: true };
                    return Ok(end);
                }
                Step::More(_) if ended => break,
                Step::More(until) => ended = read_until_rescan(block, at, max, until, more)?,
            }
        }
        block.content = Content::Values(values);
        Ok(at)
    }

    fn skip_separators(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut at = skip_space(bytes, from);
        // Concatenated files may each begin with a byte-order mark.
        while self.place == Context::Top && bytes[at..].starts_with(BOM) {
            at = skip_space(bytes, at + BOM.len());
        }
        while self.place != Context::Top && bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        self.indent = match memrchr(b'\n', &bytes[from..at]) {
            Some(line) => Some(at - from - line - 1),
            // The preceding text may have been passed on already.
            None => self.indent.map(|indent| indent + at - from),
        };
        at
    }

    fn step(&mut self, bytes: &[u8], at: usize, bounds: Bounds) -> Step {
        let Bounds { max, ended, cut } = bounds;
        // The decision does not depend on how much was read at once.
        let full = bytes.len() - at > max;
        let bytes = &bytes[..bytes.len().min(at + max + 1)];
        let ended = ended && !full;
        let bounds = Bounds { max, ended, cut };
        let value = match (self.place, bytes[at]) {
            (Context::Array { page }, b']') => {
                self.place = if page { Context::Page } else { Context::Top };
                return Step::Skip(at + 1);
            }
            (Context::Page, b'}') => {
                self.place = Context::Top;
                return Step::Skip(at + 1);
            }
            (Context::Page, _) => match member_value(bytes, at) {
                // A page may have a list of each kind.
                Ok(value) if is_list(bytes, at, value) => {
                    self.place = Context::Array { page: true };
                    return Step::Skip(value + 1);
                }
                value => value.and_then(|value| skip_value(bytes, value)),
            },
            _ => skip_value(bytes, at),
        };
        match value {
            // A number may continue in text that was not read yet.
            Ok(end)
                if end == bytes.len() && !ended && !full && !matches!(bytes[end - 1], b'}' | b']' | b'"') =>
            {
                Step::More(RescanTrigger::Value)
            }
            Ok(end) if end - at > max => self.recover(bytes, at, SkipError::Incomplete, full, bounds),
            Ok(end) if self.place == Context::Page => Step::Skip(end),
            Ok(end) => Step::Value(at..end),
            Err(SkipError::Incomplete) if !ended && !full => Step::More(RescanTrigger::Value),
            Err(stop) => self.recover(bytes, at, stop, full, bounds),
        }
    }

    /// Handles a value at `at` that is either too long to be read whole (`full`: the buffer is at its limit) or
    /// invalid.
    fn recover(&mut self, bytes: &[u8], at: usize, stop: SkipError, full: bool, bounds: Bounds) -> Step {
        // The input's error reports the cut, so there is no reject for it.
        let cut = bounds.cut && bounds.ended && stop == SkipError::Incomplete;
        if let (Context::Top, Some((inside, page))) = (self.place, array_start(bytes, at)) {
            self.place = Context::Array { page };
            // The beginning of a broken value is a reject of its own.
            return if stop == SkipError::Incomplete && full || cut {
                Step::Skip(inside)
            } else {
                Step::Value(at..inside)
            };
        }
        let indent = self.indent.filter(|_| matches!(self.place, Context::Array { .. }));
        match next_value_line(bytes, at, stop, indent) {
            Some((line, is_element)) => {
                self.place = if is_element { self.place } else { Context::Top };
                Step::Value(at..line)
            }
            None if full => Step::TooLong(at + whole_lines(&bytes[at..])),
            None if cut => Step::Skip(bytes.len()),
            None if bounds.ended => Step::Value(at..bytes.len()),
            None => Step::More(RescanTrigger::Nothing),
        }
    }

    /// Returns the length of the rest of an over-long value at the start of `bytes`: up to a line that can only begin
    /// the next value.
    fn rest_of_too_long(&mut self, bytes: &[u8], ended: bool, max: usize) -> Step {
        let (window, full) = (&bytes[..bytes.len().min(max + 1)], bytes.len() > max);
        let indent = self.indent.filter(|_| matches!(self.place, Context::Array { .. }));
        let first = (self.rest == OverlongTail::Lines).then_some(0);
        let lines = first.into_iter().chain(memchr_iter(b'\n', window).map(|end| end + 1));
        match value_line(window, lines, indent) {
            Some((0, is_element)) => {
                self.place = if is_element { self.place } else { Context::Top };
                (self.rest, self.indent) = (OverlongTail::None, Some(0));
                Step::Resync
            }
            Some((line, _)) => Step::TooLong(line),
            None if full => Step::TooLong(whole_lines(window)),
            None if ended => Step::TooLong(bytes.len()),
            None => Step::More(RescanTrigger::Nothing),
        }
    }
}

/// Returns the length of the complete lines at the start of `bytes`, or of all of it if no line ends.
fn whole_lines(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// Returns the next line at or after the error that begins with an object or array, and whether it is indented like an
/// element: pretty-printers indent all lines of a value except the first and the last one, and all elements alike.
fn next_value_line(bytes: &[u8], at: usize, stop: SkipError, indent: Option<usize>) -> Option<(usize, bool)> {
    let fault = if let SkipError::Invalid(fault) = stop { fault } else { bytes.len() };
    let from = memrchr(b'\n', &bytes[at..fault]).map_or(at, |line| at + line);
    value_line(bytes, memchr_iter(b'\n', &bytes[from..]).map(|line| from + line + 1), indent)
}

/// Returns the first of these lines that begins a value.
fn value_line(
    bytes: &[u8],
    mut lines: impl Iterator<Item = usize>,
    indent: Option<usize>,
) -> Option<(usize, bool)> {
    lines.find_map(|line| {
        let value = line + bytes[line..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let is_element = indent == Some(value - line);
        (matches!(bytes.get(value), Some(b'{' | b'[')) && (is_element || value == line))
            .then_some((line, is_element))
    })
}

/// Returns the position of the first element of an array, or of the array of a page; and whether it is a page.
fn array_start(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    if bytes[at] != b'{' {
        return (bytes[at] == b'[').then_some((at + 1, false));
    }
    let mut at = at + 1;
    loop {
        at = skip_space(bytes, at);
        let value = member_value(bytes, at).ok()?;
        if is_list(bytes, at, value) {
            return Some((value + 1, true));
        }
        at = skip_space(bytes, skip_value(bytes, value).ok()?);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
        at += 1;
    }
}

/// Returns whether the member at `at`, with its value at `value`, is a list of records.
fn is_list(bytes: &[u8], at: usize, value: usize) -> bool {
    let key = bytes[at + 1..].split(|&byte| byte == b'"').next().unwrap_or_default();
    page_list(key).is_some() && bytes.get(value) == Some(&b'[')
}

/// Returns the position of the value of the member at `at`.
fn member_value(bytes: &[u8], at: usize) -> Result<usize, SkipError> {
    if bytes.get(at) != Some(&b'"') {
        return Err(SkipError::Invalid(at));
    }
    let colon = skip_space(bytes, skip_value(bytes, at)?);
    match bytes.get(colon) {
        None => Err(SkipError::Incomplete),
        Some(b':') => Ok(skip_space(bytes, colon + 1)),
        Some(_) => Err(SkipError::Invalid(colon)),
    }
}
