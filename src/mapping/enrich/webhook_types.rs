//! The event types of webhook events, and what `--enrich` says of each, as a table.

use crate::mapping::facts::Facts;
use crate::udm::EventType;
use crate::webhook::{Payload, PayloadField};

/// The type of webhook events with one name, and which fields they have.
#[derive(Debug)]
pub(super) struct WebhookRow {
    /// The name, or the start of names if it ends in a dot.
    event: &'static str,
    when: When,
    pub(super) event_type: EventType,
    pub(super) fields: Fields,
}

/// What a payload must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    HasRole,
    HasParticipant,
}

/// The fields of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// Somebody signed in or out.
    SignIn,
    /// A user received this `userAuthenticationStatus`, if any.
    User(Option<&'static str>),
    /// A user received another role.
    Role,
    /// A user is a resource of this type.
    UserResource(&'static str),
    /// An account is the resource.
    Organization,
    /// Settings are the resource.
    Settings,
    /// A group has members.
    Group,
    /// A meeting has a participant.
    Meeting,
}

const fn row(event: &'static str, event_type: EventType, fields: Fields) -> WebhookRow {
    let when = match fields {
        Fields::Role => When::HasRole,
        Fields::Meeting => When::HasParticipant,
        _ => When::Always,
    };
    WebhookRow { event, when, event_type, fields }
}

/// The types. The first row counts that fits and whose needs are met; if there is none, the first that fits gives the fields.
static ROWS: [WebhookRow; 20] = [
    row("user.signed_in", EventType::USER_LOGIN, Fields::SignIn),
    row("user.signed_out", EventType::USER_LOGOUT, Fields::SignIn),
    row("user.created", EventType::USER_CREATION, Fields::User(None)),
    row("user.invitation_accepted", EventType::USER_CREATION, Fields::User(None)),
    row("user.deleted", EventType::USER_DELETION, Fields::User(Some("DELETED"))),
    row("user.disassociated", EventType::USER_DELETION, Fields::User(Some("DELETED"))),
    row("user.activated", EventType::USER_CHANGE_PERMISSIONS, Fields::User(Some("ACTIVE"))),
    row("user.deactivated", EventType::USER_CHANGE_PERMISSIONS, Fields::User(Some("SUSPENDED"))),
    row("user.updated", EventType::USER_CHANGE_PERMISSIONS, Fields::Role),
    row("user.updated", EventType::USER_RESOURCE_UPDATE_CONTENT, Fields::UserResource("USER")),
    row("user.settings_updated", EventType::USER_RESOURCE_UPDATE_CONTENT, Fields::UserResource("SETTING")),
    row("account.created", EventType::USER_RESOURCE_CREATION, Fields::Organization),
    row("account.disassociated", EventType::USER_RESOURCE_DELETION, Fields::Organization),
    row("account.", EventType::USER_RESOURCE_UPDATE_CONTENT, Fields::Settings),
    row("group.settings_updated", EventType::USER_RESOURCE_UPDATE_CONTENT, Fields::Settings),
    row("group.lock_settings_updated", EventType::USER_RESOURCE_UPDATE_CONTENT, Fields::Settings),
    row("group.created", EventType::GROUP_CREATION, Fields::Group),
    row("group.deleted", EventType::GROUP_DELETION, Fields::Group),
    row("group.", EventType::GROUP_MODIFICATION, Fields::Group),
    row("meeting.", EventType::USER_UNCATEGORIZED, Fields::Meeting),
];

/// Returns the names of all rows; one that ends in a dot is the start of names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.event)
}

/// Returns the row of an event with this name, and whether the event meets the needs of its type.
pub(super) fn select(name: &str, payload: &Payload<'_>) -> Option<(&'static WebhookRow, bool)> {
    let mut fitting = ROWS.iter().filter(|row| row.is_of(name) && row.when.holds(payload));
    let first = fitting.clone().next()?;
    let met = fitting.find(|row| row.is_met(name, payload));
    Some((met.unwrap_or(first), met.is_some()))
}

impl WebhookRow {
    fn is_of(&self, name: &str) -> bool {
        if self.event.ends_with('.') { name.starts_with(self.event) } else { name == self.event }
    }

    /// Returns whether an event with this name, with the fields of this row, meets the needs of its type.
    fn is_met(&self, name: &str, payload: &Payload<'_>) -> bool {
        match self.fields {
            // Who signed in is also the principal.
            Fields::SignIn => payload.get(PayloadField::Email).is_some(),
            _ => facts(name, payload).meet(self.event_type.needs()),
        }
    }
}

impl When {
    fn holds(self, payload: &Payload<'_>) -> bool {
        let has = |field| payload.get(field).is_some();
        match self {
            Self::Always => true,
            Self::HasRole => has(PayloadField::RoleName) || has(PayloadField::Role),
            Self::HasParticipant => {
                let members = payload.participant.filter(|json| json.starts_with('{'));
                members.is_some_and(|json| crate::json::members(json).next().is_some())
            }
        }
    }
}

/// Returns what the event of a payload has that rows can need. Each row of a resource brings it.
fn facts(name: &str, payload: &Payload<'_>) -> Facts {
    let has = |field| payload.get(field).is_some();
    Facts {
        principal: has(PayloadField::Operator) || has(PayloadField::OperatorId),
        target: has(PayloadField::Email) || name.starts_with("user.") && has(PayloadField::Id),
        resource: true,
        group: has(PayloadField::Name),
        ..Facts::NONE
    }
}
