//! Iterates over single records with their results, for inspection rather than speed.

use super::block::Block;
use super::block_source::{BlockSource, Inputs};
use super::emitter::{BlockOutput, Flow, RecordSpans};
use super::error::Error;
use super::input::Input;
use super::options::Options;
use super::reject_file::Part;
use super::summary::Summary;
use super::worker::Worker;
use crate::reject::Rejection;
use memchr::memchr;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// One record and its result.
#[derive(Debug)]
pub(crate) struct InspectedRecord<'a> {
    /// The name of the input.
    pub(crate) input: &'a str,
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// The offset in the (decompressed) input, from 0.
    pub(crate) offset: u64,
    /// Its bytes: of an event's record those of the object, with white space around it perhaps; where that was a row of CSV,
    /// of the object that it was converted to.
    pub(crate) raw: &'a [u8],
    /// The header that it stands below, where it is a row of CSV.
    pub(crate) header: Option<&'a str>,
    /// Which part of the record this is: rejects that are too long come in several.
    pub(crate) part: Part,
    /// The event without its newline, as [`super::run`] writes it, or the rejection.
    pub(crate) outcome: Result<&'a [u8], &'a Rejection>,
}

/// The records of a block that became events.
#[derive(Debug, Default)]
struct RecordSpansVec(Vec<(Range<usize>, u64)>);

impl RecordSpans for RecordSpansVec {
    const WHOLE: bool = true;

    fn record(&mut self, place: Range<usize>, line: impl FnOnce() -> u64) {
        self.0.push((place, line()));
    }
}

/// Normalizes all inputs on this thread and passes each record, in order, to `visit`; an error of `visit` ends the run.
///
/// # Errors
/// [`Error::Output`] with the error of `visit`.
pub(crate) fn inspect_each<'r>(
    inputs: impl Iterator<Item = Input<'r>> + Send,
    options: &Options,
    visit: &mut dyn FnMut(&InspectedRecord<'_>) -> io::Result<()>,
) -> Result<Summary, Error> {
    let (mut blocks, mut block) = (Inputs::new(inputs, options), Block::default());
    let mut worker = Worker::<RecordSpansVec>::new(options);
    let (mut line, mut summary, mut failed) = (1, Summary::default(), None);
    while !options.stop.load(Ordering::Relaxed) && blocks.next(&mut block, &mut summary.failures) {
        summary.bytes_in += block.bytes().len() as u64;
        let start = block.line.unwrap_or(line);
        let flow = worker.work(&block, &mut |output, _| {
            line = start + output.counts.lines;
            summary.add(std::mem::take(&mut output.counts), output.events.as_bytes().len() as u64);
            let shown = show(&block, start, output, visit);
            output.events.clear();
            output.rejects.clear();
            output.spans.0.clear();
            match shown {
                Ok(()) => Flow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    Flow::Break(())
                }
            }
        });
        if flow.is_break() {
            break;
        }
    }
    summary.warnings = blocks.warnings();
    summary.stopped = options.stop.load(Ordering::Relaxed);
    failed.map_or(Ok(summary), |error| Err(Error::Output(error)))
}

/// Passes on the records of a block, or of a part of it, by merging events and rejects by position.
fn show(
    block: &Block,
    start: u64,
    output: &BlockOutput<RecordSpansVec>,
    visit: &mut dyn FnMut(&InspectedRecord<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (mut events, mut rejects) = (output.events.as_bytes(), output.rejects.iter().peekable());
    let mut visit_one = |place: &Range<usize>, line: u64, part, outcome: Result<&[u8], &Rejection>| {
        let (line, offset, raw) = block.locate(place, start, line);
        let raw = if outcome.is_ok() { &block.records()[place.clone()] } else { raw };
        visit(&InspectedRecord {
            input: &block.input,
            line,
            offset,
            raw,
            header: block.header(),
            part,
            outcome,
        })
    };
    for (place, line) in &output.spans.0 {
        while let Some(reject) = rejects.next_if(|reject| reject.place.start < place.start) {
            visit_one(&reject.place, reject.line, reject.part, Err(&reject.rejection))?;
        }
        let end = memchr(b'\n', events).unwrap_or(events.len());
        visit_one(place, *line, Part::Whole, Ok(&events[..end]))?;
        events = events.get(end + 1..).unwrap_or_default();
    }
    rejects.try_for_each(|reject| visit_one(&reject.place, reject.line, reject.part, Err(&reject.rejection)))
}
