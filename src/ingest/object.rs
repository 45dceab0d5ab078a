//! Transfers one object: fetch, convert, upload. Nothing becomes visible before the whole object is known to be valid.

use super::content::ContentIndex;
use super::convert::{Converted, Failure, Recipe, Trouble, convert};
use super::local_file::{self, Base, LocalFile, ReadPart, Rest};
use super::piped::piped;
use super::recovery::Recovered;
use super::select::{Skip, is_collector_state, may_be_collector_state};
use super::{Destination, Error, Options, name};
use crate::normalize::Summary;
use crate::store::{self, Body, Fetched, Listed, Payload, Put, Store, collect};
use crate::time::Timestamp;
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
pub(super) struct Job {
    pub(super) from: Store,
    pub(super) to: Option<Store>,
    pub(super) rejects: Option<Store>,
    pub(super) options: Options,
    /// What is done of local files; `None` without a ledger, and for other sources.
    pub(super) contents: Option<Arc<ContentIndex>>,
    /// What a killed run made of local files.
    pub(super) recovered: OnceLock<Recovered>,
    /// One permit per core: for objects in memory and files.
    pub(super) threads: Semaphore,
    /// A few permits: for objects that are converted while they are fetched.
    pub(super) streams: Semaphore,
}

/// The outcome of an object.
pub(super) enum Outcome {
    Done(Box<Done>),
    Skipped(Skip),
    /// All there is to read of a local file is done: by another name, or at another time of modification.
    Known {
        base: Base,
        rest: Rest,
    },
    Failed {
        generation: String,
        reason: String,
        cause: Cause,
    },
    /// It would be read.
    Chosen,
    /// The run cannot continue.
    Fatal(Error),
    Stopped,
}

/// Where the cause of a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// In the object: it fails every time.
    Object,
    /// In something transient.
    Passing,
    /// The source is unreachable; the object may be fine.
    Source,
    /// The destination is unreachable.
    Destination,
}

/// A processed object.
pub(super) struct Done {
    pub(super) generation: String,
    pub(super) stored: u64,
    pub(super) output: String,
    pub(super) standing: bool,
    pub(super) summary: Summary,
    /// Some rejects, formatted for the log, if nothing stores them.
    pub(super) refused: Vec<String>,
    /// Of a local file: what was read of it.
    pub(super) part: Option<ReadPart>,
    /// The stem of what it became.
    pub(super) stem: String,
}

impl Outcome {
    pub(super) fn failed(generation: impl Into<String>, reason: impl Into<String>, cause: Cause) -> Self {
        Self::Failed {
            generation: generation.into(),
            reason: crate::redact::text(&reason.into()).into_owned(),
            cause,
        }
    }
}

/// Takes one object from its source to its destination. One that did not arrive as it is stored is read again: nothing
/// has been made of it, because only the end of its bytes says whether they are right.
pub(super) async fn transfer(job: &Arc<Job>, listed: &Listed) -> Outcome {
    let attempt = || attempt(job, listed);
    let tried = job.options.retry.retry(attempt, store::Error::is_corrupt).await;
    tried.unwrap_or_else(|error| not_fetched(listed, error))
}

async fn attempt(job: &Arc<Job>, listed: &Listed) -> Result<Outcome, store::Error> {
    let Fetched { generation, size, modified, body } = job.from.get(&listed.name).await?;
    let recipe = recipe(job, modified);
    let url = job.from.location().url(&listed.name);
    let converted = match body {
        Body::File(file) => {
            let opened = LocalFile { file, tag: generation, size, modified };
            return Ok(local_file::transfer(job, listed, opened, recipe).await);
        }
        Body::Stream(stream) if size <= FETCH_WHOLE => {
            let bytes = collect(stream).await?;
            if may_be_collector_state(listed) && is_collector_state(&listed.name, &bytes) {
                Err(Trouble::CollectorState)
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
        Ok(converted) => deliver(job, listed, generation, size, converted, None).await,
        Err(Trouble::Fetch(error)) => return Err(error),
        Err(trouble) => not_converted(listed, generation, trouble),
    })
}

pub(super) fn not_converted(listed: &Listed, generation: String, trouble: Trouble) -> Outcome {
    match trouble {
        Trouble::Fetch(error) => not_fetched(listed, error),
        Trouble::Content(reason) => Outcome::failed(generation, reason, Cause::Object),
        Trouble::Changed => Outcome::failed(generation, "it changed while it was read", Cause::Passing),
        Trouble::Disk(error) => Outcome::Fatal(Error::Store(format!(
            "writing a temporary file failed: {error}; set TMPDIR to a disk with free space"
        ))),
        Trouble::Output(error) => Outcome::Fatal(Error::Output(error)),
        Trouble::CollectorState => Outcome::Skipped(Skip::CollectorState),
        Trouble::Stopped => Outcome::Stopped,
    }
}

/// In a dry run: checks whether an object is a log.
pub(super) async fn look(job: &Job, listed: &Listed) -> Outcome {
    match job.from.read(&listed.name).await {
        Ok(Some((bytes, _))) if is_collector_state(&listed.name, &bytes) => {
            Outcome::Skipped(Skip::CollectorState)
        }
        Ok(Some(_)) => Outcome::Chosen,
        Ok(None) => Outcome::Skipped(Skip::Gone),
        Err(error) => not_fetched(listed, error),
    }
}

fn not_fetched(listed: &Listed, error: store::Error) -> Outcome {
    match error {
        store::Error::NotFound { .. } if listed.size == 0 => Outcome::Skipped(Skip::Placeholder),
        store::Error::NotFound { .. } => Outcome::Skipped(Skip::Gone),
        store::Error::Credentials { message } => Outcome::Fatal(Error::Access(message)),
        error => {
            let cause = match error {
                store::Error::Invalid { .. } => Cause::Object,
                _ if error.is_transient() => Cause::Source,
                _ => Cause::Passing,
            };
            Outcome::failed("", error.to_string(), cause)
        }
    }
}

async fn convert_stream(
    job: &Job,
    name: String,
    recipe: Recipe,
    source: (impl Read + Send + 'static, Failure),
    room: &Semaphore,
) -> Result<Converted, Trouble> {
    // The semaphore is never closed. Held until the events are sent, because they take the memory.
    let _room = room.acquire().await;
    let converted = on_thread(name, recipe, source).await?;
    poured(job, converted).await
}

pub(super) async fn on_thread(
    name: String,
    recipe: Recipe,
    (reader, failure): (impl Read + Send + 'static, Failure),
) -> Result<Converted, Trouble> {
    tokio::task::spawn_blocking(move || convert(&name, reader, &failure, &recipe))
        .await
        .unwrap_or_else(|error| Err(Trouble::Content(format!("reading it failed: {error}"))))
}

/// Sends the events to the stream, if that is the destination.
pub(super) async fn poured(job: &Job, mut converted: Converted) -> Result<Converted, Trouble> {
    let Destination::Stream(stream) = &job.options.to else { return Ok(converted) };
    let Some(events) = converted.events.take() else { return Ok(converted) };
    let (stream, stop) = (Arc::clone(stream), Arc::clone(&job.options.normalize.stop));
    let pour = move || {
        let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = match events {
            Payload::Bytes(bytes) => pour(&bytes[..], &mut *stream, &stop),
            Payload::File(file, _) => pour(io::BufReader::with_capacity(PIECE, file), &mut *stream, &stop),
        };
        if whole.map_err(Trouble::Output)? { Ok(()) } else { Err(Trouble::Stopped) }
    };
    let poured = tokio::task::spawn_blocking(pour).await;
    poured.unwrap_or_else(|died| Err(Trouble::Output(io::Error::other(died)))).map(|()| converted)
}

/// Bytes that are sent between checks for a stop.
const PIECE: usize = 64 << 10;

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
        let mut piece = &buffer[..buffer.len().min(PIECE)];
        let end = if stopped { memchr::memchr(b'\n', piece) } else { None };
        piece = end.map_or(piece, |end| &piece[..=end]);
        stream.write_all(piece)?;
        within = !piece.ends_with(b"\n");
        let length = piece.len();
        events.consume(length);
    }
}

/// Waits briefly for the current line to be sent completely; the reader may have stopped reading.
pub(super) async fn settled(job: &Job) {
    let Destination::Stream(stream) = &job.options.to else { return };
    let stream = Arc::clone(stream);
    let free = tokio::task::spawn_blocking(move || drop(stream.lock()));
    let _ = tokio::time::timeout(PATIENCE, free).await;
}

/// How long to wait for that.
const PATIENCE: Duration = Duration::from_millis(500);

/// Returns the options for an object with this modification time, in milliseconds since the epoch.
fn recipe(job: &Job, modified: i64) -> Recipe {
    let options = &job.options;
    let mut normalize = options.normalize.clone();
    if options.time_of_object {
        let modified = chrono::DateTime::from_timestamp_millis(modified).and_then(Timestamp::from_chrono);
        normalize.default_time = modified.or(normalize.default_time);
    }
    Recipe {
        options: normalize,
        requests: options.requests.clone(),
        limits: options.limits,
        plain: options.to.place().is_none().then_some(STREAM_IN_MEMORY),
        rejects: options.rejects.is_some(),
        skip: 0,
    }
}

/// Uploads the rejects, then the events. Both names belong to this object only, so this can be repeated.
pub(super) async fn deliver(
    job: &Job,
    listed: &Listed,
    generation: String,
    stored: u64,
    converted: Converted,
    part: Option<ReadPart>,
) -> Outcome {
    let stem = match &part {
        Some(part) => part.stem.clone(),
        None => name::stem(&listed.name, &generation),
    };
    let Converted { events, rejects, summary, refused } = converted;
    let output = if events.is_some() { format!("{stem}{}", name::EVENTS) } else { String::new() };
    let puts =
        [(&job.rejects, format!("{stem}{}", name::REJECTS), rejects), (&job.to, output.clone(), events)];
    let mut standing = false;
    for (place, name, payload) in puts {
        let (Some(place), Some(payload)) = (place, payload) else { continue };
        match place.put_new(&name, payload).await {
            Ok(Put::Created) => {}
            Ok(Put::Same) => standing = true,
            Ok(Put::Other) => return differs(&generation, &place.location().url(&name)),
            Err(error) if error.is_access() => return Outcome::Fatal(error.into()),
            Err(error) if is_of_its_name(&error) => {
                return Outcome::failed(generation, error.to_string(), Cause::Object);
            }
            Err(store::Error::Io { url, message, .. }) => {
                return Outcome::Fatal(Error::Store(format!("{url}: {message}")));
            }
            Err(error) => return Outcome::failed(generation, error.to_string(), Cause::Destination),
        }
    }
    Outcome::Done(Box::new(Done { generation, stored, output, standing, summary, refused, part, stem }))
}

/// Whether an output cannot be made because of what it is called: no other object is affected.
fn is_of_its_name(error: &store::Error) -> bool {
    match error {
        store::Error::Invalid { .. } => true,
        store::Error::Io { kind, .. } => *kind == io::ErrorKind::InvalidFilename,
        _ => false,
    }
}

fn differs(generation: &str, url: &str) -> Outcome {
    let reason = format!(
        "{url} already exists with different content (other flags, another version of zoom-udm, or another source with the same names); delete it, or choose another destination"
    );
    Outcome::failed(generation, reason, Cause::Object)
}

#[cfg(test)]
mod tests {
    use super::{PIECE, pour};
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
    fn pouring_ends_with_a_line_whenever_it_is_to_stop() {
        let text = format!("{}\n{}\nlast\n", "a".repeat(100), "b".repeat(3 * PIECE));
        for (enough, lines) in [(1, 2), (PIECE + 1, 2), (2 * PIECE, 2), (text.len() + 1, 3)] {
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
