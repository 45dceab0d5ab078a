//! The entries of `about`, built on demand, because there may be more of them than should be in memory.

use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::enrich::FurtherUsers;
use super::json_user_rows;
use super::trace::Trace;
use crate::detail::JsonUsers;
use crate::udm::About;

/// Iterates over the entries of `about`: with `--enrich` first other users, then one for each further user of the embedded
/// JSON.
#[derive(Default)]
pub(crate) struct RemainingUsers<'a> {
    pub(super) enriched: Option<FurtherUsers<'a>>,
    pub(super) json: JsonUsers<'a>,
}

impl<'a> RemainingUsers<'a> {
    /// Returns the next entry.
    pub(crate) fn next(&mut self, trace: &mut impl Trace) -> Option<About<'a>> {
        if let Some(users) = &mut self.enriched {
            if let Some(about) = users.next(trace) {
                return Some(about);
            }
            self.enriched = None;
        }
        Some(json_user_rows::about(self.json.next()?, trace))
    }

    /// Notes what was skipped or replaced in the JSON: known after the last entry.
    pub(crate) fn note(&self, notes: &mut DiagnosticCounts) {
        notes.add(Diagnostic::JsonSkipped, self.json.skipped());
        notes.add(Diagnostic::SurrogateReplaced, self.json.surrogates_replaced());
    }
}
