//! Converts the bytes of one object to events and rejects, held until the whole object is known to be valid. Blocking.

use super::Limits;
use super::spool::Spool;
use crate::normalize::{
    self, EventWriter, Input, Reject, RejectWriter, Sink, Summary, Unpacked, unpacked_within,
};
use crate::store::{self, Payload};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Options of the conversion.
pub(super) struct ConvertOptions {
    pub(super) options: normalize::Options,
    pub(super) requests: Option<(normalize::RequestFormat, normalize::Limits)>,
    pub(super) limits: Limits,
    /// The number of bytes of plain events to hold in memory; `None` compresses them.
    pub(super) plain: Option<usize>,
    pub(super) rejects: bool,
    /// How many of the first unpacked bytes are not read.
    pub(super) skip: u64,
}

/// The result of a conversion.
pub(super) struct Converted {
    /// `None` if there are no events.
    pub(super) events: Option<Payload>,
    pub(super) rejects: Option<Payload>,
    pub(super) summary: Summary,
    /// The first [`TOLD`] rejects, formatted for the log, if no `--rejects` stores them.
    pub(super) refused: Vec<String>,
}

/// The maximum number of rejects logged per object and per run if no `--rejects` stores them.
pub(super) const MAX_LOGGED_REJECTS: usize = 10;

/// Why an object could not be converted.
pub(super) enum ConvertError {
    /// Not all of its bytes arrived.
    Fetch(store::Error),
    /// Its content is damaged or exceeds a limit.
    Content(String),
    /// It changed while it was read.
    Changed,
    /// There is no space for its events.
    Disk(io::Error),
    /// The output stream failed.
    Output(io::Error),
    /// It is a file of a collector, not a log.
    CollectorState,
    /// The run is being stopped.
    Stopped,
}

/// Keeps a fetch error while an `io::Error` passes through readers that keep only its text.
pub(super) type Failure = Arc<Mutex<Option<store::Error>>>;

/// Explains why the content is damaged, and what its owner can do.
fn told(error: &io::Error) -> String {
    let text = error.to_string();
    if error.kind() != io::ErrorKind::FileTooLarge {
        return text;
    }
    // Readers in between keep only text and kind.
    let flag = if text.contains(TIMES) { "--max-ratio" } else { "--max-object-bytes" };
    format!("{text}; raise {flag} if that is expected")
}

/// Converts an object. What went wrong on the way to its bytes counts before what is wrong with them: a bit that was
/// corrupted in transit may look like broken gzip, and only the end of the bytes says so.
pub(super) fn convert(
    name: &str,
    bytes: impl Read + Send + 'static,
    failure: &Failure,
    recipe: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    let source = Shared(Arc::new(Mutex::new(bytes)));
    let converted = converted(name, source.clone(), recipe);
    let unsure = matches!(converted, Ok(_) | Err(ConvertError::Content(_)));
    if unsure {
        source.drain(&recipe.options.stop);
    }
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(fetch) => Err(ConvertError::Fetch(fetch)),
        None if unsure && recipe.options.stop.load(Ordering::Relaxed) => Err(ConvertError::Stopped),
        None => converted,
    }
}

/// A reader that stays when the one that reads it is done.
struct Shared<R>(Arc<Mutex<R>>);

impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Read> Shared<R> {
    /// Reads what was not read, because only at the end it is known whether all of the object arrived. A failure is where
    /// failures wait.
    fn drain(mut self, stop: &AtomicBool) {
        let mut rest = vec![0; 64 << 10];
        while !stop.load(Ordering::Relaxed) && self.read(&mut rest).is_ok_and(|length| length > 0) {}
    }
}

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

fn converted(
    name: &str,
    bytes: impl Read + Send + 'static,
    recipe: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    let content = |error: io::Error| ConvertError::Content(told(&error));
    let mut unpacked = decompress_limited(Box::new(bytes), recipe.limits).map_err(content)?;
    io::copy(&mut unpacked.reader.by_ref().take(recipe.skip), &mut io::sink()).map_err(content)?;
    let events = recipe.plain.map_or_else(Spool::packed, Spool::plain);
    let mut sink = SpoolSink {
        events: EventWriter::new(events, recipe.requests.as_ref()),
        rejects: recipe.rejects.then(|| RejectWriter::new(Spool::packed())),
        refused: Vec::new(),
    };
    let options = normalize::Options { threads: 1, ..recipe.options.clone() };
    let summary = normalize::run(std::iter::once(Input::decompress(name, unpacked)), &options, &mut sink)
        .map_err(disk)?;
    if let Some(failure) = summary.failures.into_iter().next() {
        return Err(content(failure.error));
    }
    let summary = Summary { failures: Vec::new(), ..summary };
    let refused = std::mem::take(&mut sink.refused);
    let (events, rejects) = sink.finish().map_err(ConvertError::Disk)?;
    let events = (summary.events > 0).then(|| events.finish()).transpose().map_err(ConvertError::Disk)?;
    let rejects =
        rejects.filter(|_| summary.rejects > 0).map(Spool::finish).transpose().map_err(ConvertError::Disk)?;
    Ok(Converted { events, rejects, summary, refused })
}

fn disk(error: normalize::Error) -> ConvertError {
    match error {
        normalize::Error::Output(error) | normalize::Error::Rejects(error) => ConvertError::Disk(error),
        error => ConvertError::Disk(io::Error::other(error)),
    }
}

/// Unpacks what is gzip within the limits. The caller knows which flags set them: messages name none.
pub(crate) fn decompress_limited(bytes: Box<dyn Read + Send>, limits: Limits) -> io::Result<Unpacked> {
    let packed = Arc::<AtomicU64>::default();
    let bytes = CountingReader { inner: bytes, count: Arc::clone(&packed) };
    unpacked_within(Box::new(bytes), &|inner| {
        Box::new(RatioLimitedReader { inner, packed: Arc::clone(&packed), limits, count: 0 })
    })
}

const TIMES: &str = "times its size";

struct CountingReader {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct RatioLimitedReader {
    inner: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    limits: Limits,
    count: u64,
}

/// Below this size no ratio is enforced, because a few megabytes do no harm.
const RATIO_GRACE_BYTES: u64 = 4 << 20;

impl Read for RatioLimitedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        let too_much = |message| Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        if self.count > self.limits.bytes {
            return too_much(format!("it decompresses to more than {} bytes", self.limits.bytes));
        }
        let packed = self.packed.load(Ordering::Relaxed).max(1);
        if self.count > RATIO_GRACE_BYTES && self.count > packed.saturating_mul(self.limits.ratio) {
            return too_much(format!("it decompresses to more than {} {TIMES}", self.limits.ratio));
        }
        Ok(read)
    }
}

struct SpoolSink {
    events: EventWriter<Spool>,
    rejects: Option<RejectWriter<Spool>>,
    refused: Vec<String>,
}

impl SpoolSink {
    fn finish(self) -> io::Result<(Spool, Option<Spool>)> {
        Ok((self.events.finish()?, self.rejects.map(RejectWriter::finish).transpose()?))
    }
}

impl Sink for SpoolSink {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        match &mut self.rejects {
            Some(rejects) => rejects.write(reject)?,
            None if self.refused.len() < MAX_LOGGED_REJECTS && reject.is_first_part() => {
                self.refused.push(reject.to_string())
            }
            None => {}
        }
        Ok(())
    }
}
