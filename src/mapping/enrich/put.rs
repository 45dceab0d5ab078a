//! Puts the values of a record into an event, with those that `--enrich` adds.

use super::enriched::Enriched;
use super::{put_operation, put_sign_in, put_unread, put_webhook};
use crate::detail::JsonUsers;
use crate::mapping::content::Content;
use crate::mapping::diagnostics::DiagnosticCounts;
use crate::mapping::options::MappingOptions;
use crate::mapping::table_enriched::{APPLICATION, EnrichedRow};
use crate::mapping::trace::Trace;
use crate::record::Record;
use crate::udm::Event;

/// Puts the values of a record, of which `users` are those of the detail's JSON, into an event.
pub(in crate::mapping) fn put<'c, 'a: 'c>(
    record: &Record<'a>,
    content: &'c Content<'a>,
    users: &mut JsonUsers<'c>,
    rules: MappingOptions,
    event: &mut Event<'c>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> Enriched<'c> {
    event.target.application = Some(APPLICATION);
    trace.on_fill(EnrichedRow::Application.row(), APPLICATION);
    match content {
        Content::Operation(detail) => put_operation::put(record, detail, users, rules, event, notes, trace),
        Content::SignIn => put_sign_in::put(record, event, notes, trace),
        Content::Webhook(payload) => put_webhook::put(record, payload, event, notes, trace),
    }
}

/// Puts the members of a record that are not fields of its kind. `text` is the record as written.
pub(in crate::mapping) fn put_other_members<'a>(
    record: &Record<'_>,
    text: &'a str,
    content: &Content<'_>,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) {
    if record.may_have_others {
        let time = content.time_and_source(record).map(|(_, source)| source);
        put_unread::put_members(record, text, time, event, notes, trace);
    }
}
