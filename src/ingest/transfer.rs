//! Transfers one object: fetch, convert, upload. Nothing becomes visible before the whole object is known to be valid.

use super::content_id::ContentIndex;
use super::convert::{ConvertError, ConvertOptions, Converted, Failure, convert};
use super::filter::{Skip, is_collector_state, may_be_collector_state};
use super::local_file::{self, DonePart, LocalFile, ReadPart, Remainder};
use super::recovery::OrphanOutputs;
use super::source_reader::piped;
use super::{Destination, Options, RunError, output_name};
use crate::normalize::Summary;
use crate::store::{self, Body, GetResult, ObjectMeta, Payload, PutOutcome, Store, read_to_end};
use crate::timestamp::Timestamp;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Objects up to this size are fetched whole before a thread converts them, so that threads never wait for the network
/// and all objects in flight have open requests. Larger ones are streamed, a few at a time.
const FETCH_WHOLE: u64 = 4 << 20;
/// Bytes of an object's events that are held in memory for a stream.
const STREAM_IN_MEMORY: usize = 64 << 20;

/// How many objects are converted at once that are in memory or files, and how many that are streamed.
pub(super) fn conversions() -> [usize; 2] {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    [cores, cores.max(2)]
}

/// Blocking tasks that a run has beside its conversions: the walk of a directory, a stream that is waited for, segments of
/// the ledger, and files and names that are looked up. Conversions may wait for the network, so they must never hold all
/// threads: looking up a name needs one.
const OTHER_BLOCKING: usize = 10;

/// How many threads for blocking work a run needs at most.
pub(crate) fn blocking_threads() -> usize {
    conversions().iter().sum::<usize>() + OTHER_BLOCKING
}

/// What all objects of a run share.
pub(super) struct IngestContext {
    pub(super) from: Store,
    pub(super) to: Option<Store>,
    pub(super) rejects: Option<Store>,
    pub(super) options: Options,
    /// What is done of local files; `None` without a ledger, and for other sources.
    pub(super) contents: Option<Arc<ContentIndex>>,
    /// What a killed run made of local files.
    pub(super) recovered: OnceLock<OrphanOutputs>,
    /// One permit per core: for objects in memory and files.
    pub(super) threads: Semaphore,
    /// A few permits: for objects that are converted while they are fetched.
    pub(super) streams: Semaphore,
}

/// The outcome of an object.
pub(super) enum Outcome {
    Done(Box<Ingested>),
    Skipped(Skip),
    /// All there is to read of a local file is done: by another name, or at another time of modification.
    Known {
        base: DonePart,
        rest: Remainder,
    },
    Failed {
        generation: String,
        reason: String,
        cause: FailureCause,
    },
    /// It would be read.
    Chosen,
    /// The run cannot continue.
    Fatal(RunError),
    Stopped,
}

/// Where the cause of a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureCause {
    /// In the object: it fails every time.
    Object,
    /// In something transient.
    Transient,
    /// The source is unreachable; the object may be fine.
    Source,
    /// The destination is unreachable.
    Destination,
}

/// A processed object.
pub(super) struct Ingested {
    pub(super) generation: String,
    pub(super) stored: u64,
    pub(super) output: String,
    pub(super) already_present: bool,
    pub(super) summary: Summary,
    /// Some rejects, formatted for the log, if nothing stores them.
    pub(super) refused: Vec<String>,
    /// Of a local file: what was read of it.
    pub(super) part: Option<ReadPart>,
    /// The stem of what it became.
    pub(super) stem: String,
}

impl Outcome {
    pub(super) fn failed(
        generation: impl Into<String>,
        reason: impl Into<String>,
        cause: FailureCause,
    ) -> Self {
        Self::Failed {
            generation: generation.into(),
            reason: crate::redact::redact(&reason.into()).into_owned(),
            cause,
        }
    }
}

/// Takes one object from its source to its destination. One that did not arrive as it is stored is read again: nothing
/// has been made of it, because only the end of its bytes says whether they are right.
pub(super) async fn transfer(job: &Arc<IngestContext>, listed: &ObjectMeta) -> Outcome {
    let attempt = || attempt(job, listed);
    let tried = job.options.retry.retry(attempt, store::Error::is_corrupt).await;
    tried.unwrap_or_else(|error| not_fetched(listed, error))
}

async fn attempt(job: &Arc<IngestContext>, listed: &ObjectMeta) -> Result<Outcome, store::Error> {
    let GetResult { generation, size, modified, body } = job.from.get(&listed.name).await?;
    let recipe = convert_options(job, modified);
    let url = job.from.location().url(&listed.name);
    // The answer's own length says nothing if a proxy made it. A local file may have grown since.
    if matches!(body, Body::Stream(_)) && size != listed.size {
        let now = job.from.head(&listed.name).await?.map_or(size, |now| now.size);
        if now != size {
            return Err(store::Error::Corrupt { url, message: format!("{size} of {now} bytes came") });
        }
    }
    let converted = match body {
        Body::File(file) => {
            let opened = LocalFile { file, tag: generation, size, modified };
            return Ok(local_file::transfer(job, listed, opened, recipe).await);
        }
        Body::Stream(stream) if size <= FETCH_WHOLE => {
            let bytes = read_to_end(stream).await?;
            if may_be_collector_state(listed) && is_collector_state(&listed.name, &bytes) {
                Err(ConvertError::CollectorState)
            } else {
                let source = (io::Cursor::new(bytes), Failure::default());
                convert_stream(job, url, recipe, source, &job.threads).await
            }
        }
        Body::Stream(stream) => {
            let source = piped(stream, url.clone());
            convert_stream(job, url, recipe, source, &job.streams).await
        }
    };
    Ok(match converted {
        Ok(converted) => upload(job, listed, generation, size, converted, None).await,
        Err(ConvertError::Fetch(error)) => return Err(error),
        Err(trouble) => not_converted(listed, generation, trouble),
    })
}

pub(super) fn not_converted(listed: &ObjectMeta, generation: String, trouble: ConvertError) -> Outcome {
    match trouble {
        ConvertError::Fetch(error) => not_fetched(listed, error),
        ConvertError::Content(reason) => Outcome::failed(generation, reason, FailureCause::Object),
        ConvertError::Changed => {
            Outcome::failed(generation, "it changed while it was read", FailureCause::Transient)
        }
        ConvertError::Disk(error) => Outcome::Fatal(RunError::Store(format!(
            "writing a temporary file failed: {error}; set TMPDIR to a disk with free space"
        ))),
        ConvertError::Output(error) => Outcome::Fatal(RunError::Output(error)),
        ConvertError::CollectorState => Outcome::Skipped(Skip::CollectorState),
        ConvertError::Stopped => Outcome::Stopped,
    }
}

/// In a dry run: checks whether an object is a log.
pub(super) async fn probe(job: &IngestContext, listed: &ObjectMeta) -> Outcome {
    match job.from.read(&listed.name).await {
        Ok(Some((bytes, _))) if is_collector_state(&listed.name, &bytes) => {
            Outcome::Skipped(Skip::CollectorState)
        }
        Ok(Some(_)) => Outcome::Chosen,
        Ok(None) => Outcome::Skipped(Skip::Gone),
        Err(error) => not_fetched(listed, error),
    }
}

fn not_fetched(listed: &ObjectMeta, error: store::Error) -> Outcome {
    match error {
        store::Error::NotFound { .. } if listed.size == 0 => Outcome::Skipped(Skip::Placeholder),
        store::Error::NotFound { .. } => Outcome::Skipped(Skip::Gone),
        store::Error::Credentials { message } => Outcome::Fatal(RunError::Access(message)),
        error => {
            let cause = match error {
                store::Error::Invalid { .. } => FailureCause::Object,
                _ if error.is_transient() => FailureCause::Source,
                _ => FailureCause::Transient,
            };
            Outcome::failed("", error.to_string(), cause)
        }
    }
}

async fn convert_stream(
    job: &IngestContext,
    name: String,
    recipe: ConvertOptions,
    source: (impl Read + Send + 'static, Failure),
    room: &Semaphore,
) -> Result<Converted, ConvertError> {
    // The semaphore is never closed. Held until the events are sent, because they take the memory.
    let _room = room.acquire().await;
    let converted = on_thread(name, recipe, source).await?;
    stream_events(job, converted).await
}

pub(super) async fn on_thread(
    name: String,
    recipe: ConvertOptions,
    (reader, failure): (impl Read + Send + 'static, Failure),
) -> Result<Converted, ConvertError> {
    tokio::task::spawn_blocking(move || convert(&name, reader, &failure, &recipe))
        .await
        .unwrap_or_else(|error| Err(ConvertError::Content(format!("reading it failed: {error}"))))
}

/// Sends the events to the stream, if that is the destination.
pub(super) async fn stream_events(
    job: &IngestContext,
    mut converted: Converted,
) -> Result<Converted, ConvertError> {
    let Destination::Stream(stream) = &job.options.to else { return Ok(converted) };
    let Some(events) = converted.events.take() else { return Ok(converted) };
    let (stream, stop) = (Arc::clone(stream), Arc::clone(&job.options.normalize.stop));
    let pour = move || {
        let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = match events {
            Payload::Bytes(bytes) => pour(&bytes[..], &mut *stream, &stop),
            Payload::File(file, _) => pour(io::BufReader::with_capacity(CHUNK, file), &mut *stream, &stop),
        };
        if whole.map_err(ConvertError::Output)? { Ok(()) } else { Err(ConvertError::Stopped) }
    };
    let poured = tokio::task::spawn_blocking(pour).await;
    poured.unwrap_or_else(|died| Err(ConvertError::Output(io::Error::other(died)))).map(|()| converted)
}

/// Bytes that are sent between checks for a stop.
const CHUNK: usize = 64 << 10;

/// Sends lines; after a stop, up to the end of a line. Returns whether everything was sent.
fn pour(
    mut events: impl BufRead,
    stream: &mut (dyn io::Write + Send),
    stop: &AtomicBool,
) -> io::Result<bool> {
    let mut within = false;
    loop {
        let buffer = events.fill_buf()?;
        let stopped = stop.load(Ordering::Relaxed);
        if buffer.is_empty() || (stopped && !within) {
            let whole = buffer.is_empty();
            return stream.flush().map(|()| whole);
        }
        let mut piece = &buffer[..buffer.len().min(CHUNK)];
        let end = if stopped { memchr::memchr(b'\n', piece) } else { None };
        piece = end.map_or(piece, |end| &piece[..=end]);
        stream.write_all(piece)?;
        within = !piece.ends_with(b"\n");
        let length = piece.len();
        events.consume(length);
    }
}

/// Waits briefly for the current line to be sent completely; the reader may have stopped reading.
pub(super) async fn wait_for_line_end(job: &IngestContext) {
    let Destination::Stream(stream) = &job.options.to else { return };
    let stream = Arc::clone(stream);
    let free = tokio::task::spawn_blocking(move || drop(stream.lock()));
    let _ = tokio::time::timeout(LINE_END_TIMEOUT, free).await;
}

/// How long to wait for that.
const LINE_END_TIMEOUT: Duration = Duration::from_millis(500);

/// Returns the options for an object with this modification time, in milliseconds since the epoch.
fn convert_options(job: &IngestContext, modified: i64) -> ConvertOptions {
    let options = &job.options;
    let mut normalize = options.normalize.clone();
    if options.default_time_from_mtime {
        let modified = chrono::DateTime::from_timestamp_millis(modified).and_then(Timestamp::from_chrono);
        normalize.default_time = modified.or(normalize.default_time);
    }
    ConvertOptions {
        options: normalize,
        requests: options.requests.clone(),
        limits: options.limits,
        plain: options.to.place().is_none().then_some(STREAM_IN_MEMORY),
        rejects: options.rejects.is_some(),
        skip: 0,
    }
}

/// Uploads the rejects, then the events. Both names belong to this object only, so this can be repeated.
pub(super) async fn upload(
    job: &IngestContext,
    listed: &ObjectMeta,
    generation: String,
    stored: u64,
    converted: Converted,
    part: Option<ReadPart>,
) -> Outcome {
    let stem = match &part {
        Some(part) => part.stem.clone(),
        None => output_name::stem(&listed.name, &generation),
    };
    let Converted { events, rejects, summary, refused } = converted;
    let output = if events.is_some() { format!("{stem}{}", output_name::EVENTS) } else { String::new() };
    let puts = [
        (&job.rejects, format!("{stem}{}", output_name::REJECTS), rejects),
        (&job.to, output.clone(), events),
    ];
    let mut standing = false;
    for (place, name, payload) in puts {
        let (Some(place), Some(payload)) = (place, payload) else { continue };
        match place.put_if_absent(&name, payload).await {
            Ok(PutOutcome::Created) => {}
            Ok(PutOutcome::AlreadyIdentical) => standing = true,
            Ok(PutOutcome::Conflict) => return conflict(&generation, &place.location().url(&name)),
            Err(error) if error.is_access() => return Outcome::Fatal(error.into()),
            Err(error) if is_of_its_name(&error) => {
                return Outcome::failed(generation, error.to_string(), FailureCause::Object);
            }
            Err(store::Error::Io { url, message, .. }) => {
                return Outcome::Fatal(RunError::Store(format!("{url}: {message}")));
            }
            Err(error) => return Outcome::failed(generation, error.to_string(), FailureCause::Destination),
        }
    }
    Outcome::Done(Box::new(Ingested {
        generation,
        stored,
        output,
        already_present: standing,
        summary,
        refused,
        part,
        stem,
    }))
}

/// Whether an output cannot be made because of what it is called: no other object is affected.
fn is_of_its_name(error: &store::Error) -> bool {
    match error {
        store::Error::Invalid { .. } => true,
        store::Error::Io { kind, .. } => *kind == io::ErrorKind::InvalidFilename,
        _ => false,
    }
}

fn conflict(generation: &str, url: &str) -> Outcome {
    let reason = format!(
        "{url} already exists with different content (other flags, another version of zoom-udm, or another source with the same names); delete it, or choose another destination"
    );
    Outcome::failed(generation, reason, FailureCause::Object)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, pour};
    use std::io::{self, Write};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A writer that requests a stop after this many bytes.
    struct Enough<'s>(Vec<u8>, usize, &'s AtomicBool);

    impl Write for Enough<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            self.2.fetch_or(self.0.len() >= self.1, Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn stopped_stream_ends_at_a_line_end() {
        let text = format!("{}\n{}\nlast\n", "a".repeat(100), "b".repeat(3 * CHUNK));
        for (enough, lines) in [(1, 2), (CHUNK + 1, 2), (2 * CHUNK, 2), (text.len() + 1, 3)] {
            let stop = AtomicBool::new(false);
            let mut to = Enough(Vec::new(), enough, &stop);
            let whole = pour(text.as_bytes(), &mut to, &stop).unwrap();
            let poured = String::from_utf8(to.0).unwrap();
            assert!(poured.ends_with('\n') && text.starts_with(&poured), "{enough}");
            assert_eq!((poured.lines().count(), whole), (lines, lines == 3), "{enough}");
        }
        let mut none = Vec::new();
        assert!(!pour(text.as_bytes(), &mut none, &AtomicBool::new(true)).unwrap() && none.is_empty());
    }
}
