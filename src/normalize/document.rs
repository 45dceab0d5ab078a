//! JSON that spans lines: pages, arrays and records as a pretty-printer writes them, one value after the other.
//!
//! A value that fits the line limit is handed on whole. A longer array or page is handed on element by element, so
//! its length does not matter. So is one that is broken: what is whole in it survives, the rest is rejected.

use super::frame::{BLOCK, Block, Content, Value};
use super::wait::{Until, read_on};
use crate::json::{Stop, skip_space, walk};
use memchr::{memchr, memchr_iter, memrchr};
use std::io;
use std::ops::Range;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Whether an input that begins with `bytes` is a document: its first line that is not blank is the beginning of a
/// JSON value that later lines go on with. Or until what more must be seen.
pub(super) fn look(bytes: &[u8], ended: bool, max: usize) -> Result<bool, Until> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let too_long = bytes.len() > max;
    // However much was read at once, no more than this is looked at.
    let bytes = &bytes[..bytes.len().min(max + 1)];
    let start = skip_space(bytes, 0);
    let Some(line) = memchr(b'\n', &bytes[start..]) else {
        return if ended || too_long { Ok(false) } else { Err(Until::Line) };
    };
    let first = &bytes[..start + line];
    if !matches!(first.get(start), Some(b'{' | b'[')) || walk(first, start) != Err(Stop::Incomplete) {
        return Ok(false);
    }
    match walk(bytes, start) {
        Ok(_) => Ok(true),
        Err(Stop::Invalid(fault)) => Ok(goes_on(bytes, first.len(), fault)),
        Err(Stop::Incomplete) if too_long => Ok(skip_space(bytes, first.len()) < bytes.len()),
        Err(Stop::Incomplete) if ended => {
            Ok(goes_on(bytes, first.len(), bytes.len()) || array_start(bytes, start).is_some())
        }
        Err(Stop::Incomplete) => Err(Until::Value),
    }
}

/// Whether the line behind the first, which ends at `first`, is indented, and whole before the fault: then it goes on
/// with what the first began, and a document is broken. Otherwise the first line is.
fn goes_on(bytes: &[u8], first: usize, fault: usize) -> bool {
    let second = skip_space(bytes, first);
    matches!(bytes[second - 1], b' ' | b'\t') && memchr(b'\n', &bytes[second..fault.max(second)]).is_some()
}

/// A document on its way into blocks.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Document {
    place: Place,
    /// How far the value at hand is indented, where it begins its line: what is broken ends where the next one does so.
    indent: Option<usize>,
    rest: Rest,
}

/// Of a value that is too long and was handed on in part: what is inside is read as nothing else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// There is no such value.
    #[default]
    None,
    /// The rest begins with a line.
    Lines,
    /// It begins within one.
    Line,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between values.
    #[default]
    Top,
    /// In an array of records whose elements are handed on one by one; in a page's, if so.
    Array { page: bool },
    /// Behind the array of a page.
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

/// What to do about the text at a position.
enum Step {
    /// A value to hand on, and where to go on.
    Value(Range<usize>),
    /// Nothing to hand on up to there.
    Skip(usize),
    /// More text could complete it, once that has come.
    More(Until),
    /// Longer than the limit, up to there.
    TooLong(usize),
    /// What was too long ends here: a value begins.
    Begins,
}

impl Document {
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
            if self.rest == Rest::None {
                at = self.skip_separators(block.bytes(), at);
            }
            let rest = &block.bytes()[at..];
            // A mark may have come in part.
            let step = if rest.is_empty() || !ended && self.place == Place::Top && BOM.starts_with(rest) {
                Step::More(Until::Nothing)
            } else if self.rest == Rest::None {
                self.step(block.bytes(), at, Bounds { max, ended, cut })
            } else {
                self.rest_of_too_long(block.bytes(), ended, max)
            };
            match step {
                // What there is goes first.
                Step::More(_) if !values.is_empty() => break,
                Step::TooLong(_) if at > 0 => break,
                Step::Value(place) => {
                    at = place.end;
                    self.indent = None;
                    values.push(Value { place, is_element: matches!(self.place, Place::Array { .. }) });
                    if at >= BLOCK {
                        break;
                    }
                }
                Step::Skip(end) => {
                    at = end;
                    self.indent = None;
                }
                Step::Begins => {}
                Step::TooLong(end) => {
                    self.rest = if block.bytes()[end - 1] == b'\n' { Rest::Lines } else { Rest::Line };
                    block.content = Content::TooLong { first: true, last: true };
                    return Ok(end);
                }
                Step::More(_) if ended => break,
                Step::More(until) => ended = read_on(block, at, max, until, more)?,
            }
        }
        block.content = Content::Values(values);
        Ok(at)
    }

    fn skip_separators(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut at = skip_space(bytes, from);
        // Documents may have been put together from files that each had its mark.
        while self.place == Place::Top && bytes[at..].starts_with(BOM) {
            at = skip_space(bytes, at + BOM.len());
        }
        while self.place != Place::Top && bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
        self.indent = match memrchr(b'\n', &bytes[from..at]) {
            Some(line) => Some(at - from - line - 1),
            // What stood before may have been handed on already.
            None => self.indent.map(|indent| indent + at - from),
        };
        at
    }

    fn step(&mut self, bytes: &[u8], at: usize, bounds: Bounds) -> Step {
        let Bounds { max, ended, cut } = bounds;
        // However much was read at once, no more than this is looked at.
        let full = bytes.len() - at > max;
        let bytes = &bytes[..bytes.len().min(at + max + 1)];
        let ended = ended && !full;
        let bounds = Bounds { max, ended, cut };
        let value = match (self.place, bytes[at]) {
            (Place::Array { page }, b']') => {
                self.place = if page { Place::Page } else { Place::Top };
                return Step::Skip(at + 1);
            }
            (Place::Page, b'}') => {
                self.place = Place::Top;
                return Step::Skip(at + 1);
            }
            (Place::Page, _) => member_value(bytes, at).and_then(|value| walk(bytes, value)),
            _ => walk(bytes, at),
        };
        match value {
            // A number may go on in what is not yet read.
            Ok(end)
                if end == bytes.len() && !ended && !full && !matches!(bytes[end - 1], b'}' | b']' | b'"') =>
            {
                Step::More(Until::Value)
            }
            Ok(end) if end - at > max => self.broken(bytes, at, Stop::Incomplete, full, bounds),
            Ok(end) if self.place == Place::Page => Step::Skip(end),
            Ok(end) => Step::Value(at..end),
            Err(Stop::Incomplete) if !ended && !full => Step::More(Until::Value),
            Err(stop) => self.broken(bytes, at, stop, full, bounds),
        }
    }

    /// What begins at `at` is too long to be seen whole (`full`: there is as much of it as may be), or no JSON.
    fn broken(&mut self, bytes: &[u8], at: usize, stop: Stop, full: bool, bounds: Bounds) -> Step {
        // The input's error reports the cut, so there is no reject for it.
        let cut = bounds.cut && bounds.ended && stop == Stop::Incomplete;
        if let (Place::Top, Some((inside, page))) = (self.place, array_start(bytes, at)) {
            self.place = Place::Array { page };
            // The beginning of one that is broken is a reject of its own.
            return if stop == Stop::Incomplete && full || cut {
                Step::Skip(inside)
            } else {
                Step::Value(at..inside)
            };
        }
        let indent = self.indent.filter(|_| matches!(self.place, Place::Array { .. }));
        match next_value_line(bytes, at, stop, indent) {
            Some((line, is_element)) => {
                self.place = if is_element { self.place } else { Place::Top };
                Step::Value(at..line)
            }
            None if full => Step::TooLong(at + whole_lines(&bytes[at..])),
            None if cut => Step::Skip(bytes.len()),
            None if bounds.ended => Step::Value(at..bytes.len()),
            None => Step::More(Until::Nothing),
        }
    }

    /// The rest of what is too long, which `bytes` begin with: up to a line that can only be the next value's first.
    fn rest_of_too_long(&mut self, bytes: &[u8], ended: bool, max: usize) -> Step {
        let (window, full) = (&bytes[..bytes.len().min(max + 1)], bytes.len() > max);
        let indent = self.indent.filter(|_| matches!(self.place, Place::Array { .. }));
        let first = (self.rest == Rest::Lines).then_some(0);
        let lines = first.into_iter().chain(memchr_iter(b'\n', window).map(|end| end + 1));
        match value_line(window, lines, indent) {
            Some((0, is_element)) => {
                self.place = if is_element { self.place } else { Place::Top };
                (self.rest, self.indent) = (Rest::None, Some(0));
                Step::Begins
            }
            Some((line, _)) => Step::TooLong(line),
            None if full => Step::TooLong(whole_lines(window)),
            None if ended => Step::TooLong(bytes.len()),
            None => Step::More(Until::Nothing),
        }
    }
}

/// How long the whole lines are that `bytes` begin with; all of it where no line ends.
fn whole_lines(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// The next line, not before the fault, that begins with an object or array, and whether it is indented as elements
/// are: pretty-printers indent all but the first line of a value and the closing one, and elements all alike.
fn next_value_line(bytes: &[u8], at: usize, stop: Stop, indent: Option<usize>) -> Option<(usize, bool)> {
    let fault = if let Stop::Invalid(fault) = stop { fault } else { bytes.len() };
    let from = memrchr(b'\n', &bytes[at..fault]).map_or(at, |line| at + line);
    value_line(bytes, memchr_iter(b'\n', &bytes[from..]).map(|line| from + line + 1), indent)
}

/// Of the lines that begin there, the first that begins a value so.
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

/// Where the first element of an array is, or of the array of a page; and whether it is a page.
fn array_start(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    if bytes[at] != b'{' {
        return (bytes[at] == b'[').then_some((at + 1, false));
    }
    let mut at = at + 1;
    loop {
        at = skip_space(bytes, at);
        let value = member_value(bytes, at).ok()?;
        if bytes[at..].starts_with(b"\"operation_logs\"") && bytes.get(value) == Some(&b'[') {
            return Some((value + 1, true));
        }
        at = skip_space(bytes, walk(bytes, value).ok()?);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
        at += 1;
    }
}

/// Where the value of the member at `at` begins.
fn member_value(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    if bytes.get(at) != Some(&b'"') {
        return Err(Stop::Invalid(at));
    }
    let colon = skip_space(bytes, walk(bytes, at)?);
    match bytes.get(colon) {
        None => Err(Stop::Incomplete),
        Some(b':') => Ok(skip_space(bytes, colon + 1)),
        Some(_) => Err(Stop::Invalid(colon)),
    }
}
