//! A run: many objects at once, with regular checkpoints of the ledger, followed by deletion of sources.

mod outcome;

use super::deletion::{Source, delete_sources, fetch_entries, warn_undeleted};
use super::filter::{ObjectFilter, Skip, is_named_as_state, may_be_collector_state};
use super::ledger::{Entry, Ledger};
use super::listing::{self, Entry as Found, list_named, next, prefetch};
use super::local_file::DonePart;
use super::panic_guard::process_object;
use super::transfer::{FailureCause, IngestContext, Outcome, conversions, wait_for_line_end};
use super::{Delete, Observer, Options, Report, RunError};
use crate::clock::duration_millis;
use crate::store::{self, Location, ObjectMeta, Store};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// After this many consecutive failures to read or to write, the source or destination is considered unreachable; each
/// of the objects was retried for minutes.
const MAX_CONSECUTIVE_FAILURES: usize = 20;

/// Processes everything that the source holds now. `stop` ends the run early; what is done by then is kept.
/// `options.normalize.stop` is ignored, because each run has its own.
///
/// # Errors
/// [`RunError`]; what was done before is recorded in the ledger, unless the ledger failed.
pub async fn run(
    options: Options,
    observer: &dyn Observer,
    stop: &CancellationToken,
) -> Result<Report, RunError> {
    let opened = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Report { stopped: true, ..Report::default() }),
        opened = Run::open(options, observer) => opened?,
    };
    // From here on the run holds leases. Every path leads through `go`, which releases them.
    opened.run_to_end(stop).await
}

async fn open(
    location: Option<&crate::store::Location>,
    options: &Options,
) -> Result<Option<Store>, RunError> {
    match location {
        Some(location) => Ok(Some(Store::open(location, &options.retry).await?)),
        None => Ok(None),
    }
}

async fn open_ledger(options: &Options, oldest: i64) -> Result<Option<Ledger>, RunError> {
    let Some(store) = open(options.ledger.as_ref(), options).await? else { return Ok(None) };
    Ledger::open_unlocked(store, options.clock.clone(), &options.ledger_options(oldest)).await.map(Some)
}

struct Run<'o> {
    job: Arc<IngestContext>,
    /// The start of the URLs of objects.
    root: String,
    ledger: Option<Ledger>,
    selection: ObjectFilter,
    report: Report,
    /// Objects to read, with the number of earlier failures.
    queued: VecDeque<(ObjectMeta, u64)>,
    /// Done, to be removed once the ledger says so durably; local files if they are still what was read.
    deletable: Vec<(ObjectMeta, Entry)>,
    /// Local files, or parts of them, that go on with a content that is done: to be marked with what is known of that.
    following: Vec<(Entry, DonePart, ObjectMeta)>,
    /// Objects that an earlier run processed but did not delete.
    already_done: Vec<ObjectMeta>,
    observer: &'o dyn Observer,
    /// The number of consecutive failures of the source and of the destination.
    consecutive_failures: [usize; 2],
    /// The number of rejects that were logged.
    rejects_logged: usize,
    /// When to renew the leases.
    renewal: Instant,
}

impl<'o> Run<'o> {
    /// Opens all stores, without acquiring leases.
    async fn open(mut options: Options, observer: &'o dyn Observer) -> Result<Self, RunError> {
        options.normalize.stop = Arc::default();
        options.settle.begin_run();
        let now = options.clock.now();
        let oldest = options.max_age.map_or(i64::MIN, |age| now.saturating_sub(duration_millis(age)));
        let mut selection = ObjectFilter::new(&options, oldest)?;
        let from = Store::open(&options.from, &options.retry).await?;
        let to = open(options.to.place(), &options).await?;
        let rejects = open(options.rejects.as_ref(), &options).await?;
        let ledger = open_ledger(&options, oldest).await?;
        selection.exclude_feeds(&options.from, ledger.as_ref().map_or(&[], Ledger::feeds));
        if let Some(to) = ledger.as_ref().and_then(Ledger::other_destination) {
            observer.warned(&format!(
                "the ledger also has {} with --to {to}: objects done for one destination are not processed for the other; use a separate ledger for each (--ledger URL)",
                options.from
            ));
        }
        let [threads, streams] = conversions();
        let job = IngestContext {
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
            queued: VecDeque::new(),
            deletable: Vec::new(),
            following: Vec::new(),
            already_done: Vec::new(),
            observer,
            consecutive_failures: [0; 2],
            rejects_logged: 0,
        })
    }

    async fn run_to_end(mut self, stop: &CancellationToken) -> Result<Report, RunError> {
        let worked = self.event_loop(stop).await;
        if worked.is_err() || self.report.stopped {
            self.job.options.normalize.stop.store(true, Ordering::Relaxed);
            wait_for_line_end(&self.job).await;
        }
        // Whatever happened, completed work is recorded.
        let kept = if self.job.options.dry_run { Ok(()) } else { self.finish(worked.is_ok()).await };
        let closed = match self.ledger.take() {
            Some(ledger) if !self.job.options.dry_run => ledger.close().await,
            _ => Ok(()),
        };
        warn_undeleted(&self.report, self.observer);
        worked.and(kept).and(closed).map(|()| self.report)
    }

    /// Acquires the free segments of the ledger, and cleans up after killed runs.
    async fn acquire_segments(&mut self) -> Result<(), RunError> {
        if let Some(ledger) = &mut self.ledger {
            ledger.acquire_segments().await?;
            if let Some(others) = ledger.others() {
                let left = "another run holds part of the ledger; leaving its objects to it";
                self.observer.warned(&format!("{left}: {others}"));
            }
        }
        self.recover_outputs().await?;
        self.sweep().await
    }

    /// Deletes incomplete files of killed runs, if no other run can be active.
    async fn sweep(&self) -> Result<(), RunError> {
        let IngestContext { options, to, rejects, .. } = &*self.job;
        let alone = self.ledger.as_ref().is_some_and(|ledger| ledger.others().is_none())
            && options.shard.count == 1
            && options.objects.is_none();
        if alone && !options.dry_run {
            for place in to.iter().chain(rejects) {
                place.remove_stale_temp_files().await?;
            }
        }
        Ok(())
    }

    async fn event_loop(&mut self, stop: &CancellationToken) -> Result<(), RunError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.report.stopped = true;
                return Ok(());
            }
            begun = self.acquire_segments() => begun?,
        }
        let concurrency = self.job.options.concurrency.max(1);
        let mut listing = prefetch(match &self.job.options.objects {
            None => listing::all(&self.job.from),
            Some(names) => list_named(self.job.from.clone(), names.clone()),
        });
        let mut listed_all = false;
        let mut tasks = tokio::task::JoinSet::new();
        let every =
            self.job.options.checkpoint.min(self.job.options.lease / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while tasks.len() < concurrency
                && let Some((listed, attempts)) = self.queued.pop_front()
            {
                tasks.spawn(process_object(Arc::clone(&self.job), listed, attempts));
            }
            // A listing may consist of deletable objects only; their number is kept small.
            if self.already_done.len() >= DELETE_BATCH {
                self.renew_and_checkpoint().await?;
            }
            let hungry = self.queued.len() < MAX_QUEUED && !listed_all;
            if !hungry && tasks.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.report.stopped = true;
                    return Ok(());
                }
                Some(finished) = tasks.join_next() => {
                    let (listed, attempts, outcome) = finished.map_err(|error| RunError::Store(format!("a task failed: {error}")))?;
                    self.on_outcome(listed, attempts, outcome)?;
                }
                _ = ticks.tick() => {
                    let began = Instant::now();
                    self.renew_and_checkpoint().await?;
                    // Saving a large ledger takes long; limit it to a tenth of the time.
                    ticks.reset_after((began.elapsed() * 10).min(self.job.options.lease / 4).max(every));
                }
                more = next(&mut listing), if hungry => match more {
                    None => listed_all = true,
                    Some(page) => page?.into_iter().try_for_each(|item| self.on_listed(item))?,
                },
            }
        }
    }

    /// Handles an entry of the listing: an object, or an entry that cannot be listed.
    fn on_listed(&mut self, item: Result<Found, store::Error>) -> Result<(), RunError> {
        match item {
            Ok(Found::Object(listed)) => self.select_or_skip(listed),
            Ok(Found::Failed { name, error }) => {
                let (url, passing) =
                    (format!("{}{name}", self.root), !matches!(error, store::Error::Invalid { .. }));
                self.consecutive_failures[0] += usize::from(error.is_transient());
                self.report.listed += 1;
                self.report.fail(&url, &error.to_string());
                self.observer.failed(&url, 0, &error.to_string(), passing);
                return self.note_unreachable(&error.to_string());
            }
            Err(store::Error::UnlistableEntry { name, url, message }) => {
                self.report.listed += 1;
                if let Some(skip) = self.selection.excluded_by_name(&name) {
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
    fn select_or_skip(&mut self, listed: ObjectMeta) {
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
                    .and_then(|ledger| ledger.failure_of(&url))
                {
                    self.observer.on_backoff(&url, &entry.reason, entry.lasting);
                }
                let Options { delete, dry_run, .. } = &self.job.options;
                if skip == Skip::Done && *delete != Delete::Never && !dry_run {
                    self.already_done.push(listed);
                }
            }
            Ok(_) if self.is_local() && self.still_being_written(&listed) => {
                self.report.skip(Skip::Settling);
                self.observer.skipped(&url, Skip::Settling);
            }
            Ok(attempts) => {
                let dry = self.job.options.dry_run;
                // A dry run must inspect the object, because its name alone is not enough.
                let unsure = dry && may_be_collector_state(&listed) && is_named_as_state(&listed.name);
                if !unsure {
                    self.report_selected(&url, listed.size);
                }
                if unsure || !dry {
                    self.queued.push_back((listed, attempts));
                }
            }
        }
    }

    fn is_local(&self) -> bool {
        matches!(self.job.options.from, Location::File(_))
    }

    /// Whether a local file is left for later.
    fn still_being_written(&self, listed: &ObjectMeta) -> bool {
        self.job.options.settle.still_being_written(listed, self.job.options.clock.now())
    }

    fn report_selected(&mut self, url: &str, size: u64) {
        self.report.would_read += u64::from(self.job.options.dry_run);
        self.observer.chosen(url, size);
    }

    fn on_outcome(&mut self, listed: ObjectMeta, attempts: u64, outcome: Outcome) -> Result<(), RunError> {
        let url = self.job.from.location().url(&listed.name);
        let mut entry = Entry::new(url, &listed, self.job.options.clock.now());
        // Any result of an object shows that the source is reachable; only a processed one shows that the destination
        // is.
        let [source, destination] = &mut self.consecutive_failures;
        match &outcome {
            Outcome::Failed { cause: FailureCause::Source, .. } => *source += 1,
            Outcome::Failed { cause: FailureCause::Destination, .. } => {
                (*source, *destination) = (0, *destination + 1);
            }
            Outcome::Done(_) => (*source, *destination) = (0, 0),
            _ => *source = 0,
        }
        match outcome {
            Outcome::Fatal(error) => return Err(error),
            Outcome::Stopped => self.report.stopped = true,
            Outcome::Chosen => self.report_selected(&entry.object, entry.size),
            Outcome::Skipped(skip) => {
                self.report.skip(skip);
                self.observer.skipped(&entry.object, skip);
            }
            Outcome::Known { base, rest } => {
                self.report.skip(Skip::Done);
                self.observer.skipped(&entry.object, Skip::Done);
                entry.content = Some(base.content.clone());
                self.on_part_ingested(entry, base, rest, listed);
            }
            Outcome::Done(done) => self.on_ingested(entry, listed, *done),
            Outcome::Failed { generation, reason, cause } => {
                (entry.generation, entry.attempts) = (generation, attempts + 1);
                self.quarantine(entry, &reason, cause)?;
            }
        }
        Ok(())
    }

    /// Records an entry; returns whether the ledger, if there is one, accepted it.
    fn record(&self, entry: Entry) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| ledger.record(entry))
    }

    async fn renew_and_checkpoint(&mut self) -> Result<(), RunError> {
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
    async fn finish(&mut self, well: bool) -> Result<(), RunError> {
        self.checkpoint().await?;
        while well && !self.report.stopped && !self.already_done.is_empty() {
            self.renew_and_checkpoint().await?;
        }
        Ok(())
    }

    /// Saves the ledger, and deletes the sources that it records as done. Sources of earlier runs are deleted in
    /// batches, because leases must be renewed in between.
    async fn checkpoint(&mut self) -> Result<(), RunError> {
        self.record_parts().await?;
        if let Some(ledger) = &self.ledger {
            ledger.save().await?;
        }
        let fresh = std::mem::take(&mut self.deletable).into_iter();
        let fresh = fresh.map(|(listed, entry)| Source { listed, entry, is_earlier: false });
        let some = self.already_done.split_off(self.already_done.len().saturating_sub(DELETE_BATCH));
        let known = match &self.ledger {
            Some(ledger) => fetch_entries(ledger, &self.root, some).await?,
            None => Vec::new(),
        };
        for entry in delete_sources(&self.job, &mut self.report, fresh.chain(known)).await {
            self.record(entry);
        }
        Ok(())
    }
}

/// The number of ledger entries that are fetched at once.
const DELETE_BATCH: usize = 4096;

/// The number of objects that are queued in advance, so that progress can be estimated while listing goes on.
const MAX_QUEUED: usize = 8192;
