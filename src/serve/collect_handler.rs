//! Handles pushes to `/collect`: one run at a time. A push that arrives during a run gets that run's response, because
//! a push only says that it is time, and Zoom's rate limits leave no room for a second run. 200 means that everything
//! Zoom showed to the run is durable; the next scheduled push fetches the rest.

use super::response::{ApiResponse, Severity};
use super::{AppState, pubsub};
use crate::collect::{self, Observer, Report, Stop};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How to collect.
#[derive(Debug, Clone)]
pub struct CollectConfig {
    /// The options of each run; stop flag and clock are replaced.
    pub options: collect::Options,
    /// The maximum duration of a run.
    pub deadline: Duration,
}

/// The current run, if there is one.
pub(super) type CurrentRun = Mutex<Option<Shared<BoxFuture<'static, ApiResponse>>>>;

/// Handles a push.
pub(super) async fn collect(service: &Arc<AppState>, message: pubsub::PushMessage) -> ApiResponse {
    if message.is_of_a_bucket() {
        return ApiResponse::unprocessable(
            "a bucket notification does not start a collect run; push it to /ingest",
        );
    }
    drop(message);
    let run = {
        let mut running = service.collecting.lock().unwrap_or_else(PoisonError::into_inner);
        match running.as_ref().filter(|run| run.peek().is_none()) {
            Some(run) => run.clone(),
            None => running.insert(begin(service)).clone(),
        }
    };
    run.await
}

/// A run continues even if nobody waits for it: Pub/Sub may have given up, and will push again.
fn begin(service: &Arc<AppState>) -> Shared<BoxFuture<'static, ApiResponse>> {
    let its = Arc::clone(service);
    // On a thread of its own, because a run is not `Send`.
    let run = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let answer = tokio::runtime::Handle::current().block_on(run(&its));
        its.metrics.run("collect", answer.outcome(), started.elapsed());
        answer
    });
    let ended =
        run.map(|ended| ended.unwrap_or_else(|_| ApiResponse::internal_error("the run failed; see the log")));
    let run = ended.boxed().shared();
    // The run is awaited whoever waits, so that a later push does not get its response.
    service.track_run(run.clone().map(drop));
    run
}

async fn run(service: &Arc<AppState>) -> ApiResponse {
    let Some(CollectConfig { options, deadline }) = service.options.collect.clone() else {
        return ApiResponse::not_found();
    };
    let stop = Stop::new(Some(deadline));
    let options = collect::Options { stop: stop.clone(), clock: service.clock(), ..options };
    let run = collect::run(options, Arc::new(LogObserver(Arc::clone(service))));
    tokio::pin!(run);
    let outcome = tokio::select! {
        outcome = run.as_mut() => outcome,
        () = service.stopping.wait() => {
            stop.flag.store(true, std::sync::atomic::Ordering::Relaxed);
            stop.notify.notify_one();
            run.await
        }
    };
    outcome.map_or_else(ApiResponse::from, |report| {
        report.notes.iter().for_each(|note| tracing::info!("{note}"));
        answer(&report)
    })
}

fn answer(report: &Report) -> ApiResponse {
    match &report.stopped {
        None => done(report),
        // An immediate repetition would spend the remaining budget on the same pages; the schedule comes again.
        Some(reason) if report.budget_exhausted => ApiResponse::done(
            "a budget or Zoom's limit is used up; progress is saved, and the next run continues",
            json!({"stopped_early": true, "records_written": report.records_written}),
        )
        .with_log(
            Severity::Warning,
            format!("stopped early with progress saved, the next run continues: {reason}"),
        ),
        Some(reason) => {
            ApiResponse::retry_later("the run stopped early with its progress saved; run it again", 30)
                .with_log(Severity::Warning, format!("stopped early with progress saved: {reason}"))
        }
    }
}

fn done(report: &Report) -> ApiResponse {
    let counts = json!({
        "records_read": report.records_read,
        "records_written": report.records_written,
        "duplicates_suppressed": report.duplicates_suppressed,
        "late": report.late,
        "objects_written": report.objects_written,
        "requests": report.requests,
        "throttled": report.throttled,
        "unknown_members": report.unknown_members,
        "days_parked": report.days_deferred,
        "lag_seconds": report.lag_seconds,
    });
    let text = format!("collected {counts}");
    let done = ApiResponse::done("all new records are collected", counts);
    if report.days_deferred == 0 && !report.new_gap {
        return done.with_log(Severity::Info, text);
    }
    let days = report.parked.iter().chain(report.gaps.iter().filter(|_| report.new_gap));
    let days: Vec<_> =
        days.take(10).map(|gap| format!("{} to {}: {}", gap.from, gap.until, gap.reason)).collect();
    done.with_log(Severity::Warning, format!("{text}; deferred or lost: {}", days.join("; ")))
}

struct LogObserver(Arc<AppState>);

impl Observer for LogObserver {
    fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }

    fn info(&self, message: &str) {
        tracing::debug!("{message}");
    }

    fn trace(&self, message: &str) {
        tracing::trace!("{message}");
    }

    fn ended(&self, report: &Report) {
        self.0.metrics.collected(report);
    }
}
