//! A run: many objects at once, with regular checkpoints of the ledger, followed by deletion of sources.

mod done;

use super::isolation::one;
use super::ledger::{Entry, Ledger};
use super::listing::{self, Entry as Found, ahead, found, next};
use super::local_file::Base;
use super::object::{Cause, Job, Outcome, conversions, settled};
use super::removal::{Source, recall, remove_all, say_what_stays};
use super::select::{Selection, Skip, is_named_as_state, may_be_collector_state};
use super::{Delete, Error, Observer, Options, Report};
use crate::clock::millis;
use crate::store::{self, Listed, Location, Store};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};

/// After this many consecutive failures to read or to write, the source or destination is considered unreachable; each
/// of the objects was retried for minutes.
const OUT_OF_ORDER: usize = 20;

/// Processes everything that the source holds now. `stop` ends the run early; what is done by then is kept.
/// `options.normalize.stop` is ignored, because each run has its own.
///
/// # Errors
/// [`Error`]; what was done before is recorded in the ledger, unless the ledger failed.
pub async fn run(options: Options, observer: &dyn Observer, stop: &Notify) -> Result<Report, Error> {
    let opened = tokio::select! {
        biased;
        () = stop.notified() => return Ok(Report { stopped: true, ..Report::default() }),
        opened = Run::open(options, observer) => opened?,
    };
    // From here on the run holds leases. Every path leads through `go`, which releases them.
    opened.go(stop).await
}

async fn open(location: Option<&crate::store::Location>, options: &Options) -> Result<Option<Store>, Error> {
    match location {
        Some(location) => Ok(Some(Store::open(location, &options.retry).await?)),
        None => Ok(None),
    }
}

async fn open_ledger(options: &Options, oldest: i64) -> Result<Option<Ledger>, Error> {
    let Some(store) = open(options.ledger.as_ref(), options).await? else { return Ok(None) };
    Ledger::sign(store, options.clock.clone(), &options.tenancy(oldest)).await.map(Some)
}

struct Run<'o> {
    job: Arc<Job>,
    /// The start of the URLs of objects.
    root: String,
    ledger: Option<Ledger>,
    selection: Selection,
    report: Report,
    /// Objects to read, with the number of earlier failures.
    chosen: VecDeque<(Listed, u64)>,
    /// Done, to be removed once the ledger says so durably; local files if they are still what was read.
    removable: Vec<(Listed, Entry)>,
    /// Local files, or parts of them, that go on with a content that is done: to be marked with what is known of that.
    following: Vec<(Entry, Base, Listed)>,
    /// Objects that an earlier run processed but did not delete.
    known: Vec<Listed>,
    observer: &'o dyn Observer,
    /// The number of consecutive failures of the source and of the destination.
    out_of_reach: [usize; 2],
    /// The number of rejects that were logged.
    told: usize,
    /// When to renew the leases.
    renewal: Instant,
}

impl<'o> Run<'o> {
    /// Opens all stores, without acquiring leases.
    async fn open(mut options: Options, observer: &'o dyn Observer) -> Result<Self, Error> {
        options.normalize.stop = Arc::default();
        options.settle.begin_run();
        let now = options.clock.now();
        let oldest = options.max_age.map_or(i64::MIN, |age| now.saturating_sub(millis(age)));
        let mut selection = Selection::new(&options, oldest)?;
        let from = Store::open(&options.from, &options.retry).await?;
        let to = open(options.to.place(), &options).await?;
        let rejects = open(options.rejects.as_ref(), &options).await?;
        let ledger = open_ledger(&options, oldest).await?;
        selection.keep_off(&options.from, ledger.as_ref().map_or(&[], Ledger::feeds));
        if let Some(to) = ledger.as_ref().and_then(Ledger::other_destination) {
            observer.warned(&format!(
                "the ledger also has {} with --to {to}: objects done for one destination are not processed for the other; use a separate ledger for each (--ledger URL)",
                options.from
            ));
        }
        let [threads, streams] = conversions();
        let job = Job {
            from,
            to,
            rejects,
            contents: ledger.as_ref().and_then(Ledger::contents),
            recovered: OnceLock::new(),
            threads: Semaphore::new(threads),
            streams: Semaphore::new(streams),
            options,
        };
        Ok(Self {
            root: job.from.location().to_string(),
            renewal: Instant::now() + job.options.lease / 4,
            job: Arc::new(job),
            ledger,
            selection,
            report: Report::default(),
            chosen: VecDeque::new(),
            removable: Vec::new(),
            following: Vec::new(),
            known: Vec::new(),
            observer,
            out_of_reach: [0; 2],
            told: 0,
        })
    }

    async fn go(mut self, stop: &Notify) -> Result<Report, Error> {
        let worked = self.work(stop).await;
        if worked.is_err() || self.report.stopped {
            self.job.options.normalize.stop.store(true, Ordering::Relaxed);
            settled(&self.job).await;
        }
        // Whatever happened, completed work is recorded.
        let kept = if self.job.options.dry_run { Ok(()) } else { self.finish(worked.is_ok()).await };
        let closed = match self.ledger.take() {
            Some(ledger) if !self.job.options.dry_run => ledger.close().await,
            _ => Ok(()),
        };
        say_what_stays(&self.report, self.observer);
        worked.and(kept).and(closed).map(|()| self.report)
    }

    /// Acquires the free segments of the ledger, and cleans up after killed runs.
    async fn begin(&mut self) -> Result<(), Error> {
        if let Some(ledger) = &mut self.ledger {
            ledger.begin().await?;
            if let Some(others) = ledger.others() {
                let left = "another run holds part of the ledger; leaving its objects to it";
                self.observer.warned(&format!("{left}: {others}"));
            }
        }
        self.recover().await?;
        self.sweep().await
    }

    /// Deletes incomplete files of killed runs, if no other run can be active.
    async fn sweep(&self) -> Result<(), Error> {
        let Job { options, to, rejects, .. } = &*self.job;
        let alone = self.ledger.as_ref().is_some_and(|ledger| ledger.others().is_none())
            && options.shard.count == 1
            && options.only.is_none();
        if alone && !options.dry_run {
            for place in to.iter().chain(rejects) {
                place.sweep().await?;
            }
        }
        Ok(())
    }

    async fn work(&mut self, stop: &Notify) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = stop.notified() => {
                self.report.stopped = true;
                return Ok(());
            }
            begun = self.begin() => begun?,
        }
        let concurrency = self.job.options.concurrency.max(1);
        let mut listing = ahead(match &self.job.options.only {
            None => listing::all(&self.job.from),
            Some(names) => found(self.job.from.clone(), names.clone()),
        });
        let mut listed_all = false;
        let mut tasks = tokio::task::JoinSet::new();
        let every =
            self.job.options.checkpoint.min(self.job.options.lease / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while tasks.len() < concurrency
                && let Some((listed, attempts)) = self.chosen.pop_front()
            {
                tasks.spawn(one(Arc::clone(&self.job), listed, attempts));
            }
            // A listing may consist of deletable objects only; their number is kept small.
            if self.known.len() >= RECALLED {
                self.keep_alive().await?;
            }
            let hungry = self.chosen.len() < CHOSEN_AHEAD && !listed_all;
            if !hungry && tasks.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.notified() => {
                    self.report.stopped = true;
                    return Ok(());
                }
                Some(finished) = tasks.join_next() => {
                    let (listed, attempts, outcome) = finished.map_err(|error| Error::Store(format!("a task failed: {error}")))?;
                    self.note(listed, attempts, outcome)?;
                }
                _ = ticks.tick() => {
                    let began = Instant::now();
                    self.keep_alive().await?;
                    // Saving a large ledger takes long; limit it to a tenth of the time.
                    ticks.reset_after((began.elapsed() * 10).min(self.job.options.lease / 4).max(every));
                }
                more = next(&mut listing), if hungry => match more {
                    None => listed_all = true,
                    Some(page) => page?.into_iter().try_for_each(|item| self.meet(item))?,
                },
            }
        }
    }

    /// Handles an entry of the listing: an object, or an entry that cannot be listed.
    fn meet(&mut self, item: Result<Found, store::Error>) -> Result<(), Error> {
        match item {
            Ok(Found::Object(listed)) => self.consider(listed),
            Ok(Found::Failed { name, error }) => {
                let (url, passing) =
                    (format!("{}{name}", self.root), !matches!(error, store::Error::Invalid { .. }));
                self.out_of_reach[0] += usize::from(error.is_transient());
                self.report.listed += 1;
                self.report.fail(&url, &error.to_string());
                self.observer.failed(&url, 0, &error.to_string(), passing);
                return self.in_reach(&error.to_string());
            }
            Err(store::Error::Unlisted { name, url, message }) => {
                self.report.listed += 1;
                if let Some(skip) = self.selection.leaves(&name) {
                    self.report.skip(skip);
                    self.observer.skipped(&url, skip);
                } else {
                    self.report.fail(&url, &message);
                    self.observer.failed(&url, 0, &message, false);
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Selects an object, or reports why it is skipped.
    fn consider(&mut self, listed: Listed) {
        self.report.listed += 1;
        let url = format!("{}{}", self.root, listed.name);
        match self.selection.decide(&listed, &url, self.ledger.as_ref()) {
            Err(skip) => {
                self.report.skip(skip);
                self.observer.skipped(&url, skip);
                if let Some(entry) = self
                    .ledger
                    .as_ref()
                    .filter(|_| skip == Skip::Waiting)
                    .and_then(|ledger| ledger.trouble(&url))
                {
                    self.observer.rests(&url, &entry.reason, entry.lasting);
                }
                let Options { delete, dry_run, .. } = &self.job.options;
                if skip == Skip::Done && *delete != Delete::Never && !dry_run {
                    self.known.push(listed);
                }
            }
            Ok(_) if self.is_local() && self.is_left(&listed) => {
                self.report.skip(Skip::Settling);
                self.observer.skipped(&url, Skip::Settling);
            }
            Ok(attempts) => {
                let dry = self.job.options.dry_run;
                // A dry run must inspect the object, because its name alone is not enough.
                let unsure = dry && may_be_collector_state(&listed) && is_named_as_state(&listed.name);
                if !unsure {
                    self.choose(&url, listed.size);
                }
                if unsure || !dry {
                    self.chosen.push_back((listed, attempts));
                }
            }
        }
    }

    fn is_local(&self) -> bool {
        matches!(self.job.options.from, Location::File(_))
    }

    /// Whether a local file is left for later.
    fn is_left(&self, listed: &Listed) -> bool {
        self.job.options.settle.is_left(listed, self.job.options.clock.now())
    }

    fn choose(&mut self, url: &str, size: u64) {
        self.report.would_read += u64::from(self.job.options.dry_run);
        self.observer.chosen(url, size);
    }

    fn note(&mut self, listed: Listed, attempts: u64, outcome: Outcome) -> Result<(), Error> {
        let url = self.job.from.location().url(&listed.name);
        let mut entry = Entry::new(url, &listed, self.job.options.clock.now());
        // Any result of an object shows that the source is reachable; only a processed one shows that the destination
        // is.
        let [source, destination] = &mut self.out_of_reach;
        match &outcome {
            Outcome::Failed { cause: Cause::Source, .. } => *source += 1,
            Outcome::Failed { cause: Cause::Destination, .. } => {
                (*source, *destination) = (0, *destination + 1);
            }
            Outcome::Done(_) => (*source, *destination) = (0, 0),
            _ => *source = 0,
        }
        match outcome {
            Outcome::Fatal(error) => return Err(error),
            Outcome::Stopped => self.report.stopped = true,
            Outcome::Chosen => self.choose(&entry.object, entry.size),
            Outcome::Skipped(skip) => {
                self.report.skip(skip);
                self.observer.skipped(&entry.object, skip);
            }
            Outcome::Known { base, rest } => {
                self.report.skip(Skip::Done);
                self.observer.skipped(&entry.object, Skip::Done);
                entry.content = Some(base.content.clone());
                self.follow(entry, base, rest, listed);
            }
            Outcome::Done(done) => self.done(entry, listed, *done),
            Outcome::Failed { generation, reason, cause } => {
                (entry.generation, entry.attempts) = (generation, attempts + 1);
                self.quarantine(entry, &reason, cause)?;
            }
        }
        Ok(())
    }

    /// Records an entry; returns whether the ledger, if there is one, accepted it.
    fn mark(&self, entry: Entry) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| ledger.mark(entry))
    }

    async fn keep_alive(&mut self) -> Result<(), Error> {
        if self.job.options.dry_run {
            return Ok(());
        }
        if let Some(ledger) = self.ledger.as_ref().filter(|_| self.renewal <= Instant::now()) {
            ledger.renew().await?;
            self.renewal = Instant::now() + self.job.options.lease / 4;
        }
        self.checkpoint().await
    }

    /// Saves the last checkpoint; if all went well, deletes the remaining sources.
    async fn finish(&mut self, well: bool) -> Result<(), Error> {
        self.checkpoint().await?;
        while well && !self.report.stopped && !self.known.is_empty() {
            self.keep_alive().await?;
        }
        Ok(())
    }

    /// Saves the ledger, and deletes the sources that it records as done. Sources of earlier runs are deleted in
    /// batches, because leases must be renewed in between.
    async fn checkpoint(&mut self) -> Result<(), Error> {
        self.mark_following().await?;
        if let Some(ledger) = &self.ledger {
            ledger.save().await?;
        }
        let fresh = std::mem::take(&mut self.removable).into_iter();
        let fresh = fresh.map(|(listed, entry)| Source { listed, entry, is_earlier: false });
        let some = self.known.split_off(self.known.len().saturating_sub(RECALLED));
        let known = match &self.ledger {
            Some(ledger) => recall(ledger, &self.root, some).await?,
            None => Vec::new(),
        };
        for entry in remove_all(&self.job, &mut self.report, fresh.chain(known)).await {
            self.mark(entry);
        }
        Ok(())
    }
}

/// The number of ledger entries that are fetched at once.
const RECALLED: usize = 4096;

/// The number of objects that are queued in advance, so that progress can be estimated while listing goes on.
const CHOSEN_AHEAD: usize = 8192;
