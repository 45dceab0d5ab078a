//! Maps a record and its detail to an event. Mapping cannot fail: what does not fit is noted, and stays in the
//! description.
//!
//! The table ([`ROWS`]) defines which value goes where. This file collects the values that the rows need, and selects
//! the event type.

mod diagnostics;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod render;
mod table;
mod template;

use crate::detail::{Detail, JsonUser, JsonUsers, TextValues, eq_ignore_case, new_value};
use crate::email;
use crate::json::trim;
use crate::record::{Field, Record};
use crate::timestamp::Timestamp;
use crate::udm::{About, Event, EventType, Label, Needs};
use std::num::NonZero;
use table::{Setter, row};

pub use diagnostics::{Diagnostic, DiagnosticCounts};
pub use render::{json, markdown};
pub use table::{Provenance, ROWS, Row, Source};
pub(crate) use template::{EventBuffer, Template, TemplateOutput};

/// Options of the mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingOptions {
    /// How the value of a change is mapped.
    pub values: Values,
    /// Whether texts are cut to UDM's documented maximum lengths: 1,024 bytes for the description, 64 for the product
    /// event type. Characters are never split.
    pub clip: bool,
}

/// How the value of a change is mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Values {
    /// The new value: for `from Member to Admin`, `Admin`.
    #[default]
    New,
    /// The phrase as Zoom wrote it.
    Verbatim,
}

/// Observes which row filled the event with which value.
pub trait Trace {
    /// Whether the observer is active; if not, texts that only it needs are not built.
    const ENABLED: bool = true;

    /// `row` wrote `value` to the event. The value is a slice of the record or its detail unless it had to be built.
    fn on_fill(&mut self, row: &'static Row, value: &str);

    /// The following values go to the next entry of `about`.
    #[inline]
    fn on_about_entry(&mut self) {}

    /// The value that `row` wrote was cut to `value`.
    #[inline]
    fn on_clip(&mut self, _row: &'static Row, _value: &str) {}
}

/// Observes nothing.
impl Trace for () {
    const ENABLED: bool = false;

    #[inline]
    fn on_fill(&mut self, _: &'static Row, _: &str) {}
}

/// Returns the row that takes the value of a change with this key.
pub(crate) fn row_of_key(key: &str) -> Option<&'static Row> {
    row::of_key(key).map(|index| &ROWS[index])
}

/// Returns the event of a record (docs/mapping-rules.md, section 4), given its parsed `operation_detail` and its time.
///
/// ```
/// use zoom_udm::detail::Detail;
/// use zoom_udm::mapping::{Notes, Rules, map};
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
/// let event = map(&record, &detail, time, Rules::default(), &mut notes, &mut ());
/// assert_eq!(event.metadata.event_type.name(), "USER_UNCATEGORIZED");
/// assert_eq!(notes, Notes::default());
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
    let mut found = RowValues::default();
    found.gather(record, detail, rules.values);
    let mut users = detail.users();
    let first = if detail.has_json() { users.next() } else { None };
    let told = first.as_ref().is_some_and(JsonUser::has_data);
    let mut event = Event::new(time, event_type(record, &found, told, notes));
    event.verbatim = record.verbatim;
    trace.on_fill(&ROWS[row::TIME], event.metadata.event_timestamp.as_str());
    trace.on_fill(&ROWS[row::EVENT_TYPE], event.metadata.event_type.name());
    notes.add(Diagnostic::FieldNotText, record.non_text_fields);
    notes.add(Diagnostic::SurrogateReplaced, u32::from(record.surrogates_replaced));
    put_constants(&mut event, trace);
    found.put(&mut event, trace);
    if let Some(first) = first {
        put_first(first, &mut event, trace);
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
    sheet: TemplateOutput<'_>,
) -> Option<EventType> {
    if detail.has_json() || rules.clip || !record.verbatim {
        return None;
    }
    let mut found = RowValues::default();
    found.gather(record, detail, rules.values);
    // A verbatim record has no field that was noted: see `Record`.
    let event_type = event_type(record, &found, false, notes);
    Template::write(time, event_type, &found, sheet);
    Some(event_type)
}

/// The ladder: the record's own type if UDM knows it and the event has what it needs; a user's doing where a user is
/// named; anything. `json_user` says whether the detail's JSON puts a user into the target.
#[inline]
fn event_type(
    record: &Record<'_>,
    found: &RowValues<'_>,
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
fn own_type(name: &str, found: &RowValues<'_>, json_user: bool) -> Result<EventType, Diagnostic> {
    let known =
        EventType::named(name).filter(|known| known.is_specified()).ok_or(Diagnostic::EventTypeUnknown)?;
    let target = json_user || found.has_any(row::TARGET_USER);
    let met = match known.needs() {
        Needs::Nothing => true,
        Needs::User => target || found.has_any(row::OPERATOR),
        Needs::TargetUser => target,
        Needs::Unavailable => false,
    };
    if met { Ok(known) } else { Err(Diagnostic::EventTypeUnmet) }
}

/// Sets the values that are the same for every record.
#[inline]
fn put_constants(event: &mut Event<'_>, trace: &mut impl Trace) {
    for index in row::CONSTANTS {
        let row = &ROWS[index];
        if let Setter::Constant(value, put) = row.put {
            put(event, value);
            trace.on_fill(row, value);
        }
    }
}

/// The values that rows need.
#[derive(Default)]
struct RowValues<'a> {
    texts: [&'a str; ROWS.len()],
    /// One bit for each row that has a value.
    rows: u64,
    /// The total length of all values that were set, in bytes.
    length: usize,
}

impl<'a> RowValues<'a> {
    #[inline]
    fn gather(&mut self, record: &Record<'a>, detail: &Detail<'a>, values: Values) {
        self.set(row::ACTION, record.get(Field::Action));
        self.set(row::DESCRIPTION, record.get(Field::OperationDetail));
        self.set(row::CATEGORY_TYPE, record.get(Field::CategoryType));
        if let Some(operator) = record.get(Field::Operator).map(trim) {
            let row = if email::is_email(operator) { row::OPERATOR_EMAIL } else { row::OPERATOR_USERID };
            self.set(row, Some(operator));
        }
        let [email, second] = detail.emails();
        self.set(row::EMAIL, email);
        self.set(row::EMAIL2, second);
        self.gather_changes(detail, values);
    }

    #[inline]
    fn gather_changes(&mut self, detail: &Detail<'a>, values: Values) {
        let value = |text: &'a str| match values {
            Values::New => new_value(text),
            Values::Verbatim => Some(text).filter(|text| !text.is_empty()),
        };
        for change in &detail.changes {
            if let Some(row) = row::of_key(change.key) {
                self.set(row, value(change.value));
            }
        }
        if detail.is_change_of_role() {
            let mut of_email = detail.changes.iter().filter(|change| email::is_email(change.key));
            if let Some(role) = of_email.find_map(|change| value(change.value)) {
                self.set(row::ROLE, Some(role));
            }
        }
        let may_repeat = self.rows & row::MAY_REPEAT;
        if may_repeat & may_repeat.wrapping_sub(1) != 0 {
            self.drop_repeated();
        }
    }

    /// Drops values that their list already contains: addresses that differ only in case, and equal roles.
    fn drop_repeated(&mut self) {
        for row in bits(self.rows & row::MAY_REPEAT) {
            let (path, text) = (ROWS[row].path, self.texts[row]);
            let mut before = bits(self.rows & ((1 << row) - 1)).filter(|&known| ROWS[known].path == path);
            let repeated = match path {
                row::EMAILS_PATH => before.any(|known| eq_ignore_case(self.texts[known], text)),
                _ => before.any(|known| self.texts[known] == text),
            };
            if repeated {
                self.rows &= !(1 << row);
            }
        }
    }

    /// Sets the value of a row, or clears it; the last value counts.
    #[inline]
    fn set(&mut self, row: usize, text: Option<&'a str>) {
        match text {
            Some(text) => {
                self.texts[row] = text;
                self.rows |= 1 << row;
                self.length += text.len();
            }
            None => self.rows &= !(1 << row),
        }
    }

    /// Returns the rows that have a value, with it, in table order.
    #[inline]
    fn each(&self) -> impl Iterator<Item = (usize, &'a str)> {
        bits(self.rows).map(|row| (row, self.texts[row]))
    }

    /// Returns whether the operator or a target is named; `email2` is only present with `email`.
    fn names_user(&self) -> bool {
        self.has_any(row::OPERATOR | 1 << row::EMAIL)
    }

    /// Whether one of these rows has a text: a bit for each.
    #[inline]
    fn has_any(&self, rows: u64) -> bool {
        self.rows & rows != 0
    }

    /// Writes the values of all rows, in table order.
    #[inline]
    fn put(&self, event: &mut Event<'a>, trace: &mut impl Trace) {
        for (index, text) in self.each() {
            let row = &ROWS[index];
            if let Setter::Text(put) = row.put {
                put(event, text);
                trace.on_fill(row, text);
            }
        }
    }
}

/// Returns the positions of the set bits, lowest first.
#[inline]
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        // The compiler uses one instruction for this because the value cannot be 0.
        let lowest = NonZero::new(set)?.trailing_zeros();
        set &= set - 1;
        Some(lowest as usize)
    })
}

/// Puts the first user of the detail's JSON into the target.
#[cold]
fn put_first<'a>(mut first: JsonUser<'a>, event: &mut Event<'a>, trace: &mut impl Trace) {
    for row in &ROWS[row::FIRST_USER] {
        if let (Source::FirstUser(member), Setter::First(put)) = (row.source, row.put) {
            put_texts(row, first.take(member), trace, |texts| put(event, texts));
        }
    }
}

/// Iterates over the entries of `about`: one for each further user of the embedded JSON.
pub(crate) struct RemainingUsers<'a>(JsonUsers<'a>);

impl<'a> RemainingUsers<'a> {
    /// Returns the next entry.
    pub(crate) fn next(&mut self, trace: &mut impl Trace) -> Option<About<'a>> {
        let mut user = self.0.next()?;
        trace.on_about_entry();
        let mut about = About::default();
        for row in &ROWS[row::FURTHER_USER] {
            if let (Source::FurtherUser(member), Setter::Further(put)) = (row.source, row.put) {
                put_texts(row, user.take(member), trace, |texts| put(&mut about, texts));
            }
        }
        Some(about)
    }

    /// Notes what was skipped or replaced in the JSON: known after the last entry.
    pub(crate) fn note(&self, notes: &mut DiagnosticCounts) {
        notes.add(Diagnostic::JsonSkipped, self.0.skipped());
        notes.add(Diagnostic::SurrogateReplaced, self.0.surrogates_replaced());
    }
}

/// Writes the value of a user's member, if it is not empty.
fn put_texts<'a, T: Trace>(
    row: &'static Row,
    texts: TextValues<'a>,
    trace: &mut T,
    put: impl FnOnce(TextValues<'a>),
) {
    if T::ENABLED {
        texts.each().for_each(|text| trace.on_fill(row, &text));
    }
    if !texts.is_empty() {
        put(texts);
    }
}

/// Cuts values that exceed UDM's documented lengths.
fn clip(event: &mut Event<'_>, notes: &mut DiagnosticCounts, trace: &mut impl Trace) {
    for (row, text, most) in [
        (row::DESCRIPTION, &mut event.metadata.description, 1024),
        (row::ACTION, &mut event.metadata.product_event_type, 64),
    ] {
        if let Some(long) = text.filter(|text| text.len() > most) {
            let end = (0..=most).rev().find(|&end| long.is_char_boundary(end)).unwrap_or(0);
            *text = Some(&long[..end]);
            trace.on_clip(&ROWS[row], &long[..end]);
            notes.add(Diagnostic::Clipped, 1);
        }
    }
}

/// Adds labels to the target.
fn push_labels<'a>(event: &mut Event<'a>, key: &'static str, values: TextValues<'a>) {
    event.target.user.labels.push(Label { key, values });
}

#[cfg(test)]
mod tests;
