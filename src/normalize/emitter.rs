//! Collects the events and rejects of a block, and passes them on before they take much memory.

use super::options::Options;
use super::reject_file::Part;
use super::summary::BlockCounts;
use crate::detail::{Detail, SpliceBuf};
use crate::json::skip_space;
use crate::mapping::{self, Content, Diagnostic, EventBuffer, Template, TemplateWriter};
use crate::record::{self, Field, Record, RecordKind};
use crate::reject::{RejectReason, Rejection};
use crate::timestamp::Timestamp;
use crate::udm::{Event, EventType, FLUSH_THRESHOLD, StreamTarget, Writer};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

/// The results of a block, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct BlockOutput<P = ()> {
    /// Events, each with its newline.
    pub(super) events: EventBuffer,
    /// The position of the record of each event, for callers that need it.
    pub(super) spans: P,
    /// Rejects, in order.
    pub(super) rejects: Vec<BlockReject>,
    pub(super) counts: BlockCounts,
}

/// A rejected range of the block.
#[derive(Debug)]
pub(super) struct BlockReject {
    pub(super) place: Range<usize>,
    /// Its line, from 0 at the start of the block.
    pub(super) line: u64,
    pub(super) rejection: Rejection,
    pub(super) part: Part,
}

/// Observes the position of the record of each event.
pub(super) trait RecordSpans {
    /// Whether events must be passed on whole, however long they are.
    const WHOLE: bool;

    /// Whether records are observed instead of written as events.
    const READS: bool = false;

    /// The record is in the block at `place`, on a line counted from 0 at the start of the block.
    fn record(&mut self, place: Range<usize>, line: impl FnOnce() -> u64);

    /// Observes a record, which is `text`. Returns the type of its event; `None` if it has no usable time.
    fn read(&mut self, _: &Record<'_>, _text: &str, _: &Options) -> Option<EventType> {
        None
    }

    /// Whether what was observed takes so much memory that it must be passed on.
    fn is_full(&self) -> bool {
        false
    }
}

/// Observes nothing.
impl RecordSpans for () {
    const WHOLE: bool = false;

    #[inline]
    fn record(&mut self, _: Range<usize>, _: impl FnOnce() -> u64) {}
}

/// The number of rejects that are passed on before the end of the block, because their messages need memory.
const FLUSH_REJECTS: usize = if cfg!(any(test, fuzzing)) { 1 } else { 1000 };

/// Whether to continue.
pub(super) type Flow = ControlFlow<()>;

/// Receives the results of a block whenever they are large, and at the end, with `true`. The size of a block bounds the
/// size of its results only if events are about as long as their records; that is why an event may arrive in parts.
pub(super) type FlushFn<'f, P> = dyn FnMut(&mut BlockOutput<P>, bool) -> Flow + 'f;

impl<P> BlockOutput<P> {
    #[inline]
    fn is_much(&self, options: &Options) -> bool {
        let most_rejects = if options.strict { 0 } else { FLUSH_REJECTS };
        self.events.as_bytes().len() >= FLUSH_THRESHOLD || self.rejects.len() > most_rejects
    }

    #[inline]
    fn flush_if_full(&mut self, options: &Options, flush: &mut FlushFn<'_, P>) -> Flow {
        if self.is_much(options) { flush(self, false) } else { Flow::Continue(()) }
    }
}

/// Turns records into events and rejects.
pub(super) struct Emitter<'b, 'f, P> {
    pub(super) options: &'b Options,
    pub(super) template: Option<&'b Template>,
    /// The block.
    pub(super) bytes: &'b [u8],
    pub(super) cut: &'b mut SpliceBuf,
    pub(super) output: &'b mut BlockOutput<P>,
    pub(super) lines: LineCounter,
    pub(super) flush: &'b mut FlushFn<'f, P>,
}

/// Counts line ends up to a position, moving forward only.
#[derive(Debug, Default)]
pub(super) struct LineCounter {
    at: usize,
    count: u64,
}

impl LineCounter {
    /// Moves to a position that is known to be this many line ends further.
    pub(super) fn passed(&mut self, place: usize, ends: u64) {
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

/// What a valid time looks like, and what to do. Precomputed, because a line may consist of nothing but records without
/// a time.
macro_rules! no_time {
    () => {
        "; expected RFC 3339 like 2019-08-20T19:09:01Z, or 10 or 13 digits since the epoch; fix it, or pass --default-time"
    };
}

impl<P: RecordSpans> Emitter<'_, '_, P> {
    /// Writes the event of the record at `at`.
    #[inline]
    pub(super) fn emit(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        if P::READS {
            return self.observe(record, text, at);
        }
        if record.kind == RecordKind::Webhook {
            return self.emit_webhook(record, text, at);
        }
        let Some(time) = self.time_or_default(record.time()) else {
            return self.reject_time(record, text, at);
        };
        let Self { options, template, bytes, cut, output, lines, flush } = self;
        output.counts.records += 1;
        let mut detail = Detail::default();
        if let Some(text) = record.get(Field::OperationDetail) {
            detail.fill(text, cut);
        }
        let written = template.and_then(|template| {
            let sheet = TemplateWriter { template, source: bytes, events: &mut output.events };
            mapping::write_from_template(
                record,
                &detail,
                &time,
                options.rules,
                &mut output.counts.notes,
                sheet,
            )
        });
        let place = at..at + text.len();
        let Some(event_type) = written else {
            let line = lines.up_to(at, bytes);
            let content = match record.kind {
                RecordKind::SignIn => Content::SignIn,
                _ => Content::Operation(detail),
            };
            return emit_typed(
                Typed { record, content: &content, time, text },
                Rest { output, options, kind: record.kind, place, line },
                *flush,
            );
        };
        if output.is_much(options) {
            let line = lines.up_to(at, bytes);
            let length = output.events.last_len();
            return Rest { output, options, kind: record.kind, place, line }.end(event_type, length, *flush);
        }
        output.counts.event(event_type, record.kind);
        output.spans.record(place, || lines.up_to(at, bytes));
        Flow::Continue(())
    }

    /// Writes the event of a webhook event.
    fn emit_webhook(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        let mut nothing = SpliceBuf::default();
        let content = Content::parse(record, &mut nothing);
        let Some(time) = self.time_or_default(content.time(record)) else {
            return self.reject_time(record, text, at);
        };
        let Self { options, bytes, output, lines, flush, .. } = self;
        output.counts.records += 1;
        let (place, line) = (at..at + text.len(), lines.up_to(at, bytes));
        let rest = Rest { output, options, kind: record.kind, place, line };
        emit_typed(Typed { record, content: &content, time, text }, rest, *flush)
    }

    /// Passes a record to its observer instead of writing its event.
    fn observe(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        let Self { options, output, flush, .. } = self;
        let Some(event_type) = output.spans.read(record, text, options) else {
            return self.reject_time(record, text, at);
        };
        output.counts.records += 1;
        output.counts.event(event_type, record.kind);
        if output.spans.is_full() { flush(output, false) } else { Flow::Continue(()) }
    }

    /// Returns the time of a record, or the default time.
    #[inline]
    fn time_or_default(&mut self, time: Option<Timestamp>) -> Option<Timestamp> {
        time.or_else(|| {
            self.output
                .counts
                .notes
                .add(Diagnostic::DefaultTime, u32::from(self.options.default_time.is_some()));
            self.options.default_time
        })
    }

    #[cold]
    fn reject_time(&mut self, record: &Record<'_>, text: &str, at: usize) -> Flow {
        let start = skip_space(text.as_bytes(), 0);
        let place = at + start..at + text.trim_end_matches([' ', '\t', '\n', '\r']).len();
        let field = match record.kind {
            RecordKind::Webhook if record.get(Field::EventTs).is_some() => Field::EventTs,
            _ => Field::Time,
        };
        let message = match record.get(field) {
            None if record.kind == RecordKind::Webhook => Cow::Borrowed(concat!(
                "the webhook event has no \"event_ts\", \"payload.time_stamp\", \"payload.object.date_time\" or \"time\" that is a time",
                no_time!()
            )),
            None => Cow::Borrowed(concat!("the record has no \"time\"", no_time!())),
            Some(time) => {
                let time: String = time.chars().take(40).collect();
                format!(concat!("\"{}\" is {:?}", no_time!()), field.name(), time).into()
            }
        };
        self.reject(place, Rejection::new(RejectReason::NoTime, message, no_time!()))
    }

    pub(super) fn reject(&mut self, place: Range<usize>, rejection: Rejection) -> Flow {
        let line = self.lines.up_to(place.start, self.bytes);
        self.output.counts.records += 1;
        self.output.counts.rejected(rejection.reason, 1);
        self.output.rejects.push(BlockReject { place, line, rejection, part: Part::Whole });
        self.output.flush_if_full(self.options, self.flush)
    }

    /// Passes on the remaining results.
    pub(super) fn end(mut self) -> Flow {
        self.output.counts.lines = self.lines.up_to(self.bytes.len(), self.bytes);
        (self.flush)(self.output, true)
    }
}

/// A record to write as a typed event.
struct Typed<'t, 'a> {
    record: &'t Record<'a>,
    content: &'t Content<'a>,
    time: Timestamp,
    text: &'t str,
}

/// The output of an event, and where its record is.
struct Rest<'o, P> {
    output: &'o mut BlockOutput<P>,
    options: &'o Options,
    kind: RecordKind,
    /// Where its record stands in the block.
    place: Range<usize>,
    line: u64,
}

impl<P: RecordSpans> Rest<'_, P> {
    /// Counts an event of this length, which was appended, or its end. Notes or rejects one that is too large.
    #[inline(never)]
    fn end(self, event_type: EventType, length: usize, flush: &mut FlushFn<'_, P>) -> Flow {
        let Self { output, options, kind, place, line } = self;
        let is_large = length > options.max_event_bytes;
        if is_large && options.reject_large_events {
            output.events.drop_last();
            output.counts.rejected(RejectReason::EventTooLarge, 1);
            let rejection = too_large(length, options.max_event_bytes);
            output.rejects.push(BlockReject { place, line, rejection, part: Part::Whole });
        } else {
            output.counts.notes.add(Diagnostic::EventTooLarge, u32::from(is_large));
            output.counts.event(event_type, kind);
            output.spans.record(place, || line);
        }
        output.flush_if_full(options, flush)
    }
}

fn too_large(length: usize, most: usize) -> Rejection {
    const ADVICE: &str = "; shorten the record, or write it with --format udm";
    let message = format!("the event is too large to import: {length} bytes, more than {most}{ADVICE}");
    Rejection::new(RejectReason::EventTooLarge, message, ADVICE)
}

/// Writes the event of a record that the template cannot write.
#[inline(never)]
#[expect(clippy::needless_pass_by_value, reason = "it is built for this call")]
fn emit_typed<P: RecordSpans>(typed: Typed<'_, '_>, rest: Rest<'_, P>, flush: &mut FlushFn<'_, P>) -> Flow {
    let Typed { record, content, time, text } = typed;
    let (output, options) = (&mut *rest.output, rest.options);
    let notes = &mut output.counts.notes;
    let mut event = Event::new(time, EventType::GENERIC_EVENT);
    let mut further = mapping::put_all_but_about(record, content, options.rules, &mut event, notes, &mut ());
    mapping::put_other_members(record, text, content, options.rules, &mut event, notes, &mut ());
    if options.event_id {
        event.metadata.product_log_id = record::fingerprint(text).ok();
    }
    let about = &mut std::iter::from_fn(|| further.next(&mut ()));
    let event_type = event.metadata.event_type;
    if P::WHOLE || options.reject_large_events || fits_in_buffer(record.kind, text, &options.writer) {
        let most = if options.reject_large_events { options.max_event_bytes } else { usize::MAX };
        let mut dropped = 0;
        // An event that will be rejected for its length is not held in memory, only counted.
        let spill = &mut |out: &mut Vec<u8>| {
            if dropped > 0 || out.len() > most {
                let last = out.pop();
                dropped += out.len();
                out.clear();
                out.extend(last);
            }
        };
        let appended = output
            .events
            .append(|out| options.writer.write_in_parts(&event, StreamTarget { about, out, spill }));
        further.note(&mut output.counts.notes);
        return rest.end(event_type, dropped + appended.saturating_sub(1), flush);
    }
    let (flow, length) = append_streaming(output, flush, |out, spill| {
        options.writer.write_in_parts(&event, StreamTarget { about, out, spill });
    });
    further.note(&mut output.counts.notes);
    output.counts.notes.add(Diagnostic::EventTooLarge, u32::from(length > options.max_event_bytes));
    output.counts.event(event_type, record.kind);
    flow?;
    output.flush_if_full(options, flush)
}

/// Returns whether the event of a record is at most about [`FLUSH_THRESHOLD`] bytes long, so that a copy of it may be held while
/// it is appended. Two bytes can give 31 (a label), and each 14 bytes an entry of `about` with the namespace. Of a webhook
/// event two bytes can give a label with a path as long as the record.
fn fits_in_buffer(kind: RecordKind, record: &str, writer: &Writer) -> bool {
    if kind == RecordKind::Webhook && record.len() >= FLUSH_THRESHOLD.isqrt() {
        return false;
    }
    record.len().saturating_mul(16 + writer.namespace().len()) < FLUSH_THRESHOLD
}

/// Appends what `write` writes, and passes it on as it grows; `write` gives to its second argument what the buffer
/// cannot hold.
/// Returns how long it was, without its newline.
fn append_streaming<P>(
    output: &mut BlockOutput<P>,
    flush: &mut FlushFn<'_, P>,
    write: impl for<'s> FnOnce(&'s mut Vec<u8>, &'s mut (dyn FnMut(&mut Vec<u8>) + 's)),
) -> (Flow, usize) {
    // Nothing is passed on between the parts of an event.
    let mut flow = if output.rejects.is_empty() { Flow::Continue(()) } else { flush(output, false) };
    let mut out = output.events.take();
    let (before, mut handed_on) = (out.len(), 0);
    write(&mut out, &mut |out| {
        let last = out.pop();
        handed_on += out.len();
        if flow.is_continue() {
            output.events.put(std::mem::take(out));
            flow = flush(output, false);
            *out = output.events.take();
        }
        out.clear();
        out.extend(last);
    });
    let length = (handed_on + out.len()).saturating_sub(before + 1);
    output.events.put(out);
    (flow, length)
}
