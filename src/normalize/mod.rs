//! Normalizes raw records to UDM events: any input format, output in input order, any number of threads.
//!
//! An input is read in blocks of whole lines (`frame`; `document` for JSON that spans lines, `csv` for rows). Each
//! thread takes a block, converts it (`work`), waits for its turn, and passes the events to the sink (`order`). So the
//! output is in order by construction, and memory is bounded by one block and its events per thread.

mod csv;
mod detect;
mod emitter;
mod framer;
mod import_request;
mod input;
mod inspect;
mod multiline;
mod pipeline;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod read_more;
mod reject;
mod summary;
mod worker;

use crate::mapping::{MappingOptions, Template};
use crate::timestamp::Timestamp;
use crate::udm::Writer;
use once_cell::sync::OnceCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use import_request::{EventWriter, Limits, RequestFormat, RequestWriter};
#[cfg(feature = "gcs")]
pub(crate) use input::unpacked_within;
pub use input::{Input, is_gzip};
#[cfg(any(feature = "cli", feature = "gcs"))]
pub(crate) use input::{Unpacked, unpacked};
pub(crate) use inspect::{InspectedRecord, inspect_each};
pub use reject::{Part, Reject, RejectReader, RejectWriter, StoredReject};
pub use summary::{Failure, Summary, Warning};

/// Options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The options of the mapping.
    pub rules: MappingOptions,
    /// The output shape, and the values that are added to every event.
    pub writer: Writer,
    /// The time of records without a usable time; `None` rejects them.
    pub default_time: Option<Timestamp>,
    /// Whether to set `metadata.productLogId` to the record's [`id`](crate::record::fingerprint).
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
    fn template(&self, writer: &Writer) -> Option<Arc<Template>> {
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
    /// text, or is another CSV, is a [`Failure`].
    #[default]
    Auto,
    /// Each line is a record, an array of records or an API page.
    Ndjson,
    /// JSON values that may span lines: pages, arrays or records, one after the other.
    Json,
    /// Zoom's export of operation logs as CSV.
    Csv,
}

/// Receives events and rejects. Called by one thread at a time, in input order.
///
/// A sink of your own receives both as they are produced:
///
/// ```
/// use std::io::{self, Write};
/// use zoom_udm::normalize::{self, Input, RejectWriter, Rejected, Sink};
///
/// struct Files<E, R> {
///     events: E,
///     rejects: RejectWriter<R>,
/// }
///
/// impl<E: Write + Send, R: Write + Send> Sink for Files<E, R> {
///     fn events(&mut self, events: &[u8]) -> io::Result<()> {
///         self.events.write_all(events)
///     }
///     fn reject(&mut self, reject: &Rejected<'_>) -> io::Result<()> {
///         self.rejects.write(reject)
///     }
/// }
///
/// let mut files = Files { events: Vec::new(), rejects: RejectWriter::new(Vec::new()) };
/// let input = Input::new("two lines", &b"{\"time\":\"2024-01-31T23:59:59Z\"}\nno record\n"[..]);
/// let summary = normalize::run(std::iter::once(input), &Default::default(), &mut files)?;
/// assert_eq!((summary.events, summary.rejects), (1, 1));
/// let rejects = String::from_utf8(files.rejects.finish()?)?;
/// assert!(rejects.starts_with(r#"{"input":"two lines","line":2,"offset":32,"reason":"not_json""#));
/// assert!(rejects.ends_with("\"raw\":\"no record\"}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send {
    /// Receives events, each with its newline. An event over 1 MiB may arrive in parts, in consecutive calls; only the
    /// last part ends in a newline.
    ///
    /// # Errors
    /// An error ends the run as [`Error::Output`].
    fn events(&mut self, events: &[u8]) -> io::Result<()>;

    /// Receives one reject, or a part of one that is too long to be held whole.
    ///
    /// # Errors
    /// An error ends the run as [`Error::Rejects`].
    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()>;
}

/// Why a run ended early. An input that cannot be read does not end the run: it is listed in [`Summary::failures`], and
/// the other inputs are read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sink failed to take events.
    #[error("writing events failed: {0}")]
    Output(#[source] io::Error),
    /// The sink failed to take rejects.
    #[error("writing rejects failed: {0}")]
    Rejects(#[source] io::Error),
    /// The threads could not be started.
    #[error("starting {threads} threads failed: {message}")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The error of the operating system.
        message: String,
    },
}

/// Normalizes all inputs, in order, into the sink.
///
/// ```
/// use std::io;
/// use zoom_udm::normalize::{self, Input, Options, Rejected, Sink};
///
/// /// Counts the bytes of events, and stops at the first reject.
/// struct Bytes(usize);
///
/// impl Sink for Bytes {
///     fn events(&mut self, events: &[u8]) -> io::Result<()> {
///         self.0 += events.len();
///         Ok(())
///     }
///     fn reject(&mut self, reject: &Rejected<'_>) -> io::Result<()> {
///         Err(io::Error::other(format!("line {}: {}", reject.line, reject.refusal.message)))
///     }
/// }
///
/// // Anything that reads: a file, a socket, standard input; plain or gzip.
/// let reader = io::Cursor::new("{\"time\":\"2024-01-31T23:59:59Z\",\"action\":\"Add\"}\n".repeat(1000));
/// let mut bytes = Bytes(0);
/// let options = Options { threads: 2, ..Options::default() };
/// let summary = normalize::run(std::iter::once(Input::new("logs", reader)), &options, &mut bytes)?;
/// assert_eq!((summary.records, summary.events), (1000, 1000));
/// // Inputs that could not be read are listed here; all others were read.
/// assert!(summary.failures.is_empty() && bytes.0 > 100_000);
/// # Ok::<(), normalize::Error>(())
/// ```
///
/// # Errors
/// [`Error`]; the counts so far are lost, but the sink has received everything that came before.
pub fn run<S: Sink>(
    inputs: impl Iterator<Item = Input> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    pipeline::run(inputs, options, sink)
}

/// Normalizes stored rejects again, each as the line or record that it was.
///
/// # Errors
/// As [`run`]. Errors in reading the rejects are listed in [`Summary::failures`]: the first ten, and the number of
/// further ones. Reading continues with the next reject.
pub fn replay_rejects<S: Sink>(
    name: &str,
    rejects: impl Iterator<Item = io::Result<StoredReject>> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    pipeline::replay_rejects(name, rejects, options, sink)
}

/// Normalizes bytes in memory. Returns the events, one per line, and the summary. Rejects are counted and dropped.
///
/// ```
/// let record = br#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","operation_detail":"Add User x@y.com "}"#;
/// let (events, summary) = zoom_udm::normalize::slice(record, &Default::default());
/// assert_eq!(summary.events, 1);
/// assert!(String::from_utf8(events)?.starts_with(r#"{"metadata":{"eventTimestamp":"2019-08-20T19:09:01Z""#));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[must_use]
pub fn slice(bytes: &[u8], options: &Options) -> (Vec<u8>, Summary) {
    struct Events(Vec<u8>);
    impl Sink for Events {
        fn events(&mut self, events: &[u8]) -> io::Result<()> {
            self.0.extend_from_slice(events);
            Ok(())
        }
        fn reject(&mut self, _: &Reject<'_>) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = Events(Vec::new());
    let options = Options { threads: 1, ..options.clone() };
    let input = Input::new("memory", io::Cursor::new(bytes.to_vec()));
    // A sink in memory never fails, and one thread needs no pool.
    let summary = run(std::iter::once(input), &options, &mut sink).unwrap_or_default();
    (sink.0, summary)
}
