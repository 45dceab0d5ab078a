//! Handles pushes to `/ingest`.
//!
//! Each push waits for a run that started after it arrived (`ingest_queue` decides which). 200 means that events, rejects and
//! ledger entries are durable: of the named object, or of everything that the source held when the run started. 409 and
//! 503 mean that the same push may succeed later, 422 that it never will (`ingest_outcome`).

use super::ingest_outcome::{OutcomeCollector, RunOutcome};
use super::ingest_queue::{ObjectWaiters, RunScope};
use super::payload::Malformed;
use super::push::{ObjectRef, PushMessage, Work};
use crate::ingest::{self, Report, Shard, Skip};
use crate::serve::app_state::AppState;
use crate::serve::config::IngestConfig;
use crate::serve::response::ApiResponse;
use crate::store::{Location, Store};
use futures::TryStreamExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A push waits for at most this many runs: the current one, one of the other kind, and its own. Together they must end
/// before Pub/Sub's acknowledgement deadline, so each gets this part of it, and the rest is for the upload.
const RUNS_PER_DEADLINE: u32 = 3;

/// Handles a push.
pub(crate) async fn ingest(state: &Arc<AppState>, message: PushMessage) -> ApiResponse {
    let Some(config) = &state.options.ingest else { return ApiResponse::not_found() };
    let object = match message.requested_work() {
        Err(Malformed(why)) => return ApiResponse::bad_request(why),
        Ok(Work::Ignore(what)) => return ApiResponse::ignored(format!("{what} requires no action")),
        Ok(Work::Run) => None,
        Ok(Work::Object(object)) => match object_below_source(&config.options.from, object) {
            Ok(object) => Some(object),
            Err(response) => return response,
        },
    };
    // This may take long.
    drop(message);
    let Ok((response, must_run)) = state.ingest_queue.enqueue(object) else {
        return ApiResponse::retry_later("too many objects are waiting; retry", 30);
    };
    if must_run {
        state.track_run(drain_queue(Arc::clone(state)));
    }
    response.await.unwrap_or_else(|_| ApiResponse::internal_error("the run failed; see the log"))
}

/// Returns the object's name below the source.
pub(crate) fn object_below_source(from: &Location, named: ObjectRef) -> Result<ObjectRef, ApiResponse> {
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

/// After a panic, lets the next push start runs again; waiting callers get the response of a failed run.
struct PanicGuard(Arc<AppState>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.ingest_queue.abandon();
        }
    }
}

/// Starts runs until nobody waits any more.
async fn drain_queue(state: Arc<AppState>) {
    let _guard = PanicGuard(Arc::clone(&state));
    while let Some(scope) = state.ingest_queue.next_run() {
        let outcome = spawn_run(&state, scope).await;
        let waiters = state.ingest_queue.take_waiters();
        for (object, callers) in waiters.objects {
            let url = state.options.ingest.as_ref().map(|config| config.options.from.url(&object.object));
            reply_all(callers, &outcome.object(&url.unwrap_or_default()));
        }
        reply_all(waiters.whole, &outcome.whole());
    }
}

fn reply_all(callers: ObjectWaiters, response: &ApiResponse) {
    for sender in callers {
        // Callers that have disconnected will push again.
        let _ = sender.send(response.clone());
    }
}

async fn spawn_run(state: &Arc<AppState>, scope: RunScope) -> RunOutcome {
    let state = Arc::clone(state);
    let task = tokio::spawn(async move {
        let (started, whole) = (Instant::now(), scope == RunScope::Whole);
        let outcome = run(&state, scope).await;
        let (command, word) =
            if whole { ("ingest", outcome.whole().outcome()) } else { ("ingest_objects", outcome.outcome()) };
        state.metrics.run(command, word, started.elapsed());
        // Their work is durable, so nobody waits for the measurement.
        tokio::spawn(async move { measure_ledger(&state).await });
        outcome
    });
    task.await
        .unwrap_or_else(|_| RunOutcome::with(ApiResponse::internal_error("the run failed; see the log")))
}

async fn run(state: &AppState, scope: RunScope) -> RunOutcome {
    let Some(IngestConfig { options, deadline }) = state.options.ingest.clone() else {
        return RunOutcome::with(ApiResponse::not_found());
    };
    if state.shutdown.is_cancelled() {
        return RunOutcome::with(ApiResponse::stopping());
    }
    let only = match scope {
        RunScope::Objects(names) => Some(names),
        RunScope::Whole => None,
    };
    let outcomes = OutcomeCollector::new(only.is_some());
    let normalize = crate::normalize::Options { stop: Arc::default(), ..options.normalize };
    let (shard, clock) = (Shard::default(), state.clock());
    let options = ingest::Options { objects: only, shard, normalize, clock, ..options };
    let stop = state.shutdown.child_token();
    let result = {
        let run = ingest::run(options, &outcomes, &stop);
        tokio::pin!(run);
        tokio::select! {
            result = run.as_mut() => result,
            () = tokio::time::sleep(deadline / RUNS_PER_DEADLINE) => { stop.cancel(); run.await }
        }
    };
    let outcome = outcomes.finish(result.map_err(ApiResponse::from));
    if let Some(report) = outcome.report() {
        count(state, report);
    }
    outcome
}

fn count(state: &AppState, report: &Report) {
    state.metrics.normalized("ingest", &report.summary);
    state.metrics.objects("done", report.done);
    state.metrics.objects("failed", report.failed);
    state.metrics.objects("deleted", report.deleted);
    state.metrics.objects("already_done", report.skipped_for(Skip::Done));
}

/// The minimum interval between measurements of the ledger.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// Measures the size of the ledger for the metrics.
async fn measure_ledger(state: &AppState) {
    {
        let mut measured_at = state.ledger_measured_at.lock().unwrap_or_else(PoisonError::into_inner);
        if measured_at.is_some_and(|at| at.elapsed() < MEASURE_INTERVAL) {
            return;
        }
        *measured_at = Some(Instant::now());
    }
    let Some(options) = state.options.ingest.as_ref().map(|config| &config.options) else { return };
    let Some(ledger) = &options.ledger else { return };
    let measure = async {
        let store = Store::open(ledger, &options.retry).await?;
        store.list().try_fold(0, |sum, listed| async move { Ok(sum + listed.size) }).await
    };
    if let Ok(Ok(bytes)) = tokio::time::timeout(Duration::from_secs(2), measure).await {
        state.metrics.ledger.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
