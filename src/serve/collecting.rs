//! Handles pushes to `/collect`: one run at a time. A push that arrives during a run gets that run's response, because
//! a push only says that it is time, and Zoom's rate limits leave no room for a second run. 200 means that everything
//! Zoom showed to the run is durable; the next scheduled push fetches the rest.

use super::answer::{Answer, Severity};
use super::{Service, push};
use crate::collect::{self, Observer, Report, Stop};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How to collect.
#[derive(Debug, Clone)]
pub struct Collecting {
    /// The options of each run; stop flag and clock are replaced.
    pub options: collect::Options,
    /// The maximum duration of a run.
    pub deadline: Duration,
}

/// The current run, if there is one.
pub(super) type Running = Mutex<Option<Shared<BoxFuture<'static, Answer>>>>;

/// Handles a push.
pub(super) async fn collect(service: &Arc<Service>, message: push::Message) -> Answer {
    if message.is_of_a_bucket() {
        return Answer::cannot("a bucket notification does not start a collect run; push it to /ingest");
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
fn begin(service: &Arc<Service>) -> Shared<BoxFuture<'static, Answer>> {
    let its = Arc::clone(service);
    // On a thread of its own, because a run is not `Send`.
    let run = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let answer = tokio::runtime::Handle::current().block_on(run(&its));
        its.metrics.run("collect", answer.outcome(), started.elapsed());
        answer
    });
    let ended = run.map(|ended| ended.unwrap_or_else(|_| Answer::broken("the run failed; see the log")));
    let run = ended.boxed().shared();
    // The run is awaited whoever waits, so that a later push does not get its response.
    service.see_to(run.clone().map(drop));
    run
}

async fn run(service: &Arc<Service>) -> Answer {
    let Some(Collecting { options, deadline }) = service.options.collect.clone() else {
        return Answer::not_here();
    };
    let stop = Stop::new(Some(deadline));
    let options = collect::Options { stop: stop.clone(), clock: service.clock(), ..options };
    let run = collect::run(options, Arc::new(Voice(Arc::clone(service))));
    tokio::pin!(run);
    let outcome = tokio::select! {
        outcome = run.as_mut() => outcome,
        () = service.stopping.wait() => {
            stop.flag.store(true, std::sync::atomic::Ordering::Relaxed);
            stop.notify.notify_one();
            run.await
        }
    };
    outcome.map_or_else(Answer::from, |report| {
        report.notes.iter().for_each(|note| tracing::info!("{note}"));
        answer(&report)
    })
}

fn answer(report: &Report) -> Answer {
    match &report.stopped {
        None => done(report),
        // An immediate repetition would spend the remaining budget on the same pages; the schedule comes again.
        Some(reason) if report.spent => Answer::done(
            "a budget or Zoom's limit is used up; progress is saved, and the next run continues",
            json!({"stopped_early": true, "records_written": report.records_written}),
        )
        .noted(
            Severity::Warning,
            format!("stopped early with progress saved, the next run continues: {reason}"),
        ),
        Some(reason) => Answer::again("the run stopped early with its progress saved; run it again", 30)
            .noted(Severity::Warning, format!("stopped early with progress saved: {reason}")),
    }
}

fn done(report: &Report) -> Answer {
    let counts = json!({
        "records_read": report.records_read,
        "records_written": report.records_written,
        "duplicates_suppressed": report.duplicates_suppressed,
        "late": report.late,
        "objects_written": report.objects_written,
        "requests": report.requests,
        "throttled": report.throttled,
        "unknown_members": report.unknown_members,
        "days_parked": report.windows_parked,
        "lag_seconds": report.lag_seconds,
    });
    let text = format!("collected {counts}");
    let done = Answer::done("all new records are collected", counts);
    if report.windows_parked == 0 && !report.new_gap {
        return done.noted(Severity::Info, text);
    }
    let days = report.parked.iter().chain(report.gaps.iter().filter(|_| report.new_gap));
    let days: Vec<_> =
        days.take(10).map(|gap| format!("{} to {}: {}", gap.from, gap.until, gap.reason)).collect();
    done.noted(Severity::Warning, format!("{text}; deferred or lost: {}", days.join("; ")))
}

struct Voice(Arc<Service>);

impl Observer for Voice {
    fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }

    fn detail(&self, message: &str) {
        tracing::debug!("{message}");
    }

    fn trace(&self, message: &str) {
        tracing::trace!("{message}");
    }

    fn ended(&self, report: &Report) {
        self.0.metrics.collected(report);
    }
}
