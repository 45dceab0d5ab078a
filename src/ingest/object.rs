//! One object on its way: fetch, convert, put. Nothing of it stands before all of it is known to be good.

use super::convert::{Converted, Failure, Recipe, Trouble, convert};
use super::select::{Skip, is_collector_state, may_be_collector_state};
use super::{Destination, Error, Options, name};
use crate::normalize::Summary;
use crate::store::{self, Body, Fed, Fetched, Listed, Payload, Put, Store};
use crate::time::Timestamp;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use std::io::{self, Read};
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Objects up to this size are fetched whole before a thread takes them: threads wait for no network then, and as many
/// requests are in flight as objects are. Larger ones stream, a few at a time.
const FETCH_WHOLE: u64 = 4 << 20;
/// How many chunks of a stream wait for the thread that reads them.
const CHUNKS: usize = 16;
/// How much of an object's events stays in memory on the way to a stream.
const STREAM_IN_MEMORY: usize = 64 << 20;

/// What all objects of a run share.
pub(super) struct Job {
    pub(super) from: Store,
    pub(super) to: Option<Store>,
    pub(super) rejects: Option<Store>,
    pub(super) options: Options,
    /// As many as there are cores: objects that are in memory.
    pub(super) threads: Semaphore,
    /// A few: objects that stream.
    pub(super) streams: Semaphore,
}

/// How an object ended.
pub(super) enum Outcome {
    Done(Box<Done>),
    Skipped(Skip),
    Failed {
        generation: String,
        reason: String,
        at_output: bool,
        /// It may go well another time, as it is.
        passing: bool,
    },
    /// The run cannot go on.
    Fatal(Error),
    Stopped,
}

/// An object that is done.
pub(super) struct Done {
    pub(super) generation: String,
    pub(super) stored: u64,
    pub(super) output: String,
    pub(super) standing: bool,
    pub(super) summary: Summary,
}

impl Outcome {
    fn failed(generation: &str, reason: impl Into<String>) -> Self {
        Self::Failed {
            generation: generation.into(),
            reason: reason.into(),
            at_output: false,
            passing: false,
        }
    }
}

/// Takes one object from its source to its destination.
pub(super) async fn transfer(job: &Job, listed: &Listed) -> Outcome {
    let fetched = match job.from.get(&listed.name).await {
        Ok(fetched) => fetched,
        Err(error) => return not_fetched(listed, error),
    };
    let Fetched { generation, size, body } = fetched;
    let converted = match body {
        Body::File(file) => convert_file(job, listed, &generation, file).await,
        Body::Stream(stream) if size <= FETCH_WHOLE => match whole(stream, size).await {
            Ok(bytes) if may_be_collector_state(listed) && is_collector_state(&bytes) => {
                Err(Trouble::CollectorState)
            }
            Ok(bytes) => {
                on_thread(job, listed, io::Cursor::new(bytes), Failure::default(), &job.threads).await
            }
            Err(error) => return not_fetched(listed, error),
        },
        Body::Stream(stream) => {
            let (reader, failure) = piped(stream, job.from.location().url(&listed.name));
            on_thread(job, listed, reader, failure, &job.streams).await
        }
    };
    match converted {
        Ok(converted) => deliver(job, listed, generation, size, converted).await,
        Err(Trouble::Fetch(error)) => not_fetched(listed, error),
        Err(Trouble::Content(reason)) => Outcome::failed(&generation, reason),
        Err(Trouble::Disk(error)) => Outcome::Fatal(Error::Store(format!(
            "holding events back failed: {error}; set TMPDIR to a disk with room"
        ))),
        Err(Trouble::Output(error)) => Outcome::Fatal(Error::Output(error)),
        Err(Trouble::CollectorState) => Outcome::Skipped(Skip::CollectorState),
        Err(Trouble::Stopped) => Outcome::Stopped,
    }
}

fn not_fetched(listed: &Listed, error: store::Error) -> Outcome {
    match error {
        store::Error::NotFound { .. } if listed.size == 0 => Outcome::Skipped(Skip::Placeholder),
        store::Error::NotFound { .. } => Outcome::Skipped(Skip::Gone),
        store::Error::Credentials { message } => Outcome::Fatal(Error::Access(message)),
        error => Outcome::Failed {
            generation: String::new(),
            reason: error.to_string(),
            at_output: false,
            passing: !matches!(error, store::Error::Invalid { .. }),
        },
    }
}

async fn whole(
    mut stream: BoxStream<'static, Result<Bytes, store::Error>>,
    size: u64,
) -> Result<Bytes, store::Error> {
    let first = stream.try_next().await?.unwrap_or_default();
    if first.len() as u64 == size {
        return Ok(first);
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
    bytes.extend_from_slice(&first);
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

async fn convert_file(
    job: &Job,
    listed: &Listed,
    generation: &str,
    mut file: std::fs::File,
) -> Result<Converted, Trouble> {
    if may_be_collector_state(listed) {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| Trouble::Content(error.to_string()))?;
        if is_collector_state(&bytes) {
            return Err(Trouble::CollectorState);
        }
        return on_thread(job, listed, io::Cursor::new(bytes), Failure::default(), &job.threads).await;
    }
    let converted = on_thread(job, listed, file, Failure::default(), &job.threads).await?;
    // A file that is written to while it is read is read again once it rests.
    match job.from.get(&listed.name).await {
        Ok(now) if now.generation == generation => Ok(converted),
        Ok(_) => Err(Trouble::Content("it changed while it was read".into())),
        Err(error) => Err(Trouble::Fetch(error)),
    }
}

async fn on_thread(
    job: &Job,
    listed: &Listed,
    reader: impl Read + Send + 'static,
    failure: Failure,
    room: &Semaphore,
) -> Result<Converted, Trouble> {
    // Never closed.
    let _permit = room.acquire().await;
    let recipe = recipe(job, listed);
    let url = job.from.location().url(&listed.name);
    let stream = match &job.options.to {
        Destination::Stream(stream) => Some(Arc::clone(stream)),
        Destination::Place(_) => None,
    };
    let work = move || {
        let mut converted = convert(&url, reader, &failure, &recipe)?;
        if let Some(stream) = stream {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            converted
                .events
                .take()
                .map_or(Ok(()), |events| pour(events, &mut *stream))
                .map_err(Trouble::Output)?;
        }
        Ok(converted)
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Trouble::Content(format!("reading it failed: {error}"))))
}

fn pour(events: Payload, stream: &mut (dyn io::Write + Send)) -> io::Result<()> {
    match events {
        Payload::Bytes(bytes) => stream.write_all(&bytes)?,
        Payload::File(mut file, _) => io::copy(&mut file, stream).map(drop)?,
    }
    stream.flush()
}

fn recipe(job: &Job, listed: &Listed) -> Recipe {
    let options = &job.options;
    let mut normalize = options.normalize.clone();
    if options.time_of_object {
        let modified =
            chrono::DateTime::from_timestamp_millis(listed.modified).and_then(Timestamp::from_chrono);
        normalize.default_time = modified.or(normalize.default_time);
    }
    Recipe {
        options: normalize,
        requests: options.requests.clone(),
        limits: options.limits,
        plain: options.to.place().is_none().then_some(STREAM_IN_MEMORY),
        rejects: options.rejects.is_some(),
    }
}

/// A reader of what a stream brings, for a thread that may wait. What breaks it is noted beside.
fn piped(
    mut stream: BoxStream<'static, Result<Bytes, store::Error>>,
    url: String,
) -> (impl Read + Send + 'static, Failure) {
    let failure = Failure::default();
    let chunks = Fed::spawn(CHUNKS, |to| async move {
        while let Some(chunk) = stream.next().await {
            let last = chunk.is_err();
            if to.send(chunk).await.is_err() || last {
                return;
            }
        }
    });
    let runtime = Handle::current();
    (Piped { chunks, runtime, url, failure: Arc::clone(&failure), chunk: Bytes::new() }, failure)
}

struct Piped {
    chunks: Fed<Result<Bytes, store::Error>>,
    runtime: Handle,
    url: String,
    failure: Failure,
    chunk: Bytes,
}

impl Piped {
    /// The next chunk; `None` only where the stream has come to its end.
    fn next(&mut self) -> Result<Option<Bytes>, store::Error> {
        match self.runtime.block_on(self.chunks.next()) {
            None => Ok(None),
            Some(Ok(chunk)) => chunk.map(Some),
            Some(Err(died)) => Err(store::Error::Transient {
                url: self.url.clone(),
                message: format!("reading it failed: {died}"),
            }),
        }
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.next() {
                Ok(None) => return Ok(0),
                Ok(Some(chunk)) => self.chunk = chunk,
                Err(error) => {
                    let message = error.to_string();
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(io::Error::other(message));
                }
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// Puts rejects, then events. Both names are the object's own, so this may be done again and again.
async fn deliver(
    job: &Job,
    listed: &Listed,
    generation: String,
    stored: u64,
    converted: Converted,
) -> Outcome {
    let stem = name::stem(&listed.name, &generation);
    let Converted { events, rejects, summary } = converted;
    let output = if events.is_some() { format!("{stem}.ndjson.gz") } else { String::new() };
    let puts =
        [(&job.rejects, format!("{stem}.rejects.ndjson.gz"), rejects), (&job.to, output.clone(), events)];
    let mut standing = false;
    for (place, name, payload) in puts {
        let (Some(place), Some(payload)) = (place, payload) else { continue };
        match place.put_new(&name, payload).await {
            Ok(Put::Created) => {}
            Ok(Put::Same) => standing = true,
            Ok(Put::Other) => return differs(&generation, &place.location().url(&name)),
            Err(error) if error.is_access() => return Outcome::Fatal(error.into()),
            Err(store::Error::Io { url, message, .. }) => {
                return Outcome::Fatal(Error::Store(format!("{url}: {message}")));
            }
            Err(error) => {
                let reason = error.to_string();
                return Outcome::Failed { generation, reason, at_output: true, passing: true };
            }
        }
    }
    Outcome::Done(Box::new(Done { generation, stored, output, standing, summary }))
}

fn differs(generation: &str, url: &str) -> Outcome {
    let reason = format!(
        "{url} stands already, with other content (other flags, or another version of this program): remove it, or name another --to"
    );
    Outcome::failed(generation, reason)
}

#[cfg(test)]
mod tests {
    use super::piped;
    use bytes::Bytes;
    use futures::StreamExt as _;
    use std::io::Read as _;

    #[tokio::test]
    async fn a_stream_that_dies_is_no_end() {
        let part = futures::stream::once(async { Ok(Bytes::from_static(b"half")) });
        let stream = part.chain(futures::stream::poll_fn(|_| panic!("as asked"))).boxed();
        let (mut reader, failure) = piped(stream, "gs://b/x".into());
        let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).map_err(drop));
        assert_eq!(read.await.unwrap(), Err(()));
        let failure = failure.lock().unwrap().take().unwrap();
        assert!(failure.is_transient() && failure.to_string().starts_with("gs://b/x: reading it failed"));
    }
}
