//! Maps a record and its detail to an event.

use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::json_user_rows::{RemainingUsers, put_first_user};
use super::options::MappingOptions;
use super::row::Setter;
use super::row_lookup;
use super::row_values::MappedValues;
use super::table::ROWS;
use super::template::{Template, TemplateWriter};
use super::trace::Trace;
use crate::detail::{Detail, JsonUser};
use crate::json::trim;
use crate::record::{Field, Record};
use crate::timestamp::Timestamp;
use crate::udm::{Event, EventType, Needs};

/// Returns the event of a record (docs/mapping-rules.md, section 4), given its parsed `operation_detail` and its time.
///
/// ```
/// use zoom_udm::detail::Detail;
/// use zoom_udm::mapping::{DiagnosticCounts, MappingOptions, map};
/// use zoom_udm::record::{Field, Record};
/// use zoom_udm::udm::Writer;
///
/// let text = r#"{"time":"2024-01-31 23:59:59","operator":"a@b.com","operation_detail":"Change Role  - x@y.com: from Member to Admin"}"#;
/// // Buffers for what cannot be borrowed from the text.
/// let (mut scratch, mut cut, mut notes) = Default::default();
/// let record = Record::read(text, &mut scratch)?;
/// let detail = Detail::parse(record.get(Field::OperationDetail).unwrap_or_default(), &mut cut);
/// let time = record.time().ok_or("no time")?;
///
/// // Pass an observer instead of `()` to learn which row filled which field.
/// let event = map(&record, &detail, time, MappingOptions::default(), &mut notes, &mut ());
/// assert_eq!(event.metadata.event_type.name(), "USER_UNCATEGORIZED");
/// assert_eq!(notes, DiagnosticCounts::default());
///
/// let mut line = Vec::new();
/// Writer::default().write(&event, &mut line);
/// let json: serde_json::Value = serde_json::from_slice(&line)?;
/// assert_eq!(json["target"]["user"]["attribute"]["roles"][0]["name"], "Admin");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn map<'a>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: Timestamp,
    rules: MappingOptions,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Event<'a> {
    let (mut event, mut further) = map_all_but_about(record, detail, time, rules, notes, trace);
    if detail.has_json() {
        event.about.extend(std::iter::from_fn(|| further.next(trace)));
        further.note(notes);
    }
    event
}

/// The same without `about`, whose entries are built on demand, because there may be more of them than should be in
/// memory.
#[inline]
pub(crate) fn map_all_but_about<'a>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: Timestamp,
    rules: MappingOptions,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> (Event<'a>, RemainingUsers<'a>) {
    let mut found = MappedValues::default();
    found.gather(record, detail, rules.values);
    let mut users = detail.users();
    let first = if detail.has_json() { users.next() } else { None };
    let has_user = first.as_ref().is_some_and(JsonUser::has_data);
    let mut event = Event::new(time, event_type(record, &found, has_user, notes));
    event.verbatim = record.verbatim;
    trace.on_fill(&ROWS[row_lookup::TIME], event.metadata.event_timestamp.as_str());
    trace.on_fill(&ROWS[row_lookup::EVENT_TYPE], event.metadata.event_type.name());
    notes.add(Diagnostic::FieldNotText, record.non_text_fields);
    notes.add(Diagnostic::SurrogateReplaced, u32::from(record.surrogates_replaced));
    put_constants(&mut event, trace);
    found.put(&mut event, trace);
    if let Some(first) = first {
        put_first_user(first, &mut event, trace);
    }
    if rules.clip {
        clip(&mut event, notes, trace);
    }
    (event, RemainingUsers(users))
}

/// Writes the event of a record as [`map`] and the typed writer would, but faster. Returns `None` if the typed event is
/// needed: the detail contains JSON, a text needs an escape, or texts are to be cut.
#[inline]
pub(crate) fn write_from_template<'a>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: &Timestamp,
    rules: MappingOptions,
    notes: &mut DiagnosticCounts,
    sheet: TemplateWriter<'_>,
) -> Option<EventType> {
    if detail.has_json() || rules.clip || !record.verbatim {
        return None;
    }
    let mut found = MappedValues::default();
    found.gather(record, detail, rules.values);
    // A verbatim record has no field that was noted: see `Record`.
    let event_type = event_type(record, &found, false, notes);
    Template::write(time, event_type, &found, sheet);
    Some(event_type)
}

/// Selects the event type: the record's own type if valid, otherwise `USER_UNCATEGORIZED` if a user is named, otherwise
/// `GENERIC_EVENT`. `json_user` says whether the detail's JSON puts a user into the target.
#[inline]
fn event_type(
    record: &Record<'_>,
    found: &MappedValues<'_>,
    json_user: bool,
    notes: &mut DiagnosticCounts,
) -> EventType {
    if let Some(name) = record.get(Field::EventType) {
        match own_type(trim(name), found, json_user) {
            Ok(known) => return known,
            Err(note) => notes.add(note, 1),
        }
    }
    if found.names_user() { EventType::USER_UNCATEGORIZED } else { EventType::GENERIC_EVENT }
}

/// The type that a record asks for, or why it is passed over.
fn own_type(name: &str, found: &MappedValues<'_>, json_user: bool) -> Result<EventType, Diagnostic> {
    let known =
        EventType::named(name).filter(|known| known.is_specified()).ok_or(Diagnostic::EventTypeUnknown)?;
    let target = json_user || found.has_any(row_lookup::TARGET_USER);
    let met = match known.needs() {
        Needs::Nothing => true,
        Needs::User => target || found.has_any(row_lookup::OPERATOR),
        Needs::TargetUser => target,
        Needs::Unavailable => false,
    };
    if met { Ok(known) } else { Err(Diagnostic::EventTypeUnmet) }
}

/// Sets the values that are the same for every record.
#[inline]
fn put_constants(event: &mut Event<'_>, trace: &mut impl Trace) {
    for index in row_lookup::CONSTANTS {
        let row = &ROWS[index];
        if let Setter::Constant(value, put) = row.put {
            put(event, value);
            trace.on_fill(row, value);
        }
    }
}

/// Cuts values that exceed UDM's documented lengths.
fn clip(event: &mut Event<'_>, notes: &mut DiagnosticCounts, trace: &mut impl Trace) {
    for (row, text, most) in [
        (row_lookup::DESCRIPTION, &mut event.metadata.description, 1024),
        (row_lookup::ACTION, &mut event.metadata.product_event_type, 64),
    ] {
        if let Some(long) = text.filter(|text| text.len() > most) {
            let end = (0..=most).rev().find(|&end| long.is_char_boundary(end)).unwrap_or(0);
            *text = Some(&long[..end]);
            trace.on_clip(&ROWS[row], &long[..end]);
            notes.add(Diagnostic::Clipped, 1);
        }
    }
}
