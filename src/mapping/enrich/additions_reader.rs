//! Reads what `--enrich` adds to the event of an operation log.

use super::additions::{Additions, Entry, ResourceTexts};
use super::event_types;
use super::head::moves;
use super::operation::{Operation, ReadChange};
use super::put_users::NamedUsers;
use super::vocabulary::{Class, OperationKind, RECORDING, ROLE_KEYS};
use super::words::same_words;
use crate::email;
use crate::json::trim;
use crate::mapping::diagnostics::DiagnosticCounts;
use crate::mapping::facts::{Facts, ladder, own_type};
use crate::mapping::options::{MappingOptions, Values};
use crate::mapping::row::Row;
use crate::mapping::row_lookup;
use crate::mapping::row_values::OperationValues;
use crate::mapping::table::ROWS;
use crate::mapping::table_enriched::EnrichedRow;
use crate::record::Record;
use crate::udm::{EventType, User};
use std::borrow::Cow;

/// What the default table says of the target's user.
pub(super) struct Target<'a> {
    first_address: Option<&'a str>,
    is_named: bool,
    /// Whether it is known who the user is.
    is_identified: bool,
    has_data: bool,
}

impl<'a> Target<'a> {
    pub(super) fn of(user: &User<'a>) -> Self {
        Self {
            first_address: user.email_addresses.first().copied(),
            is_named: user.is_named(),
            is_identified: user.is_identified(),
            has_data: user.has_data(),
        }
    }

    /// The same if the record says nothing else of the user than these values.
    pub(super) fn of_values(found: &OperationValues<'a>) -> Self {
        Self {
            first_address: found.each_of(row_lookup::EMAILS).next().map(|(_, address)| address),
            is_named: found.has_any(row_lookup::NAMES_TARGET),
            is_identified: found.has_any(row_lookup::IDENTIFIES_TARGET),
            has_data: found.has_any(row_lookup::TARGET_USER),
        }
    }
}

/// Reads what is added to the event of an operation log.
pub(super) struct AdditionsReader<'r, 'a> {
    pub(super) operation: &'r Operation<'a>,
    pub(super) rules: MappingOptions,
    /// The values of the default table.
    pub(super) found: &'r OperationValues<'a>,
    pub(super) target: Target<'a>,
    pub(super) additions: &'r mut Additions<'a>,
}

impl<'a> AdditionsReader<'_, 'a> {
    /// Reads everything, and returns the type of the event with the row that gives it.
    pub(super) fn read(
        mut self,
        record: &Record<'_>,
        named: &mut NamedUsers<'a>,
        notes: &mut DiagnosticCounts,
    ) -> (EventType, &'static Row) {
        self.additions.class = self.operation.class;
        self.read_details();
        self.read_changes(named);
        self.read_target();
        self.additions.summary = self.operation.summary();
        self.additions.category = Some(self.operation.category).filter(|category| !category.is_empty());
        self.read_type(record, notes)
    }

    /// Reads what is said without a key.
    fn read_details(&mut self) {
        if let Some(text) = self.operation.unkeyed.filter(|text| says_more_than_addresses(text)) {
            let rows = [EnrichedRow::UserDetail, EnrichedRow::GroupDetail, EnrichedRow::ResourceDetail];
            self.add_label(rows, "detail", text);
        }
        // The category of phone numbers is that of a resource.
        if self.operation.head.is_of_phone_number {
            let moves = self.operation.summary().map(moves).unwrap_or_default();
            let labels = moves.into_iter().flatten();
            let row = EnrichedRow::PhoneNumberMove;
            self.additions.labels.extend(labels.map(|(key, value)| Entry { row, key, value }));
        }
    }

    /// Returns the row for the class, of those for a user, a group and a resource.
    fn row_of_class(&self, [of_user, of_group, of_resource]: [EnrichedRow; 3]) -> EnrichedRow {
        match self.operation.class {
            Class::User => of_user,
            Class::Group => of_group,
            _ => of_resource,
        }
    }

    /// Adds a label of the target.
    fn add_label(&mut self, rows: [EnrichedRow; 3], key: &'a str, value: &'a str) {
        let entry = Entry { row: self.row_of_class(rows), key, value };
        match self.operation.class {
            Class::User => self.additions.user_labels.push(entry),
            _ => self.additions.labels.push(entry),
        }
    }

    /// Reads what each key was and is.
    fn read_changes(&mut self, named: &mut NamedUsers<'a>) {
        self.additions.verb = self.operation.head.verb.map(|verb| verb.word);
        let operation = self.operation;
        if let Some(change) = operation.change_of_head() {
            self.read_change(&change, named);
        }
        for change in operation.changes() {
            self.read_change(&change, named);
        }
        self.additions.address_before = operation.old_address();
    }

    #[inline]
    fn read_change(&mut self, change: &ReadChange<'a>, named: &mut NamedUsers<'a>) {
        if change.is_of_address && self.operation.is_change_of_role {
            return named.add_role(change, self.found, self.additions);
        }
        let is_user = self.operation.class == Class::User;
        if let Some(new) = change.new.filter(|_| !is_user || !self.is_put(change)) {
            let rows = [EnrichedRow::UserAfter, EnrichedRow::GroupAfter, EnrichedRow::ResourceAfter];
            self.add_label(rows, change.key, new);
        }
        match change.old {
            Some(old) if is_user && ROLE_KEYS.contains(&change.key) => {
                self.additions.add_previous_role(old);
            }
            Some(value) => {
                let rows = [EnrichedRow::UserBefore, EnrichedRow::GroupBefore, EnrichedRow::ResourceBefore];
                let row = self.row_of_class(rows);
                self.additions.labels_before.push(Entry { row, key: change.key, value });
            }
            None => {}
        }
        if !change.is_of_address {
            self.additions.changed.insert(change.key);
        }
    }

    /// Returns whether the default table put the value of a change into the event, or its list holds an equal one.
    fn is_put(&self, change: &ReadChange<'a>) -> bool {
        let Some(row) = row_lookup::of_key(change.key) else { return false };
        let text = match self.rules.values {
            Values::New => change.new.unwrap_or_default(),
            Values::Verbatim => change.value,
        };
        // The same slice, not an equal one: of a key given twice the last is put.
        std::ptr::eq(self.found.last_value(row), text)
    }

    /// Reads what the operation was done to, except for a user's resource, which depends on the type of the event.
    fn read_target(&mut self) {
        let name = self.operation.head.name;
        match self.operation.class {
            Class::User => self.read_user(name),
            Class::Group => self.additions.group_name = name,
            Class::Setting => {
                let other = || self.operation.only_key().or(self.operation.section());
                let name = name.or_else(other);
                self.read_resource(name);
            }
            _ => self.read_resource(name),
        }
    }

    fn read_user(&mut self, name: Option<&'a str>) {
        self.additions.userid = name.filter(|_| !self.target.is_named);
        let of_verb = self.operation.head.verb.and_then(|verb| verb.status);
        let is_deleted = self.operation.kind == OperationKind::Delete;
        let status = of_verb.or(is_deleted.then_some("DELETED"));
        self.additions.authentication_status = status.filter(|_| !self.operation.is_change_of_role);
    }

    fn read_resource(&mut self, name: Option<&'a str>) {
        let operation = self.operation;
        let section = operation.section().filter(|_| operation.class == Class::Setting);
        let is_recording = same_words(operation.category, RECORDING, operation.spacing);
        self.additions.resource = ResourceTexts {
            resource_type: operation.class.resource_type(),
            subtype: section.or(Some(operation.category)).filter(|text| !text.is_empty()),
            name,
            id: operation.head.name.filter(|_| is_recording).and_then(meeting_id),
        };
    }

    /// Selects the type of the event. An updated user is a resource, too.
    fn read_type(&mut self, record: &Record<'_>, notes: &mut DiagnosticCounts) -> (EventType, &'static Row) {
        let is_user = self.operation.class == Class::User;
        let facts = self.facts();
        let of_type = |known| {
            let is_resource = is_user && known == EventType::USER_RESOURCE_UPDATE_CONTENT;
            Facts { resource: facts.resource || is_resource, ..facts }
        };
        let of_table = || {
            // More than the type itself needs: the user must be named.
            let target = self.target.is_identified || self.additions.userid.is_some();
            event_types::select(
                self.operation,
                Facts { target, resource: facts.resource || is_user, ..facts },
            )
        };
        let (own, refined) = match own_type(record, of_type, notes) {
            Some(own) => (Some(own), None),
            None => (None, of_table()),
        };
        let event_type = own.or(refined).unwrap_or_else(|| ladder(self.found.names_user()));
        if is_user && event_type == EventType::USER_RESOURCE_UPDATE_CONTENT {
            self.read_resource(self.operation.head.name.or(self.target.first_address));
        }
        let row =
            if refined.is_some() { EnrichedRow::EventType.row() } else { &ROWS[row_lookup::EVENT_TYPE] };
        (event_type, row)
    }

    /// Returns what the event has.
    fn facts(&self) -> Facts {
        let (principal, added) = (self.found.has_any(row_lookup::OPERATOR), &*self.additions);
        let has_user_texts = added.userid.is_some() || added.authentication_status.is_some();
        let has_user_lists = !added.roles.is_empty() || !added.user_labels.is_empty();
        let has_resource_labels = self.operation.class != Class::Group && !added.labels.is_empty();
        Facts {
            principal,
            target: self.target.has_data || has_user_texts || has_user_lists,
            resource: added.resource.has_data() || has_resource_labels,
            group: added.group_name.is_some(),
            setting: principal && added.resource.resource_type == Some("SETTING"),
            ..Facts::NONE
        }
    }
}

/// Returns whether a text says anything besides e-mail addresses.
fn says_more_than_addresses(text: &str) -> bool {
    let mut from = 0;
    while let Some(found) = email::find(text, from) {
        if !trim(&text[from..found.start]).is_empty() {
            return true;
        }
        from = found.end;
    }
    !trim(&text[from..]).is_empty()
}

/// Returns the ID of a meeting, if a name is one: digits, in groups or not.
fn meeting_id(name: &str) -> Option<Cow<'_, str>> {
    let is_id = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ');
    let without_spaces =
        || if name.contains(' ') { name.replace(' ', "").into() } else { Cow::Borrowed(name) };
    is_id.then(without_spaces)
}
