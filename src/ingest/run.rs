//! A run: many objects at once, with regular checkpoints of the ledger, followed by deletion of sources.

use super::classify::{Class, classify};
use super::context::{IngestContext, conversions};
use super::deletion::warn_undeleted;
use super::filter::{ObjectFilter, Selected};
use super::ledger::Ledger;
use super::listing::{self, Entry as Found, Page, list_named, next, prefetch};
use super::options::Options;
use super::outcome::{FailureCause, Outcome};
use super::output_stream::wait_for_line_end;
use super::panic_guard::{PANICKED, PanicError, catch_panic};
use super::recorder::Recorder;
use super::recovery::OrphanOutputs;
use super::report::Report;
use super::transfer::{probe, transfer};
use crate::clock::duration_millis;
use crate::error::RunError;
use crate::progress::{Observer, Skip};
use crate::store::{self, Location, ObjectMeta, Store, TaskStream};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// The number of objects that are queued in advance, so that progress can be estimated while listing goes on.
const MAX_QUEUED: usize = 8192;

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

async fn open(location: Option<&Location>, options: &Options) -> Result<Option<Store>, RunError> {
    match location {
        Some(location) => Ok(Some(Store::open(location, &options.retry).await?)),
        None => Ok(None),
    }
}

async fn open_ledger(options: &Options, oldest: i64) -> Result<Option<Ledger>, RunError> {
    let Some(store) = open(options.ledger.as_ref(), options).await? else { return Ok(None) };
    Ledger::open_unlocked(store, options.clock.clone(), &options.ledger_options(oldest)).await.map(Some)
}

/// The tasks that process objects.
type Tasks = JoinSet<(Selected, Outcome)>;

struct Run<'o> {
    ctx: Arc<IngestContext>,
    filter: ObjectFilter,
    /// Objects to read.
    queued: VecDeque<Selected>,
    recorder: Recorder<'o>,
}

impl<'o> Run<'o> {
    /// Opens all stores, without acquiring leases.
    async fn open(mut options: Options, observer: &'o dyn Observer) -> Result<Self, RunError> {
        options.normalize.stop = Arc::default();
        options.settle.begin_run();
        let now = options.clock.now();
        let oldest = options.max_age.map_or(i64::MIN, |age| now.saturating_sub(duration_millis(age)));
        let mut filter = ObjectFilter::new(&options, oldest)?;
        let from = Store::open(&options.from, &options.retry).await?;
        let to = open(options.to.location(), &options).await?;
        let rejects = open(options.rejects.as_ref(), &options).await?;
        let ledger = open_ledger(&options, oldest).await?;
        filter.exclude_feeds(&options.from, ledger.as_ref().map_or(&[], Ledger::feeds));
        if let Some(to) = ledger.as_ref().and_then(Ledger::other_destination) {
            observer.warn(&format!(
                "the ledger also has {} with --to {to}: objects done for one destination are not processed for the other; use a separate ledger for each (--ledger URL)",
                options.from
            ));
        }
        let [threads, streams] = conversions();
        let ctx = Arc::new(IngestContext {
            from,
            to,
            rejects,
            contents: ledger.as_ref().and_then(Ledger::contents),
            recovered: OnceLock::new(),
            threads: Semaphore::new(threads),
            streams: Semaphore::new(streams),
            options,
        });
        let recorder = Recorder::new(Arc::clone(&ctx), ledger, observer);
        Ok(Self { ctx, filter, queued: VecDeque::new(), recorder })
    }

    async fn run_to_end(mut self, stop: &CancellationToken) -> Result<Report, RunError> {
        let worked = self.event_loop(stop).await;
        let Self { ctx, mut recorder, .. } = self;
        if worked.is_err() || recorder.report.stopped {
            ctx.options.normalize.stop.store(true, Ordering::Relaxed);
            wait_for_line_end(&ctx).await;
        }
        // Whatever happened, completed work is recorded.
        let recorded = if ctx.options.dry_run { Ok(()) } else { recorder.finish(worked.is_ok()).await };
        let closed = match recorder.ledger.take() {
            Some(ledger) if !ctx.options.dry_run => ledger.close().await,
            _ => Ok(()),
        };
        warn_undeleted(&recorder.report, recorder.observer);
        worked.and(recorded).and(closed).map(|()| recorder.report)
    }

    /// Acquires the free segments of the ledger, and cleans up after killed runs.
    async fn acquire_segments(&mut self) -> Result<(), RunError> {
        if let Some(ledger) = &mut self.recorder.ledger {
            ledger.acquire_segments().await?;
            if let Some(other) = ledger.other_holder() {
                let message = "another run holds part of the ledger; leaving its objects to it";
                self.recorder.observer.warn(&format!("{message}: {other}"));
            }
        }
        self.recover_outputs().await?;
        self.remove_stale_temp_files().await
    }

    /// Finds out what a killed run made of local files, if there may have been one.
    async fn recover_outputs(&self) -> Result<(), RunError> {
        let IngestContext { to, rejects, recovered, options, .. } = &*self.ctx;
        let abandoned = self.recorder.ledger.as_ref().filter(|ledger| ledger.was_abandoned());
        let Some(ledger) = abandoned.filter(|_| self.is_local() && !options.dry_run) else { return Ok(()) };
        let found =
            OrphanOutputs::list_orphans(to.iter().chain(rejects), &ledger.output_stems().await?).await?;
        // Set once: a run begins once.
        let _ = recovered.set(found);
        Ok(())
    }

    /// Deletes incomplete files of killed runs, if no other run can be active.
    async fn remove_stale_temp_files(&self) -> Result<(), RunError> {
        let IngestContext { options, to, rejects, .. } = &*self.ctx;
        let alone = self.recorder.ledger.as_ref().is_some_and(|ledger| ledger.other_holder().is_none())
            && options.shard.count == 1
            && options.objects.is_none();
        if alone && !options.dry_run {
            for store in to.iter().chain(rejects) {
                store.remove_stale_temp_files().await?;
            }
        }
        Ok(())
    }

    /// Lists and processes objects until there are no more, or `stop` is cancelled.
    async fn event_loop(&mut self, stop: &CancellationToken) -> Result<(), RunError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.recorder.report.stopped = true;
                return Ok(());
            }
            acquired = self.acquire_segments() => acquired?,
        }
        let mut listing = self.start_listing();
        let mut listed_all = false;
        let mut tasks = Tasks::new();
        let lease = self.ctx.options.lease;
        let every = self.ctx.options.checkpoint.min(lease / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.start_tasks(&mut tasks);
            // A listing may consist of deletable objects only; their number is kept small.
            if self.recorder.is_deletion_due() {
                self.recorder.renew_and_checkpoint().await?;
            }
            let wants_more = self.queued.len() < MAX_QUEUED && !listed_all;
            if !wants_more && tasks.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.recorder.report.stopped = true;
                    return Ok(());
                }
                Some(finished) = tasks.join_next() => {
                    let (object, outcome) =
                        finished.map_err(RunError::task_failed)?;
                    self.on_outcome(object, outcome)?;
                }
                _ = ticks.tick() => {
                    let began = Instant::now();
                    self.recorder.renew_and_checkpoint().await?;
                    // Saving a large ledger takes long; limit it to a tenth of the time.
                    ticks.reset_after((began.elapsed() * 10).min(lease / 4).max(every));
                }
                page = next(&mut listing), if wants_more => match page {
                    None => listed_all = true,
                    Some(page) => page?.into_iter().try_for_each(|item| self.on_listed(item))?,
                },
            }
        }
    }

    fn start_listing(&self) -> TaskStream<Page> {
        prefetch(match &self.ctx.options.objects {
            None => listing::all(&self.ctx.from),
            Some(names) => list_named(self.ctx.from.clone(), names.clone()),
        })
    }

    /// Starts tasks for queued objects, as many as may run at once.
    fn start_tasks(&mut self, tasks: &mut Tasks) {
        let concurrency = self.ctx.options.concurrency.max(1);
        while tasks.len() < concurrency
            && let Some(object) = self.queued.pop_front()
        {
            tasks.spawn(process_object(Arc::clone(&self.ctx), object));
        }
    }

    /// Handles an entry of the listing: an object, or an entry that cannot be listed.
    fn on_listed(&mut self, item: Result<Found, store::Error>) -> Result<(), RunError> {
        self.recorder.report.listed += 1;
        match item {
            Ok(Found::Object(listed)) => self.select_or_skip(listed),
            Ok(Found::Failed { name, error }) => {
                let permanent = matches!(error, store::Error::Invalid { .. });
                let url = self.ctx.from.location().url(&name);
                return self.recorder.fail_lookup(&url, &error, permanent);
            }
            Err(store::Error::UnlistableEntry { name, url, message }) => {
                match self.filter.excluded_by_name(&name) {
                    Some(skip) => self.recorder.skip(&url, skip),
                    None => self.recorder.fail(&url, 0, &message, true),
                }
            }
            Err(error) => {
                self.recorder.report.listed -= 1;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Selects an object, or reports why it is skipped.
    fn select_or_skip(&mut self, listed: ObjectMeta) {
        let (url, class) = (self.ctx.from.location().url(&listed.name), classify(&listed));
        match self.filter.decide(&listed, class, &url, self.recorder.ledger.as_ref()) {
            Err(skip) => self.recorder.skip_listed(listed, &url, skip),
            Ok(_) if self.is_local() && self.still_being_written(&listed) => {
                self.recorder.skip(&url, Skip::Settling);
            }
            Ok(attempts) => {
                let dry_run = self.ctx.options.dry_run;
                // A dry run must inspect the object, because its name alone is not enough.
                let inspect = dry_run && class == Class::NamedAsState;
                if !inspect {
                    self.recorder.select(&url, listed.size);
                }
                if inspect || !dry_run {
                    self.queued.push_back(Selected { listed, class, attempts });
                }
            }
        }
    }

    /// Records the outcome of an object; a local file of which more is to be read is queued again.
    fn on_outcome(&mut self, object: Selected, outcome: Outcome) -> Result<(), RunError> {
        let again = outcome.has_more().then(|| Selected { attempts: 0, ..object.clone() });
        self.recorder.on_outcome(object, outcome)?;
        self.queued.extend(again);
        Ok(())
    }

    fn is_local(&self) -> bool {
        matches!(self.ctx.options.from, Location::File(_))
    }

    /// Returns whether a local file is left for later.
    fn still_being_written(&self, listed: &ObjectMeta) -> bool {
        self.ctx.options.settle.still_being_written(listed, self.ctx.options.clock.now())
    }
}

/// Processes one object. A panic is an outcome of that object alone.
async fn process_object(ctx: Arc<IngestContext>, object: Selected) -> (Selected, Outcome) {
    let work = async {
        if ctx.options.dry_run { probe(&ctx, &object).await } else { transfer(&ctx, &object).await }
    };
    let outcome = catch_panic(work)
        .await
        .unwrap_or_else(|PanicError| Outcome::failed("", PANICKED, FailureCause::Object));
    (object, outcome)
}
