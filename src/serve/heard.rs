//! How a run of ingest ended, as it is answered to those who waited.

use super::answer::{Answer, Severity};
use crate::ingest::{Observer, Report, Skip};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How an object ended.
#[derive(Debug, Clone)]
enum Heard {
    Done(u64),
    Skipped(Skip),
    Failed {
        passing: bool,
        reason: String,
    },
    /// It failed before and is not to be tried yet.
    Rests {
        lasting: bool,
        reason: String,
    },
}

/// Hears a run.
pub(super) struct Ears {
    /// Whether single objects are asked for: of the whole source there may be any number.
    named: bool,
    heard: Mutex<All>,
}

#[derive(Default)]
struct All {
    objects: HashMap<String, Heard>,
    /// How many may go well another time.
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

    /// With how the run ended.
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

/// A run that ended.
pub(super) struct Ended {
    run: Result<Report, Answer>,
    objects: HashMap<String, Heard>,
    passing: u64,
}

impl Ended {
    /// One that did not come to anything.
    pub(super) fn with(answer: Answer) -> Self {
        Ears::new(true).ended(Err(answer))
    }

    pub(super) fn report(&self) -> Option<&Report> {
        self.run.as_ref().ok()
    }

    /// How it ended, whatever became of single objects.
    pub(super) fn outcome(&self) -> &'static str {
        self.run.as_ref().map_or_else(Answer::outcome, |report| if report.stopped { "again" } else { "done" })
    }

    /// What is answered for one object, by its address.
    pub(super) fn object(&self, url: &str) -> Answer {
        let heard = self.objects.get(url);
        match (heard, &self.run) {
            // Poison it is however the run ended.
            (Some(Heard::Failed { passing: false, reason } | Heard::Rests { lasting: true, reason }), _) => {
                Answer::cannot("the object cannot be read as logs; it is in the ledger with the reason")
                    .noted(Severity::Warning, format!("quarantined: {reason}"))
            }
            // The marks of what is done may not be durable.
            (_, Err(answer)) => answer.clone(),
            (_, Ok(report)) if report.stopped => stopped(report),
            (Some(Heard::Done(events)), _) => {
                Answer::done("the object is ingested", json!({"events": events}))
            }
            (Some(Heard::Failed { reason, .. }), _) => {
                Answer::again("the object could not be read or its events not be written; see the log", 30)
                    .noted(Severity::Warning, reason.clone())
            }
            (Some(Heard::Rests { reason, .. }), _) => {
                Answer::again("the object failed before and rests; see the ledger", 600)
                    .noted(Severity::Warning, format!("rests: {reason}"))
            }
            (Some(Heard::Skipped(skip)), _) => skipped(*skip),
            (None, _) => Answer::ignored("the object is gone"),
        }
    }

    /// What is answered for the whole source: that all of it is durable, or who has to come again for the rest. What is
    /// damaged for good is in the ledger, and repeating the run would not mend it.
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
            return Answer::held("another process is at work on a part of it; run it again")
                .noted(Severity::Warning, format!("a part is held by another process; {text}"));
        }
        if self.passing > 0 {
            let why = "some objects could not be read or their events not be written; run it again";
            return Answer::again(why, 30)
                .noted(Severity::Warning, format!("{} objects to be tried again; {text}", self.passing));
        }
        let grave = report.failed > 0 || report.summary.rejects > 0 || report.not_deleted > 0;
        Answer::done("what is new is ingested", counts(report))
            .noted(if grave { Severity::Warning } else { Severity::Info }, text)
    }
}

fn skipped(skip: Skip) -> Answer {
    match skip {
        Skip::Done => Answer::done("the object was ingested before", json!({})),
        Skip::Held => Answer::held("another process is at work on the object"),
        skip => Answer::ignored(format!("the object is not read: {}", skip.name())),
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

/// For the log: what was done, and some of what failed.
fn text(report: &Report) -> String {
    let failures = report.failures.iter().take(10).chain(report.left.iter().take(10));
    let failures = failures.fold(String::new(), |all, (object, reason)| all + "; " + object + ": " + reason);
    format!("ingested {}{failures}", counts(report))
}
