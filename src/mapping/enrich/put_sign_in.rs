//! Puts the values of a sign-in into an event.

use super::enriched::Enriched;
use super::words::{Spacing, same_words};
use crate::json::trim;
use crate::mapping::diagnostics::DiagnosticCounts;
use crate::mapping::facts::{Facts, ladder, own_type};
use crate::mapping::row_lookup::{self, KindRows};
use crate::mapping::row_values::SignInValues;
use crate::mapping::table::ROWS;
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::Trace;
use crate::record::{Field, Record};
use crate::udm::{Authentication, Event, EventType};

/// The types of sign-ins, and those of their events.
pub(super) static SIGN_IN_TYPES: [(&str, EventType); 2] =
    [("Sign in", EventType::USER_LOGIN), ("Sign out", EventType::USER_LOGOUT)];

/// Puts the values of a sign-in into an event.
pub(super) fn put<'a>(
    record: &Record<'a>,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Enriched<'a> {
    let mut found = SignInValues::default();
    found.gather_sign_in(record, notes);
    found.put(KindRows::SIGN_IN, event, trace);
    let text = record.get(Field::Type).unwrap_or_default();
    let refined = SIGN_IN_TYPES
        .iter()
        .find(|(name, _)| same_words(trim(text), name, Spacing::Any))
        .map(|(_, found)| *found);
    if refined.is_some() {
        put_authentication(None, event, trace);
    }
    let facts = Facts::of(event);
    let own = own_type(record, |_| facts, notes);
    let row = if own.is_none() && refined.is_some() {
        EnrichedRow::EventType.row()
    } else {
        &ROWS[row_lookup::EVENT_TYPE]
    };
    let event_type = own.or(refined).unwrap_or_else(|| ladder(true));
    Enriched { event_type, row, users: None }
}

/// Says that the target's user signed in or out itself, and how.
pub(super) fn put_authentication(
    mechanism: Option<&'static str>,
    event: &mut Event<'_>,
    trace: &mut impl Trace,
) {
    let (principal, target) = (&mut event.principal.user, &event.target.user);
    if !principal.is_named() {
        for address in &target.email_addresses {
            principal.email_addresses.push(*address);
            trace.on_fill(EnrichedRow::PrincipalAddress.row(), address);
        }
        if let Some(userid) = &target.userid {
            principal.userid = Some(userid.clone());
            trace.on_fill(EnrichedRow::PrincipalUserid.row(), userid);
        }
    }
    event.auth = Some(Authentication { mechanism });
    match mechanism {
        Some(mechanism) => trace.on_fill(EnrichedRow::Mechanism.row(), mechanism),
        None => trace.on_fill(EnrichedRow::Auth.row(), "{}"),
    }
    let action = "ALLOW";
    event.security_result.action = Some(action);
    trace.on_fill(EnrichedRow::Action.row(), action);
}
