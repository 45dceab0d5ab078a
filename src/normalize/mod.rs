//! Normalizes raw records to UDM events: any input format, output in input order, any number of threads.
//!
//! An input is read in blocks of whole lines (`framer`; `multiline` for JSON that spans lines, `csv` for rows). Each
//! thread takes a block, converts it (`worker`, `emitter`), waits for its turn, and passes the events to the sink
//! (`pipeline`). So the output is in order by construction, and memory is bounded by one block and its events per thread.

mod binary_format;
mod block;
mod block_source;
mod csv;
mod detect;
mod emitter;
mod error;
mod framer;
mod import_request;
mod input;
mod inspect_records;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod line_errors;
mod multiline;
mod observe;
mod options;
mod pipeline;
mod read_more;
mod reject_file;
mod sink;
mod slice;
mod summary;
mod worker;

pub use error::Error;
pub use import_request::{EventWriter, Limits, RequestFormat, RequestWriter};
#[cfg(feature = "cli")]
pub(crate) use input::decompress;
#[cfg(feature = "cloud")]
pub(crate) use input::{Decompressed, decompress_with};
pub use input::{Input, is_gzip};
pub(crate) use inspect_records::{InspectedRecord, inspect_each};
pub(crate) use observe::{RecordObserver, observe_each};
pub use options::{DEFAULT_MAX_LINE_BYTES, Format, MAX_EVENT_BYTES, Options, TemplateCache};
pub use pipeline::{replay_rejects, run};
pub use reject_file::{Part, Reject, RejectReader, RejectWriter, StoredReject};
pub use sink::Sink;
pub use slice::slice;
pub use summary::{Failure, Summary, Warning};
