//! Collects the outcomes of a run of ingest, and turns them into responses.

use super::answer::{Answer, Severity};
use crate::ingest::{Observer, Report, Skip};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The outcome of an object.
#[derive(Debug, Clone)]
enum Heard {
    Done(u64),
    Skipped(Skip),
    Failed {
        passing: bool,
        reason: String,
    },
    /// It failed earlier and is in backoff.
    Rests {
        lasting: bool,
        reason: String,
    },
}

/// Observes a run.
pub(super) struct Ears {
    /// Whether outcomes of single objects are needed; a run over the whole source may have any number.
    named: bool,
    heard: Mutex<All>,
}

#[derive(Default)]
struct All {
    objects: HashMap<String, Heard>,
    /// The number of objects that may succeed later.
    passing: u64,
}

impl Ears {
    pub(super) fn new(named: bool) -> Self {
        Self { named, heard: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, object: &str, heard: Heard) {
        let mut all = self.lock();
        all.passing += u64::from(matches!(
            heard,
            Heard::Failed { passing: true, .. } | Heard::Rests { lasting: false, .. }
        ));
        if self.named {
            all.objects.insert(object.to_owned(), heard);
        }
    }

    /// Combines the outcomes with the result of the run.
    pub(super) fn ended(self, run: Result<Report, Answer>) -> Ended {
        let All { objects, passing } = self.heard.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ended { run, objects, passing }
    }
}

impl Observer for Ears {
    fn skipped(&self, object: &str, skip: Skip) {
        self.hear(object, Heard::Skipped(skip));
    }

    fn rests(&self, object: &str, reason: &str, lasting: bool) {
        self.hear(object, Heard::Rests { lasting, reason: reason.to_owned() });
    }

    fn done(&self, object: &str, _: u64, events: u64) {
        self.hear(object, Heard::Done(events));
    }

    fn failed(&self, object: &str, _: u64, reason: &str, passing: bool) {
        self.hear(object, Heard::Failed { passing, reason: reason.to_owned() });
    }
}

/// The outcome of a run.
pub(super) struct Ended {
    run: Result<Report, Answer>,
    objects: HashMap<String, Heard>,
    passing: u64,
}

impl Ended {
    /// Creates the outcome of a run that failed to start.
    pub(super) fn with(answer: Answer) -> Self {
        Ears::new(true).ended(Err(answer))
    }

    pub(super) fn report(&self) -> Option<&Report> {
        self.run.as_ref().ok()
    }

    /// How the run ended, regardless of single objects.
    pub(super) fn outcome(&self) -> &'static str {
        self.run.as_ref().map_or_else(Answer::outcome, |report| if report.stopped { "again" } else { "done" })
    }

    /// Returns the response for one object, by its URL.
    pub(super) fn object(&self, url: &str) -> Answer {
        let heard = self.objects.get(url);
        match (heard, &self.run) {
            // A permanent failure does not depend on how the run ended.
            (Some(Heard::Failed { passing: false, reason } | Heard::Rests { lasting: true, reason }), _) => {
                Answer::cannot("the object cannot be read as logs; see the ledger for the reason")
                    .noted(Severity::Warning, format!("quarantined: {reason}"))
            }
            // The ledger entries may not be durable.
            (_, Err(answer)) => answer.clone(),
            (_, Ok(report)) if report.stopped => stopped(report),
            (Some(Heard::Done(events)), _) => {
                Answer::done("the object is ingested", json!({"events": events}))
            }
            (Some(Heard::Failed { reason, .. }), _) => Answer::again(
                "the object could not be read, or its events could not be written; see the log",
                30,
            )
            .noted(Severity::Warning, reason.clone()),
            (Some(Heard::Rests { reason, .. }), _) => {
                Answer::again("the object failed earlier and is in backoff; see `ledger show`", 600)
                    .noted(Severity::Warning, format!("rests: {reason}"))
            }
            (Some(Heard::Skipped(skip)), _) => skipped(*skip),
            (None, _) => Answer::ignored("the object no longer exists"),
        }
    }

    /// Returns the response for the whole source: everything is durable, or the caller must push again. Permanently
    /// damaged objects are recorded in the ledger, and repeating the run would not help.
    pub(super) fn whole(&self) -> Answer {
        let report = match &self.run {
            Ok(report) => report,
            Err(answer) => return answer.clone(),
        };
        if report.stopped {
            return stopped(report);
        }
        let text = text(report);
        if report.skipped_for(Skip::Held) > 0 {
            return Answer::held("another process is working on part of it; run it again")
                .noted(Severity::Warning, format!("a part is held by another process; {text}"));
        }
        if self.passing > 0 {
            let why = "some objects could not be read, or their events could not be written; run it again";
            return Answer::again(why, 30)
                .noted(Severity::Warning, format!("{} objects to be retried; {text}", self.passing));
        }
        let grave = report.failed > 0 || report.summary.rejects > 0 || report.not_deleted > 0;
        Answer::done("all new objects are ingested", counts(report))
            .noted(if grave { Severity::Warning } else { Severity::Info }, text)
    }
}

fn skipped(skip: Skip) -> Answer {
    match skip {
        Skip::Done => Answer::done("the object was ingested before", json!({})),
        Skip::Held => Answer::held("another process is working on the object"),
        skip => Answer::ignored(format!("the object is skipped: {}", skip.name())),
    }
}

fn stopped(report: &Report) -> Answer {
    Answer::again("the run stopped early with its progress saved; run it again", 5)
        .noted(Severity::Warning, format!("stopped early with progress saved; {}", text(report)))
}

fn counts(report: &Report) -> Value {
    json!({
        "listed": report.listed,
        "done": report.done,
        "already_there": report.standing,
        "failed": report.failed,
        "records": report.summary.records,
        "events": report.summary.events,
        "rejects": report.summary.rejects,
        "deleted": report.deleted,
    })
}

/// Returns the log text: what was done, and some of the failures.
fn text(report: &Report) -> String {
    let failures = report.failures.iter().take(10).chain(report.left.iter().take(10));
    let failures = failures.fold(String::new(), |all, (object, reason)| all + "; " + object + ": " + reason);
    format!("ingested {}{failures}", counts(report))
}
