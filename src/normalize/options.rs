//! The options of a run.

use crate::mapping::{MappingOptions, Template};
use crate::timestamp::Timestamp;
use crate::udm::Writer;
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The options of the mapping.
    pub rules: MappingOptions,
    /// The output shape, and the values that are added to every event.
    pub writer: Writer,
    /// The time of records without a usable time; `None` rejects them.
    pub default_time: Option<Timestamp>,
    /// Whether to set `metadata.productLogId` to the record's [`fingerprint`](crate::record::fingerprint).
    pub event_id: bool,
    /// The input format.
    pub format: Format,
    /// The maximum length of a line in bytes, without its end: 1 to 1 GiB.
    pub max_line_bytes: usize,
    /// The longest event, in bytes without its newline, that is not noted as too large.
    pub max_event_bytes: usize,
    /// Whether a longer event is rejected instead: for events that are put into requests.
    pub reject_large_events: bool,
    /// The number of worker threads, at least 1.
    pub threads: usize,
    /// Whether to stop at the first reject.
    pub strict: bool,
    /// Set by others, such as a signal handler, to stop after the current blocks.
    pub stop: Arc<AtomicBool>,
    /// The template compiled from the writer.
    pub compiled: TemplateCache,
}

/// A template that is compiled from a [`Writer`] on first use. All clones share it, because compiling takes longer than
/// a small object.
#[derive(Debug, Clone, Default)]
pub struct TemplateCache(Arc<OnceCell<(Writer, Option<Arc<Template>>)>>);

impl TemplateCache {
    pub(super) fn template(&self, writer: &Writer) -> Option<Arc<Template>> {
        let compile = || Template::new(writer).map(Arc::new);
        let (known, template) = self.0.get_or_init(|| (writer.clone(), compile()));
        // The options may have changed since the template was compiled.
        if known == writer { template.clone() } else { compile() }
    }
}

/// 4 MiB: the maximum line length of a SecOps feed.
pub const DEFAULT_MAX_LINE_BYTES: usize = 4 << 20;

/// The longest event that Google's import methods accept: 4 MB a request, less what stands around the event in it.
pub const MAX_EVENT_BYTES: usize = 4_000_000 - 1_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: MappingOptions::default(),
            writer: Writer::default(),
            default_time: None,
            event_id: false,
            format: Format::Auto,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES,
            max_event_bytes: MAX_EVENT_BYTES,
            reject_large_events: false,
            threads: 1,
            strict: false,
            stop: Arc::default(),
            compiled: TemplateCache::default(),
        }
    }
}

/// How an input is split into records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// By how it begins: whole JSON on the first line means lines, the header of Zoom's export CSV. An input that is not
    /// text, or is another CSV, is a failure.
    #[default]
    Auto,
    /// Each line is a record, an array of records or an API page.
    Ndjson,
    /// JSON values that may span lines: pages, arrays or records, one after the other.
    Json,
    /// Zoom's export of operation logs as CSV.
    Csv,
}
