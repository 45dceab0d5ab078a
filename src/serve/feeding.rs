//! Handles pushes to `/ingest`.
//!
//! Each push waits for a run that started after it arrived (`queue` decides which). 200 means that events, rejects and
//! ledger entries are durable: of the named object, or of everything that the source held when the run started. 409 and
//! 503 mean that the same push may succeed later, 422 that it never will (`heard`).

use super::answer::Answer;
use super::heard::{Ears, Ended};
use super::metrics::signed;
use super::push::{Malformed, Named, Wish};
use super::queue::{About, Waiting};
use super::{Service, push};
use crate::ingest::{self, Report, Shard, Skip};
use crate::store::{Location, Store};
use futures::TryStreamExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A push waits for at most this many runs: the current one, one of the other kind, and its own. Together they must end
/// before Pub/Sub's acknowledgement deadline, so each gets this part of it, and the rest is for the upload.
const RUNS: u32 = 3;

/// How to ingest.
#[derive(Debug, Clone)]
pub struct Feeding {
    /// The options of each run; clock and stop flag are replaced.
    pub options: ingest::Options,
    /// How long a push may wait for its response; a run gets a third of it.
    pub deadline: Duration,
}

/// Handles a push.
pub(super) async fn ingest(service: &Arc<Service>, message: push::Message) -> Answer {
    let Some(feeding) = &service.options.ingest else { return Answer::not_here() };
    let wish = match message.wish() {
        Err(Malformed(why)) => return Answer::poison(why),
        Ok(Wish::Nothing(what)) => return Answer::ignored(format!("{what} asks for nothing")),
        Ok(Wish::Run) => None,
        Ok(Wish::Object(named)) => match below(&feeding.options.from, named) {
            Ok(named) => Some(named),
            Err(answer) => return answer,
        },
    };
    // This may take long.
    drop(message);
    let Ok((answer, begin)) = service.queue.wait(wish) else {
        return Answer::again("too many objects are waiting; send it again", 30);
    };
    if begin {
        service.see_to(work(Arc::clone(service)));
    }
    answer.await.unwrap_or_else(|_| Answer::broken("the run failed; see the log"))
}

/// Returns the object's name below the source.
pub(super) fn below(from: &Location, named: Named) -> Result<Named, Answer> {
    let Location::Gcs { bucket, prefix } = from else {
        return Err(Answer::cannot("the source is not a bucket"));
    };
    if *bucket != named.bucket {
        return Err(Answer::cannot("the object is in another bucket"));
    }
    match named.object.strip_prefix(prefix) {
        Some(object) if !object.is_empty() => Ok(Named { object: object.to_owned(), ..named }),
        // A bucket also notifies about outputs and states.
        _ => Err(Answer::ignored("the object is not below the source prefix")),
    }
}

/// Lets the next push begin runs again if this one panics; those that wait are answered as for a failed run.
struct Unwinding(Arc<Service>);

impl Drop for Unwinding {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.abandon();
        }
    }
}

/// Starts runs until nobody waits any more.
async fn work(service: Arc<Service>) {
    let _unwinding = Unwinding(Arc::clone(&service));
    while let Some(about) = service.queue.next() {
        let ended = begin(&service, about).await;
        let round = service.queue.ended();
        for (named, waiting) in round.objects {
            let url = service.options.ingest.as_ref().map(|feeding| feeding.options.from.url(&named.object));
            tell(waiting, &ended.object(&url.unwrap_or_default()));
        }
        tell(round.whole, &ended.whole());
    }
}

fn tell(waiting: Waiting, answer: &Answer) {
    for sender in waiting {
        // Callers that have disconnected will push again.
        let _ = sender.send(answer.clone());
    }
}

async fn begin(service: &Arc<Service>, about: About) -> Ended {
    let service = Arc::clone(service);
    let task = tokio::spawn(async move {
        let (started, whole) = (Instant::now(), about == About::Whole);
        let ended = run(&service, about).await;
        let (verb, outcome) =
            if whole { ("ingest", ended.whole().outcome()) } else { ("ingest_objects", ended.outcome()) };
        service.metrics.run(verb, outcome, started.elapsed());
        // Their work is durable, so nobody waits for the measurement.
        tokio::spawn(async move { weigh_ledger(&service).await });
        ended
    });
    task.await.unwrap_or_else(|_| Ended::with(Answer::broken("the run failed; see the log")))
}

async fn run(service: &Service, about: About) -> Ended {
    let Some(Feeding { options, deadline }) = service.options.ingest.clone() else {
        return Ended::with(Answer::not_here());
    };
    if service.stopping.is_set() {
        return Ended::with(Answer::stopping());
    }
    let only = match about {
        About::Objects(names) => Some(names),
        About::Whole => None,
    };
    let ears = Ears::new(only.is_some());
    let normalize = crate::normalize::Options { stop: Arc::default(), ..options.normalize };
    let (shard, clock) = (Shard::default(), service.clock());
    let options = ingest::Options { only, shard, normalize, clock, ..options };
    let stop = Notify::new();
    let outcome = {
        let run = ingest::run(options, &ears, &stop);
        tokio::pin!(run);
        tokio::select! {
            outcome = run.as_mut() => outcome,
            () = service.stopping.wait() => { stop.notify_one(); run.await }
            () = tokio::time::sleep(deadline / RUNS) => { stop.notify_one(); run.await }
        }
    };
    let ended = ears.ended(outcome.map_err(Answer::from));
    if let Some(report) = ended.report() {
        count(service, report);
    }
    ended
}

fn count(service: &Service, report: &Report) {
    service.metrics.normalized("ingest", &report.summary);
    service.metrics.objects("done", report.done);
    service.metrics.objects("failed", report.failed);
    service.metrics.objects("deleted", report.deleted);
    service.metrics.objects("already_done", report.skipped_for(Skip::Done));
}

/// The minimum interval between measurements of the ledger.
const WEIGHED: Duration = Duration::from_secs(60);

/// Measures the size of the ledger for the metrics.
async fn weigh_ledger(service: &Service) {
    {
        let mut weighed = service.weighed.lock().unwrap_or_else(PoisonError::into_inner);
        if weighed.is_some_and(|weighed| weighed.elapsed() < WEIGHED) {
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
        service.metrics.ledger.set(signed(bytes));
    }
}
