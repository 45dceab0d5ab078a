//! Puts the values of an operation log into an event.

use super::distinct::{Compare, Distinct};
use super::enriched::Enriched;
use super::event_types;
use super::further_users::FurtherUsers;
use super::operation::{Operation, ReadChange};
use super::put_users::{NamedUsers, put_previous_role, type_last_role};
use super::vocabulary::{Class, OperationKind, RECORDING, ROLE_KEYS};
use super::words::same_words;
use crate::detail::{Detail, JsonUsers, new_value};
use crate::email;
use crate::json::trim;
use crate::mapping::diagnostics::DiagnosticCounts;
use crate::mapping::facts::{Facts, ladder, own_type};
use crate::mapping::json_user_rows::put_first_user;
use crate::mapping::options::{MappingOptions, Values};
use crate::mapping::row::Row;
use crate::mapping::row_lookup::{self, KindRows};
use crate::mapping::row_values::{OperationValues, put_text};
use crate::mapping::table::ROWS;
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::{KeyedValue, Trace};
use crate::record::Record;
use crate::udm::{Event, EventType, TextLabel, TextLabels};
use std::borrow::Cow;

/// Puts the values of an operation log into an event.
pub(super) fn put<'c, 'a: 'c>(
    record: &Record<'a>,
    detail: &'c Detail<'a>,
    users: &mut JsonUsers<'c>,
    rules: MappingOptions,
    event: &mut Event<'c>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Enriched<'c> {
    let operation = Operation::read(record, detail);
    let mut named = NamedUsers::read(detail);
    let mut found = OperationValues::default();
    found.gather_fields(record);
    found.set(row_lookup::EMAIL, named.target());
    found.gather_changes(detail, rules.values);
    if operation.is_change_of_role && gives_role_to_address(detail, rules.values) {
        // Each user has its own role instead.
        found.set(row_lookup::ROLE, None);
    }
    put_rows(&found, event, trace);
    if detail.has_json()
        && let Some(first) = users.next()
    {
        put_first_user(first, event, trace);
    }
    let mut put = PutOperation { operation, rules, found: &found, event, trace };
    put.put_details();
    put.put_changes(&mut named);
    put.put_target();
    put.put_security_result();
    let (event_type, row) = put.put_type(record, notes);
    Enriched { event_type, row, users: named.into_about().map(FurtherUsers::Named) }
}

/// Returns whether a change whose key is an address gives the role that the default table takes.
fn gives_role_to_address(detail: &Detail<'_>, values: Values) -> bool {
    let mut of_address = detail.changes.iter().filter(|change| email::is_email(change.key));
    of_address.any(|change| match values {
        Values::New => new_value(change.value).is_some(),
        Values::Verbatim => !change.value.is_empty(),
    })
}

/// Puts the values of the default table, and the types of roles.
fn put_rows<'a>(found: &OperationValues<'a>, event: &mut Event<'a>, trace: &mut impl Trace) {
    for (row, text) in found.each() {
        put_text(KindRows::OPERATION.in_table(row), text, event, trace);
        if row_lookup::ROLES >> row & 1 == 1 {
            type_last_role(event, trace);
        }
    }
}

/// An operation log that is being put into an event.
struct PutOperation<'p, 'a, T> {
    operation: Operation<'a>,
    rules: MappingOptions,
    /// The values of the default table, which are in the event.
    found: &'p OperationValues<'a>,
    event: &'p mut Event<'a>,
    trace: &'p mut T,
}

/// Labels whose list depends on the class of an operation.
#[derive(Clone, Copy)]
struct Labels {
    is_before: bool,
    /// The rows for a user, a group and a resource.
    rows: [EnrichedRow; 3],
}

/// What is said without a key.
const DETAIL: Labels = Labels {
    is_before: false,
    rows: [EnrichedRow::UserDetail, EnrichedRow::GroupDetail, EnrichedRow::ResourceDetail],
};
/// What a key is after the operation.
const AFTER: Labels = Labels {
    is_before: false,
    rows: [EnrichedRow::UserAfter, EnrichedRow::GroupAfter, EnrichedRow::ResourceAfter],
};
/// What a key was before it.
const BEFORE: Labels = Labels {
    is_before: true,
    rows: [EnrichedRow::UserBefore, EnrichedRow::GroupBefore, EnrichedRow::ResourceBefore],
};

impl<'a, T: Trace> PutOperation<'_, 'a, T> {
    /// Puts what is said without a key.
    fn put_details(&mut self) {
        if let Some(text) = self.operation.unkeyed.filter(|text| says_more_than_addresses(text)) {
            self.put_label(DETAIL, "detail", text);
        }
        for (key, value) in self.operation.head.moves.into_iter().flatten() {
            self.event.target.resource.labels.push(TextLabel { key, value });
            self.trace.on_keyed(EnrichedRow::PhoneNumberMove.row(), KeyedValue::new(key, value));
        }
    }

    /// Adds a label to a list of the class.
    fn put_label(&mut self, labels: Labels, key: &'a str, value: &'a str) {
        let Labels { is_before, rows: [of_user, of_group, of_resource] } = labels;
        let noun = if is_before { &mut self.event.src } else { &mut self.event.target };
        let (list, row): (&mut TextLabels<'a>, _) = match self.operation.class {
            Class::User => (&mut noun.user.text_labels, of_user),
            Class::Group => (&mut noun.group.labels, of_group),
            _ => (&mut noun.resource.labels, of_resource),
        };
        list.push(TextLabel { key, value });
        self.trace.on_keyed(row.row(), KeyedValue::new(key, value));
    }

    /// Puts what each key was and is.
    fn put_changes(&mut self, named: &mut NamedUsers<'a>) {
        let is_user = self.operation.class == Class::User;
        let mut keys = Distinct::new(Compare::Exactly);
        self.put_verb();
        for change in self.operation.changes() {
            if change.is_of_address && self.operation.is_change_of_role {
                named.put_role(&change, self.event, self.trace);
                continue;
            }
            if let Some(new) = change.new.filter(|_| !is_user || !self.is_put(&change)) {
                self.put_label(AFTER, change.key, new);
            }
            match change.old {
                Some(old) if is_user && ROLE_KEYS.contains(&change.key) => {
                    put_previous_role(EnrichedRow::PreviousRole, old, self.event, self.trace);
                }
                Some(old) => self.put_label(BEFORE, change.key, old),
                None => {}
            }
            if !change.is_of_address && keys.insert(change.key) {
                self.put_detection_field(EnrichedRow::Changed, "changed", change.key);
            }
        }
        if let Some(old) = self.operation.old_address() {
            self.event.src.user.email_addresses.push(old);
            self.trace.on_fill(EnrichedRow::AddressBefore.row(), old);
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

    fn put_verb(&mut self) {
        if let Some(verb) = self.operation.head.verb {
            self.put_detection_field(EnrichedRow::Verb, "verb", verb.word);
        }
    }

    fn put_detection_field(&mut self, row: EnrichedRow, key: &'static str, value: &'a str) {
        self.event.security_result.detection_fields.push((key, Cow::Borrowed(value)));
        self.trace.on_keyed(row.row(), KeyedValue::new(key, value));
    }

    /// Puts what the operation was done to, except for a user's resource, which depends on the type of the event.
    fn put_target(&mut self) {
        let name = self.operation.head.name;
        match self.operation.class {
            Class::User => self.put_user(name),
            Class::Group => {
                if let Some(name) = name {
                    self.event.target.group.group_display_name = Some(name);
                    self.trace.on_fill(EnrichedRow::GroupName.row(), name);
                }
            }
            Class::Setting => {
                let other = || self.operation.only_key().or(self.operation.section());
                let name = name.or_else(other);
                self.put_resource(name.map(Cow::Borrowed));
            }
            _ => self.put_resource(name.map(Cow::Borrowed)),
        }
    }

    fn put_user(&mut self, name: Option<&'a str>) {
        let user = &mut self.event.target.user;
        if let Some(name) = name.filter(|_| user.email_addresses.is_empty() && user.userid.is_none()) {
            user.userid = Some(Cow::Borrowed(name));
            self.trace.on_fill(EnrichedRow::UserName.row(), name);
        }
        let of_verb = self.operation.head.verb.and_then(|verb| verb.status);
        let is_deleted = self.operation.kind == OperationKind::Delete;
        let status =
            of_verb.or(is_deleted.then_some("DELETED")).filter(|_| !self.operation.is_change_of_role);
        if let Some(status) = status {
            user.authentication_status = Some(status);
            self.trace.on_fill(EnrichedRow::AuthenticationStatus.row(), status);
        }
    }

    fn put_resource(&mut self, name: Option<Cow<'a, str>>) {
        let operation = &self.operation;
        let resource = &mut self.event.target.resource;
        resource.resource_type = operation.class.resource_type();
        if let Some(resource_type) = resource.resource_type {
            self.trace.on_fill(EnrichedRow::ResourceType.row(), resource_type);
        }
        let section = operation.section().filter(|_| operation.class == Class::Setting);
        resource.resource_subtype = section.or(Some(operation.category)).filter(|text| !text.is_empty());
        if let Some(subtype) = resource.resource_subtype {
            self.trace.on_fill(EnrichedRow::ResourceSubtype.row(), subtype);
        }
        resource.name = name;
        if let Some(name) = &resource.name {
            self.trace.on_fill(EnrichedRow::ResourceName.row(), name);
        }
        if same_words(operation.category, RECORDING) {
            resource.product_object_id = operation.head.name.and_then(meeting_id);
            if let Some(id) = &resource.product_object_id {
                self.trace.on_fill(EnrichedRow::MeetingId.row(), id);
            }
        }
    }

    fn put_security_result(&mut self) {
        let (operation, result) = (&self.operation, &mut self.event.security_result);
        result.summary = operation.summary();
        result.category = Some(operation.category).filter(|category| !category.is_empty());
        for (row, text) in
            [(EnrichedRow::Summary, result.summary), (EnrichedRow::CategoryDetails, result.category)]
        {
            if let Some(text) = text {
                self.trace.on_fill(row.row(), text);
            }
        }
    }

    /// Selects the type of the event. An updated user is a resource, too.
    fn put_type(mut self, record: &Record<'_>, notes: &mut DiagnosticCounts) -> (EventType, &'static Row) {
        let is_user = self.operation.class == Class::User;
        let facts = Facts::of(self.event);
        let of_type = |known| {
            let is_resource = is_user && known == EventType::USER_RESOURCE_UPDATE_CONTENT;
            Facts { resource: facts.resource || is_resource, ..facts }
        };
        let of_table = || {
            // More than the type itself needs: the user must be named.
            let target = self.event.target.user.is_identified();
            event_types::select(
                &self.operation,
                Facts { target, resource: facts.resource || is_user, ..facts },
            )
        };
        let (own, refined) = match own_type(record, of_type, notes) {
            Some(own) => (Some(own), None),
            None => (None, of_table()),
        };
        let event_type = own.or(refined).unwrap_or_else(|| ladder(self.found.names_user()));
        if is_user && event_type == EventType::USER_RESOURCE_UPDATE_CONTENT {
            let user = &self.event.target.user;
            let address = user.email_addresses.first().map(|address| Cow::Borrowed(*address));
            self.put_resource(self.operation.head.name.map(Cow::Borrowed).or(address));
        }
        let row =
            if refined.is_some() { EnrichedRow::EventType.row() } else { &ROWS[row_lookup::EVENT_TYPE] };
        (event_type, row)
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
