//! Pushes to runs of ingest. Objects that are named while a run goes on are gathered for the next: the ledger is opened
//! once for all of them. The same wish twice is one.

use super::answer::{Answer, Severity};
use super::metrics::signed;
use super::push::{Malformed, Named, Wish};
use super::{Service, push};
use crate::ingest::{self, Observer, Report, Shard, Skip};
use crate::store::{Location, Store};
use futures::TryStreamExt as _;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How to ingest.
#[derive(Debug, Clone)]
pub struct Feeding {
    /// What each run is told; the time, and when to stop, are set anew for each.
    pub options: ingest::Options,
    /// How long a run may take.
    pub deadline: Duration,
}

/// Who waits for what.
#[derive(Default)]
pub(super) struct Feed(Mutex<State>);

#[derive(Default)]
struct State {
    working: bool,
    /// What the run at hand is about, and what the next will be.
    now: Round,
    next: Round,
}

type Waiting = Vec<oneshot::Sender<Answer>>;

#[derive(Default)]
struct Round {
    whole: Option<Waiting>,
    objects: BTreeMap<Named, Waiting>,
}

impl Round {
    fn waiting(&mut self, wish: Option<&Named>) -> Option<&mut Waiting> {
        wish.map_or(self.whole.as_mut(), |named| self.objects.get_mut(named))
    }

    fn add(&mut self, wish: Option<Named>) -> &mut Waiting {
        match wish {
            None => self.whole.get_or_insert_default(),
            Some(named) => self.objects.entry(named).or_default(),
        }
    }
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a push.
pub(super) async fn ingest(service: &Arc<Service>, message: &push::Message) -> Answer {
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
    let (sender, receiver) = oneshot::channel();
    let begin = {
        let mut state = service.feed.lock();
        // Which version was meant is not known: there may be a newer one than the run at hand has read.
        let any = wish.as_ref().is_some_and(|named| named.generation.is_empty());
        match state.now.waiting(wish.as_ref()) {
            Some(waiting) if !any => waiting.push(sender),
            _ => state.next.add(wish).push(sender),
        }
        !std::mem::replace(&mut state.working, true)
    };
    if begin {
        tokio::spawn(work(Arc::clone(service)));
    }
    receiver.await.unwrap_or_else(|_| Answer::broken("the run failed; see the log"))
}

/// The object by its name below the source.
fn below(from: &Location, named: Named) -> Result<Named, Answer> {
    let Location::Gcs { bucket, prefix } = from else {
        return Err(Answer::cannot("the source is no bucket: no object of one can be read from it"));
    };
    if *bucket != named.bucket {
        return Err(Answer::cannot("the object is of another bucket than the one that is read"));
    }
    match named.object.strip_prefix(prefix) {
        Some(object) if !object.is_empty() => Ok(Named { object: object.to_owned(), ..named }),
        // A bucket notifies of all that is written to it: outputs and states too.
        _ => Err(Answer::ignored("the object is not below the prefix that is read")),
    }
}

/// Runs until nobody waits any more.
async fn work(service: Arc<Service>) {
    loop {
        let (names, whole) = {
            let mut state = service.feed.lock();
            state.now = std::mem::take(&mut state.next);
            if state.now.objects.is_empty() && state.now.whole.is_none() {
                state.working = false;
                return;
            }
            let mut names: Vec<_> = state.now.objects.keys().map(|named| named.object.clone()).collect();
            names.dedup();
            (names, state.now.whole.is_some())
        };
        if !names.is_empty() {
            let ended = begin(&service, Some(names)).await;
            let objects = std::mem::take(&mut service.feed.lock().now.objects);
            for (named, waiting) in objects {
                tell(waiting, &ended.of(&service, &named.object));
            }
        }
        if whole {
            let ended = begin(&service, None).await;
            let waiting = service.feed.lock().now.whole.take();
            tell(waiting.unwrap_or_default(), &ended.answer);
        }
    }
}

fn tell(waiting: Waiting, answer: &Answer) {
    for sender in waiting {
        // Who does not wait any more comes again.
        let _ = sender.send(answer.clone());
    }
}

/// How a run ended.
struct Ended {
    answer: Answer,
    objects: HashMap<String, Heard>,
}

/// How an object ended.
#[derive(Clone)]
enum Heard {
    Done(u64),
    Skipped(Skip),
    Failed { passing: bool, reason: String },
}

impl Ended {
    /// What is answered for one object.
    fn of(&self, service: &Service, name: &str) -> Answer {
        let Some(feeding) = &service.options.ingest else { return Answer::not_here() };
        if !self.answer.is_good() {
            let failed = self.objects.get(&feeding.options.from.url(name));
            // The run is stopped, or its marks may not be durable: only what is poison is known to be.
            return match failed {
                Some(Heard::Failed { passing: false, reason }) => poisoned(reason),
                _ => self.answer.clone(),
            };
        }
        match self.objects.get(&feeding.options.from.url(name)) {
            Some(Heard::Done(events)) => Answer::done("the object is ingested", json!({"events": events})),
            Some(Heard::Skipped(Skip::Done)) => Answer::done("the object was ingested before", json!({})),
            Some(Heard::Skipped(Skip::Held)) => Answer::held("another process is at work on the object"),
            Some(Heard::Skipped(Skip::Waiting)) => {
                Answer::again("the object failed before and rests; see the ledger", 600)
            }
            Some(Heard::Skipped(skip)) => Answer::ignored(format!("the object is not read: {}", skip.name())),
            Some(Heard::Failed { passing: true, reason }) => {
                Answer::again("the object could not be read or its events not be written; see the log", 30)
                    .noted(Severity::Warning, reason.clone())
            }
            Some(Heard::Failed { passing: false, reason }) => poisoned(reason),
            None => Answer::ignored("the object is gone"),
        }
    }
}

fn poisoned(reason: &str) -> Answer {
    Answer::cannot("the object cannot be read as logs; it is in the ledger with the reason")
        .noted(Severity::Warning, format!("quarantined: {reason}"))
}

async fn begin(service: &Arc<Service>, only: Option<Vec<String>>) -> Ended {
    let service = Arc::clone(service);
    let task = tokio::spawn(async move {
        let (started, verb) = (Instant::now(), if only.is_some() { "ingest_objects" } else { "ingest" });
        let ended = run(&service, only).await;
        service.metrics.run(verb, ended.answer.outcome(), started.elapsed());
        weigh_ledger(&service).await;
        ended
    });
    task.await.unwrap_or_else(|_| Ended {
        answer: Answer::broken("the run failed; see the log"),
        objects: HashMap::new(),
    })
}

async fn run(service: &Service, only: Option<Vec<String>>) -> Ended {
    let ears = Ears::default();
    let Some(Feeding { options, deadline }) = service.options.ingest.clone() else {
        return Ended { answer: Answer::not_here(), objects: HashMap::new() };
    };
    if service.stopping.is_set() {
        return Ended { answer: Answer::stopping(), objects: HashMap::new() };
    }
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
            () = tokio::time::sleep(deadline) => { stop.notify_one(); run.await }
        }
    };
    let objects = ears.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let answer = match outcome {
        Err(error) => error.into(),
        Ok(report) => {
            count(service, &report);
            answer(&report)
        }
    };
    Ended { answer, objects }
}

fn count(service: &Service, report: &Report) {
    service.metrics.normalized("ingest", &report.summary);
    service.metrics.objects("done", report.done);
    service.metrics.objects("failed", report.failed);
    service.metrics.objects("deleted", report.deleted);
    service.metrics.objects("already_done", report.skipped_for(Skip::Done));
}

fn answer(report: &Report) -> Answer {
    let counts = json!({
        "listed": report.listed,
        "done": report.done,
        "already_there": report.standing,
        "failed": report.failed,
        "records": report.summary.records,
        "events": report.summary.events,
        "rejects": report.summary.rejects,
        "deleted": report.deleted,
    });
    let text = format!("ingested {counts}");
    if report.stopped {
        return Answer::again("the run stopped early with its progress saved; run it again", 5)
            .noted(Severity::Warning, format!("stopped early with progress saved; {text}"));
    }
    // What failed is in the ledger, and later runs try it again.
    let grave = report.failed > 0 || report.summary.rejects > 0 || report.not_deleted > 0;
    let failures: Vec<_> =
        report.failures.iter().take(10).map(|(object, reason)| format!("; {object}: {reason}")).collect();
    Answer::done("what is new is ingested", counts)
        .noted(if grave { Severity::Warning } else { Severity::Info }, text + &failures.concat())
}

#[derive(Default)]
struct Ears(Mutex<HashMap<String, Heard>>);

impl Ears {
    fn hear(&self, object: &str, heard: Heard) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a run over everything nobody asks for single objects.
        if all.len() < 10_000 {
            all.insert(object.to_owned(), heard);
        }
    }
}

impl Observer for Ears {
    fn skipped(&self, object: &str, skip: Skip) {
        self.hear(object, Heard::Skipped(skip));
    }

    fn done(&self, object: &str, _: u64, events: u64) {
        self.hear(object, Heard::Done(events));
    }

    fn failed(&self, object: &str, _: u64, reason: &str, passing: bool) {
        self.hear(object, Heard::Failed { passing, reason: reason.to_owned() });
    }
}

/// How often the ledger is weighed at most.
const WEIGHED: Duration = Duration::from_secs(60);

/// What the ledger takes, for the metrics.
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
