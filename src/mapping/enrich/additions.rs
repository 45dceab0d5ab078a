//! What `--enrich` adds to the event of an operation log: read once, then put into the typed event or written at once.

use super::distinct::Distinct;
use super::vocabulary::{Class, PREVIOUS_ROLE, role_type};
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::{KeyedValue, Trace};
use crate::udm::{Event, Noun, Role, TextLabel, TextLabels};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What `--enrich` adds to the event of an operation log.
#[derive(Default)]
pub(in crate::mapping) struct Additions<'a> {
    /// What the labels of the group or resource, and those of `src`, belong to.
    pub(super) class: Class,
    /// The roles of addresses, after those of the default table.
    pub(in crate::mapping) roles: SmallVec<[Role<'a>; 1]>,
    /// The labels of the target's user.
    pub(in crate::mapping) user_labels: Entries<'a>,
    /// The labels of the target's group or resource.
    pub(in crate::mapping) labels: Entries<'a>,
    /// The labels of what the target was before.
    pub(in crate::mapping) labels_before: Entries<'a>,
    pub(in crate::mapping) address_before: Option<&'a str>,
    pub(in crate::mapping) userid: Option<&'a str>,
    pub(in crate::mapping) authentication_status: Option<&'static str>,
    pub(in crate::mapping) group_name: Option<&'a str>,
    pub(in crate::mapping) resource: ResourceTexts<'a>,
    /// The verb with which HEAD begins.
    pub(in crate::mapping) verb: Option<&'static str>,
    /// The keys that were changed.
    pub(in crate::mapping) changed: Distinct<'a>,
    pub(in crate::mapping) summary: Option<&'a str>,
    pub(in crate::mapping) category: Option<&'a str>,
}

/// The fields of the target's resource.
#[derive(Default)]
pub(in crate::mapping) struct ResourceTexts<'a> {
    pub(in crate::mapping) resource_type: Option<&'static str>,
    pub(in crate::mapping) subtype: Option<&'a str>,
    pub(in crate::mapping) name: Option<&'a str>,
    pub(in crate::mapping) id: Option<Cow<'a, str>>,
}

/// A text with a key, and the row that gives it.
pub(in crate::mapping) struct Entry<'a> {
    pub(super) row: EnrichedRow,
    pub(in crate::mapping) key: &'a str,
    pub(in crate::mapping) value: &'a str,
}

/// Texts with keys, as many as an operation usually has changes without an allocation.
pub(in crate::mapping) type Entries<'a> = SmallVec<[Entry<'a>; 6]>;

/// The part of a noun that has the labels of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::mapping) enum LabelOwner {
    User,
    Group,
    Resource,
}

impl<'a> Additions<'a> {
    /// Returns the owner of the labels.
    pub(in crate::mapping) fn label_owner(&self) -> LabelOwner {
        match self.class {
            Class::User => LabelOwner::User,
            Class::Group => LabelOwner::Group,
            _ => LabelOwner::Resource,
        }
    }

    /// Says of the target's user which role it had before.
    pub(super) fn add_previous_role(&mut self, value: &'a str) {
        self.user_labels.push(Entry { row: EnrichedRow::PreviousRole, key: PREVIOUS_ROLE, value });
    }

    /// Puts everything into an event that has the values of the default table.
    pub(super) fn put(self, event: &mut Event<'a>, trace: &mut impl Trace) {
        let owner = self.label_owner();
        put_entries(labels_of(&mut event.src, owner), self.labels_before, trace);
        if let Some(address) = self.address_before {
            event.src.user.email_addresses.push(address);
            trace.on_fill(EnrichedRow::AddressBefore.row(), address);
        }
        let user = &mut event.target.user;
        put_text(&mut user.userid, EnrichedRow::UserName, self.userid.map(Cow::Borrowed), trace);
        put_text(
            &mut user.authentication_status,
            EnrichedRow::AuthenticationStatus,
            self.authentication_status,
            trace,
        );
        for role in self.roles {
            trace.on_fill(EnrichedRow::TargetRole.row(), role.name);
            if let Some(role_type) = role.role_type {
                trace.on_fill(EnrichedRow::TargetRoleType.row(), role_type);
            }
            user.roles.push(role);
        }
        put_entries(&mut user.text_labels, self.user_labels, trace);
        let group_name = &mut event.target.group.group_display_name;
        put_text(group_name, EnrichedRow::GroupName, self.group_name, trace);
        put_entries(labels_of(&mut event.target, owner), self.labels, trace);
        let (resource, texts) = (&mut event.target.resource, self.resource);
        put_text(&mut resource.resource_type, EnrichedRow::ResourceType, texts.resource_type, trace);
        put_text(&mut resource.resource_subtype, EnrichedRow::ResourceSubtype, texts.subtype, trace);
        put_text(&mut resource.name, EnrichedRow::ResourceName, texts.name.map(Cow::Borrowed), trace);
        put_text(&mut resource.product_object_id, EnrichedRow::MeetingId, texts.id, trace);
        let result = &mut event.security_result;
        let verb = self.verb.map(|verb| (EnrichedRow::Verb, "verb", verb));
        let changed = self.changed.texts().iter().map(|key| (EnrichedRow::Changed, "changed", *key));
        for (row, key, value) in verb.into_iter().chain(changed) {
            result.detection_fields.push((key, Cow::Borrowed(value)));
            trace.on_keyed(row.row(), KeyedValue::new(key, value));
        }
        put_text(&mut result.summary, EnrichedRow::Summary, self.summary, trace);
        put_text(&mut result.category, EnrichedRow::CategoryDetails, self.category, trace);
    }
}

impl ResourceTexts<'_> {
    pub(in crate::mapping) fn has_data(&self) -> bool {
        let has_type = self.resource_type.is_some() || self.subtype.is_some();
        has_type || self.name.is_some() || self.id.is_some()
    }
}

/// Returns a role with its type.
pub(in crate::mapping) fn typed_role(name: &str) -> Role<'_> {
    Role { name, role_type: role_type(name) }
}

fn labels_of<'n, 'a>(noun: &'n mut Noun<'a>, owner: LabelOwner) -> &'n mut TextLabels<'a> {
    match owner {
        LabelOwner::User => &mut noun.user.text_labels,
        LabelOwner::Group => &mut noun.group.labels,
        LabelOwner::Resource => &mut noun.resource.labels,
    }
}

fn put_entries<'a>(labels: &mut TextLabels<'a>, entries: Entries<'a>, trace: &mut impl Trace) {
    for Entry { row, key, value } in entries {
        labels.push(TextLabel { key, value });
        trace.on_keyed(row.row(), KeyedValue::new(key, value));
    }
}

/// Puts a text, if it is present.
fn put_text<T: AsRef<str>>(field: &mut Option<T>, row: EnrichedRow, text: Option<T>, trace: &mut impl Trace) {
    if let Some(text) = text {
        trace.on_fill(row.row(), text.as_ref());
        *field = Some(text);
    }
}
