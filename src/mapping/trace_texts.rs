//! Reports the values of the default table without building an event.

use super::content::Content;
use super::diagnostics::DiagnosticCounts;
use super::facts::{Facts, event_type};
use super::options::Values;
use super::row_lookup::KindRows;
use super::row_values::{MappedValues, OperationValues, SignInValues};
use super::table::ROWS;
use super::trace::Trace;
use crate::record::Record;
use crate::udm::EventType;

/// Reports the texts that the default table takes of an operation log or a sign-in, as [`map`](super::map) does, and returns
/// the type of the event. Returns `None` if the event must be built: the detail contains JSON, or it is a webhook event.
pub(crate) fn trace_texts(
    record: &Record<'_>,
    content: &Content<'_>,
    values: Values,
    trace: &mut impl Trace,
) -> Option<EventType> {
    let mut notes = DiagnosticCounts::default();
    match content {
        Content::Operation(detail) if !detail.has_json() => {
            let mut found = OperationValues::default();
            found.gather(record, detail, values);
            trace_each(&found, KindRows::OPERATION, trace);
            let facts = || Facts::of_operation(&found, false);
            Some(event_type(record, found.names_user(), facts, &mut notes))
        }
        Content::SignIn => {
            let mut found = SignInValues::default();
            found.gather_sign_in(record, &mut notes);
            trace_each(&found, KindRows::SIGN_IN, trace);
            Some(event_type(record, true, || Facts::SIGN_IN, &mut notes))
        }
        _ => None,
    }
}

fn trace_each<const COUNT: usize>(found: &MappedValues<'_, COUNT>, rows: KindRows, trace: &mut impl Trace) {
    for (row, text) in found.each() {
        trace.on_fill(&ROWS[rows.in_table(row)], text);
    }
}
