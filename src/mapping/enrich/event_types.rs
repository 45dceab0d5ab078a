//! The event types of operation logs, as a table.

use super::operation::Operation;
use super::vocabulary::{Class, OperationKind};
use crate::mapping::facts::Facts;
use crate::udm::EventType;

/// An event type, and which operation logs have it.
#[derive(Clone, Copy)]
struct TypeRow {
    classes: &'static [Class],
    when: When,
    event_type: EventType,
}

/// What an operation must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// HEAD begins with `Change Role`, or a change of a role is neither part of a new user nor of a deleted one.
    ChangesRole,
    /// The verb gives a user a status.
    HasStatus,
    Is(OperationKind),
}

const USER: &[Class] = &[Class::User];
const GROUP: &[Class] = &[Class::Group];
const ROLE: &[Class] = &[Class::Role];
/// The classes of which the target is a resource.
const RESOURCES: &[Class] = &[Class::Setting, Class::Organization, Class::Device, Class::Resource];
/// The same, and users, of whom only an update is one of a resource.
const UPDATED: &[Class] = &[Class::User, Class::Setting, Class::Organization, Class::Device, Class::Resource];

const fn row(classes: &'static [Class], when: When, event_type: EventType) -> TypeRow {
    TypeRow { classes, when, event_type }
}

/// The types; the first row counts that fits and whose needs the event meets.
const EVENT_TYPES: [TypeRow; 14] = [
    row(USER, When::ChangesRole, EventType::USER_CHANGE_PERMISSIONS),
    row(USER, When::HasStatus, EventType::USER_CHANGE_PERMISSIONS),
    row(USER, When::Is(OperationKind::Add), EventType::USER_CREATION),
    row(USER, When::Is(OperationKind::Delete), EventType::USER_DELETION),
    row(GROUP, When::Is(OperationKind::Add), EventType::GROUP_CREATION),
    row(GROUP, When::Is(OperationKind::Update), EventType::GROUP_MODIFICATION),
    row(GROUP, When::Is(OperationKind::Delete), EventType::GROUP_DELETION),
    row(ROLE, When::Is(OperationKind::Add), EventType::USER_RESOURCE_CREATION),
    row(ROLE, When::Is(OperationKind::Update), EventType::USER_RESOURCE_UPDATE_PERMISSIONS),
    row(ROLE, When::Is(OperationKind::Delete), EventType::USER_RESOURCE_DELETION),
    row(RESOURCES, When::Is(OperationKind::Add), EventType::USER_RESOURCE_CREATION),
    row(UPDATED, When::Is(OperationKind::Update), EventType::USER_RESOURCE_UPDATE_CONTENT),
    row(RESOURCES, When::Is(OperationKind::Delete), EventType::USER_RESOURCE_DELETION),
    row(RESOURCES, When::Is(OperationKind::Access), EventType::USER_RESOURCE_ACCESS),
];

/// Returns the type of an operation log whose event has these facts.
pub(super) fn select(operation: &Operation<'_>, facts: Facts) -> Option<EventType> {
    let (rows, count) = &OF_CLASS[operation.class as usize];
    let fits = |row: &&(When, EventType)| row.0.holds(operation) && facts.meet(row.1.needs());
    rows[..*count].iter().find(fits).map(|row| row.1)
}

/// The maximum number of rows of a class.
const MOST: usize = 5;

/// For each class its rows, and how many there are.
static OF_CLASS: [([(When, EventType); MOST], usize); Class::COUNT] = {
    let nothing = (When::ChangesRole, EventType::GENERIC_EVENT);
    let mut of_class = [([nothing; MOST], 0); Class::COUNT];
    let mut row = 0;
    while row < EVENT_TYPES.len() {
        let TypeRow { classes, when, event_type } = EVENT_TYPES[row];
        let mut class = 0;
        while class < classes.len() {
            let (rows, count) = &mut of_class[classes[class] as usize];
            assert!(*count < MOST, "a class has more rows; raise MOST");
            rows[*count] = (when, event_type);
            *count += 1;
            class += 1;
        }
        row += 1;
    }
    of_class
};

impl When {
    fn holds(self, operation: &Operation<'_>) -> bool {
        let kind = operation.kind;
        match self {
            Self::ChangesRole => {
                let keeps_user = !matches!(kind, OperationKind::Add | OperationKind::Delete);
                operation.is_change_of_role || keeps_user && operation.changes_role()
            }
            Self::HasStatus => operation.head.verb.is_some_and(|verb| verb.status.is_some()),
            Self::Is(wanted) => kind == wanted,
        }
    }
}
