//! Properties of any input; used by fuzz targets and tests.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use crate::detail::SpliceBuf;
use crate::json::invariants::Bytes;
use crate::json::skip_space;
use crate::mapping::{self, Content, DiagnosticCounts};
use crate::normalize::{
    Format, Input, InspectedRecord, Options, Part, Reject, RejectReader, RejectWriter, Sink, StoredReject,
    Summary, inspect_each, is_gzip, replay_rejects, run,
};
use crate::record::{self, Scratch};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::{self, Cursor, Read};

/// What came of a run.
pub(super) struct Out {
    pub(super) events: Vec<u8>,
    pub(super) rejects: Vec<u8>,
}

impl Out {
    /// Both are results of `bytes` and must be equal; the panic message shows the first difference.
    pub(super) fn must_be(&self, other: &Self, how: &str, bytes: &[u8]) {
        for (one, other) in [(&self.events, &other.events), (&self.rejects, &other.rejects)] {
            let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            let line = |out: &[u8]| {
                let start = out[..same].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                String::from_utf8_lossy(out[start..].split(|&byte| byte == b'\n').next().unwrap())
                    .into_owned()
            };
            assert!(
                one == other,
                "{how}:\n{}\nnot:\n{}\nof: {}",
                line(one),
                line(other),
                bytes.escape_ascii()
            );
        }
    }
}

struct Memory {
    events: Vec<u8>,
    rejects: RejectWriter<Vec<u8>>,
}

impl Memory {
    fn new() -> Self {
        Self { events: Vec::new(), rejects: RejectWriter::new(Vec::new()) }
    }

    fn out(self) -> Out {
        Out { events: self.events, rejects: self.rejects.finish().unwrap() }
    }
}

impl Sink for Memory {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.extend_from_slice(events);
        Ok(())
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        self.rejects.write(reject)
    }
}

/// Returns bytes in chunks of a maximum size.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

fn normalized(input: Input<'_>, options: &Options) -> (Out, Summary) {
    let mut sink = Memory::new();
    let summary = run(std::iter::once(input), options, &mut sink).unwrap();
    (sink.out(), summary)
}

pub(super) fn whole(bytes: &[u8], options: &Options) -> (Out, Summary) {
    normalized(Input::new("in", Cursor::new(bytes.to_vec())), options)
}

/// Checks all properties for an input that is read whole and in chunks of a maximum size.
pub(crate) fn input(bytes: &[u8], options: &Options, piece: usize) {
    let (out, summary) = whole(bytes, options);
    reconciled(&out, &summary);
    let pieces = || Input::new("in", Pieces(Cursor::new(bytes.to_vec()), piece.max(1)));
    for other in [pieces(), pieces().line_buffered()] {
        normalized(other, options).0.must_be(&out, &format!("in pieces of {piece}"), bytes);
    }
    if is_gzip(bytes) || is_unreadable(bytes, options, &summary) {
        return;
    }
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    assert_eq!(summary.bytes_in, bytes.len() as u64);
    placed(bytes, &out);
    returned_alike(bytes, options, &out);
    let records = looked_at(bytes, options, &out);
    if options.format == Format::Ndjson {
        line_by_line(bytes, options, &out);
        lines_counted(bytes, options.max_line_bytes, &records);
    }
    nothing_lost(bytes, options, &records);
}

/// Whether the input is not a log: then that is the one failure, and nothing comes of it.
fn is_unreadable(bytes: &[u8], options: &Options, summary: &Summary) -> bool {
    let looks = |format| matches!(format, Format::Auto | Format::Csv);
    match &summary.failures[..] {
        [failure] if looks(options.format) && failure.error.kind() == io::ErrorKind::InvalidData => {
            assert_eq!(
                (summary.records, summary.bytes_in, failure.offset),
                (0, 0, 0),
                "{}",
                bytes.escape_ascii()
            );
            true
        }
        _ => false,
    }
}

/// Everything is counted, and every line of output is JSON.
fn reconciled(out: &Out, summary: &Summary) {
    let lines = |bytes: &[u8]| {
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"));
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).map(|IgnoredAny| 1).unwrap()).sum::<u64>()
    };
    assert_eq!((summary.events, summary.rejects), (lines(&out.events), lines(&out.rejects)));
    assert_eq!(summary.records, summary.events + summary.rejects);
    assert_eq!(summary.events, summary.events_by_type.iter().map(|(_, count)| count).sum::<u64>());
    assert_eq!(summary.events, summary.events_by_kind.iter().sum::<u64>());
    assert_eq!(summary.rejects, summary.rejects_by_reason.iter().sum::<u64>());
    assert_eq!(summary.bytes_out, out.events.len() as u64);
}

/// Every reject holds the bytes at its position, and names their line.
fn placed(bytes: &[u8], out: &Out) {
    for reject in RejectReader::new(&out.rejects[..], bytes.len()) {
        let reject = reject.unwrap();
        let offset = usize::try_from(reject.offset).unwrap();
        assert!(bytes[offset..].starts_with(&reject.raw), "{reject:?}");
        assert_eq!(reject.line, line_of(bytes, offset), "{reject:?}");
    }
}

/// Rejects read back without a change are the same rejects.
fn returned_alike(bytes: &[u8], options: &Options, out: &Out) {
    let rejects: Vec<_> = RejectReader::new(&out.rejects[..], bytes.len()).collect();
    let mut sink = Memory::new();
    replay_rejects("in", rejects.into_iter(), options, &mut sink).unwrap();
    let again = sink.out();
    Out { events: Vec::new(), rejects: out.rejects.clone() }.must_be(&again, "read back", bytes);
}

fn line_of(bytes: &[u8], offset: usize) -> u64 {
    1 + memchr::memchr_iter(b'\n', &bytes[..offset]).count() as u64
}

/// The range of each record, in order and without overlaps.
fn looked_at(bytes: &[u8], options: &Options, out: &Out) -> Vec<(usize, usize)> {
    let (mut places, mut sink) = (Vec::new(), Memory::new());
    let input = Input::new("in", Cursor::new(bytes.to_vec()));
    let looked = inspect_each(std::iter::once(input), options, &mut |looked| {
        let start = usize::try_from(looked.offset).unwrap();
        let end = start + looked.raw.len();
        // The record of a row stands nowhere in the input.
        let end = if looked.header.is_some() && looked.outcome.is_ok() { start } else { end };
        assert!(end == start || &bytes[start..end] == looked.raw);
        assert_eq!(looked.line, line_of(bytes, start));
        if matches!(looked.part, Part::Whole | Part::First) {
            assert!(places.last().is_none_or(|&(_, before)| before <= start), "{start} in {places:?}");
            places.push((start, end));
        } else {
            places.last_mut().unwrap().1 = end;
        }
        let rejection = match looked.outcome {
            Ok(event) => return sink.events(&by_the_twins(looked, event, options)),
            Err(rejection) => rejection,
        };
        let InspectedRecord { input, line, offset, header, raw, part, .. } = *looked;
        sink.reject(&Reject { input, line, offset, header, rejection, raw, part })
    });
    looked.unwrap();
    sink.out().must_be(out, "looked at", bytes);
    places
}

/// `event` is what the reference reader, the typed event and its writer produce.
fn by_the_twins(looked: &InspectedRecord<'_>, event: &[u8], options: &Options) -> Vec<u8> {
    let text = std::str::from_utf8(looked.raw).unwrap();
    let (mut scratch, mut cut) = (Scratch::default(), SpliceBuf::default());
    let object = record::object(text).unwrap();
    let record = object.record(&mut scratch).unwrap();
    let content = Content::parse(&record, &mut cut);
    let time = content.time(&record).or(options.default_time).unwrap();
    let mut made =
        mapping::map(&record, text, &content, time, options.rules, &mut DiagnosticCounts::default(), &mut ());
    // Written with the check for escapes in every text.
    made.verbatim = false;
    if options.event_id {
        made.metadata.product_log_id = record::fingerprint(text).ok();
    }
    let mut twin = Vec::new();
    options.writer.write(&made, &mut twin);
    assert_eq!(std::str::from_utf8(&[event, b"\n"].concat()), std::str::from_utf8(&twin), "{text:?}");
    twin
}

/// Every line gives the same result as on its own.
fn line_by_line(bytes: &[u8], options: &Options, out: &Out) {
    let mut offset = 0;
    let lines = bytes.split(|&byte| byte == b'\n').enumerate().map(|(index, line)| {
        let returned = StoredReject {
            input: "in".to_owned(),
            line: index as u64 + 1,
            offset,
            reason: None,
            header: None,
            message: String::new(),
            raw: line.to_owned(),
        };
        offset += line.len() as u64 + 1;
        Ok(returned)
    });
    let lines: Vec<_> = lines.collect();
    let mut sink = Memory::new();
    let summary = replay_rejects("in", lines.into_iter(), options, &mut sink).unwrap();
    assert!(summary.failures.is_empty());
    sink.out().must_be(out, "line by line", bytes);
}

/// Each line has as many records as `serde_json` finds, or one reject.
fn lines_counted(bytes: &[u8], max: usize, records: &[(usize, usize)]) {
    let mut start = 0;
    for line in bytes.split(|&byte| byte == b'\n') {
        let end = start + line.len();
        let told = records.iter().filter(|(at, _)| (start..=end).contains(at)).count();
        assert_eq!(told, records_on(line, max).unwrap_or(1), "{:?}", String::from_utf8_lossy(line));
        start = end + 1;
    }
}

/// Returns the number of records on a line; `None` if it is rejected as a whole.
fn records_on(line: &[u8], max: usize) -> Option<usize> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > max {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let line = &line[skip_space(line.as_bytes(), 0)..];
    let values: Result<Vec<&RawValue>, _> = serde_json::Deserializer::from_str(line).into_iter().collect();
    let values: Vec<_> = values.ok()?.into_iter().map(RawValue::get).collect();
    match values[..] {
        [one] => records_of_line(one),
        _ if values.iter().any(|value| !value.starts_with(['{', '['])) => None,
        _ => Some(values.iter().map(|value| records_of_line(value).unwrap_or(1)).sum()),
    }
}

/// How many records a value is that stands on a line.
fn records_of_line(value: &str) -> Option<usize> {
    serde_json::from_str::<IgnoredAny>(value).ok()?;
    if !value.starts_with('[') {
        return Some(records_of(value));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    let objects = elements.iter().all(|element| element.get().starts_with('{'));
    objects.then(|| elements.iter().map(|element| records_of(element.get())).sum())
}

/// How many records a value is: those of its page, or itself.
fn records_of(value: &str) -> usize {
    if !value.starts_with('{') {
        return 1;
    }
    let members: HashMap<Bytes, &RawValue> = serde_json::from_str(value).unwrap();
    let lists = record::PAGE_LISTS.map(|list| members.get(&Bytes(list.as_bytes().to_vec())));
    let lists: Vec<_> =
        lists.into_iter().flatten().map(|list| list.get()).filter(|list| list.starts_with('[')).collect();
    if lists.is_empty() {
        return 1;
    }
    let elements = lists.into_iter().flat_map(|list| serde_json::from_str::<Vec<&RawValue>>(list).unwrap());
    elements.map(|element| records_of(element.get())).sum()
}

/// Text outside records is meaningless: whitespace, byte-order marks, separators between elements of an array. Pages
/// are exempt, because their other members are dropped.
fn nothing_lost(bytes: &[u8], options: &Options, records: &[(usize, usize)]) {
    // Of CSV the tests compare each row with another reader's.
    if options.format == Format::Csv
        || bytes.contains(&b'\\')
        || record::PAGE_LISTS.iter().any(|list| memchr::memmem::find(bytes, list.as_bytes()).is_some())
    {
        return;
    }
    let mut from = 0;
    for &(start, end) in records.iter().chain([&(bytes.len(), bytes.len())]) {
        let between = &bytes[from..start];
        let says = |byte: &u8| !b" \t\r\n,[]\xEF\xBB\xBF".contains(byte);
        assert!(!between.iter().any(says), "{:?} was lost", String::from_utf8_lossy(between));
        from = end;
    }
}
