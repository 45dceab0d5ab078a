//! Puts the values of an operation log into an event, or writes them with the template.

use super::additions::Additions;
use super::additions_reader::{AdditionsReader, Target};
use super::enriched::Enriched;
use super::further_users::FurtherUsers;
use super::operation::Operation;
use super::put_users::{NamedUsers, type_last_role};
use crate::detail::{Detail, JsonUsers, new_value};
use crate::email;
use crate::mapping::diagnostics::DiagnosticCounts;
use crate::mapping::json_user_rows::put_first_user;
use crate::mapping::options::{MappingOptions, Values};
use crate::mapping::row_lookup::{self, KindRows};
use crate::mapping::row_values::{OperationValues, put_text};
use crate::mapping::template::TemplateWriter;
use crate::mapping::trace::Trace;
use crate::record::{Record, RecordKind};
use crate::timestamp::Timestamp;
use crate::udm::{Event, EventType};

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
    let mut named = NamedUsers::read(detail);
    let operation = Operation::read(record, detail);
    let mut found = OperationValues::default();
    gather(&mut found, record, detail, (&operation, &named), rules.values);
    put_rows(&found, event, trace);
    if detail.has_json()
        && let Some(first) = users.next()
    {
        put_first_user(first, event, trace);
    }
    let mut additions = Additions::default();
    let target = Target::of(&event.target.user);
    let reader =
        AdditionsReader { operation: &operation, rules, found: &found, target, additions: &mut additions };
    let (event_type, row) = reader.read(record, &mut named, notes);
    additions.put(event, trace);
    Enriched { event_type, row, users: named.into_about().map(FurtherUsers::Named) }
}

/// The number of changes up to which an event is written from the template.
const MOST_CHANGES: usize = 32;

/// Writes the event of an operation log as [`put`] and the typed writer would, but faster. Returns `None` if the typed event
/// is needed. The detail has no JSON. Not inlined, to leave the code of the default small.
#[inline(never)]
pub(in crate::mapping) fn write_from_template<'a>(
    record: &Record<'a>,
    detail: &Detail<'a>,
    time: &Timestamp,
    rules: MappingOptions,
    notes: &mut DiagnosticCounts,
    sheet: TemplateWriter<'_>,
) -> Option<EventType> {
    if record.kind != RecordKind::Operation || record.may_have_others {
        return None;
    }
    // The typed writer passes on the parts of an event that may be too long for memory.
    if detail.changes.len() > MOST_CHANGES {
        return None;
    }
    let mut named = NamedUsers::read(detail);
    if named.has_further() {
        return None;
    }
    let operation = Operation::read(record, detail);
    let mut found = OperationValues::default();
    gather(&mut found, record, detail, (&operation, &named), rules.values);
    if found.has_any(row_lookup::NOT_IN_ENRICHED_TEMPLATE) {
        return None;
    }
    let mut additions = Additions::default();
    let target = Target::of_values(&found);
    let reader =
        AdditionsReader { operation: &operation, rules, found: &found, target, additions: &mut additions };
    let (event_type, _) = reader.read(record, &mut named, notes);
    sheet.write_enriched(time, event_type, &found, &additions);
    Some(event_type)
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

/// Sets the values of the default table.
fn gather<'c, 'a: 'c>(
    found: &mut OperationValues<'c>,
    record: &Record<'c>,
    detail: &Detail<'a>,
    (operation, named): (&Operation<'c>, &NamedUsers<'c>),
    values: Values,
) {
    found.gather_fields(record);
    found.set(row_lookup::EMAIL, named.target());
    found.gather_changes(detail, values);
    if operation.is_change_of_role && gives_role_to_address(detail, values) {
        // Each user has its own role instead.
        found.set(row_lookup::ROLE, None);
    }
}

/// Returns whether a change whose key is an address gives the role that the default table takes.
fn gives_role_to_address(detail: &Detail<'_>, values: Values) -> bool {
    let mut of_address = detail.changes.iter().filter(|change| email::is_email(change.key));
    of_address.any(|change| match values {
        Values::New => new_value(change.value).is_some(),
        Values::Verbatim => !change.value.is_empty(),
    })
}
