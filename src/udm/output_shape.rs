//! Output shapes.

use super::case::Case;

/// The output shape: what surrounds an event, and how values are written that JSON has no type for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputShape {
    /// One event per line, without a wrapper.
    Udm(Case),
    /// `{"events":[{"event":{"timestamp":…,"idm":{"readOnlyUdm":…}}}]}`, as Google's `runParser` returns.
    Parser(Case),
    /// A row as exported to BigQuery: `snake_case`, times as `{seconds,nanos}`, event types as numbers, `additional` as a list of
    /// fields.
    BigQuery,
}

impl Default for OutputShape {
    fn default() -> Self {
        Self::Udm(Case::default())
    }
}
