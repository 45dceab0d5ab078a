//! Puts into `additional` what no other row reads.

use super::members::addresses_of_members;
use crate::detail::span_within;
use crate::json::{Leaves, has_lone_surrogate, leaf_text, members, string, trim};
use crate::mapping::content::TimeSource;
use crate::mapping::diagnostics::{Diagnostic, DiagnosticCounts};
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::{KeyedValue, Trace};
use crate::mapping::webhook_rows::UsedFields;
use crate::record::{Field, Record, RecordKind};
use crate::udm::{Event, UnreadMember};
use crate::webhook::{Payload, PayloadField};
use std::borrow::Cow;
use std::collections::HashSet;

/// Puts the members of the record in `json` that are not fields of its kind. `time` says where its time is.
pub(super) fn put_members<'a>(
    record: &Record<'_>,
    json: &'a str,
    time: Option<TimeSource>,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) {
    let named = members(json).map(|(key, json)| UnreadMember { name: string(key), json });
    // UDM has no member without a name.
    let mut unread: Vec<_> =
        named.filter(|member| !member.name.is_empty() && !is_read(record, time, &member.name)).collect();
    if unread.is_empty() {
        return;
    }
    keep_last(&mut unread);
    let before = event.unread.len();
    for member in unread {
        let is_nested = member.json.starts_with(['{', '[']);
        notes.add(Diagnostic::MemberNested, u32::from(is_nested));
        if !is_nested && says_something(member.json, notes) {
            event.unread.push(member);
        }
    }
    keep_new(before, EnrichedRow::Unread, event, trace);
}

/// Keeps the last of members with equal names.
fn keep_last(unread: &mut Vec<UnreadMember<'_>>) {
    let mut names = HashSet::new();
    let mut is_last: Vec<bool> = unread.iter().rev().map(|member| names.insert(&*member.name)).collect();
    unread.retain(|_| is_last.pop() == Some(true));
}

/// Returns whether a member is a field of the record's kind.
fn is_read(record: &Record<'_>, time: Option<TimeSource>, name: &str) -> bool {
    // A webhook event nearly always has its time elsewhere; then nobody reads this field.
    let is_other_time = !matches!(time, None | Some(TimeSource::Field(Field::Time)));
    if record.kind == RecordKind::Webhook && is_other_time && name == Field::Time.name() {
        return false;
    }
    record.kind.fields().iter().any(|field| field.name() == name)
}

/// Puts the scalars of a payload that no row used.
pub(super) fn put_payload<'a>(
    payload: &'a Payload<'_>,
    used: UsedFields,
    has_members: bool,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) {
    let skipped = Skipped::of(payload, used, has_members);
    let objects = payload.objects.map(|json| json.and_then(|json| span_within(payload.json, json)));
    let before = event.unread.len();
    let mut leaves = Leaves::of_members(payload.json);
    let place = |value: &str| span_within(payload.json, value).map_or(0, |place| place.start);
    while let Some(leaf) = leaves.next_unless(|value| skipped.contains(place(value))) {
        let is_in_object = objects.iter().flatten().any(|object| object.contains(&place(leaf)));
        let prefix = if is_in_object { "" } else { "payload." };
        if says_something(leaf, notes) {
            let name = Cow::Owned(format!("{prefix}{}", leaves.path()));
            event.unread.push(UnreadMember { name, json: leaf });
        }
    }
    notes.add(Diagnostic::LabelsCut, u32::from(leaves.is_cut()));
    keep_new(before, EnrichedRow::UnreadOfPayload, event, trace);
}

/// Returns whether a scalar has a text. Notes one that UTF-8 cannot hold.
fn says_something(json: &str, notes: &mut DiagnosticCounts) -> bool {
    let is_text = json != "null" && !trim(&leaf_text(json)).is_empty();
    notes.add(Diagnostic::SurrogateReplaced, u32::from(is_text && has_lone_surrogate(json)));
    is_text
}

/// Drops the members after the first `before` whose names are in `additional` already.
fn keep_new<T: Trace>(before: usize, row: EnrichedRow, event: &mut Event<'_>, trace: &mut T) {
    let mut names: HashSet<&str> = event.additional.iter().map(|(name, _)| *name).collect();
    let mut is_new: Vec<bool> = event.unread.iter().map(|member| names.insert(&*member.name)).collect();
    is_new.reverse();
    event.unread.retain(|_| is_new.pop() == Some(true));
    if T::ENABLED {
        for member in &event.unread[before..] {
            let text = member.text();
            let entry = KeyedValue { key: &member.name, value: &text, written: member.json };
            trace.on_keyed(row.row(), entry);
        }
    }
}

/// The parts of a payload that rows used, as positions of values.
struct Skipped {
    settings: Vec<std::ops::Range<usize>>,
    values: HashSet<usize>,
}

impl Skipped {
    fn of(payload: &Payload<'_>, used: UsedFields, has_members: bool) -> Self {
        let place = |part: &str| span_within(payload.json, part);
        let is_used = |field: &PayloadField| used >> *field as u32 & 1 == 1;
        let fields = PayloadField::ALL.into_iter().filter(is_used);
        let mut values: HashSet<usize> = fields
            .filter_map(|field| payload.member(field))
            .filter_map(|(_, value)| place(value))
            .map(|place| place.start)
            .collect();
        if has_members {
            let addresses = payload.group_users.into_iter().flatten().flat_map(addresses_of_members);
            values.extend(addresses.filter_map(|(raw, _)| place(raw)).map(|place| place.start));
        }
        let settings = payload.settings.into_iter().flatten().filter(|json| json.starts_with(['{', '[']));
        Self { settings: settings.filter_map(place).collect(), values }
    }

    /// Returns whether the value at a position was used.
    fn contains(&self, at: usize) -> bool {
        self.values.contains(&at) || self.settings.iter().any(|settings| settings.contains(&at))
    }
}
