//! Handles pushes to `/ingest`.
//!
//! Each push waits for a run that started after it arrived (`queue` decides which). 200 means that events, rejects and
//! ledger entries are durable: of the named object, or of everything that the source held when the run started. 409 and
//! 503 mean that the same push may succeed later, 422 that it never will (`heard`).

use super::ingest_outcome::{OutcomeCollector, RunOutcome};
use super::ingest_queue::{RunScope, WaiterList};
use super::metrics::saturating_i64;
use super::pubsub::{Malformed, ObjectRef, Work};
use super::response::ApiResponse;
use super::{AppState, pubsub};
use crate::ingest::{self, Report, Shard, Skip};
use crate::store::{Location, Store};
use futures::TryStreamExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A push waits for at most this many runs: the current one, one of the other kind, and its own. Together they must end
/// before Pub/Sub's acknowledgement deadline, so each gets this part of it, and the rest is for the upload.
const RUNS_PER_DEADLINE: u32 = 3;

/// How to ingest.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// The options of each run; clock and stop flag are replaced.
    pub options: ingest::Options,
    /// How long a push may wait for its response; a run gets a third of it.
    pub deadline: Duration,
}

/// Handles a push.
pub(super) async fn ingest(service: &Arc<AppState>, message: pubsub::PushMessage) -> ApiResponse {
    let Some(feeding) = &service.options.ingest else { return ApiResponse::not_found() };
    let wish = match message.requested_work() {
        Err(Malformed(why)) => return ApiResponse::bad_request(why),
        Ok(Work::Nothing(what)) => return ApiResponse::ignored(format!("{what} asks for nothing")),
        Ok(Work::Run) => None,
        Ok(Work::Object(named)) => match object_below_source(&feeding.options.from, named) {
            Ok(named) => Some(named),
            Err(answer) => return answer,
        },
    };
    // This may take long.
    drop(message);
    let Ok((answer, begin)) = service.queue.enqueue(wish) else {
        return ApiResponse::retry_later("too many objects are waiting; send it again", 30);
    };
    if begin {
        service.track_run(drain_queue(Arc::clone(service)));
    }
    answer.await.unwrap_or_else(|_| ApiResponse::internal_error("the run failed; see the log"))
}

/// Returns the object's name below the source.
pub(super) fn object_below_source(from: &Location, named: ObjectRef) -> Result<ObjectRef, ApiResponse> {
    let Location::Gcs { bucket, prefix } = from else {
        return Err(ApiResponse::unprocessable("the source is not a bucket"));
    };
    if *bucket != named.bucket {
        return Err(ApiResponse::unprocessable("the object is in another bucket"));
    }
    match named.object.strip_prefix(prefix) {
        Some(object) if !object.is_empty() => Ok(ObjectRef { object: object.to_owned(), ..named }),
        // A bucket also notifies about outputs and states.
        _ => Err(ApiResponse::ignored("the object is not below the source prefix")),
    }
}

/// Lets the next push begin runs again if this one panics; those that wait are answered as for a failed run.
struct Unwinding(Arc<AppState>);

impl Drop for Unwinding {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.abandon();
        }
    }
}

/// Starts runs until nobody waits any more.
async fn drain_queue(service: Arc<AppState>) {
    let _unwinding = Unwinding(Arc::clone(&service));
    while let Some(about) = service.queue.next_run() {
        let ended = spawn_run(&service, about).await;
        let round = service.queue.take_waiters();
        for (named, waiting) in round.objects {
            let url = service.options.ingest.as_ref().map(|feeding| feeding.options.from.url(&named.object));
            reply_all(waiting, &ended.object(&url.unwrap_or_default()));
        }
        reply_all(round.whole, &ended.whole());
    }
}

fn reply_all(waiting: WaiterList, answer: &ApiResponse) {
    for sender in waiting {
        // Callers that have disconnected will push again.
        let _ = sender.send(answer.clone());
    }
}

async fn spawn_run(service: &Arc<AppState>, about: RunScope) -> RunOutcome {
    let service = Arc::clone(service);
    let task = tokio::spawn(async move {
        let (started, whole) = (Instant::now(), about == RunScope::Whole);
        let ended = run(&service, about).await;
        let (verb, outcome) =
            if whole { ("ingest", ended.whole().outcome()) } else { ("ingest_objects", ended.outcome()) };
        service.metrics.run(verb, outcome, started.elapsed());
        // Their work is durable, so nobody waits for the measurement.
        tokio::spawn(async move { measure_ledger(&service).await });
        ended
    });
    task.await
        .unwrap_or_else(|_| RunOutcome::with(ApiResponse::internal_error("the run failed; see the log")))
}

async fn run(service: &AppState, about: RunScope) -> RunOutcome {
    let Some(IngestConfig { options, deadline }) = service.options.ingest.clone() else {
        return RunOutcome::with(ApiResponse::not_found());
    };
    if service.stopping.is_set() {
        return RunOutcome::with(ApiResponse::stopping());
    }
    let only = match about {
        RunScope::Objects(names) => Some(names),
        RunScope::Whole => None,
    };
    let ears = OutcomeCollector::new(only.is_some());
    let normalize = crate::normalize::Options { stop: Arc::default(), ..options.normalize };
    let (shard, clock) = (Shard::default(), service.clock());
    let options = ingest::Options { objects: only, shard, normalize, clock, ..options };
    let stop = Notify::new();
    let outcome = {
        let run = ingest::run(options, &ears, &stop);
        tokio::pin!(run);
        tokio::select! {
            outcome = run.as_mut() => outcome,
            () = service.stopping.wait() => { stop.notify_one(); run.await }
            () = tokio::time::sleep(deadline / RUNS_PER_DEADLINE) => { stop.notify_one(); run.await }
        }
    };
    let ended = ears.ended(outcome.map_err(ApiResponse::from));
    if let Some(report) = ended.report() {
        count(service, report);
    }
    ended
}

fn count(service: &AppState, report: &Report) {
    service.metrics.normalized("ingest", &report.summary);
    service.metrics.objects("done", report.done);
    service.metrics.objects("failed", report.failed);
    service.metrics.objects("deleted", report.deleted);
    service.metrics.objects("already_done", report.skipped_for(Skip::Done));
}

/// The minimum interval between measurements of the ledger.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// Measures the size of the ledger for the metrics.
async fn measure_ledger(service: &AppState) {
    {
        let mut weighed = service.ledger_measured_at.lock().unwrap_or_else(PoisonError::into_inner);
        if weighed.is_some_and(|weighed| weighed.elapsed() < MEASURE_INTERVAL) {
            return;
        }
        *weighed = Some(Instant::now());
    }
    let Some(options) = service.options.ingest.as_ref().map(|feeding| &feeding.options) else { return };
    let Some(ledger) = &options.ledger else { return };
    let weigh = async {
        let store = Store::open(ledger, &options.retry).await?;
        store.list().try_fold(0, |sum, listed| async move { Ok(sum + listed.size) }).await
    };
    if let Ok(Ok(bytes)) = tokio::time::timeout(Duration::from_secs(2), weigh).await {
        service.metrics.ledger.set(saturating_i64(bytes));
    }
}
