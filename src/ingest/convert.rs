//! Converts the bytes of one object to events and rejects, held until the whole object is known to be valid. Blocking.

use super::decompress::{LimitExceeded, Limits, decompress_limited};
use super::spool::Spool;
use crate::normalize::{self, EventWriter, Input, Reject, RejectWriter, Sink, Summary};
use crate::store::{self, Payload};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// The first [`MAX_LOGGED_REJECTS`] rejects, formatted for the log, if no `--rejects` stores them.
    pub(super) logged_rejects: Vec<String>,
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
    /// The disk is too full for its events.
    Disk(io::Error),
    /// The output stream failed.
    Output(io::Error),
    /// It is a file of a collector, not a log.
    CollectorState,
    /// The run is being stopped.
    Stopped,
}

impl ConvertError {
    /// Classifies an error of reading: the source failed, or its content is damaged or exceeds a limit.
    fn from_read(error: io::Error) -> Self {
        let error = match error.downcast::<store::Error>() {
            Ok(fetch) => return Self::Fetch(fetch),
            Err(error) => error,
        };
        let exceeded = error.get_ref().and_then(|source| source.downcast_ref::<LimitExceeded>());
        Self::Content(match exceeded {
            None => error.to_string(),
            Some(limit @ LimitExceeded::Ratio(_)) => {
                format!("{limit}; raise --max-ratio if that is expected")
            }
            Some(limit @ LimitExceeded::Bytes(_)) => {
                format!("{limit}; raise --max-object-bytes if that is expected")
            }
        })
    }
}

/// Converts an object on a blocking thread.
pub(super) async fn convert_on_thread(
    name: String,
    source: impl Read + Send + 'static,
    options: ConvertOptions,
) -> Result<Converted, ConvertError> {
    tokio::task::spawn_blocking(move || convert(&name, source, &options))
        .await
        .unwrap_or_else(|error| Err(ConvertError::Content(format!("cannot read: {error}"))))
}

/// Converts an object. A failure of its source counts before what is wrong with its content: a bit that was corrupted in
/// transit may look like broken gzip, and only the end of the bytes says so.
fn convert(
    name: &str,
    source: impl Read + Send + 'static,
    options: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    let source = SharedReader(Arc::new(Mutex::new(source)));
    let converted = convert_reader(name, source.clone(), options);
    if matches!(converted, Ok(_) | Err(ConvertError::Content(_))) {
        let stop = &options.options.stop;
        source.drain(stop).map_err(ConvertError::from_read)?;
        if stop.load(Ordering::Relaxed) {
            return Err(ConvertError::Stopped);
        }
    }
    converted
}

/// A reader that stays when the one that reads it is done.
struct SharedReader<R>(Arc<Mutex<R>>);

impl<R> Clone for SharedReader<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Read> SharedReader<R> {
    /// Reads what was not read, because only at the end it is known whether all of the object arrived.
    fn drain(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut rest = vec![0; 64 << 10];
        while !stop.load(Ordering::Relaxed) {
            match self.read(&mut rest) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for SharedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

fn convert_reader(
    name: &str,
    source: impl Read + Send + 'static,
    options: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    let mut unpacked =
        decompress_limited(Box::new(source), options.limits).map_err(ConvertError::from_read)?;
    io::copy(&mut unpacked.reader.by_ref().take(options.skip), &mut io::sink())
        .map_err(ConvertError::from_read)?;
    let events = options.plain.map_or_else(Spool::packed, Spool::plain);
    let mut sink = SpoolSink {
        events: EventWriter::new(events, options.requests.as_ref()),
        rejects: options.rejects.then(|| RejectWriter::new(Spool::packed())),
        logged_rejects: Vec::new(),
    };
    let normalize = normalize::Options { threads: 1, ..options.options.clone() };
    let summary =
        normalize::run(std::iter::once(Input::from_decompressed(name, unpacked)), &normalize, &mut sink)
            .map_err(disk)?;
    if let Some(failure) = summary.failures.into_iter().next() {
        return Err(ConvertError::from_read(failure.error));
    }
    let summary = Summary { failures: Vec::new(), ..summary };
    let logged_rejects = std::mem::take(&mut sink.logged_rejects);
    let (events, rejects) = sink.finish().map_err(ConvertError::Disk)?;
    let events = (summary.events > 0).then(|| events.finish()).transpose().map_err(ConvertError::Disk)?;
    let rejects =
        rejects.filter(|_| summary.rejects > 0).map(Spool::finish).transpose().map_err(ConvertError::Disk)?;
    Ok(Converted { events, rejects, summary, logged_rejects })
}

fn disk(error: normalize::Error) -> ConvertError {
    match error {
        normalize::Error::Output(error) | normalize::Error::Rejects(error) => ConvertError::Disk(error),
        error => ConvertError::Disk(io::Error::other(error)),
    }
}

struct SpoolSink {
    events: EventWriter<Spool>,
    rejects: Option<RejectWriter<Spool>>,
    logged_rejects: Vec<String>,
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
            None if self.logged_rejects.len() < MAX_LOGGED_REJECTS && reject.is_first_part() => {
                self.logged_rejects.push(reject.to_string());
            }
            None => {}
        }
        Ok(())
    }
}
