//! Records what fills each field of an event, in the order of the event.

use super::origins::{Origin, Origins};
use super::paths;
use super::sources::SourceSpan;
use super::tracker::SourceTracker;
use crate::json::{escape_into, leaf_text, trim};
use crate::mapping::{self, DiagnosticCounts, KeyedValue, Profile, ROWS, Row, SettingsOf, Source, Trace};
use crate::normalize::Options;
use crate::record::{self, Field};
use crate::timestamp::Timestamp;
use crate::udm::{Case, EventType, OutputShape};
use crate::webhook::PayloadField;
use serde::Serialize;
use std::collections::HashMap;

/// One field of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// Its path in the event: `target.user.emailAddresses[0]`.
    pub path: String,
    /// Its value.
    pub value: String,
    /// The rule that filled it.
    pub rule: Rule,
    /// The source text; `None` if the value is the same for every record.
    pub source: Option<Origin>,
}

/// What filled a field: a row of the table, or an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The index of the row, from 0, as in `zoom-udm mapping --format json`; `None` for an option.
    pub row: Option<usize>,
    /// The kind of source: `field`, `detail`, `key`, …, `option`.
    pub source: &'static str,
    /// The name of the source.
    pub name: &'static str,
    /// The rule, in words.
    pub words: &'static str,
    /// Who defined the rule: `Google`, `decided`, or `option`.
    pub basis: &'static str,
}

impl Rule {
    fn of(row: &'static Row) -> Self {
        let (source, name) = row.source.parts();
        let place = ROWS.iter().position(|known| std::ptr::eq(known, row));
        Self { row: place, source, name, words: row.rule, basis: row.basis.text() }
    }

    const fn option(name: &'static str, words: &'static str) -> Self {
        Self { row: None, source: "option", name, words, basis: "option" }
    }
}

const DEFAULT_TIME: Rule = Rule::option("--default-time", "the record has no usable time");
const NAMESPACE: Rule = Rule::option("--namespace", "in every principal, target and about");
const LABEL: Rule = Rule::option("--label", "in every event, in the order given");
const EVENT_ID: Rule = Rule::option("--event-id", "the SHA-256 of the record's canonical JSON");

/// A field of the event, with its source as byte ranges.
pub(super) struct FillWithSpan {
    pub(super) fill: Fill,
    pub(super) row: Option<&'static Row>,
    pub(super) found: Option<SourceSpan>,
    /// The name of the member whose whole value it is, if no field of the record's kind is.
    pub(super) member: Option<String>,
}

impl FillWithSpan {
    fn is_event_type(&self) -> bool {
        self.row.is_some_and(|row| row.path == "metadata.eventType")
    }
}

/// Returns what fills the event of the record in `text`.
pub(super) fn fills(
    origins: &Origins<'_, '_, '_>,
    time: Timestamp,
    options: &Options,
    (text, written): (&str, &str),
    notes: &mut DiagnosticCounts,
) -> (Vec<FillWithSpan>, EventType) {
    let sources = origins.sources;
    let mut listener = FillRecorder {
        origins,
        tracker: SourceTracker::new(sources),
        fills: Vec::new(),
        entries: 0,
        lengths: HashMap::new(),
    };
    let event =
        mapping::map(sources.record, text, sources.content, time, options.rules, notes, &mut listener);
    let event_type = event.metadata.event_type;
    listener.event_type(event_type);
    listener.options(text, options);
    let mut fills = listener.fills;
    if options.writer.shape() == OutputShape::Udm(Case::Snake) {
        // Names in `additional` are the record's.
        let fields = fills.iter_mut().filter(|filled| !filled.fill.path.starts_with("additional"));
        fields.for_each(|filled| filled.fill.path = Case::Snake.spelled(&filled.fill.path));
    }
    let order = paths::path_order(written);
    fills.sort_by_key(|filled| order.get(&filled.fill.path).copied().unwrap_or(usize::MAX));
    (fills, event_type)
}

/// Observes what the mapping writes where.
struct FillRecorder<'s, 'r, 'a> {
    origins: &'s Origins<'s, 'r, 'a>,
    tracker: SourceTracker<'s, 'r, 'a>,
    fills: Vec<FillWithSpan>,
    /// The number of entries of `about` so far.
    entries: usize,
    /// The length of the list at each path.
    lengths: HashMap<String, usize>,
}

impl Trace for FillRecorder<'_, '_, '_> {
    fn on_fill(&mut self, row: &'static Row, value: &str) {
        if let Source::Settings(of) = row.source {
            return self.setting(row, of);
        }
        let found = self.tracker.find(row, value);
        let path = self.path(row);
        let Some(label) = path.strip_suffix(".label") else {
            return self.push(path, value, Rule::of(row), Some(row), found);
        };
        let key = match row.source {
            Source::Key(name) => name,
            Source::FirstUser(member) | Source::FurtherUser(member) => member.name(),
            _ => "",
        };
        self.label(label, key, value, row, found);
    }

    fn on_keyed(&mut self, row: &'static Row, entry: KeyedValue<'_>) {
        let found = self.origins.sources.find_keyed(row, entry);
        if let Some(parent) = row.path.strip_suffix(".*") {
            return self.member(parent, row, entry, found);
        }
        let path = self.path(row);
        self.label(path.trim_end_matches(".label"), entry.key, entry.value, row, found);
    }

    fn on_about_entry(&mut self, is_json_user: bool) {
        self.entries += 1;
        self.tracker.on_about_entry(is_json_user);
    }

    fn on_clip(&mut self, row: &'static Row, value: &str) {
        let origins = self.origins;
        let of_row = |filled: &&mut FillWithSpan| filled.row.is_some_and(|known| std::ptr::eq(known, row));
        for filled in self.fills.iter_mut().filter(of_row) {
            value.clone_into(&mut filled.fill.value);
            filled.found = origins.sources.find(row, value);
            filled.fill.source = filled.found.as_ref().map(|found| origins.origin(found));
        }
    }
}

impl FillRecorder<'_, '_, '_> {
    /// Adds the label of the next setting.
    fn setting(&mut self, row: &'static Row, of: SettingsOf) {
        let Some((leaf, found)) = self.tracker.next_setting(of) else { return };
        let key = self.tracker.setting_key().to_owned();
        let path = self.path(row);
        self.label(path.trim_end_matches(".label"), &key, &leaf_text(leaf), row, found);
    }

    /// Adds a member of `additional`.
    fn member(&mut self, parent: &str, row: &'static Row, entry: KeyedValue<'_>, found: Option<SourceSpan>) {
        let (mut path, mut name) = (parent.to_owned(), Vec::new());
        escape_into(&mut name, entry.key);
        paths::push_name(&mut path, &String::from_utf8_lossy(&name));
        let is_whole = found.is_none();
        self.push(path, entry.value, Rule::of(row), Some(row), found);
        if let Some(filled) = self.fills.last_mut().filter(|_| is_whole) {
            filled.member = Some(entry.key.to_owned());
            filled.fill.source = Some(self.origins.of_member(entry));
        }
    }

    /// Adds a label at a path.
    fn label(&mut self, path: &str, key: &str, value: &str, row: &'static Row, found: Option<SourceSpan>) {
        // The path of a setting can be empty; then its label has no key.
        if !key.is_empty() {
            self.push(format!("{path}.key"), key, Rule::of(row), Some(row), found.clone());
        }
        self.push(format!("{path}.value"), value, Rule::of(row), Some(row), found);
    }

    /// Returns the path that a row writes its next value to; for a label, it ends in `.label`.
    fn path(&mut self, row: &Row) -> String {
        let path = row.path.replacen("about[]", &format!("about[{}]", self.entries.saturating_sub(1)), 1);
        if row.is_element() {
            let index = self.next(&path);
            return format!("{path}[{index}]");
        }
        match path.split_once("[]") {
            None => path,
            Some((list, rest)) => {
                // The type of a role follows its name.
                let index = if rest == ".type" { self.last(list) } else { self.next(list) };
                format!("{list}[{index}]{}", if rest.is_empty() { ".label" } else { rest })
            }
        }
    }

    /// Returns the path of the next element of a list.
    fn next(&mut self, list: &str) -> usize {
        let length = self.lengths.entry(list.to_owned()).or_default();
        *length += 1;
        *length - 1
    }

    /// Returns the index of the last element of a list.
    fn last(&self, list: &str) -> usize {
        self.lengths.get(list).map_or(0, |length| length.saturating_sub(1))
    }

    fn push(
        &mut self,
        path: String,
        value: &str,
        rule: Rule,
        row: Option<&'static Row>,
        found: Option<SourceSpan>,
    ) {
        let is_time = path == "metadata.eventTimestamp";
        let (rule, found) =
            if is_time && self.origins.sources.time.is_none() { (DEFAULT_TIME, None) } else { (rule, found) };
        let source = found.as_ref().map(|found| self.origins.origin(found));
        self.fills.push(FillWithSpan {
            fill: Fill { path, value: value.to_owned(), rule, source },
            row,
            found,
            member: None,
        });
    }

    /// What decided on the event type: the record's own where it was taken, otherwise who is named.
    fn event_type(&mut self, event_type: EventType) {
        let own = self.origins.sources.record.get(Field::EventType).map(trim);
        let taken = own.filter(|own| *own == event_type.name());
        let whole = taken.map(|own| self.origins.sources.whole(Field::EventType, own));
        let names = |filled: &&FillWithSpan| {
            let source = filled.row.map(|row| row.source);
            matches!(
                source,
                Some(
                    Source::Field(Field::Operator | Field::Email)
                        | Source::Detail("email")
                        | Source::Payload { field: PayloadField::Operator | PayloadField::Email, .. }
                )
            )
        };
        let found = whole.or_else(|| self.fills.iter().find(names).and_then(|filled| filled.found.clone()));
        let origins = self.origins;
        if let Some(filled) = self.fills.iter_mut().find(|filled| filled.is_event_type()) {
            let is_enriched = filled.row.is_some_and(|row| row.profile() == Profile::Enriched);
            let found = found.filter(|_| taken.is_some() || !is_enriched).or_else(|| {
                filled
                    .row
                    .filter(|_| is_enriched)
                    .and_then(|row| origins.sources.find(row, &filled.fill.value))
            });
            filled.fill.source = found.as_ref().map(|found| origins.origin(found));
            filled.found = found;
        }
    }

    /// Returns what options add.
    fn options(&mut self, text: &str, options: &Options) {
        if let Some(id) =
            Some(text).filter(|_| options.event_id).and_then(|text| record::fingerprint(text).ok())
        {
            self.push("metadata.productLogId".to_owned(), &id, EVENT_ID, None, None);
        }
        for (index, (key, value)) in options.writer.ingestion_metadata().labels.iter().enumerate() {
            for (name, text) in [("key", key), ("value", value)] {
                self.push(format!("metadata.ingestionLabels[{index}].{name}"), text, LABEL, None, None);
            }
        }
        let Some(namespace) = &options.writer.ingestion_metadata().namespace else { return };
        let there = |noun: &str| self.fills.iter().any(|filled| filled.fill.path.starts_with(noun));
        let mut nouns: Vec<_> = ["principal", "src", "target"]
            .into_iter()
            .filter(|noun| there(noun))
            .map(str::to_owned)
            .collect();
        nouns.extend((0..self.entries).map(|entry| format!("about[{entry}]")));
        for noun in nouns {
            self.push(format!("{noun}.namespace"), namespace, NAMESPACE, None, None);
        }
    }
}
