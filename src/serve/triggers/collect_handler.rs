//! Handles pushes to `/collect`: one run at a time. A push that arrives during a run gets that run's response, because
//! a push only says that it is time, and Zoom's rate limits leave no room for a second run. 200 means that everything
//! Zoom showed to the run is durable; the next scheduled push fetches the rest.

use super::push::PushMessage;
use crate::collect::{self, Cancellation, LogRun, Observer, Report};
use crate::serve::app_state::AppState;
use crate::serve::config::CollectConfig;
use crate::serve::response::{ApiResponse, Severity};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use serde_json::json;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Handles a push.
pub(crate) async fn collect(state: &Arc<AppState>, message: PushMessage) -> ApiResponse {
    if message.is_bucket_notification() {
        return ApiResponse::unprocessable(
            "a bucket notification does not start a collect run; push it to /ingest",
        );
    }
    drop(message);
    let run = {
        let mut current = state.collect_run.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref().filter(|run| run.peek().is_none()) {
            Some(run) => run.clone(),
            None => current.insert(start_run(state)).clone(),
        }
    };
    run.await
}

/// A run continues even if nobody waits for it: Pub/Sub may have given up, and will push again.
fn start_run(state: &Arc<AppState>) -> Shared<BoxFuture<'static, ApiResponse>> {
    let of_run = Arc::clone(state);
    // On a separate thread, because a run is not `Send`.
    let run = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let response = tokio::runtime::Handle::current().block_on(run(&of_run));
        of_run.metrics.run("collect", response.outcome(), started.elapsed());
        response
    });
    let ended =
        run.map(|ended| ended.unwrap_or_else(|_| ApiResponse::internal_error("the run failed; see the log")));
    let run = ended.boxed().shared();
    // The run is awaited even if no caller waits, so that a later push does not get its response.
    state.track_run(run.clone().map(drop));
    run
}

async fn run(state: &Arc<AppState>) -> ApiResponse {
    let Some(CollectConfig { options, deadline }) = state.options.collect.clone() else {
        return ApiResponse::not_found();
    };
    // The run ends with its progress saved when the service shuts down.
    let cancellation = Cancellation::new(state.shutdown.child_token(), Some(deadline));
    let clock = state.clock();
    let options = options.into_iter().map(|options| collect::Options {
        cancellation: cancellation.clone(),
        clock: clock.clone(),
        ..options
    });
    let runs = collect::run_all(options.collect(), Arc::new(LogObserver)).await;
    runs.iter().filter_map(|run| run.report.as_ref()).for_each(|report| state.metrics.collected(report));
    ApiResponse::combine(runs.into_iter().map(|run| (run.logs.metric_label(), run_response(run))).collect())
}

/// Returns the response for one kind of log.
fn run_response(run: LogRun) -> ApiResponse {
    run.outcome.map_or_else(ApiResponse::from, |()| {
        let report = run.report.unwrap_or_default();
        report.notes.iter().for_each(|note| tracing::info!("{note}"));
        response(&report)
    })
}

fn response(report: &Report) -> ApiResponse {
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
        "days_deferred": report.days_deferred,
        "lag_seconds": report.lag_seconds,
    });
    let text = format!("collected {counts}");
    let done = ApiResponse::done("all new records are collected", counts);
    if report.days_deferred == 0 && !report.new_gap {
        return done.with_log(Severity::Info, text);
    }
    let days = report.deferred.iter().chain(report.gaps.iter().filter(|_| report.new_gap));
    let days: Vec<_> =
        days.take(10).map(|gap| format!("{} to {}: {}", gap.from, gap.until, gap.reason)).collect();
    done.with_log(Severity::Warning, format!("{text}; deferred or lost: {}", days.join("; ")))
}

struct LogObserver;

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
}
