//! Explains every record of inputs.

use super::explanation::{DiagnosticCount, EventExplanation, Explanation, Outcome};
use super::filled::Filled;
use super::origins::Origins;
use super::reject::RejectExplanation;
use super::sources::Sources;
use super::{fills, raw, unmapped};
use crate::detail::{Detail, SpliceBuf};
use crate::mapping::{Content, Diagnostic, DiagnosticCounts};
use crate::normalize::{Error, Input, InspectedRecord, Options, Part, Summary, inspect_each};
use crate::record::{Field, Record, RecordKind, Scratch};
use serde_json::value::RawValue;
use std::io;

/// Explains every record of the inputs, in order, and passes it to `emit`. Events have no wrapper: only the case of the
/// writer's shape counts. Reads on one thread, one block at a time.
///
/// # Errors
/// [`Error::Output`] with the error of `emit`. Read errors are listed in [`Summary::failures`].
pub fn run<'r>(
    inputs: impl Iterator<Item = Input<'r>> + Send,
    options: &Options,
    emit: &mut dyn FnMut(Explanation) -> io::Result<()>,
) -> Result<Summary, Error> {
    let options = Options { writer: options.writer.bare(), ..options.clone() };
    inspect_each(inputs, &options, &mut |inspected| match inspected.part {
        // The first part was already reported.
        Part::Middle | Part::Last => Ok(()),
        Part::Whole | Part::First => emit(explanation(inspected, &options)?),
    })
}

/// Explains records in memory.
///
/// ```
/// let record = br#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","operation_detail":"Add User x@y.com "}"#;
/// let explanations = zoom_udm::explain::slice(record, &Default::default());
/// let json = serde_json::to_value(&explanations[0])?;
/// assert_eq!(json["event"]["target"]["user"]["emailAddresses"][0], "x@y.com");
/// let fill = json["fills"].as_array().unwrap().last().unwrap();
/// assert_eq!(fill["path"], "target.user.emailAddresses[0]");
/// assert_eq!(fill["source"]["field"], "operation_detail");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn slice(bytes: &[u8], options: &Options) -> Vec<Explanation> {
    let mut all = Vec::new();
    let input = Input::new("memory", io::Cursor::new(bytes.to_vec()));
    // A sink in memory never fails.
    let _ = run(std::iter::once(input), options, &mut |explanation| {
        all.push(explanation);
        Ok(())
    });
    all
}

fn explanation(inspected: &InspectedRecord<'_>, options: &Options) -> io::Result<Explanation> {
    let (mut raw, mut offset) = (inspected.raw, inspected.offset);
    let outcome = match inspected.outcome {
        Ok(event) => {
            let start = raw.len() - raw.trim_ascii_start().len();
            (raw, offset) = (raw.trim_ascii(), offset + start as u64);
            Outcome::Event(Box::new(event_explanation(
                std::str::from_utf8(raw).unwrap_or_default(),
                event,
                options,
            )?))
        }
        Err(rejection) => Outcome::Reject { reject: RejectExplanation::new(rejection) },
    };
    let record = raw::raw(raw, inspected.outcome.err());
    let header = inspected.header.filter(|_| inspected.outcome.is_err()).map(str::to_owned);
    Ok(Explanation {
        input: inspected.input.to_owned(),
        line: inspected.line,
        offset,
        header,
        record,
        outcome,
    })
}

/// Explains how the record in `text` became the event that normalize wrote.
fn event_explanation(text: &str, event: &[u8], options: &Options) -> io::Result<EventExplanation> {
    let (mut scratch, mut cut, mut notes) =
        (Scratch::default(), SpliceBuf::default(), DiagnosticCounts::default());
    // What normalize has read can be read again.
    let record = Record::read(text, &mut scratch).map_err(|rejection| io::Error::other(rejection.message))?;
    let mut nothing = SpliceBuf::default();
    let (detail, spans) =
        Detail::parse_with_spans(record.get(Field::OperationDetail).unwrap_or_default(), &mut cut);
    let content = match record.kind {
        RecordKind::Operation => Content::Operation(detail),
        _ => Content::parse(&record, &mut nothing),
    };
    let own_time = content.time_and_source(&record);
    let time = own_time
        .map(|(time, _)| time)
        .or(options.default_time)
        .ok_or_else(|| io::Error::other("an event without a time"))?;
    notes.add(Diagnostic::DefaultTime, u32::from(own_time.is_none()));
    let sources = Sources::new(&record, &content, &spans, own_time.map(|(_, source)| source));
    let origins = Origins::new(&sources, text);
    notes.add(Diagnostic::EventTooLarge, u32::from(event.len() > options.max_event_bytes));
    let event = String::from_utf8_lossy(event).into_owned();
    let (fills, event_type) = fills::fills(&origins, time, options, (text, &event), &mut notes);
    let filled = Filled::of(&fills, options.rules.enrich, event_type);
    let (members, unmapped) = unmapped::find(text, &origins, &filled);
    let fills = fills.into_iter().map(|filled| filled.fill).collect();
    let count = |note: Diagnostic| DiagnosticCount {
        note: note.name(),
        times: notes.count(note),
        words: note.message(),
    };
    let notes = Diagnostic::ALL.map(count).into_iter().filter(|noted| noted.times > 0).collect();
    let kind = record.kind.name();
    Ok(EventExplanation { kind, members, event: RawValue::from_string(event)?, fills, unmapped, notes })
}
