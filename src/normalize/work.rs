//! One block to events and rejects.

use super::Options;
use super::frame::{Block, Content};
use super::reject::Part;
use super::summary::Tally;
use crate::detail::{Cut, Detail};
use crate::json::skip_space;
use crate::mapping::{self, Events, Note, Sheet, Template};
use crate::record::{self, Field, Record, Scratch};
use crate::refusal::{Reason, Refusal};
use crate::time::Timestamp;
use crate::udm::{MUCH, Parts, Writer};
use memchr::memchr;
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
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
    /// Whether events are asked for whole, however long they are.
    const WHOLE: bool;

    /// It stands in the block at `place`, on a line counted from 0 at the start of the block.
    fn record(&mut self, place: Range<usize>, line: impl FnOnce() -> u64);
}

/// Nobody asks.
impl Places for () {
    const WHOLE: bool = false;

    #[inline]
    fn record(&mut self, _: Range<usize>, _: impl FnOnce() -> u64) {}
}

/// Rejects are handed on before the block's end once there are this many: their messages take room of their own.
const FLUSH_REJECTS: usize = if cfg!(any(test, fuzzing)) { 1 } else { 1000 };

/// Whether to go on.
pub(super) type Flow = ControlFlow<()>;

/// Is given what has come of a block, whenever that is much, and, with `true`, at the end. What a block can become is
/// bounded by its own size only where every event is about as long as its record: so an event may come in parts.
pub(super) type Flush<'f, P> = dyn FnMut(&mut Output<P>, bool) -> Flow + 'f;

impl<P> Output<P> {
    #[inline]
    fn flush_if_much(&mut self, options: &Options, flush: &mut Flush<'_, P>) -> Flow {
        let most_rejects = if options.strict { 0 } else { FLUSH_REJECTS };
        let much = self.events.as_bytes().len() >= MUCH || self.rejects.len() > most_rejects;
        if much { flush(self, false) } else { Flow::Continue(()) }
    }
}

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
        let (bytes, lines) = (block.bytes(), Lines::default());
        let emitter = Emitter { options, template, bytes, cut, output, lines, flush };
        Reader { emitter, scratch }.block(&block.content)
    }
}

/// Finds the records of a block.
struct Reader<'b, 'f, P> {
    emitter: Emitter<'b, 'f, P>,
    scratch: &'b mut Scratch,
}

/// Turns them into events and rejects.
struct Emitter<'b, 'f, P> {
    options: &'b Options,
    template: Option<&'b Template>,
    /// The block.
    bytes: &'b [u8],
    cut: &'b mut Cut,
    output: &'b mut Output<P>,
    lines: Lines,
    flush: &'b mut Flush<'f, P>,
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

impl<P: Places> Reader<'_, '_, P> {
    fn block(mut self, content: &Content) -> Flow {
        match content {
            Content::Lines => self.lines()?,
            Content::Values(values) => values.iter().try_for_each(|value| self.unit(value.clone()))?,
            Content::TooLong { first, last } => self.too_long(*first, *last),
        }
        self.emitter.end()
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
            None => match object.record(self.scratch) {
                Ok(record) => self.emitter.emit(&record, text, at),
                Err(refusal) => self.emitter.refuse(at..at + text.len(), refusal),
            },
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

    fn too_long(&mut self, first: bool, last: bool) {
        let Emitter { options, bytes, output, .. } = &mut self.emitter;
        let part = match (first, last) {
            (true, true) => Part::Whole,
            (true, false) => Part::First,
            (false, false) => Part::Middle,
            (false, true) => Part::Last,
        };
        let end = bytes.strip_suffix(b"\n").filter(|_| last).unwrap_or(bytes).len();
        let refusal = too_long(options.max_line_bytes);
        output.tally.records += u64::from(first);
        output.tally.refused(refusal.reason, u64::from(first));
        output.rejects.push(Reject { place: 0..end, line: 0, refusal, part });
    }
}

/// What is expected of a time, and what to do; for texts made beforehand: a line may be nothing but records without one.
macro_rules! no_time {
    () => {
        "; expected RFC 3339 like 2019-08-20T19:09:01Z, or 10 or 13 digits since the epoch; mend it, or give --default-time"
    };
}

/// Where `part` begins in `whole`, which it is a part of.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

impl<P: Places> Emitter<'_, '_, P> {
    /// Writes the event of a record that stands at `at`.
    #[inline]
    fn emit(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        let Some(time) = self.time(record) else {
            return self.refuse_time(record, text, at);
        };
        let Self { options, template, bytes, cut, output, lines, flush } = self;
        output.tally.records += 1;
        let detail = match record.get(Field::OperationDetail) {
            Some(text) => Detail::parse(text, cut),
            None => Detail::default(),
        };
        output.places.record(at..at + text.len(), || lines.up_to(at, bytes));
        let written = template.and_then(|template| {
            let sheet = Sheet { template, source: bytes, events: &mut output.events };
            mapping::write(record, &detail, &time, options.rules, &mut output.tally.notes, sheet)
        });
        match written {
            Some(event_type) => output.tally.event(event_type),
            None => write_typed(record, &detail, time, text, options, output, *flush)?,
        }
        output.flush_if_much(options, *flush)
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
    fn refuse_time(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        let start = skip_space(text.as_bytes(), 0);
        let place = at + start..at + text.trim_end_matches([' ', '\t', '\n', '\r']).len();
        let message = match record.get(Field::Time) {
            None => Cow::Borrowed(concat!("the record has no \"time\"", no_time!())),
            Some(time) => {
                let time: String = time.chars().take(40).collect();
                format!(concat!("\"time\" is {:?}", no_time!()), time).into()
            }
        };
        self.refuse(place, Refusal::new(Reason::NoTime, message))
    }

    fn refuse(&mut self, place: Range<usize>, refusal: Refusal) -> Flow {
        let line = self.lines.up_to(place.start, self.bytes);
        self.output.tally.records += 1;
        self.output.tally.refused(refusal.reason, 1);
        self.output.rejects.push(Reject { place, line, refusal, part: Part::Whole });
        self.output.flush_if_much(self.options, self.flush)
    }

    /// Hands on what is left.
    fn end(mut self) -> Flow {
        self.output.tally.lines = self.lines.up_to(self.bytes.len(), self.bytes);
        (self.flush)(self.output, true)
    }
}

/// Writes the typed event of a record: what the template leaves to it.
#[inline(never)]
fn write_typed<'a, P: Places>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: Timestamp,
    text: &str,
    options: &Options,
    output: &mut Output<P>,
    flush: &mut Flush<'_, P>,
) -> Flow {
    let notes = &mut output.tally.notes;
    let (mut event, mut further) = mapping::begin(record, detail, time, options.rules, notes, &mut ());
    if options.event_id {
        event.metadata.product_log_id = record::id(text).ok();
    }
    let about = &mut std::iter::from_fn(|| further.next(&mut ()));
    let flow = if P::WHOLE || is_short(text, &options.writer) {
        let spill = &mut |_: &mut _| {};
        output.events.append(|out| options.writer.write_in_parts(&event, Parts { about, out, spill }));
        Flow::Continue(())
    } else {
        append_long(output, flush, |out, spill| {
            options.writer.write_in_parts(&event, Parts { about, out, spill });
        })
    };
    output.tally.notes.add(Note::JsonSkipped, further.skipped());
    output.tally.event(event.metadata.event_type);
    flow
}

/// Whether the event of a record is no longer than [`MUCH`], but for a few bytes, and may be held twice while it is appended.
/// Of two bytes 31 may come, a label; and of each 14 an entry of about, with the namespace.
fn is_short(record: &str, writer: &Writer) -> bool {
    record.len().saturating_mul(16 + writer.namespace().len()) < MUCH
}

/// Appends what `write` writes, and hands it on as it comes: what it has no room for it gives to its second argument.
fn append_long<P>(
    output: &mut Output<P>,
    flush: &mut Flush<'_, P>,
    write: impl for<'s> FnOnce(&'s mut Vec<u8>, &'s mut (dyn FnMut(&mut Vec<u8>) + 's)),
) -> Flow {
    // Nothing comes between the parts of an event.
    let mut flow = if output.rejects.is_empty() { Flow::Continue(()) } else { flush(output, false) };
    let mut out = output.events.take();
    write(&mut out, &mut |out| {
        let last = out.pop();
        if flow.is_continue() {
            output.events.put(std::mem::take(out));
            flow = flush(output, false);
            *out = output.events.take();
        }
        out.clear();
        out.extend(last);
    });
    output.events.put(out);
    flow
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
