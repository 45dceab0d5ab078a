//! Counts the text of one record.

use super::characters::{Example, count, name};
use super::payload_paths::PayloadPaths;
use super::table::{MAX_ENTRIES, OTHER};
use super::tables::{ActionCounts, ActionName, KeyName, PROFILES, PartName, Place, Tables};
use crate::detail::{Detail, Ranges};
use crate::email;
use crate::explain::{
    Filled, Part, Sources, mapped_members, of_detail, of_payload, read_members, reason_of_field,
};
use crate::json::{find_byte, string, trim};
use crate::record::{Field, RecordKind};
use crate::udm::EventType;
use crate::webhook::Payload;
use smallvec::SmallVec;
use std::borrow::Cow;

/// One record that is being counted.
pub(super) struct Analysis<'t, 'r, 'a> {
    pub(super) tables: &'t mut Tables,
    pub(super) name: &'t mut String,
    pub(super) sources: &'t Sources<'r, 'a>,
    pub(super) profiles: [Profile<'t>; 2],
}

/// The result of a record in one profile.
#[derive(Clone, Copy)]
pub(super) struct Profile<'t> {
    pub(super) event_type: EventType,
    /// What the fields of the event take; `None` if all parts are mapped but those of JSON, which are mapped as by default, as
    /// all members are.
    pub(super) filled: Option<&'t Filled>,
}

/// The characters of a record.
#[derive(Debug, Default)]
struct Characters {
    all: u64,
    /// Those that were not mapped, of each profile.
    unmapped: [u64; 2],
}

/// The key of every change whose key is an e-mail address.
pub(super) const ADDRESS_KEY: &str = "(e-mail address)";

impl<'r, 'a> Analysis<'_, 'r, 'a> {
    /// Counts the record, which is `text`.
    pub(super) fn add(mut self, text: &str) {
        let mut characters = Characters { all: 0, unmapped: self.parts() };
        self.members(text, &mut characters);
        self.action(&characters);
    }

    /// Counts the record by its action.
    fn action(&mut self, characters: &Characters) {
        let record = self.sources.record();
        let text = |field| name(record.get(field).map(trim).unwrap_or_default());
        let (category, action) = match record.kind {
            RecordKind::Operation => (text(Field::CategoryType), text(Field::Action)),
            RecordKind::SignIn => (Cow::Borrowed(""), text(Field::Type)),
            RecordKind::Webhook => (Cow::Borrowed(""), text(Field::Event)),
        };
        ActionName::write(self.name, record.kind, &category, &action);
        let index = self.tables.actions.index(self.name);
        let counts: &mut ActionCounts = self.tables.actions.counts(index);
        counts.records += 1;
        counts.characters += characters.all;
        for profile in 0..PROFILES.len() {
            counts.unmapped[profile] += characters.unmapped[profile];
            counts.add_type(profile, self.profiles[profile].event_type, 1);
        }
    }

    /// Counts the members of the record, and the characters of all of them.
    fn members(&mut self, text: &str, characters: &mut Characters) {
        let sources = self.sources;
        if !sources.record().may_have_others {
            return self.fields(characters);
        }
        let [default, enriched] = self.profiles.map(|profile| profile.filled);
        let (Some(default), Some(enriched)) = (default, enriched.or(default)) else { return };
        let filled = [default, enriched];
        let mapped = filled.map(|filled| mapped_members(text, filled));
        let in_parts = characters.unmapped.map(|length| length > 0);
        for (index, member) in read_members(text, sources.record().kind).iter().enumerate() {
            if member.is_blank() {
                continue;
            }
            let reason =
                |profile: usize| member.reason(sources, filled[profile], mapped[profile].contains(&index));
            let reasons = [0, 1].map(|profile| reason(profile).map(|(kind, _)| kind));
            let (text, name) = (member.text(sources), member.name());
            let at = match member.field {
                Some(field) => self.field(field),
                None => self.key(Place::Record, &name, index),
            };
            let length = self.member(at, &text);
            characters.all += length;
            if reasons != [None; 2] {
                self.unmapped_member(at, (index, &name), (length, &text), reasons, characters);
            }
            // The parts of these fields count one by one.
            if matches!(member.field, Some(Field::OperationDetail | Field::Payload)) && member.is_read {
                self.unmap(at, in_parts);
            }
        }
    }

    /// Counts the fields of a record that has nothing else.
    fn fields(&mut self, characters: &mut Characters) {
        let record = self.sources.record();
        let in_parts = characters.unmapped.map(|length| length > 0);
        for field in record.kind.fields() {
            let Some(text) = record.get(*field) else { continue };
            let at = self.field(*field);
            let length = self.member(at, text);
            characters.all += length;
            if let Some((kind, _)) = reason_of_field(self.sources, *field, text) {
                self.unmapped_member(at, (0, field.name()), (length, text), [Some(kind); 2], characters);
            }
            if *field == Field::OperationDetail {
                self.unmap(at, in_parts);
            }
        }
    }

    /// Counts a member with its index in the table of keys, and returns its characters.
    fn member(&mut self, at: usize, text: &str) -> u64 {
        let counts = self.tables.keys.counts(at);
        counts.count += 1;
        counts.example.get_or_insert_with(|| Example::new(text));
        count(text)
    }

    /// Counts that a member was not mapped, with its number in the record, its name, its length and its text. `reasons` says
    /// why it was not mapped in each profile.
    fn unmapped_member(
        &mut self,
        at: usize,
        (number, name): (usize, &str),
        (length, text): (u64, &str),
        reasons: [Option<&'static str>; 2],
        characters: &mut Characters,
    ) {
        self.unmap(at, reasons.map(|reason| reason.is_some()));
        for (profile, reason) in reasons.iter().enumerate() {
            if let Some(kind) = reason {
                characters.unmapped[profile] += length;
                self.unmapped(profile, (Place::Record, kind, name), (length, text), number);
            }
        }
    }

    /// Counts that a key was not mapped in some profiles.
    fn unmap(&mut self, at: usize, in_profiles: [bool; 2]) {
        let counts = self.tables.keys.counts(at);
        for (unmapped, is_unmapped) in counts.unmapped.iter_mut().zip(in_profiles) {
            *unmapped += u64::from(is_unmapped);
        }
    }

    /// Returns the index of a field in the table of keys.
    fn field(&mut self, field: Field) -> usize {
        if let Some(index) = self.tables.fields[field as usize] {
            return index;
        }
        let index = self.key(Place::Record, field.name(), 0);
        self.tables.fields[field as usize] = Some(index);
        index
    }

    /// Counts the parts of the detail and of the payload. Returns how many of their characters were not mapped, in each
    /// profile.
    fn parts(&mut self) -> [u64; 2] {
        let mut keys = PartKeys::default();
        match (self.sources.payload(), self.sources.detail(), self.profiles.map(|profile| profile.filled)) {
            (Some(payload), _, [Some(default), Some(enriched)]) => {
                self.parts_of_payload(payload, [default, enriched], &mut keys)
            }
            (_, Some(detail), [Some(default), enriched]) => {
                let unmapped = self.parts_of_detail(0, detail, default, &mut keys);
                let enriched = match enriched {
                    Some(enriched) => self.parts_of_detail(1, detail, enriched, &mut keys),
                    None => keys.unmapped_json,
                };
                [unmapped, enriched]
            }
            _ => [0; 2],
        }
    }

    /// Counts the parts of a payload.
    fn parts_of_payload(
        &mut self,
        payload: &Payload<'_>,
        [default, enriched]: [&Filled; 2],
        keys: &mut PartKeys,
    ) -> [u64; 2] {
        let mut is_mapped_by_default = SmallVec::<[bool; 64]>::new();
        of_payload(payload, default, |part| is_mapped_by_default.push(part.why.is_none()));
        let mut is_mapped_by_default = is_mapped_by_default.into_iter();
        let (mut paths, mut lengths) = (PayloadPaths::of(payload.json), [0; 2]);
        of_payload(payload, enriched, |part| {
            let is_mapped = [is_mapped_by_default.next() == Some(true), part.why.is_none()];
            if part.is_blank {
                return;
            }
            let path = part.at.first().map_or("", |member| paths.of_scalar(member, part.value.len()));
            let at = self.new_key(&part, Place::Payload, path, keys);
            if is_mapped == [true; 2] {
                return;
            }
            self.unmap(at, is_mapped.map(|is_mapped| !is_mapped));
            let text = self.sources.text_in(part.field, &part.at);
            let length = count(&text);
            for profile in (0..PROFILES.len()).filter(|profile| !is_mapped[*profile]) {
                self.unmapped_part(profile, (Place::Payload, part.kind, path), (length, &text), keys);
                lengths[profile] += length;
            }
        });
        lengths
    }

    /// Counts the parts of a detail in a profile.
    fn parts_of_detail(
        &mut self,
        profile: usize,
        detail: &'r Detail<'a>,
        filled: &Filled,
        keys: &mut PartKeys,
    ) -> u64 {
        let has_address = detail.may_have_address();
        // Addresses, which are rarely listed, and JSON may be in other parts.
        let may_overlap = detail.may_have_addresses() || detail.has_json();
        let (mut ranges, mut length) = (Ranges::new(), 0);
        (keys.next, keys.unmapped_json) = (0, 0);
        of_detail(self.sources, detail, filled, |part| {
            if part.is_blank {
                return;
            }
            let is_address =
                || has_address && find_byte(b'@', part.key.as_bytes()).is_some() && email::is_email(part.key);
            let (place, key) = match part.kind {
                "json" => (Place::DetailJson, string(part.key)),
                _ if is_address() => (Place::Detail, Cow::Borrowed(ADDRESS_KEY)),
                _ => (Place::Detail, Cow::Borrowed(part.key)),
            };
            let of_part = self.part(profile, &part, place, &key, keys);
            length += of_part;
            if place == Place::DetailJson {
                keys.unmapped_json += of_part;
            }
            if may_overlap {
                ranges.extend(part.at.iter().cloned());
            }
        });
        if ranges.is_sorted_by(|one, next| one.end <= next.start) {
            length
        } else {
            self.length_of_union(ranges)
        }
    }

    /// Counts a part of a detail, and returns how many of its characters were not mapped.
    fn part(&mut self, profile: usize, part: &Part<'_>, place: Place, key: &str, keys: &mut PartKeys) -> u64 {
        let at = match profile {
            _ if part.key.is_empty() => None,
            0 => Some(self.new_key(part, place, key, keys)),
            _ => Some(keys.known()),
        };
        if part.why.is_none() {
            return 0;
        }
        let text = self.sources.text_in(part.field, &part.at);
        let length = count(&text);
        // Without a mapping of its own, `--enrich` maps JSON as the default does, and all else.
        let is_of_both = self.profiles[1].filled.is_none() && place == Place::DetailJson;
        for profile in profile..if is_of_both { 2 } else { profile + 1 } {
            if let Some(at) = at {
                self.tables.keys.counts(at).unmapped[profile] += 1;
            }
            self.unmapped_part(profile, (place, part.kind, key), (length, &text), keys);
        }
        length
    }

    /// Counts a part that was not mapped.
    fn unmapped_part(
        &mut self,
        profile: usize,
        name: (Place, &str, &str),
        text: (u64, &str),
        keys: &mut PartKeys,
    ) {
        keys.unmapped[profile] += 1;
        self.unmapped(profile, name, text, keys.unmapped[profile]);
    }

    /// Counts the key of a part, and returns its index.
    #[inline]
    fn new_key(&mut self, part: &Part<'_>, place: Place, key: &str, keys: &mut PartKeys) -> usize {
        let at = self.key(place, key, keys.indices.len());
        if at != OTHER {
            keys.indices.push(at);
        }
        let counts = self.tables.keys.counts(at);
        counts.count += 1;
        if counts.example.is_none() {
            counts.example = example(part);
        }
        at
    }

    /// Returns the index of a key, which is the one with this number in its record.
    #[inline]
    fn key(&mut self, place: Place, key: &str, number: usize) -> usize {
        if number >= MAX_ENTRIES {
            return OTHER;
        }
        KeyName::write(self.name, place, &name(key));
        self.tables.keys.index(self.name)
    }

    /// Counts an unmapped part, which is the one with this number in its record.
    fn unmapped(
        &mut self,
        profile: usize,
        (place, kind, key): (Place, &str, &str),
        (length, text): (u64, &str),
        number: usize,
    ) {
        let table = &mut self.tables.unmapped[profile];
        let at = if number >= MAX_ENTRIES {
            OTHER
        } else {
            PartName::write(self.name, place, kind, &name(key));
            table.index(self.name)
        };
        let counts = table.counts(at);
        counts.count += 1;
        counts.characters += length;
        counts.example.get_or_insert_with(|| Example::new(text));
    }

    /// Returns how many characters of the detail are in ranges, which may overlap.
    fn length_of_union(&self, mut ranges: Ranges) -> u64 {
        ranges.sort_by_key(|range| range.start);
        let (mut end, mut length) = (0, 0);
        for range in ranges {
            let rest = range.start.max(end)..range.end.max(end);
            length += count(&self.sources.text_in(Field::OperationDetail, &[rest]));
            end = end.max(range.end);
        }
        length
    }
}

/// Returns the value of a part as an example, unless it is empty.
#[inline(never)]
fn example(part: &Part<'_>) -> Option<Example> {
    let inside = part.value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let text = inside.filter(|_| part.kind != "change").map_or(Cow::Borrowed(part.value), string);
    (!part.value.is_empty()).then(|| Example::new(&text))
}

/// The keys of the parts of one record.
#[derive(Default)]
struct PartKeys {
    /// The indices of the keys in their table, in the order of the parts.
    indices: SmallVec<[usize; 16]>,
    /// The number of parts that were passed in this profile.
    next: usize,
    /// The number of unmapped parts so far, of each profile.
    unmapped: [usize; 2],
    /// The characters of JSON that were not mapped in this profile.
    unmapped_json: u64,
}

impl PartKeys {
    /// Returns the index of the next key that was counted in the first profile.
    fn known(&mut self) -> usize {
        self.next += 1;
        self.indices.get(self.next - 1).copied().unwrap_or(OTHER)
    }
}
