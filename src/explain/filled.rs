//! What the fields of an event, except its description, take of their record.

use super::fills::FillWithSpan;
use super::sources::{SourceSpan, Sources};
use super::tracker::SourceTracker;
use crate::detail::SpanMap;
use crate::mapping::{
    DiagnosticCounts, KeyedValue, MappingOptions, Row, Source, Trace, put_all_but_about, put_other_members,
    trace_texts,
};
use crate::record::Field;
use crate::timestamp::Timestamp;
use crate::udm::{Event, EventType};
use smallvec::SmallVec;
use std::ops::Range;

/// What the fields of an event, except its description, take of their record.
#[derive(Debug)]
pub(crate) struct Filled {
    /// The ranges of the detail or the payload; no record has both.
    pub(super) taken: TakenSpans,
    /// The names of the members that are in `additional` although no field of the record's kind is.
    pub(super) members: Vec<String>,
    /// Whether a role was taken because HEAD says `Change Role`.
    pub(super) has_role: bool,
    /// Whether the rows of `--enrich` apply, which map a change without a value by its key.
    pub(super) is_enriched: bool,
    pub(crate) event_type: EventType,
    /// The type of the enriched event, if it is known.
    pub(crate) enriched_type: Option<EventType>,
}

impl Filled {
    /// Returns what the fields take that were explained.
    pub(super) fn of(fills: &[FillWithSpan], is_enriched: bool, event_type: EventType) -> Self {
        let mut taken = Taken::default();
        for filled in fills {
            if let Some(found) = &filled.found {
                taken.add(filled.row.map(|row| row.source), found);
            }
        }
        taken.has_role = fills.iter().any(|filled| filled.row.is_some_and(|row| is_role(row.source)));
        taken.members.extend(fills.iter().filter_map(|filled| filled.member.clone()));
        taken.finish(is_enriched, event_type, is_enriched.then_some(event_type))
    }

    /// Maps the record in `text`, and returns the type of its event.
    pub(crate) fn event_type(
        sources: &Sources<'_, '_>,
        text: &str,
        time: Timestamp,
        options: MappingOptions,
    ) -> EventType {
        let (record, content) = (sources.record, sources.content);
        let (mut event, mut notes) =
            (Event::new(time, EventType::GENERIC_EVENT), DiagnosticCounts::default());
        put_all_but_about(record, content, options, &mut event, &mut notes, &mut ());
        put_other_members(record, text, content, options, &mut event, &mut notes, &mut ());
        event.metadata.event_type
    }

    /// Maps the record in `text`, and returns what the fields of its event take.
    pub(crate) fn map(
        sources: &Sources<'_, '_>,
        text: &str,
        time: Timestamp,
        options: MappingOptions,
    ) -> Self {
        let (record, content) = (sources.record, sources.content);
        let mut recorder = TakenRecorder { tracker: SourceTracker::new(sources), taken: Taken::default() };
        if !options.enrich
            && let Some(types) = trace_texts(record, content, options.values, &mut recorder)
        {
            return recorder.taken.finish(false, types.default, types.enriched);
        }
        let (mut event, mut notes) =
            (Event::new(time, EventType::GENERIC_EVENT), DiagnosticCounts::default());
        let mut further = put_all_but_about(record, content, options, &mut event, &mut notes, &mut recorder);
        put_other_members(record, text, content, options, &mut event, &mut notes, &mut recorder);
        while further.next(&mut recorder).is_some() {}
        let event_type = event.metadata.event_type;
        recorder.taken.finish(options.enrich, event_type, options.enrich.then_some(event_type))
    }
}

/// What was taken so far.
#[derive(Default)]
struct Taken {
    ranges: SmallVec<[Range<usize>; TYPICAL]>,
    members: Vec<String>,
    has_role: bool,
}

/// The number of ranges that few records exceed.
const TYPICAL: usize = 8;

impl Taken {
    /// Adds the source of a value that a row with this source wrote.
    fn add(&mut self, source: Option<Source>, found: &SourceSpan) {
        match found.field {
            // As a whole, it is only the description.
            Field::OperationDetail if matches!(source, Some(Source::Field(_))) => {}
            Field::OperationDetail | Field::Payload => self.ranges.extend(found.taken.iter().cloned()),
            _ => {}
        }
    }

    /// Adds where a slice of a detail stands.
    #[inline]
    fn add_slice(&mut self, spans: &SpanMap, part: &str) {
        match spans.find_whole(part) {
            Some(range) => self.ranges.push(range),
            None => self.ranges.extend(spans.find(part)),
        }
    }

    fn finish(self, is_enriched: bool, event_type: EventType, enriched_type: Option<EventType>) -> Filled {
        let Self { ranges, members, has_role } = self;
        Filled { taken: TakenSpans::of(ranges), members, has_role, is_enriched, event_type, enriched_type }
    }
}

/// Observes what the mapping takes.
struct TakenRecorder<'s, 'r, 'a> {
    tracker: SourceTracker<'s, 'r, 'a>,
    taken: Taken,
}

impl Trace for TakenRecorder<'_, '_, '_> {
    fn on_fill(&mut self, row: &'static Row, value: &str) {
        let sources = self.tracker.sources;
        let found = match row.source {
            Source::Settings(of) => self.tracker.next_setting(of).and_then(|(_, found)| found),
            // The whole of a field is not counted, and any other text of a detail is where it was found.
            Source::Constant | Source::Field(_) if sources.payload().is_none() => return,
            source @ (Source::Detail(_) | Source::Key(_) | Source::Enriched { .. })
                if sources.detail().is_some() =>
            {
                self.taken.has_role |= is_role(source);
                return self.taken.add_slice(sources.spans, value);
            }
            _ => self.tracker.find(row, value),
        };
        if let Some(found) = found {
            self.taken.add(Some(row.source), &found);
        }
    }

    fn on_keyed(&mut self, row: &'static Row, entry: KeyedValue<'_>) {
        let (sources, is_member) = (self.tracker.sources, row.path.ends_with(".*"));
        if sources.detail().is_some() && !is_member {
            return self.taken.add_slice(sources.spans, entry.value);
        }
        match sources.find_keyed(row, entry) {
            Some(found) => self.taken.add(Some(row.source), &found),
            None if is_member => self.taken.members.push(entry.key.to_owned()),
            None => {}
        }
    }

    fn on_about_entry(&mut self, is_json_user: bool) {
        self.tracker.on_about_entry(is_json_user);
    }
}

/// Returns whether a source is the role that HEAD names.
fn is_role(source: Source) -> bool {
    source == Source::Detail("role")
}

/// The ranges of a field that rows used; sorted, without overlaps.
#[derive(Debug)]
pub(super) struct TakenSpans(SmallVec<[Range<usize>; TYPICAL]>);

impl TakenSpans {
    fn of(mut spans: SmallVec<[Range<usize>; TYPICAL]>) -> Self {
        spans.sort_by_key(|place| place.start);
        spans.dedup_by(|place, last| {
            let overlaps = place.start < last.end;
            if overlaps {
                last.end = last.end.max(place.end);
            }
            overlaps
        });
        Self(spans)
    }

    /// Returns whether a row used some part of these ranges.
    pub(super) fn overlap(&self, spans: &[Range<usize>]) -> bool {
        spans.iter().any(|place| {
            let behind = self.0.partition_point(|taken| taken.end <= place.start);
            self.0.get(behind).is_some_and(|taken| taken.start < place.end)
        })
    }
}
