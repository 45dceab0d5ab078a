//! What an event has, and which event types that allows.

use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::row_lookup;
use super::row_values::OperationValues;
use crate::json::trim;
use crate::record::{Field, Record};
use crate::udm::{Event, EventType, Needs};

/// What an event has that some event types require.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is something that an event has or not")]
pub(super) struct Facts {
    /// A user in the principal.
    pub(super) principal: bool,
    /// A user in the target.
    pub(super) target: bool,
    /// A resource in the target.
    pub(super) resource: bool,
    /// A group with a name in the target.
    pub(super) group: bool,
    /// A principal, and `extensions.auth`.
    pub(super) login: bool,
    /// A principal, and a setting in the target.
    pub(super) setting: bool,
}

impl Facts {
    /// A sign-in names who signed in.
    pub(super) const SIGN_IN: Self = Self { target: true, ..Self::NONE };

    pub(super) const NONE: Self =
        Self { principal: false, target: false, resource: false, group: false, login: false, setting: false };

    /// `json_user` says whether the detail's JSON puts a user into the target.
    pub(super) fn of_operation(found: &OperationValues<'_>, json_user: bool) -> Self {
        let target = json_user || found.has_any(row_lookup::TARGET_USER);
        Self { principal: found.has_any(row_lookup::OPERATOR), target, ..Self::NONE }
    }

    pub(super) fn of(event: &Event<'_>) -> Self {
        let target = &event.target;
        let resource = &target.resource;
        let has_principal = event.principal.has_data();
        Self {
            principal: event.principal.user.has_data(),
            target: target.user.has_data(),
            resource: resource.has_data(),
            group: target.group.group_display_name.is_some(),
            login: has_principal && event.auth.is_some(),
            setting: has_principal && resource.resource_type == Some("SETTING"),
        }
    }

    pub(super) fn meet(self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::User => self.target || self.principal,
            Needs::TargetUser => self.target,
            Needs::Resource => self.principal && self.resource,
            Needs::Group => self.principal && self.group,
            Needs::Login => self.target && self.login,
            Needs::Setting => self.setting,
        }
    }
}

/// Selects the event type: the record's own type if valid, otherwise `USER_UNCATEGORIZED` if a user is named, otherwise
/// `GENERIC_EVENT`.
#[inline]
pub(super) fn event_type(
    record: &Record<'_>,
    names_user: bool,
    facts: impl FnOnce() -> Facts,
    notes: &mut DiagnosticCounts,
) -> EventType {
    own_type(record, |_| facts(), notes).unwrap_or_else(|| ladder(names_user))
}

/// Returns the type of an event whose record asks for none.
#[inline]
pub(super) fn ladder(names_user: bool) -> EventType {
    if names_user { EventType::USER_UNCATEGORIZED } else { EventType::GENERIC_EVENT }
}

/// Returns the type that a record asks for; if it is passed over, notes why. `facts` returns what an event of a type has.
#[inline]
pub(super) fn own_type(
    record: &Record<'_>,
    facts: impl FnOnce(EventType) -> Facts,
    notes: &mut DiagnosticCounts,
) -> Option<EventType> {
    let name = trim(record.get(Field::EventType)?);
    let known = EventType::named(name).filter(|known| known.is_specified());
    match known {
        Some(known) if facts(known).meet(known.needs()) => return Some(known),
        Some(_) => notes.add(Diagnostic::EventTypeUnmet, 1),
        None => notes.add(Diagnostic::EventTypeUnknown, 1),
    }
    None
}
