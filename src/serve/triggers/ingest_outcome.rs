//! Collects the outcomes of a run of ingest, and turns them into responses.

use crate::ingest::{ObjectEvent, Observer, Report, Skip};
use crate::serve::response::{ApiResponse, Severity};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The outcome of an object.
#[derive(Debug, Clone)]
enum ObjectOutcome {
    Done(u64),
    Skipped(Skip),
    Failed {
        transient: bool,
        reason: String,
    },
    /// It failed earlier and is in backoff.
    Backoff {
        permanent: bool,
        reason: String,
    },
}

/// Observes a run.
pub(super) struct OutcomeCollector {
    /// Whether outcomes of single objects are needed; a run over the whole source may have any number.
    named: bool,
    outcomes: Mutex<Outcomes>,
}

#[derive(Default)]
struct Outcomes {
    objects: HashMap<String, ObjectOutcome>,
    /// The number of objects that may succeed later.
    transient: u64,
}

impl OutcomeCollector {
    pub(super) fn new(named: bool) -> Self {
        Self { named, outcomes: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, object: &str, outcome: ObjectOutcome) {
        let mut all = self.lock();
        all.transient += u64::from(matches!(
            outcome,
            ObjectOutcome::Failed { transient: true, .. } | ObjectOutcome::Backoff { permanent: false, .. }
        ));
        if self.named {
            all.objects.insert(object.to_owned(), outcome);
        }
    }

    /// Combines the outcomes with the result of the run.
    pub(super) fn finish(self, run: Result<Report, ApiResponse>) -> RunOutcome {
        let Outcomes { objects, transient } =
            self.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        RunOutcome { run, objects, transient }
    }
}

impl Observer for OutcomeCollector {
    fn object(&self, object: &str, event: ObjectEvent<'_>) {
        let outcome = match event {
            ObjectEvent::Selected { .. } => return,
            ObjectEvent::Skipped(skip) => ObjectOutcome::Skipped(skip),
            ObjectEvent::Backoff { reason, permanent } => {
                ObjectOutcome::Backoff { permanent, reason: reason.to_owned() }
            }
            ObjectEvent::Done { events, .. } => ObjectOutcome::Done(events),
            ObjectEvent::Failed { reason, permanent, .. } => {
                ObjectOutcome::Failed { transient: !permanent, reason: reason.to_owned() }
            }
        };
        self.record(object, outcome);
    }
}

/// The outcome of a run.
pub(super) struct RunOutcome {
    run: Result<Report, ApiResponse>,
    objects: HashMap<String, ObjectOutcome>,
    transient: u64,
}

impl RunOutcome {
    /// Creates the outcome of a run that failed to start.
    pub(super) fn with(response: ApiResponse) -> Self {
        OutcomeCollector::new(true).finish(Err(response))
    }

    pub(super) fn report(&self) -> Option<&Report> {
        self.run.as_ref().ok()
    }

    /// How the run ended, regardless of single objects.
    pub(super) fn outcome(&self) -> &'static str {
        self.run
            .as_ref()
            .map_or_else(ApiResponse::outcome, |report| if report.stopped { "retry" } else { "done" })
    }

    /// Returns the response for one object, by its URL.
    pub(super) fn object(&self, url: &str) -> ApiResponse {
        match (self.objects.get(url), &self.run) {
            // A permanent failure does not depend on how the run ended.
            (
                Some(
                    ObjectOutcome::Failed { transient: false, reason }
                    | ObjectOutcome::Backoff { permanent: true, reason },
                ),
                _,
            ) => {
                ApiResponse::unprocessable("the object cannot be read as logs; see the ledger for the reason")
                    .with_log(Severity::Warning, format!("quarantined: {reason}"))
            }
            // The ledger entries may not be durable.
            (_, Err(response)) => response.clone(),
            (_, Ok(report)) if report.stopped => stopped(report),
            (Some(ObjectOutcome::Done(events)), _) => {
                ApiResponse::done("the object is ingested", json!({"events": events}))
            }
            (Some(ObjectOutcome::Failed { reason, .. }), _) => ApiResponse::retry_later(
                "the object could not be read, or its events could not be written; see the log",
                30,
            )
            .with_log(Severity::Warning, reason.clone()),
            (Some(ObjectOutcome::Backoff { reason, .. }), _) => ApiResponse::retry_later(
                "the object failed earlier and is in backoff; see `ledger show`",
                600,
            )
            .with_log(Severity::Warning, format!("in backoff: {reason}")),
            (Some(ObjectOutcome::Skipped(skip)), _) => skipped(*skip),
            (None, _) => ApiResponse::ignored("the object no longer exists"),
        }
    }

    /// Returns the response for the whole source: everything is durable, or the caller must push again. Permanently
    /// damaged objects are recorded in the ledger, and repeating the run would not help.
    pub(super) fn whole(&self) -> ApiResponse {
        let report = match &self.run {
            Ok(report) => report,
            Err(response) => return response.clone(),
        };
        if report.stopped {
            return stopped(report);
        }
        let text = text(report);
        if report.skipped_for(Skip::HeldByOther) > 0 {
            return ApiResponse::conflict("another process is working on part of it; run it again")
                .with_log(Severity::Warning, format!("a part is held by another process; {text}"));
        }
        if self.transient > 0 {
            let why = "some objects could not be read, or their events could not be written; run it again";
            return ApiResponse::retry_later(why, 30)
                .with_log(Severity::Warning, format!("{} objects to be retried; {text}", self.transient));
        }
        let has_failures = report.failed > 0 || report.summary.rejects > 0 || report.not_deleted > 0;
        ApiResponse::done("all new objects are ingested", counts(report))
            .with_log(if has_failures { Severity::Warning } else { Severity::Info }, text)
    }
}

fn skipped(skip: Skip) -> ApiResponse {
    match skip {
        Skip::Done => ApiResponse::done("the object was ingested before", json!({})),
        Skip::HeldByOther => ApiResponse::conflict("another process is working on the object"),
        skip => ApiResponse::ignored(format!("the object is skipped: {}", skip.name())),
    }
}

fn stopped(report: &Report) -> ApiResponse {
    ApiResponse::retry_later("the run stopped early with its progress saved; run it again", 5)
        .with_log(Severity::Warning, format!("stopped early with progress saved; {}", text(report)))
}

fn counts(report: &Report) -> Value {
    json!({
        "listed": report.listed,
        "done": report.done,
        "already_present": report.already_present,
        "failed": report.failed,
        "records": report.summary.records,
        "events": report.summary.events,
        "rejects": report.summary.rejects,
        "deleted": report.deleted,
    })
}

/// Returns the log text: what was done, and some of the failures.
fn text(report: &Report) -> String {
    let failures = report.failures.iter().take(10).chain(report.undeleted.iter().take(10));
    let failures = failures.fold(String::new(), |all, (object, reason)| all + "; " + object + ": " + reason);
    format!("ingested {}{failures}", counts(report))
}
