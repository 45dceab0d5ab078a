//! Maps a record and its content to an event.

use super::about::RemainingUsers;
use super::content::Content;
use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::enrich;
use super::facts::{Facts, event_type};
use super::json_user_rows::put_first_user;
use super::options::MappingOptions;
use super::row::Setter;
use super::row_lookup::{self, KindRows};
use super::row_values::{OperationValues, SignInValues};
use super::table::ROWS;
use super::template::{Template, TemplateWriter};
use super::trace::Trace;
use super::webhook_rows::{Replaced, put_webhook};
use crate::detail::{Detail, JsonUser, JsonUsers};
use crate::record::{Record, RecordKind};
use crate::timestamp::Timestamp;
use crate::udm::{Event, EventType};

/// Returns the event of a record (docs/mapping-rules.md), given its text, its parsed content and its time.
///
/// ```
/// use zoom_udm::mapping::{Content, DiagnosticCounts, MappingOptions, map};
/// use zoom_udm::record::Record;
/// use zoom_udm::udm::Writer;
///
/// let text = r#"{"time":"2024-01-31 23:59:59","operator":"a@b.com","operation_detail":"Change Role  - x@y.com: from Member to Admin"}"#;
/// // Buffers for what cannot be borrowed from the text.
/// let (mut scratch, mut cut, mut notes) = Default::default();
/// let record = Record::read(text, &mut scratch)?;
/// let content = Content::parse(&record, &mut cut);
/// let time = content.time(&record).ok_or("no time")?;
///
/// // Pass an observer instead of `()` to learn which row filled which field.
/// let event = map(&record, text, &content, time, MappingOptions::default(), &mut notes, &mut ());
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
pub fn map<'c, 'a: 'c>(
    record: &Record<'a>,
    text: &'c str,
    content: &'c Content<'a>,
    time: Timestamp,
    rules: MappingOptions,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Event<'c> {
    let mut event = Event::new(time, EventType::GENERIC_EVENT);
    let mut further = put_all_but_about(record, content, rules, &mut event, notes, trace);
    put_other_members(record, text, content, rules, &mut event, notes, trace);
    event.about.extend(std::iter::from_fn(|| further.next(trace)));
    further.note(notes);
    event
}

/// Puts the same into an event that has only its time, except for `about`: its entries are built on demand, because there may
/// be more of them than should be in memory. The event is large, so it is filled where it is.
#[inline]
pub(crate) fn put_all_but_about<'c, 'a: 'c>(
    record: &Record<'a>,
    content: &'c Content<'a>,
    rules: MappingOptions,
    event: &mut Event<'c>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> RemainingUsers<'c> {
    event.verbatim = record.verbatim;
    put_constants(event, trace);
    let mut users = RemainingUsers::default();
    let mut type_row = &ROWS[row_lookup::EVENT_TYPE];
    event.metadata.event_type = match content {
        _ if rules.enrich => {
            users.json = content.detail().map(Detail::users).unwrap_or_default();
            let put = enrich::put(record, content, &mut users.json, rules, event, notes, trace);
            (type_row, users.enriched) = (put.row, put.users);
            put.event_type
        }
        Content::Operation(detail) => {
            users.json = detail.users();
            put_operation(record, detail, &mut users.json, rules, event, notes, trace)
        }
        Content::SignIn => {
            let mut found = SignInValues::default();
            found.gather_sign_in(record, notes);
            found.put(KindRows::SIGN_IN, event, trace);
            event_type(record, true, || Facts::SIGN_IN, notes)
        }
        Content::Webhook(payload) => {
            put_webhook(record, payload, Replaced::default(), event, notes, trace);
            event_type(record, payload.names_user(), || Facts::of(event), notes)
        }
    };
    let time_row =
        if record.kind == RecordKind::Webhook { row_lookup::WEBHOOK_TIME } else { row_lookup::TIME };
    trace.on_fill(&ROWS[time_row], event.metadata.event_timestamp.as_str());
    trace.on_fill(type_row, event.metadata.event_type.name());
    notes.add(Diagnostic::FieldNotText, record.non_text_fields);
    notes.add(Diagnostic::SurrogateReplaced, u32::from(record.surrogates_replaced));
    if rules.clip {
        clip(record.kind, event, notes, trace);
    }
    users
}

/// With `--enrich`, puts the members of the record in `text` that no row of the default table reads.
#[inline]
pub(crate) fn put_other_members<'c>(
    record: &Record<'_>,
    text: &'c str,
    content: &Content<'_>,
    rules: MappingOptions,
    event: &mut Event<'c>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) {
    if rules.enrich {
        enrich::put_other_members(record, text, content, event, notes, trace);
    }
}

/// Writes the values of an operation log, of which `users` is at its first user, and returns the type of the event.
#[inline]
fn put_operation<'c, 'a: 'c>(
    record: &Record<'c>,
    detail: &Detail<'a>,
    users: &mut JsonUsers<'c>,
    rules: MappingOptions,
    event: &mut Event<'c>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> EventType {
    let mut found = OperationValues::default();
    found.gather(record, detail, rules.values);
    let first = if detail.has_json() { users.next() } else { None };
    let has_user = first.as_ref().is_some_and(JsonUser::has_data);
    found.put(KindRows::OPERATION, event, trace);
    if let Some(first) = first {
        put_first_user(first, event, trace);
    }
    event_type(record, found.names_user(), || Facts::of_operation(&found, has_user), notes)
}

/// Writes the event of an operation log or a sign-in as [`map`] and the typed writer would, but faster. Returns `None` if
/// the typed event is needed: the detail contains JSON, a text needs an escape, or texts are to be cut.
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
    if rules.enrich {
        return enrich::write_from_template(record, detail, time, rules, notes, sheet);
    }
    // A verbatim record has no field that was noted: see `Record`.
    if record.kind == RecordKind::SignIn {
        return Some(write_sign_in(record, time, notes, sheet));
    }
    let mut found = OperationValues::default();
    found.gather(record, detail, rules.values);
    let event_type = event_type(record, found.names_user(), || Facts::of_operation(&found, false), notes);
    Template::write(&sheet.template.operation, time, event_type, &found, sheet);
    Some(event_type)
}

/// Writes the event of a sign-in; not inlined, to leave the code for operation logs small.
#[inline(never)]
fn write_sign_in(
    record: &Record<'_>,
    time: &Timestamp,
    notes: &mut DiagnosticCounts,
    sheet: TemplateWriter<'_>,
) -> EventType {
    let mut found = SignInValues::default();
    found.gather_sign_in(record, notes);
    let event_type = event_type(record, true, || Facts::SIGN_IN, notes);
    Template::write(&sheet.template.sign_in, time, event_type, &found, sheet);
    event_type
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
fn clip(kind: RecordKind, event: &mut Event<'_>, notes: &mut DiagnosticCounts, trace: &mut impl Trace) {
    let in_sign_in = |row| KindRows::SIGN_IN.in_table(row);
    let [event_type, version] = match kind {
        // Operation logs have no version.
        RecordKind::Operation => [row_lookup::ACTION; 2],
        RecordKind::SignIn => [row_lookup::sign_in::TYPE, row_lookup::sign_in::VERSION].map(in_sign_in),
        RecordKind::Webhook => [row_lookup::EVENT, row_lookup::VERSION_OF_OBJECT],
    };
    let metadata = &mut event.metadata;
    for (row, text, most) in [
        (row_lookup::DESCRIPTION, &mut metadata.description, 1024),
        (event_type, &mut metadata.product_event_type, 64),
        (version, &mut metadata.product_version, 32),
    ] {
        if let Some(long) = text.filter(|text| text.len() > most) {
            let end = (0..=most).rev().find(|&end| long.is_char_boundary(end)).unwrap_or(0);
            *text = Some(&long[..end]);
            trace.on_clip(&ROWS[row], &long[..end]);
            notes.add(Diagnostic::Clipped, 1);
        }
    }
}
