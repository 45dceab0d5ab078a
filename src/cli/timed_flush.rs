//! Events of a live input on their way into requests: none waits long for a request to become full.

use super::atomic_file::Destination;
use crate::normalize::{EventWriter, Limits, RequestFormat};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an event may wait for others to fill its request.
const LINGER: Duration = Duration::from_secs(1);

/// Where a run's events go.
pub(super) enum EventSink {
    /// Events, or full requests: what is written depends on the input alone.
    Direct(Box<EventWriter<Destination>>),
    /// Requests that a timer sends before they are full.
    LingerSink(Arc<LingerSink>),
}

/// A writer that a timer shares.
#[derive(Default)]
pub(super) struct LingerSink {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// `None` once it is finished.
    writer: Option<EventWriter<Destination>>,
    /// The number of the request at hand, and when it got its first event.
    pending: Option<(u64, Instant)>,
    /// Why the timer could not send a request, until the next write returns it.
    failure: Option<io::Error>,
}

impl EventSink {
    /// Events to `out`. Of a live input no request waits longer than [`LINGER`] for more events.
    pub(super) fn new(out: Destination, requests: Option<&(RequestFormat, Limits)>, live: bool) -> Self {
        let writer = EventWriter::new(out, requests);
        if requests.is_none() || !live {
            return Self::Direct(Box::new(writer));
        }
        let state = State { writer: Some(writer), ..State::default() };
        let timed = Arc::new(LingerSink { state: Mutex::new(state), ..LingerSink::default() });
        let its = Arc::clone(&timed);
        std::thread::spawn(move || its.send_when_due());
        Self::LingerSink(timed)
    }

    /// Writes events, each up to its newline; one may come in several parts.
    pub(super) fn write(&mut self, events: &[u8]) -> io::Result<()> {
        match self {
            Self::Direct(writer) => writer.write(events),
            Self::LingerSink(timed) => timed.write(events),
        }
    }

    /// Writes what is held back, and returns the destination.
    pub(super) fn finish(self) -> io::Result<Destination> {
        match self {
            Self::Direct(writer) => writer.finish(),
            Self::LingerSink(timed) => timed.finish(),
        }
    }
}

impl LingerSink {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, events: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.failure.take().map_or(Ok(()), Err)?;
        let State { writer: Some(writer), pending, .. } = &mut *state else { return Ok(()) };
        writer.write(events)?;
        let known = *pending;
        *pending = writer.pending().map(|number| match known {
            Some((known, since)) if known == number => (number, since),
            _ => (number, Instant::now()),
        });
        if known.is_none() && pending.is_some() {
            self.changed.notify_one();
        }
        Ok(())
    }

    fn finish(&self) -> io::Result<Destination> {
        let mut state = self.lock();
        let (writer, failure) = (state.writer.take(), state.failure.take());
        drop(state);
        // The timer ends.
        self.changed.notify_one();
        let finished = writer.map(EventWriter::finish);
        failure.map_or(Ok(()), Err)?;
        finished.unwrap_or_else(|| Err(io::Error::other("already finished")))
    }

    /// Sends each request that is due, until the writer is finished.
    fn send_when_due(&self) {
        let mut state = self.lock();
        loop {
            let State { writer: Some(writer), pending, failure } = &mut *state else { return };
            let due = pending.map(|(_, since)| LINGER.saturating_sub(since.elapsed()));
            if due == Some(Duration::ZERO) {
                *failure = writer.flush().err();
                *pending = None;
                continue;
            }
            state = match due {
                Some(due) => self.changed.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
