//! Pushes to runs of collect: one at a time. Who comes while one goes on gets its answer, though it may have looked
//! already where something came since: a push says no more than that it is time, and Zoom's limits are no place for a
//! second run. 200 promises that what Zoom showed to the run is durable; the next push of the schedule sees the rest.

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
    /// What each run is told; when to stop and the time are set anew for each.
    pub options: collect::Options,
    /// How long a run may take.
    pub deadline: Duration,
}

/// The run that goes on, if one does.
pub(super) type Running = Mutex<Option<Shared<BoxFuture<'static, Answer>>>>;

/// Answers a push.
pub(super) async fn collect(service: &Arc<Service>, message: push::Message) -> Answer {
    if message.is_of_a_bucket() {
        return Answer::cannot("a notification of a bucket asks for no collect run; push it to /ingest");
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

/// A run goes on though nobody waits for it any more: Pub/Sub may have given up, and will come again.
fn begin(service: &Arc<Service>) -> Shared<BoxFuture<'static, Answer>> {
    let its = Arc::clone(service);
    // On a thread of its own: a run keeps things that stay on one.
    let run = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let answer = tokio::runtime::Handle::current().block_on(run(&its));
        its.metrics.run("collect", answer.outcome(), started.elapsed());
        answer
    });
    let ended = run.map(|ended| ended.unwrap_or_else(|_| Answer::broken("the run failed; see the log")));
    let run = ended.boxed().shared();
    // Seen to its end whoever waits: a push that comes behind it is not to get its answer.
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
        // Repeated at once it would spend what is left on the same pages: the schedule comes again.
        Some(reason) if report.spent => Answer::done(
            "a budget or Zoom's limit is used up; progress is saved, and the next run goes on",
            json!({"stopped_early": true, "records_written": report.records_written}),
        )
        .noted(
            Severity::Warning,
            format!("stopped early with progress saved, the next run goes on: {reason}"),
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
    let done = Answer::done("what is new is collected", counts);
    if report.windows_parked == 0 && !report.new_gap {
        return done.noted(Severity::Info, text);
    }
    let days = report.parked.iter().chain(report.gaps.iter().filter(|_| report.new_gap));
    let days: Vec<_> =
        days.take(10).map(|gap| format!("{} to {}: {}", gap.from, gap.until, gap.reason)).collect();
    done.noted(Severity::Warning, format!("{text}; parked or lost: {}", days.join("; ")))
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
