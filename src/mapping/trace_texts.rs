//! Reports the values of the default table without building an event.

use super::content::Content;
use super::diagnostics::DiagnosticCounts;
use super::enrich;
use super::facts::{Facts, event_type};
use super::options::Values;
use super::row_lookup::KindRows;
use super::row_values::{MappedValues, OperationValues, SignInValues};
use super::table::ROWS;
use super::trace::Trace;
use crate::record::Record;
use crate::udm::EventType;

/// The types of the events of a record.
pub(crate) struct TracedTypes {
    pub(crate) default: EventType,
    /// The type with `--enrich`; `None` if the event must be built.
    pub(crate) enriched: Option<EventType>,
}

/// Reports the texts that the default table takes of an operation log or a sign-in, as [`map`](super::map) does, and returns
/// the types of the events. Returns `None` if the event must be built: the detail contains JSON, or it is a webhook event.
pub(crate) fn trace_texts<'a>(
    record: &Record<'a>,
    content: &'a Content<'_>,
    values: Values,
    trace: &mut impl Trace,
) -> Option<TracedTypes> {
    let mut notes = DiagnosticCounts::default();
    match content {
        Content::Operation(detail) if !detail.has_json() => {
            let mut found = OperationValues::default();
            found.gather(record, detail, values);
            trace_each(&found, KindRows::OPERATION, trace);
            let facts = || Facts::of_operation(&found, false);
            Some(TracedTypes {
                default: event_type(record, found.names_user(), facts, &mut notes),
                enriched: enrich::type_of_operation(record, detail, &found),
            })
        }
        Content::SignIn => {
            let mut found = SignInValues::default();
            found.gather_sign_in(record, &mut notes);
            trace_each(&found, KindRows::SIGN_IN, trace);
            Some(TracedTypes {
                default: event_type(record, true, || Facts::SIGN_IN, &mut notes),
                enriched: enrich::type_of_sign_in(record),
            })
        }
        _ => None,
    }
}

fn trace_each<const COUNT: usize>(found: &MappedValues<'_, COUNT>, rows: KindRows, trace: &mut impl Trace) {
    for (row, text) in found.each() {
        trace.on_fill(&ROWS[rows.in_table(row)], text);
    }
}
