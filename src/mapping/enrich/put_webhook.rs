//! Puts the values of a webhook event into an event.

use super::enriched::Enriched;
use super::further_users::FurtherUsers;
use super::members::GroupUsers;
use super::put_sign_in::put_authentication;
use super::put_unread;
use super::put_users::{put_previous_role, type_last_role};
use super::settings::changed_paths;
use super::webhook_types::{self, Fields, WebhookRow};
use crate::email;
use crate::json::{leaf_text, trim};
use crate::mapping::content::{TimeSource, time_of_webhook};
use crate::mapping::diagnostics::{Diagnostic, DiagnosticCounts};
use crate::mapping::facts::{Facts, ladder, own_type};
use crate::mapping::row::Row;
use crate::mapping::row_lookup;
use crate::mapping::row_values::is_version;
use crate::mapping::table::ROWS;
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::{KeyedValue, Trace};
use crate::mapping::webhook_rows::{Replaced, UsedFields, put_webhook};
use crate::record::{Field, Record};
use crate::udm::{Event, EventType, LeafLabels, UserTextField};
use crate::webhook::{Payload, PayloadField};
use std::borrow::Cow;

/// Puts the values of a webhook event into an event.
pub(super) fn put<'a>(
    record: &Record<'a>,
    payload: &'a Payload<'_>,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Enriched<'a> {
    let name = trim(record.get(Field::Event).unwrap_or_default());
    let selected = webhook_types::select(name, payload);
    let fields = selected.map(|(row, _)| row.fields);
    let has_own_id = matches!(fields, Some(Fields::UserResource(_) | Fields::Organization));
    let replaced = Replaced { settings: true, path: has_own_id.then_some("target.resource.productObjectId") };
    let used = put_webhook(record, payload, replaced, event, notes, trace);
    type_last_role(event, trace);
    let mut put = PutWebhook { payload, used, event, trace };
    put.put_old_user();
    let changed = put.put_settings(notes);
    if let Some(fields) = fields {
        put.put_fields(fields, &changed);
    }
    put.mark_read(record);
    let used = put.used;
    put_unread::put_payload(payload, used, fields == Some(Fields::Group), event, notes, trace);
    let (event_type, row) = event_type(record, payload, selected, event, notes);
    let users = (fields == Some(Fields::Group)).then(|| FurtherUsers::Group(GroupUsers::of(payload)));
    Enriched { event_type, row, users }
}

/// Selects the type of the event: the one the record asks for, otherwise that of its row.
fn event_type(
    record: &Record<'_>,
    payload: &Payload<'_>,
    selected: Option<(&'static WebhookRow, bool)>,
    event: &Event<'_>,
    notes: &mut DiagnosticCounts,
) -> (EventType, &'static Row) {
    let (facts, of_ladder) = (Facts::of(event), &ROWS[row_lookup::EVENT_TYPE]);
    if let Some(own) = own_type(record, |_| facts, notes) {
        return (own, of_ladder);
    }
    match selected {
        Some((row, is_met))
            if is_met || row.fields == Fields::Meeting && facts.meet(row.event_type.needs()) =>
        {
            (row.event_type, EnrichedRow::EventType.row())
        }
        _ => (ladder(payload.names_user()), of_ladder),
    }
}

/// A webhook event that is being put into an event.
struct PutWebhook<'p, 'a, 'b, T> {
    payload: &'a Payload<'b>,
    used: UsedFields,
    event: &'p mut Event<'a>,
    trace: &'p mut T,
}

/// The fields of a user that hold a text, with what `old_object` says of them.
static OLD_TEXTS: [(PayloadField, UserTextField, EnrichedRow); 4] = [
    (PayloadField::OldFirstName, UserTextField::new("firstName", false), EnrichedRow::OldFirstName),
    (PayloadField::OldLastName, UserTextField::new("lastName", false), EnrichedRow::OldLastName),
    (PayloadField::OldDisplayName, UserTextField::new("userDisplayName", false), EnrichedRow::OldDisplayName),
    (PayloadField::OldDept, UserTextField::new("department", true), EnrichedRow::OldDept),
];

impl<'a, T: Trace> PutWebhook<'_, 'a, '_, T> {
    /// Returns a value, which will count as used.
    fn take(&mut self, field: PayloadField) -> Option<&'a str> {
        let text = self.payload.get(field)?;
        self.used |= 1 << field as u32;
        Some(text)
    }

    /// Puts what a user was before the event.
    fn put_old_user(&mut self) {
        if let Some(text) = self.take(PayloadField::OldEmail).map(trim) {
            let user = &mut self.event.src.user;
            let row = if email::is_email(text) {
                user.email_addresses.push(text);
                EnrichedRow::OldAddress
            } else {
                user.userid = Some(Cow::Borrowed(text));
                EnrichedRow::OldUserid
            };
            self.trace.on_fill(row.row(), text);
        }
        for (field, text_field, row) in &OLD_TEXTS {
            if let Some(text) = self.take(*field) {
                self.event.src.user.texts.push((text_field, text));
                self.trace.on_fill(row.row(), text);
            }
        }
    }

    /// Puts the settings after and before the event, and returns the paths of those that changed.
    fn put_settings(&mut self, notes: &mut DiagnosticCounts) -> Vec<String> {
        let [new, old] = self.payload.settings;
        for (json, row) in [(new, EnrichedRow::SettingAfter), (old, EnrichedRow::SettingBefore)] {
            let Some(labels) = json.map(|json| LeafLabels::new("", json)) else { continue };
            let mut leaves = labels.leaves();
            let mut is_empty = true;
            while let Some(leaf) = leaves.next() {
                is_empty = false;
                if T::ENABLED {
                    let value = leaf_text(leaf);
                    let entry = KeyedValue { key: leaves.path(), value: &value, written: leaf };
                    self.trace.on_keyed(row.row(), entry);
                }
            }
            notes.add(Diagnostic::LabelsCut, u32::from(leaves.is_cut()));
            let is_new = row == EnrichedRow::SettingAfter;
            let noun = if is_new { &mut self.event.target } else { &mut self.event.src };
            if !is_empty {
                noun.resource.leaf_labels.push(labels);
            }
        }
        let changed = new.map(|new| changed_paths(new, old)).unwrap_or_default();
        for path in changed.iter().filter(|path| !path.is_empty()) {
            self.trace.on_keyed(EnrichedRow::SettingChanged.row(), KeyedValue::new("changed", path));
            self.event.security_result.detection_fields.push(("changed", Cow::Owned(path.clone())));
        }
        changed
    }

    fn put_fields(&mut self, fields: Fields, changed: &[String]) {
        match fields {
            Fields::SignIn => {
                let is_native =
                    self.payload.get(PayloadField::LoginType).is_some_and(|text| trim(text) == "101");
                put_authentication(is_native.then_some("USERNAME_PASSWORD"), self.event, self.trace);
            }
            Fields::User(Some(status)) => {
                self.event.target.user.authentication_status = Some(status);
                self.trace.on_fill(EnrichedRow::WebhookStatus.row(), status);
            }
            Fields::User(None) | Fields::Group => {}
            Fields::Role => {
                let name = self.take(PayloadField::OldRoleName);
                if let Some(role) = name.or_else(|| self.take(PayloadField::OldRole)) {
                    put_previous_role(EnrichedRow::WebhookPreviousRole, role, self.event, self.trace);
                }
            }
            Fields::UserResource(resource_type) => {
                let address = self.payload.get(PayloadField::Email).map(trim);
                let name = address.filter(|address| email::is_email(address)).map(Cow::Borrowed);
                let id = self.take(PayloadField::Id);
                self.put_resource(resource_type, name, id);
            }
            Fields::Organization => {
                let (name, id) = (self.take(PayloadField::AccountName), self.take(PayloadField::Id));
                self.put_resource("CLOUD_ORGANIZATION", name.map(Cow::Borrowed), id);
            }
            Fields::Settings => {
                let only = match changed {
                    [path] if !path.is_empty() => Some(Cow::Owned(path.clone())),
                    _ => None,
                };
                self.put_resource("SETTING", only, None);
            }
            Fields::Meeting => self.put_participant(),
        }
    }

    /// Puts the resource of a webhook event. Without an ID that of the account stays.
    fn put_resource(&mut self, resource_type: &'static str, name: Option<Cow<'a, str>>, id: Option<&'a str>) {
        let resource = &mut self.event.target.resource;
        resource.resource_type = Some(resource_type);
        self.trace.on_fill(EnrichedRow::WebhookResourceType.row(), resource_type);
        if let Some(name) = name {
            self.trace.on_fill(EnrichedRow::WebhookResourceName.row(), &name);
            resource.name = Some(name);
        }
        if let Some(id) = id {
            self.trace.on_fill(EnrichedRow::WebhookResourceId.row(), id);
            resource.product_object_id = Some(Cow::Borrowed(id));
        }
    }

    /// Puts the address of a participant, unless the payload says who acted.
    fn put_participant(&mut self) {
        let address = self.payload.get(PayloadField::ParticipantEmail).map(trim);
        let is_free = self.payload.get(PayloadField::Operator).is_none();
        if let Some(address) = address.filter(|address| is_free && email::is_email(address)) {
            self.used |= 1 << PayloadField::ParticipantEmail as u32;
            self.event.principal.user.email_addresses.push(address);
            self.trace.on_fill(EnrichedRow::ParticipantAddress.row(), address);
        }
    }

    /// Marks what was read without being put as it is: the time, and a version that says nothing.
    fn mark_read(&mut self, record: &Record<'_>) {
        if self.payload.get(PayloadField::Version).is_some_and(|version| !is_version(version)) {
            self.used |= 1 << PayloadField::Version as u32;
        }
        if let Some((_, TimeSource::Payload(field))) = time_of_webhook(record, self.payload) {
            self.used |= 1 << field as u32;
        }
    }
}
