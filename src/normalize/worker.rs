//! Finds the records of a block, and rejects everything else.

use super::block::{Block, Content, Row, Value};
use super::emitter::{BlockOutput, BlockReject, Emitter, Flow, FlushFn, LineCounter, RecordSpans};
use super::line_errors::{not_utf8, too_long};
use super::options::Options;
use super::reject_file::Part;
use crate::detail::SpliceBuf;
use crate::json::{elements, skip_space};
use crate::mapping::{Diagnostic, Template};
use crate::record::{self, Elements, Object, Record, Scratch};
use crate::reject::{RejectReason, Rejection};
use memchr::memchr;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// A byte-order mark.
const UTF8_BOM: char = '\u{feff}';

/// The state of one worker thread, with buffers that it reuses for all blocks.
pub(super) struct Worker<'o, P = ()> {
    options: &'o Options,
    /// The fast way to write events, if the options allow it.
    template: Option<Arc<Template>>,
    scratch: Scratch,
    cut: SpliceBuf,
    output: BlockOutput<P>,
}

impl<'o, P: RecordSpans + Default> Worker<'o, P> {
    pub(super) fn new(options: &'o Options) -> Self {
        let template = options.compiled.template(&options.writer).filter(|_| !options.event_id);
        let (scratch, cut, output) = Default::default();
        Self { options, template, scratch, cut, output }
    }

    /// Reads a block, and passes its results to `flush`.
    pub(super) fn work(&mut self, block: &Block, flush: &mut FlushFn<'_, P>) -> Flow {
        let Self { options, template, scratch, cut, output } = self;
        let template = template.as_deref();
        let (bytes, lines) = (block.records(), LineCounter::default());
        let emitter = Emitter { options, template, bytes, cut, output, lines, flush };
        RecordReader { emitter, scratch }.block(&block.content)
    }
}

/// Finds the records of a block.
struct RecordReader<'b, 'f, P> {
    emitter: Emitter<'b, 'f, P>,
    scratch: &'b mut Scratch,
}

impl<P: RecordSpans> RecordReader<'_, '_, P> {
    fn block(mut self, content: &Content) -> Flow {
        match content {
            Content::Lines => self.lines()?,
            Content::Values(values) => values.iter().try_for_each(|value| self.value_of_document(value))?,
            Content::Reject { message } => self.emit_stored_reject(message)?,
            Content::Cut => self.cut_short()?,
            Content::TooLong { first, last } => {
                let bytes = self.emitter.bytes;
                let end = bytes.strip_suffix(b"\n").filter(|_| *last).unwrap_or(bytes).len();
                self.too_long(*first, *last, end);
            }
            Content::Rows(rows) => rows.rows.iter().try_for_each(|row| self.row(row))?,
            Content::OverlongRowPart(row) => self.too_long(row.first, row.last, self.emitter.bytes.len()),
        }
        self.emitter.end()
    }

    /// Reads a value of a document. An element of a long list is read as in a list that is read whole.
    fn value_of_document(&mut self, value: &Value) -> Flow {
        let bytes = &self.emitter.bytes[value.place.clone()];
        let is_array = value.is_element && bytes.first() == Some(&b'[');
        match std::str::from_utf8(bytes) {
            Ok(text) if is_array && record::is_whole(text) => self.element(text, value.place.start),
            _ => self.line_or_value(value.place.clone()),
        }
    }

    /// Reads a reject back. If the reason was in what surrounded it, it is rejected again, unless it was fixed or the limit
    /// was raised since.
    fn emit_stored_reject(&mut self, message: &str) -> Flow {
        let bytes = self.emitter.bytes;
        let whole = 0..bytes.len();
        let part_of_long = too_long(self.emitter.options.max_line_bytes);
        if message == part_of_long.message {
            return self.emitter.reject(whole, part_of_long);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if text.starts_with('[') && is_element(text, message) => {
                self.emitter.reject(whole, record::not_an_object(text))
            }
            _ => self.line_or_value(whole),
        }
    }

    /// Reads the last line of an input that could not be read to its end, if the line is complete. Otherwise the input's
    /// error covers it.
    fn cut_short(&mut self) -> Flow {
        let bytes = self.emitter.bytes;
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        if record::is_whole(text.trim_start_matches('\u{feff}')) {
            self.line_or_value(0..bytes.len())
        } else {
            Flow::Continue(())
        }
    }

    fn lines(&mut self) -> Flow {
        let bytes = self.emitter.bytes;
        // If the block is valid UTF-8, every line is, and needs no check of its own.
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let mut at = 0;
        while at < bytes.len() {
            let end = match text
                .and_then(|text| self.canonical_line(text, at).or_else(|| self.canonical_sign_in(text, at)))
            {
                Some(end) => end?,
                None => self.any_line(text, at)?,
            };
            at = end + 1;
            self.emitter.lines.passed(at.min(bytes.len()), u64::from(at <= bytes.len()));
        }
        Flow::Continue(())
    }

    /// Reads the operation log at `at` if it has Zoom's exact layout; returns the end of the line.
    #[inline]
    fn canonical_line(&mut self, text: &str, at: usize) -> Option<ControlFlow<(), usize>> {
        let (record, end) = Record::read_canonical(text, at, self.scratch)?;
        (end - at <= self.emitter.options.max_line_bytes).then_some(())?;
        Some(self.emitter.emit(&record, &text[at..end], at).map_continue(|()| end))
    }

    /// The same for a sign-in; not inlined, to leave the code for operation logs small.
    #[inline(never)]
    fn canonical_sign_in(&mut self, text: &str, at: usize) -> Option<ControlFlow<(), usize>> {
        let (record, end) = Record::read_canonical_sign_in(text, at, self.scratch)?;
        (end - at <= self.emitter.options.max_line_bytes).then_some(())?;
        Some(self.emitter.emit(&record, &text[at..end], at).map_continue(|()| end))
    }

    /// Reads the line at `at`, whatever it is; returns the end of the line.
    fn any_line(&mut self, text: Option<&str>, at: usize) -> ControlFlow<(), usize> {
        let bytes = self.emitter.bytes;
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        match text {
            Some(text) if end - at <= self.emitter.options.max_line_bytes => self.line(&text[at..end], at)?,
            _ => self.line_or_value(at..end)?,
        }
        ControlFlow::Continue(end)
    }

    /// Reads one line or value about which nothing is known.
    fn line_or_value(&mut self, place: Range<usize>) -> Flow {
        let whole = &self.emitter.bytes[place.clone()];
        let unit = whole.strip_suffix(b"\r").unwrap_or(whole);
        let most = self.emitter.options.max_line_bytes;
        if unit.len() > most {
            // Includes the carriage return, as parts of over-long lines do.
            return self.emitter.reject(place, too_long(most));
        }
        match std::str::from_utf8(whole) {
            Ok(text) => self.line(text, place.start),
            Err(error) => {
                let end = whole.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
                let unit = &whole[..end];
                let place = place.start..place.start + unit.len();
                self.emitter.reject(place, not_utf8(unit, error.valid_up_to()))
            }
        }
    }

    /// Reads one line of text.
    #[inline]
    fn line(&mut self, line: &str, at: usize) -> Flow {
        match Record::read_fast(line, self.scratch) {
            Some(record) => self.emitter.emit(&record, line, at),
            None => self.slow_path(line, at),
        }
    }

    /// Reads a line about which the fast readers are undecided: blank, an array, a page, several values, or an unusual record.
    #[cold]
    fn slow_path(&mut self, line: &str, at: usize) -> Flow {
        let (line, at) = match line.strip_prefix(UTF8_BOM) {
            // A line with two marks is rejected with both, so that reading the reject back gives the same.
            Some(rest) if !rest.starts_with(UTF8_BOM) => (rest, at + UTF8_BOM.len_utf8()),
            _ => (line, at),
        };
        // As for lines that may not be UTF-8: the message must not depend on the other lines of the block.
        // All of them, or a reject that is read back would lose one more each time.
        let line = line.trim_end_matches('\r');
        let start = skip_space(line.as_bytes(), 0);
        let value = &line[start..];
        if value.is_empty() {
            return Flow::Continue(());
        }
        match self.value(value, at + start) {
            Ok(flow) => flow,
            Err(rejection) if rejection.reason == RejectReason::NotJson => {
                self.several(value, at + start, at..at + line.len(), rejection)
            }
            Err(rejection) => self.emitter.reject(at..at + line.len(), rejection),
        }
    }

    /// Reads one value: an array of records, a page, or a record.
    fn value(&mut self, text: &str, at: usize) -> Result<Flow, Rejection> {
        if text.starts_with('[') {
            let mut elements = record::elements(text)?;
            return Ok(elements.try_for_each(|element| self.element(element, at + offset(text, element))));
        }
        record::object(text).map(|object| self.object(&object, text.trim_end(), at))
    }

    /// Reads several values on one line, as concatenated files without a last newline have them. Rejects `whole`, which is
    /// not one value as `rejection` says, unless all of it is objects and arrays.
    fn several(&mut self, text: &str, at: usize, whole: Range<usize>, rejection: Rejection) -> Flow {
        let mut values = match record::values(text, rejection) {
            Ok(values) => values,
            Err(rejection) => return self.emitter.reject(whole, rejection),
        };
        values.try_for_each(|value| {
            let at = at + offset(text, value);
            if value.starts_with('{') {
                return self.element(value, at);
            }
            match self.value(value, at) {
                Ok(flow) => flow,
                Err(rejection) => self.emitter.reject(at..at + value.len(), rejection),
            }
        })
    }

    /// Reads an element of a list of records: a record, a page, or a reject of its own.
    fn element(&mut self, text: &str, at: usize) -> Flow {
        // Known to be JSON, so only objects need to be read.
        if !text.starts_with('{') {
            return self.emitter.reject(at..at + text.len(), record::not_an_object(text));
        }
        match Record::read_quickly(text, self.scratch) {
            Some(record) => self.emitter.emit(&record, text, at),
            None => match record::object(text) {
                Ok(object) if object.is_page() => self.nested(text, at),
                Ok(object) => self.record(&object, text, at),
                Err(rejection) => self.emitter.reject(at..at + text.len(), rejection),
            },
        }
    }

    /// Reads an object that is a line or a value of a document: a record or a page.
    fn object(&mut self, object: &Object<'_>, text: &str, at: usize) -> Flow {
        if !object.is_page() {
            return self.record(object, text, at);
        }
        self.note_fields(u32::from(object.has_fields()));
        let mut records = object.lists().flat_map(elements);
        records.try_for_each(|element| self.element(element, at + offset(text, element)))
    }

    /// Reads an object that is not a page.
    fn record(&mut self, object: &Object<'_>, text: &str, at: usize) -> Flow {
        match object.record(self.scratch) {
            Ok(record) => self.emitter.emit(&record, text, at),
            Err(rejection) => self.emitter.reject(at..at + text.len(), rejection),
        }
    }

    /// Reads a page within a list: its records and those of the pages in it.
    fn nested(&mut self, text: &str, at: usize) -> Flow {
        let mut elements = Elements::of(text);
        let flow = elements.by_ref().try_for_each(|element| self.leaf(element, at + offset(text, element)));
        self.note_fields(elements.pages_with_fields());
        flow
    }

    /// Reads an element of a list of records that is not a page.
    fn leaf(&mut self, text: &str, at: usize) -> Flow {
        if !text.starts_with('{') {
            return self.emitter.reject(at..at + text.len(), record::not_an_object(text));
        }
        match Record::read(text, self.scratch) {
            Ok(record) => self.emitter.emit(&record, text, at),
            Err(rejection) => self.emitter.reject(at..at + text.len(), rejection),
        }
    }

    fn note_fields(&mut self, pages: u32) {
        self.emitter.output.counts.notes.add(Diagnostic::PageHasFields, pages);
    }

    /// A row of CSV: the record that it was converted to.
    fn row(&mut self, row: &Row) -> Flow {
        let bytes = self.emitter.bytes;
        match (&row.fault, std::str::from_utf8(&bytes[row.json.clone()])) {
            (None, Ok(record)) => self.line(record, row.json.start),
            (fault, _) => {
                let fault = fault.clone().unwrap_or_else(|| not_utf8(&bytes[row.json.clone()], 0));
                self.emitter.reject(row.json.clone(), fault)
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
        let rejection = too_long(options.max_line_bytes);
        output.counts.records += u64::from(first);
        output.counts.rejected(rejection.reason, u64::from(first));
        output.rejects.push(BlockReject { place: 0..end, line: 0, rejection, part });
    }
}

/// Returns whether a rejected array was an element of a list of records, where arrays are not allowed. An empty array always
/// was: alone on a line it is not rejected.
fn is_element(array: &str, message: &str) -> bool {
    let is_empty = record::elements(array).is_ok_and(|mut elements| elements.next().is_none());
    is_empty || message == record::not_an_object(array).message && record::is_whole(array)
}

/// Returns the offset of `part` in `whole`, which contains it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}
