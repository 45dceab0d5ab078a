//! Gathers events for a second or up to 1 MiB, has them written as one object, and then answers all of their deliveries.

use super::batch::{Batch, Event, OpenBatch, WriteResult, WriteTask};
use super::object_writer::ObjectWriter;
use super::recent::{BodyHash, RecentBodies};
use super::refusal::Refusal;
use crate::serve::metrics::WebhookMetrics;
use crate::serve::response::ApiResponse;
use futures::FutureExt as _;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

/// How long events are gathered.
const GATHER_TIME: Duration = Duration::from_secs(1);
/// The size in bytes at which gathered events are written at once.
const GATHER_BYTES: usize = 1 << 20;

/// The result of a delivery that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// With this delivery.
    Now,
    /// With an earlier delivery of the same body.
    Before,
}

#[derive(Default)]
struct State {
    open: Option<OpenBatch>,
    /// The number of the next batch.
    next: u64,
    /// Bodies that are being gathered or written.
    pending: HashMap<BodyHash, watch::Receiver<WriteResult>>,
    recent: RecentBodies,
}

/// Gathers events.
pub(super) struct Gatherer {
    state: Mutex<State>,
    writer: ObjectWriter,
    metrics: WebhookMetrics,
    /// Cancelled when the service shuts down: gathered events are written at once.
    shutdown: CancellationToken,
}

/// Where a delivery is.
enum Place {
    StoredBefore,
    /// An earlier delivery of the same body waits for this result.
    Pending(watch::Receiver<WriteResult>),
    /// In the open batch, and the task that writes it if it is new.
    Added(watch::Receiver<WriteResult>, Option<WriteTask>),
}

impl Gatherer {
    pub(super) fn new(writer: ObjectWriter, metrics: WebhookMetrics, shutdown: CancellationToken) -> Self {
        Self { state: Mutex::default(), writer, metrics, shutdown }
    }

    pub(super) fn writer(&self) -> &ObjectWriter {
        &self.writer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an event is durable, but not beyond the deadline. `track` runs the task that writes a batch to its
    /// end, even if all senders disconnect.
    pub(super) async fn store(
        self: &Arc<Self>,
        event: Event,
        deadline: tokio::time::Instant,
        track: impl FnOnce(futures::future::BoxFuture<'static, ()>),
    ) -> Result<Stored, ApiResponse> {
        let hash = event.hash;
        let place = self.lock().place(event);
        let (mut result, stored) = match place {
            Place::StoredBefore => {
                self.metrics.duplicates.inc();
                return Ok(Stored::Before);
            }
            Place::Pending(result) => (result, Stored::Before),
            Place::Added(result, task) => {
                if let Some(task) = task {
                    track(Arc::clone(self).write(task).boxed());
                }
                (result, Stored::Now)
            }
        };
        let Ok(known) = timeout_at(deadline, result.wait_for(Option::is_some)).await else {
            // An event of the batch is counted when that is written or fails, which its retry then finds.
            if stored == Stored::Before {
                self.metrics.refused(Refusal::Storage, 1);
            }
            return Err(ApiResponse::retry_later("storage did not respond in time; retry", 5));
        };
        let known = known.ok().and_then(|result| result.clone());
        let lost = known.is_none();
        let written = known.unwrap_or_else(|| Err(ApiResponse::panicked()));
        if lost {
            // The task ended without a result.
            self.lock().pending.remove(&hash);
        }
        match (&written, stored) {
            // Counted with the batch.
            (_, Stored::Now) if !lost => {}
            (Ok(()), _) => drop(self.metrics.duplicates.inc()),
            (Err(_), _) => self.metrics.refused(Refusal::Storage, 1),
        }
        written.map(|()| stored)
    }

    /// Gathers a batch until it is closed, writes it, and answers.
    async fn write(self: Arc<Self>, task: WriteTask) {
        let WriteTask { number, mut closed, result } = task;
        let closed_early = tokio::select! {
            batch = &mut closed => batch.ok(),
            () = tokio::time::sleep(GATHER_TIME) => None,
            () = self.shutdown.cancelled() => None,
        };
        let batch = if let Some(batch) = closed_early {
            batch
        } else {
            self.lock().close(number);
            closed.await.unwrap_or_default()
        };
        // A panic fails this batch only.
        let written = AssertUnwindSafe(self.writer.write(&batch.lines)).catch_unwind().await;
        // The log names a failed object once, not with each of its deliveries.
        let written = written.unwrap_or_else(|_| Err(ApiResponse::panicked())).map_err(ApiResponse::logged);
        self.count(&batch, &written);
        self.lock().settle(&batch, written.is_ok());
        // The memory is free before the senders can deliver more.
        drop(batch);
        result.send_replace(Some(written.map(drop)));
    }

    fn count(&self, batch: &Batch, written: &Result<u64, ApiResponse>) {
        let metrics = &self.metrics;
        let events = batch.hashes.len() as u64;
        match written {
            Ok(size) => {
                metrics.accepted.inc_by(events);
                metrics.objects_written.inc();
                metrics.written.inc_by(*size);
            }
            Err(_) => metrics.refused(Refusal::Storage, events),
        }
    }
}

impl State {
    /// Adds an event to the open batch unless its body is known.
    fn place(&mut self, event: Event) -> Place {
        if self.recent.contains(&event.hash, Instant::now()) {
            return Place::StoredBefore;
        }
        if let Some(result) = self.pending.get(&event.hash) {
            return Place::Pending(result.clone());
        }
        let full = |open: &OpenBatch| open.batch.lines.len() + event.line.len() >= GATHER_BYTES;
        // An abandoned batch would never be written.
        if let Some(open) = self.open.take_if(|open| full(open) || open.is_abandoned()) {
            open.close();
        }
        let mut task = None;
        let next = &mut self.next;
        let open = self.open.get_or_insert_with(|| {
            let (open, new) = OpenBatch::new(*next);
            (task, *next) = (Some(new), *next + 1);
            open
        });
        let result = open.result.clone();
        self.pending.insert(event.hash, result.clone());
        open.batch.add(event);
        // A single event may be that large.
        if let Some(open) = self.open.take_if(|open| open.batch.lines.len() >= GATHER_BYTES) {
            open.close();
        }
        Place::Added(result, task)
    }

    /// Closes a batch if it is still open.
    fn close(&mut self, number: u64) {
        if let Some(open) = self.open.take_if(|open| open.number == number) {
            open.close();
        }
    }

    /// Remembers the bodies of a batch if they are stored, and forgets them otherwise.
    fn settle(&mut self, batch: &Batch, stored: bool) {
        let now = Instant::now();
        for hash in &batch.hashes {
            self.pending.remove(hash);
            if stored {
                self.recent.insert(*hash, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Store;
    use flate2::read::GzDecoder;
    use futures::TryStreamExt as _;
    use futures::future::{BoxFuture, join_all};
    use std::io::Read as _;

    fn gatherer(to: &str, shutdown: &CancellationToken) -> Arc<Gatherer> {
        let writer = ObjectWriter::new(to.parse().unwrap(), Some(Clock::system()));
        Arc::new(Gatherer::new(writer, WebhookMetrics::default(), shutdown.clone()))
    }

    fn event(line: &str) -> Event {
        Event { hash: BodyHash::of(line.as_bytes()), line: line.into(), share: None }
    }

    fn spawn(task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }

    /// A deadline that no test reaches.
    fn later() -> tokio::time::Instant {
        tokio::time::Instant::now() + Duration::from_secs(60)
    }

    /// The lines of each object, sorted.
    async fn objects(store: &Store) -> Vec<String> {
        let names: Vec<_> = store.list().map_ok(|object| object.name).try_collect().await.unwrap();
        let mut all = Vec::new();
        for name in names {
            let (bytes, _) = store.read(&name).await.unwrap().unwrap();
            let mut text = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
            all.push(text);
        }
        all.sort();
        all
    }

    #[tokio::test]
    async fn events_of_a_second_become_one_object() {
        let gatherer = gatherer("memory://", &CancellationToken::new());
        let (one, two) = (r#"{"a":1}"#, r#"{"a":2}"#);
        let began = Instant::now();
        let stored = join_all([one, two, one].map(|line| gatherer.store(event(line), later(), spawn))).await;
        let stored: Vec<_> = stored.into_iter().map(Result::ok).collect();
        assert_eq!(stored, [Some(Stored::Now), Some(Stored::Now), Some(Stored::Before)]);
        assert!(began.elapsed() >= GATHER_TIME);
        // It is known now, and the answer comes at once.
        let began = Instant::now();
        assert_eq!(gatherer.store(event(two), later(), spawn).await.ok(), Some(Stored::Before));
        assert!(began.elapsed() < GATHER_TIME / 2);
        let store = gatherer.writer().open().await.unwrap();
        assert_eq!(objects(store).await, [format!("{one}\n{two}\n")]);
        assert!(gatherer.lock().pending.is_empty());
        let metrics = &gatherer.metrics;
        assert_eq!((metrics.accepted.get(), metrics.objects_written.get()), (2, 1));
    }

    #[tokio::test]
    async fn full_batch_is_written_at_once() {
        let gatherer = gatherer("memory://", &CancellationToken::new());
        let began = Instant::now();
        // Two of the first size do not fit into one object; the last one fills an object on its own.
        let lines = [GATHER_BYTES / 2, GATHER_BYTES / 2, GATHER_BYTES].map(|size| "x".repeat(size));
        let mut lines = lines.to_vec();
        lines[1].replace_range(..1, "y");
        let stored = join_all(lines.iter().map(|line| gatherer.store(event(line), later(), spawn))).await;
        assert!(stored.iter().all(|stored| matches!(stored, Ok(Stored::Now))), "{stored:?}");
        assert!(began.elapsed() < GATHER_TIME, "{:?}", began.elapsed());
        let sizes: Vec<_> =
            objects(gatherer.writer().open().await.unwrap()).await.iter().map(String::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), lines.iter().map(|line| line.len() + 1).sum::<usize>());
        assert_eq!(sizes.len(), 3);
    }

    #[tokio::test]
    async fn shutdown_writes_gathered_events_at_once() {
        let shutdown = CancellationToken::new();
        let gatherer = gatherer("memory://", &shutdown);
        let began = Instant::now();
        let store = gatherer.store(event("{}"), later(), spawn);
        let (stored, ()) = tokio::join!(store, async { shutdown.cancel() });
        assert!(matches!(stored, Ok(Stored::Now)) && began.elapsed() < GATHER_TIME / 2);
    }

    #[tokio::test]
    async fn failed_write_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let gatherer = gatherer(blocked.join("in").to_str().unwrap(), &shutdown);
        let both = [event("{}"), event("{}")].map(|event| gatherer.store(event, later(), spawn));
        assert!(join_all(both).await.iter().all(Result::is_err));
        assert_eq!(gatherer.metrics.refused.get_or_create(&[("reason", "storage")]).get(), 2);
        std::fs::remove_file(&blocked).unwrap();
        assert_eq!(gatherer.store(event("{}"), later(), spawn).await.ok(), Some(Stored::Now));
    }

    #[tokio::test]
    async fn lost_task_fails_only_its_batch() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let gatherer = gatherer("memory://", &shutdown);
        // A task that ends early drops its ends of the channels.
        assert!(gatherer.store(event("{}"), later(), drop).await.is_err());
        assert_eq!(gatherer.store(event("{}"), later(), spawn).await.ok(), Some(Stored::Now));
    }

    #[tokio::test]
    async fn event_is_written_after_its_sender_left() {
        let gatherer = gatherer("memory://", &CancellationToken::new());
        let left =
            tokio::time::timeout(Duration::from_millis(50), gatherer.store(event("{}"), later(), spawn));
        assert!(left.await.is_err());
        assert_eq!(gatherer.store(event("{}"), later(), spawn).await.ok(), Some(Stored::Before));
        assert_eq!(objects(gatherer.writer().open().await.unwrap()).await, ["{}\n"]);
    }

    #[tokio::test]
    async fn late_event_is_refused_and_still_stored() {
        let gatherer = gatherer("memory://", &CancellationToken::new());
        let soon = tokio::time::Instant::now() + Duration::from_millis(100);
        let both = [event("{}"), event("{}")].map(|event| gatherer.store(event, soon, spawn));
        assert!(join_all(both).await.iter().all(Result::is_err));
        // The retry finds it, and both deliveries of the event are counted.
        assert_eq!(gatherer.store(event("{}"), later(), spawn).await.ok(), Some(Stored::Before));
        let refused = gatherer.metrics.refused.get_or_create(&[("reason", "storage")]).get();
        assert_eq!((gatherer.metrics.accepted.get(), refused), (1, 1));
    }
}
