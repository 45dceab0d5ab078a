//! One block to events and rejects.

use super::Options;
use super::frame::{Block, Content};
use super::reject::Part;
use super::summary::Tally;
use crate::detail::{Cut, Detail};
use crate::json::skip_space;
use crate::mapping::{self, Events, Note, Notes, Sheet, Template};
use crate::record::{self, Field, Record, Scratch};
use crate::refusal::{Reason, Refusal};
use crate::time::Timestamp;
use crate::udm::EventType;
use memchr::memchr;
use std::ops::Range;
use std::sync::Arc;

/// What a block, or a part of it, has become.
#[derive(Debug, Default)]
pub(super) struct Output<P = ()> {
    /// Events, each with its newline.
    pub(super) events: Events,
    /// Where the record of each event stands, for whoever asks.
    pub(super) places: P,
    /// Places in the block, in order.
    pub(super) rejects: Vec<Reject>,
    pub(super) tally: Tally,
}

/// A refused place in a block.
#[derive(Debug)]
pub(super) struct Reject {
    pub(super) place: Range<usize>,
    /// Its line, counted from 0 at the start of the block.
    pub(super) line: u64,
    pub(super) refusal: Refusal,
    pub(super) part: Part,
}

/// Hears where the record of each event stands.
pub(super) trait Places {
    /// It stands in the block at `place`, on a line counted from 0 at the start of the block.
    fn record(&mut self, place: Range<usize>, line: impl FnOnce() -> u64);
}

/// Nobody asks.
impl Places for () {
    #[inline]
    fn record(&mut self, _: Range<usize>, _: impl FnOnce() -> u64) {}
}

/// Events are handed on before the block's end once there are this many bytes of them: what a block can become is
/// bounded by its own size only where every event is about as long as its record.
const FLUSH: usize = 1 << 20;

/// Rejects are handed on before the block's end once there are this many: their messages take room of their own.
const FLUSH_REJECTS: usize = 1000;

/// Whether to go on.
pub(super) type Flow = std::ops::ControlFlow<()>;

/// One thread's work: the rooms it keeps from block to block.
pub(super) struct Worker<'o, P = ()> {
    emitter: Emitter<'o, P>,
    scratch: Scratch,
}

struct Emitter<'o, P> {
    options: &'o Options,
    /// The quick way to write events, where the options allow it.
    template: Option<Arc<Template>>,
    cut: Cut,
    output: Output<P>,
    lines: Lines,
}

/// Counts line ends up to a place, going forward only.
#[derive(Debug, Default)]
struct Lines {
    at: usize,
    count: u64,
}

impl Lines {
    /// Goes on to a place that is known to be so many line ends further.
    fn passed(&mut self, place: usize, ends: u64) {
        self.count += ends;
        self.at = place;
    }

    fn up_to(&mut self, place: usize, bytes: &[u8]) -> u64 {
        if place > self.at {
            self.count += memchr::memchr_iter(b'\n', &bytes[self.at..place]).count() as u64;
            self.at = place;
        }
        self.count
    }
}

impl<'o, P: Places + Default> Worker<'o, P> {
    pub(super) fn new(options: &'o Options) -> Self {
        let template = options.compiled.template(&options.writer).filter(|_| !options.event_id);
        let emitter = Emitter {
            options,
            template,
            cut: Cut::default(),
            output: Output::default(),
            lines: Lines::default(),
        };
        Self { emitter, scratch: Scratch::default() }
    }

    /// Reads a block; `flush` is given what has come of it, whenever that is much, and at the end.
    pub(super) fn work(
        &mut self,
        block: &Block,
        flush: &mut dyn FnMut(&mut Output<P>, bool) -> Flow,
    ) -> Flow {
        self.emitter.lines = Lines::default();
        let bytes = block.bytes();
        match &block.content {
            Content::Lines => self.lines(bytes, flush)?,
            Content::Values(values) => {
                for value in values {
                    self.unit(bytes, value.clone());
                    self.flush_if_much(flush)?;
                }
            }
            Content::TooLong { first, last } => self.too_long(bytes, *first, *last),
        }
        self.emitter.output.tally.lines = self.emitter.lines.up_to(bytes.len(), bytes);
        flush(&mut self.emitter.output, true)
    }

    #[inline]
    fn flush_if_much(&mut self, flush: &mut dyn FnMut(&mut Output<P>, bool) -> Flow) -> Flow {
        let rejects = self.emitter.output.rejects.len();
        let much = self.emitter.output.events.as_bytes().len() >= FLUSH
            || rejects > if self.emitter.options.strict { 0 } else { FLUSH_REJECTS };
        if much { flush(&mut self.emitter.output, false) } else { Flow::Continue(()) }
    }

    fn lines(&mut self, bytes: &[u8], flush: &mut dyn FnMut(&mut Output<P>, bool) -> Flow) -> Flow {
        // Valid as a whole, it is valid line by line: no line needs a look of its own.
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let mut at = 0;
        while at < bytes.len() {
            let end = match text.and_then(|text| self.usual_line(bytes, text, at)) {
                Some(end) => end,
                None => self.any_line(bytes, text, at),
            };
            self.flush_if_much(flush)?;
            at = end + 1;
            self.emitter.lines.passed(at.min(bytes.len()), u64::from(at <= bytes.len()));
        }
        Flow::Continue(())
    }

    /// The line at `at`, if it is of the usual layout. The end of the line.
    #[inline]
    fn usual_line(&mut self, bytes: &[u8], text: &str, at: usize) -> Option<usize> {
        let (record, end) = Record::read_usual(text, at, &mut self.scratch)?;
        (end - at <= self.emitter.options.max_line_bytes).then_some(())?;
        self.emitter.emit(bytes, &record, &text[at..end], at);
        Some(end)
    }

    /// The line at `at`, whatever it is. The end of the line.
    fn any_line(&mut self, bytes: &[u8], text: Option<&str>, at: usize) -> usize {
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        match text {
            Some(text) if end - at <= self.emitter.options.max_line_bytes => {
                self.line(bytes, &text[at..end], at);
            }
            _ => self.unit(bytes, at..end),
        }
        end
    }

    /// One line, or value, of which nothing is known.
    fn unit(&mut self, bytes: &[u8], place: Range<usize>) {
        let whole = &bytes[place.clone()];
        let unit = whole.strip_suffix(b"\r").unwrap_or(whole);
        let most = self.emitter.options.max_line_bytes;
        if unit.len() > most {
            // With its carriage return, as what comes in parts has it.
            return self.emitter.refuse(bytes, place, too_long(most));
        }
        let place = place.start..place.start + unit.len();
        let refusal = match std::str::from_utf8(whole) {
            Ok(text) => return self.line(bytes, text, place.start),
            Err(error) => not_utf8(unit, error.valid_up_to()),
        };
        self.emitter.refuse(bytes, place, refusal);
    }

    /// One line of text.
    #[inline]
    fn line(&mut self, bytes: &[u8], line: &str, at: usize) {
        match Record::read_ordinary(line, &mut self.scratch) {
            Some(record) => self.emitter.emit(bytes, &record, line, at),
            None => self.odd(bytes, line, at),
        }
    }

    /// A line that is no ordinary record: blank, an array, a page, or a record that takes a closer look.
    #[cold]
    fn odd(&mut self, bytes: &[u8], line: &str, at: usize) {
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
            None => {}
            Some(b'[') => match record::elements(value) {
                Ok(elements) => elements
                    .into_iter()
                    .for_each(|element| self.object(bytes, element, at + offset(line, element), None)),
                Err(refusal) => self.emitter.refuse(bytes, whole, refusal),
            },
            Some(_) => self.object(bytes, value, at + start, Some(whole)),
        }
    }

    /// One object: a record, or a page of them. `whole` is the line, where the object is all of it.
    fn object(&mut self, bytes: &[u8], text: &str, at: usize, whole: Option<Range<usize>>) {
        let object = match record::object(text) {
            Ok(object) => object,
            Err(refusal) => return self.emitter.refuse(bytes, whole.unwrap_or(at..at + text.len()), refusal),
        };
        let text = text.trim_end();
        match object.logs.map(record::page) {
            None => match object.record(&mut self.scratch) {
                Ok(record) => self.emitter.emit(bytes, &record, text, at),
                Err(refusal) => self.emitter.refuse(bytes, at..at + text.len(), refusal),
            },
            Some(Ok(elements)) => elements
                .into_iter()
                .for_each(|element| self.element(bytes, element, at + offset(text, element))),
            Some(Err(refusal)) => self.emitter.refuse(bytes, at..at + text.len(), refusal),
        }
    }

    /// One element of a page: a record, or refused for itself.
    fn element(&mut self, bytes: &[u8], text: &str, at: usize) {
        match Record::read(text, &mut self.scratch) {
            Ok(record) => self.emitter.emit(bytes, &record, text, at),
            Err(refusal) => self.emitter.refuse(bytes, at..at + text.len(), refusal),
        }
    }

    fn too_long(&mut self, bytes: &[u8], first: bool, last: bool) {
        let part = match (first, last) {
            (true, true) => Part::Whole,
            (true, false) => Part::First,
            (false, false) => Part::Middle,
            (false, true) => Part::Last,
        };
        let end = bytes.strip_suffix(b"\n").filter(|_| last).unwrap_or(bytes).len();
        let refusal = too_long(self.emitter.options.max_line_bytes);
        self.emitter.output.tally.records += u64::from(first);
        self.emitter.output.tally.refused(refusal.reason, u64::from(first));
        self.emitter.output.rejects.push(Reject { place: 0..end, line: 0, refusal, part });
    }
}

/// Where `part` begins in `whole`, which it is a part of.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

impl<P: Places> Emitter<'_, P> {
    /// Writes the event of a record that stands at `at`.
    #[inline]
    fn emit(&mut self, bytes: &[u8], record: &Record<'_>, text: &str, at: usize) {
        let Some(time) = self.time(record) else {
            return self.refuse_time(bytes, record, text, at);
        };
        self.output.tally.records += 1;
        let detail = match record.get(Field::OperationDetail) {
            Some(text) => Detail::parse(text, &mut self.cut),
            None => Detail::default(),
        };
        let Self { output: Output { events, tally, places, .. }, lines, .. } = self;
        places.record(at..at + text.len(), || lines.up_to(at, bytes));
        let written = self.template.as_ref().and_then(|template| {
            let sheet = Sheet { template, source: bytes, events };
            mapping::write(record, &detail, &time, self.options.rules, &mut tally.notes, sheet)
        });
        let event_type = match written {
            Some(event_type) => event_type,
            None => write_typed(record, &detail, time, text, self.options, events, &mut tally.notes),
        };
        self.output.tally.event(event_type);
    }

    /// The record's time, or the default.
    #[inline]
    fn time(&mut self, record: &Record<'_>) -> Option<Timestamp> {
        record.get(Field::Time).and_then(Timestamp::parse).or_else(|| {
            self.output.tally.notes.add(Note::DefaultTime, u32::from(self.options.default_time.is_some()));
            self.options.default_time
        })
    }

    #[cold]
    fn refuse_time(&mut self, bytes: &[u8], record: &Record<'_>, text: &str, at: usize) {
        let start = skip_space(text.as_bytes(), 0);
        let place = at + start..at + text.trim_end_matches([' ', '\t', '\n', '\r']).len();
        let found = match record.get(Field::Time) {
            None => "the record has no \"time\"".to_owned(),
            Some(time) => format!("\"time\" is {:?}", time.chars().take(40).collect::<String>()),
        };
        let message = format!(
            "{found}; expected RFC 3339 like 2019-08-20T19:09:01Z, or 10 or 13 digits since the epoch; mend it, or give --default-time"
        );
        self.refuse(bytes, place, Refusal::new(Reason::NoTime, message));
    }

    fn refuse(&mut self, bytes: &[u8], place: Range<usize>, refusal: Refusal) {
        let line = self.lines.up_to(place.start, bytes);
        self.output.tally.records += 1;
        self.output.tally.refused(refusal.reason, 1);
        self.output.rejects.push(Reject { place, line, refusal, part: Part::Whole });
    }
}

/// Writes the typed event of a record: what the template leaves to it.
#[inline(never)]
fn write_typed<'a>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: Timestamp,
    text: &str,
    options: &Options,
    events: &mut Events,
    notes: &mut Notes,
) -> EventType {
    let mut event = mapping::map(record, detail, time, options.rules, notes, &mut ());
    if options.event_id {
        event.metadata.product_log_id = record::id(text).ok();
    }
    events.append(text.len(), |events| options.writer.write(&event, events));
    event.metadata.event_type
}

#[cold]
fn too_long(most: usize) -> Refusal {
    let message = format!(
        "longer than {most} bytes, the limit for a line; raise --max-line-bytes if it is a record, or look for a missing newline"
    );
    Refusal::new(Reason::LineTooLong, message)
}

#[cold]
fn not_utf8(unit: &[u8], valid: usize) -> Refusal {
    let hint = if unit.starts_with(b"\xFF\xFE") || unit.starts_with(b"\xFE\xFF") {
        " (this looks like UTF-16: save it as UTF-8)"
    } else {
        ""
    };
    let message = format!(
        "byte {valid} of the line, 0x{:02x}, is not UTF-8{hint}; expected UTF-8 text: convert the file, or see where it was cut",
        unit[valid]
    );
    Refusal::new(Reason::NotUtf8, message)
}
