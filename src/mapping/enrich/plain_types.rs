//! The types of events, of records that ask for none, without their events.

use super::event_types;
use super::operation::Operation;
use super::put_sign_in::SIGN_IN_TYPES;
use super::vocabulary::Class;
use super::words::{Spacing, same_words};
use crate::detail::Detail;
use crate::json::trim;
use crate::mapping::facts::{Facts, ladder};
use crate::mapping::row_lookup;
use crate::mapping::row_values::OperationValues;
use crate::record::{Field, Record};
use crate::udm::EventType;

/// Returns the type of the event of an operation log without JSON, of which `found` are the values of the default table; `None`
/// if the event must be built.
pub(in crate::mapping) fn type_of_operation<'a>(
    record: &Record<'a>,
    detail: &'a Detail<'_>,
    found: &OperationValues<'a>,
) -> Option<EventType> {
    let operation = Operation::read(record, detail);
    // Without a category, it depends on labels whether there is a resource.
    if record.get(Field::EventType).is_some() || operation.category.is_empty() {
        return None;
    }
    let (has_name, class) = (operation.head.name.is_some(), operation.class);
    let is_named_by_head = class == Class::User && has_name && !found.has_any(row_lookup::NAMES_TARGET);
    let principal = found.has_any(row_lookup::OPERATOR);
    let facts = Facts {
        principal,
        target: is_named_by_head || found.has_any(row_lookup::IDENTIFIES_TARGET),
        resource: class != Class::Group,
        group: class == Class::Group && has_name,
        setting: principal && class == Class::Setting,
        ..Facts::NONE
    };
    Some(event_types::select(&operation, facts).unwrap_or_else(|| ladder(found.names_user())))
}

/// Returns the type of the event of a sign-in; `None` if the event must be built.
pub(in crate::mapping) fn type_of_sign_in(record: &Record<'_>) -> Option<EventType> {
    let text = trim(record.get(Field::Type).unwrap_or_default());
    let known = SIGN_IN_TYPES.iter().find(|(name, _)| same_words(text, name, Spacing::Any));
    let asks_for_none = record.get(Field::EventType).is_none();
    asks_for_none.then(|| known.map_or_else(|| ladder(true), |(_, event_type)| *event_type))
}
