//! Finds the records of a block, and what is none.

use super::Options;
use super::csv::Row;
use super::detect::looks_like;
use super::emit::{Emitter, Flow, Flush, Lines, Output, Places, Reject};
use super::frame::{Block, Content};
use super::reject::Part;
use crate::detail::Cut;
use crate::json::skip_space;
use crate::mapping::Template;
use crate::record::{self, Record, Scratch};
use crate::refusal::{Reason, Refusal};
use memchr::memchr;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// One thread's work: the rooms it keeps from block to block.
pub(super) struct Worker<'o, P = ()> {
    options: &'o Options,
    /// The quick way to write events, where the options allow it.
    template: Option<Arc<Template>>,
    scratch: Scratch,
    cut: Cut,
    output: Output<P>,
}

impl<'o, P: Places + Default> Worker<'o, P> {
    pub(super) fn new(options: &'o Options) -> Self {
        let template = options.compiled.template(&options.writer).filter(|_| !options.event_id);
        let (scratch, cut, output) = Default::default();
        Self { options, template, scratch, cut, output }
    }

    /// Reads a block; `flush` is given what comes of it.
    pub(super) fn work(&mut self, block: &Block, flush: &mut Flush<'_, P>) -> Flow {
        let Self { options, template, scratch, cut, output } = self;
        let template = template.as_deref();
        let (bytes, lines) = (block.records(), Lines::default());
        let emitter = Emitter { options, template, bytes, cut, output, lines, flush };
        Reader { emitter, scratch }.block(&block.content)
    }
}

/// Finds the records of a block.
struct Reader<'b, 'f, P> {
    emitter: Emitter<'b, 'f, P>,
    scratch: &'b mut Scratch,
}

impl<P: Places> Reader<'_, '_, P> {
    fn block(mut self, content: &Content) -> Flow {
        match content {
            Content::Lines => self.lines()?,
            Content::Values(values) => values.iter().try_for_each(|value| self.unit(value.clone()))?,
            Content::NoObject => self.no_object()?,
            Content::TooLong { first, last } => {
                let bytes = self.emitter.bytes;
                let end = bytes.strip_suffix(b"\n").filter(|_| *last).unwrap_or(bytes).len();
                self.too_long(*first, *last, end);
            }
            Content::Rows(rows) => rows.rows.iter().try_for_each(|row| self.row(row))?,
            Content::LongRow(row) => self.too_long(row.first, row.last, self.emitter.bytes.len()),
        }
        self.emitter.end()
    }

    /// What was refused for being no object, maybe mended since.
    fn no_object(&mut self) -> Flow {
        let bytes = self.emitter.bytes;
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if text.starts_with('[') && record::elements(text).is_ok_and(|mut elements| elements.next().is_none())
        {
            return self.emitter.refuse(0..bytes.len(), record::no_object(text));
        }
        self.unit(0..bytes.len())
    }

    fn lines(&mut self) -> Flow {
        let bytes = self.emitter.bytes;
        // Valid as a whole, it is valid line by line: no line needs a look of its own.
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let mut at = 0;
        while at < bytes.len() {
            let end = match text.and_then(|text| self.usual_line(text, at)) {
                Some(end) => end?,
                None => self.any_line(text, at)?,
            };
            at = end + 1;
            self.emitter.lines.passed(at.min(bytes.len()), u64::from(at <= bytes.len()));
        }
        Flow::Continue(())
    }

    /// The line at `at`, if it is of the usual layout. The end of the line.
    #[inline]
    fn usual_line(&mut self, text: &str, at: usize) -> Option<ControlFlow<(), usize>> {
        let (record, end) = Record::read_usual(text, at, self.scratch)?;
        (end - at <= self.emitter.options.max_line_bytes).then_some(())?;
        Some(self.emitter.emit(&record, &text[at..end], at).map_continue(|()| end))
    }

    /// The line at `at`, whatever it is. The end of the line.
    fn any_line(&mut self, text: Option<&str>, at: usize) -> ControlFlow<(), usize> {
        let bytes = self.emitter.bytes;
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        match text {
            Some(text) if end - at <= self.emitter.options.max_line_bytes => self.line(&text[at..end], at)?,
            _ => self.unit(at..end)?,
        }
        ControlFlow::Continue(end)
    }

    /// One line, or value, of which nothing is known.
    fn unit(&mut self, place: Range<usize>) -> Flow {
        let whole = &self.emitter.bytes[place.clone()];
        let unit = whole.strip_suffix(b"\r").unwrap_or(whole);
        let most = self.emitter.options.max_line_bytes;
        if unit.len() > most {
            // With its carriage return, as what comes in parts has it.
            return self.emitter.refuse(place, too_long(most));
        }
        match std::str::from_utf8(whole) {
            Ok(text) => self.line(text, place.start),
            Err(error) => {
                let place = place.start..place.start + unit.len();
                self.emitter.refuse(place, not_utf8(unit, error.valid_up_to()))
            }
        }
    }

    /// One line of text.
    #[inline]
    fn line(&mut self, line: &str, at: usize) -> Flow {
        match Record::read_ordinary(line, self.scratch) {
            Some(record) => self.emitter.emit(&record, line, at),
            None => self.odd(line, at),
        }
    }

    /// A line that is no ordinary record: blank, an array, a page, or a record that takes a closer look.
    #[cold]
    fn odd(&mut self, line: &str, at: usize) -> Flow {
        let (line, at) = match line.strip_prefix('\u{feff}') {
            Some(rest) => (rest, at + line.len() - rest.len()),
            None => (line, at),
        };
        // As what is not known to be text has it: what is said of a line is not its block's to change.
        let line = line.strip_suffix('\r').unwrap_or(line);
        let whole = at..at + line.len();
        let start = skip_space(line.as_bytes(), 0);
        let value = &line[start..];
        match value.as_bytes().first() {
            None => Flow::Continue(()),
            Some(b'[') => match record::elements(value) {
                Ok(mut elements) => {
                    elements.try_for_each(|element| self.line(element, at + offset(line, element)))
                }
                Err(refusal) => self.emitter.refuse(whole, refusal),
            },
            Some(_) => self.object(value, at + start, whole),
        }
    }

    /// The one object of a line, `whole`: a record, or a page of them.
    fn object(&mut self, text: &str, at: usize, whole: Range<usize>) -> Flow {
        let object = match record::object(text) {
            Ok(object) => object,
            Err(refusal) => return self.emitter.refuse(whole, refusal),
        };
        let text = text.trim_end();
        match object.logs.map(record::page) {
            None => self.emitter.emit(&object.record(self.scratch), text, at),
            Some(Ok(mut elements)) => {
                elements.try_for_each(|element| self.element(element, at + offset(text, element)))
            }
            Some(Err(refusal)) => self.emitter.refuse(at..at + text.len(), refusal),
        }
    }

    /// One element of a page: a record, or refused for itself.
    fn element(&mut self, text: &str, at: usize) -> Flow {
        // Known to be JSON: no need to read what can be no record.
        if !text.starts_with('{') {
            return self.emitter.refuse(at..at + text.len(), record::no_object(text));
        }
        match Record::read(text, self.scratch) {
            Ok(record) => self.emitter.emit(&record, text, at),
            Err(refusal) => self.emitter.refuse(at..at + text.len(), refusal),
        }
    }

    /// A row of CSV: the record that it was converted to.
    fn row(&mut self, row: &Row) -> Flow {
        let bytes = self.emitter.bytes;
        match (&row.fault, std::str::from_utf8(&bytes[row.json.clone()])) {
            (None, Ok(record)) => self.line(record, row.json.start),
            (fault, _) => {
                let fault = fault.clone().unwrap_or_else(|| not_utf8(&bytes[row.json.clone()], 0));
                self.emitter.refuse(row.json.clone(), fault)
            }
        }
    }

    /// Part of what is too long, up to `end`.
    fn too_long(&mut self, first: bool, last: bool, end: usize) {
        let Emitter { options, output, .. } = &mut self.emitter;
        let part = match (first, last) {
            (true, true) => Part::Whole,
            (true, false) => Part::First,
            (false, false) => Part::Middle,
            (false, true) => Part::Last,
        };
        let refusal = too_long(options.max_line_bytes);
        output.tally.records += u64::from(first);
        output.tally.refused(refusal.reason, u64::from(first));
        output.rejects.push(Reject { place: 0..end, line: 0, refusal, part });
    }
}

/// Where `part` begins in `whole`, which it is a part of.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

#[cold]
pub(super) fn too_long(most: usize) -> Refusal {
    let message = format!(
        "longer than {most} bytes, the limit for a line; raise --max-line-bytes if it is a record, or look for a missing newline"
    );
    Refusal::new(Reason::LineTooLong, message)
}

#[cold]
pub(super) fn not_utf8(unit: &[u8], valid: usize) -> Refusal {
    let hint = match looks_like(unit) {
        Some("UTF-16") => " (this looks like UTF-16: save it as UTF-8)".to_owned(),
        Some("gzip") => {
            " (this looks like gzip within gzip, or after plain text: unpack it first)".to_owned()
        }
        Some(format) => format!(" (this looks like {format}: unpack it first)"),
        None => String::new(),
    };
    let message = format!(
        "byte {valid} of the line, 0x{:02x}, is not UTF-8{hint}; expected UTF-8 text: convert the file, or see where it was cut",
        unit.get(valid).copied().unwrap_or_default()
    );
    Refusal::new(Reason::NotUtf8, message)
}
