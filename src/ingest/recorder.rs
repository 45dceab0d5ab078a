//! Records how objects ended: in the ledger, in the report and to the observer; deletes sources that are done.

use super::context::IngestContext;
use super::convert::MAX_LOGGED_REJECTS;
use super::deletion::{Source, all_rejected, delete_sources, fetch_entries};
use super::filter::Selected;
use super::ledger::{Entry, FilePart, Ledger, State, backoff, replaced_object};
use super::options::Delete;
use super::outcome::{DonePart, FailureCause, Ingested, Outcome, ReadPart, Remainder};
use super::report::{KeepReason, Report};
use crate::error::RunError;
use crate::progress::{ObjectEvent, Observer, Skip};
use crate::store::{self, ObjectMeta};
use std::sync::Arc;
use tokio::time::Instant;

/// After this many consecutive failures to read or to write, the source or destination is considered unreachable; each
/// of the objects was retried for minutes.
const MAX_CONSECUTIVE_FAILURES: usize = 20;

/// The number of ledger entries that are fetched at once.
const DELETE_BATCH: usize = 4096;

/// Keeps the books of a run.
pub(super) struct Recorder<'o> {
    ctx: Arc<IngestContext>,
    pub(super) ledger: Option<Ledger>,
    pub(super) report: Report,
    pub(super) observer: &'o dyn Observer,
    /// Done, to be deleted once the ledger says so durably; local files if they are still what was read.
    deletable: Vec<(ObjectMeta, Entry)>,
    /// Local files, or parts of them, that continue a content that is done: what is known of that is added to their entries.
    continuations: Vec<(Entry, DonePart, ObjectMeta)>,
    /// Objects that an earlier run processed but did not delete.
    already_done: Vec<ObjectMeta>,
    /// The number of consecutive failures of the source and of the destination.
    consecutive_failures: [usize; 2],
    /// The number of rejects that were logged.
    rejects_logged: usize,
    /// When to renew the leases.
    renewal: Instant,
}

impl<'o> Recorder<'o> {
    pub(super) fn new(ctx: Arc<IngestContext>, ledger: Option<Ledger>, observer: &'o dyn Observer) -> Self {
        Self {
            renewal: Instant::now() + ctx.options.lease / 4,
            ctx,
            ledger,
            report: Report::default(),
            observer,
            deletable: Vec::new(),
            continuations: Vec::new(),
            already_done: Vec::new(),
            consecutive_failures: [0; 2],
            rejects_logged: 0,
        }
    }

    /// Counts an object that is skipped.
    pub(super) fn skip(&mut self, url: &str, skip: Skip) {
        self.report.skip(skip);
        self.observer.object(url, ObjectEvent::Skipped(skip));
    }

    /// Counts an object that the filter or the ledger skips; one that is done is deleted if that is wanted.
    pub(super) fn skip_listed(&mut self, listed: ObjectMeta, url: &str, skip: Skip) {
        self.skip(url, skip);
        let failure = self.ledger.as_ref().filter(|_| skip == Skip::Waiting);
        if let Some(entry) = failure.and_then(|ledger| ledger.failure_of(url)) {
            let event = ObjectEvent::Backoff { reason: &entry.reason, permanent: entry.permanent };
            self.observer.object(url, event);
        }
        if skip == Skip::Done && self.ctx.options.delete != Delete::Never && !self.ctx.options.dry_run {
            self.already_done.push(listed);
        }
    }

    /// Counts an object that will be read.
    pub(super) fn select(&mut self, url: &str, size: u64) {
        self.report.would_read += u64::from(self.ctx.options.dry_run);
        self.observer.object(url, ObjectEvent::Selected { size });
    }

    /// Counts an object that failed; `size` is 0 if unknown.
    pub(super) fn fail(&mut self, url: &str, size: u64, reason: &str, permanent: bool) {
        self.report.fail(url, reason);
        self.observer.object(url, ObjectEvent::Failed { size, reason, permanent });
    }

    /// Counts a failure to look up an object.
    ///
    /// # Errors
    /// If the source is unreachable.
    pub(super) fn fail_lookup(
        &mut self,
        url: &str,
        error: &store::Error,
        permanent: bool,
    ) -> Result<(), RunError> {
        self.consecutive_failures[0] += usize::from(error.is_transient());
        self.fail(url, 0, &error.reason_at(url), permanent);
        self.check_reachable(&error.to_string())
    }

    /// Records the outcome of an object.
    ///
    /// # Errors
    /// If the run cannot continue.
    pub(super) fn on_outcome(&mut self, object: Selected, outcome: Outcome) -> Result<(), RunError> {
        let Selected { listed, attempts, .. } = object;
        let url = self.ctx.from.location().url(&listed.name);
        let mut entry = Entry::new(url, &listed, self.ctx.options.clock.now());
        self.count_failures(&outcome);
        match outcome {
            Outcome::Fatal(error) => return Err(error),
            Outcome::Stopped => self.report.stopped = true,
            Outcome::Selected => self.select(&entry.object, entry.size),
            Outcome::Skipped(skip) => self.skip(&entry.object, skip),
            Outcome::Known { base, rest } => {
                self.skip(&entry.object, Skip::Done);
                entry.content = Some(base.content.clone());
                self.on_part_ingested(entry, base, rest, listed);
            }
            Outcome::Done(ingested) => self.on_ingested(entry, listed, *ingested),
            Outcome::Failed { generation, reason, cause } => {
                (entry.generation, entry.attempts) = (generation, attempts + 1);
                self.quarantine(entry, &reason, cause)?;
            }
        }
        Ok(())
    }

    /// Counts consecutive failures. Any result of an object shows that the source is reachable; only a processed one
    /// shows that the destination is.
    fn count_failures(&mut self, outcome: &Outcome) {
        let [source, destination] = &mut self.consecutive_failures;
        match outcome {
            Outcome::Failed { cause: FailureCause::Source, .. } => *source += 1,
            Outcome::Failed { cause: FailureCause::Destination, .. } => {
                (*source, *destination) = (0, *destination + 1);
            }
            Outcome::Done(_) => (*source, *destination) = (0, 0),
            _ => *source = 0,
        }
    }

    fn on_ingested(&mut self, mut entry: Entry, listed: ObjectMeta, done: Ingested) {
        let Ingested { generation, stored, output, already_present, summary, logged_rejects, part, stem } =
            done;
        let rejects = logged_rejects.iter().take(MAX_LOGGED_REJECTS - self.rejects_logged);
        self.rejects_logged +=
            rejects.map(|reject| self.observer.warn(&format!("rejected: {reject}"))).count();
        for warning in &summary.warnings {
            self.observer.warn(&format!("{}: {}", warning.input, warning.message));
        }
        self.report.add(stored, &summary);
        self.report.already_present += u64::from(already_present);
        let event = ObjectEvent::Done { size: stored, events: summary.events };
        self.observer.object(&entry.object, event);
        (entry.events, entry.rejects) = (summary.events, summary.rejects);
        (entry.generation, entry.output) = (generation, output);
        let Some(ReadPart { content, base, rest, .. }) = part else {
            return self.queue_deletion(entry, listed);
        };
        entry.content = Some(content);
        entry.parts = vec![FilePart {
            stem,
            events: entry.events,
            rejects: entry.rejects,
            streamed: entry.events > 0 && entry.output.is_empty(),
        }];
        match base {
            Some(base) => self.on_part_ingested(entry, base, rest, listed),
            None if rest == Remainder::None => self.queue_deletion(entry, listed),
            None => {
                self.record_remainder(&mut entry, rest);
                self.record(entry);
            }
        }
    }

    /// Records an object as done, to be deleted if that is allowed.
    fn queue_deletion(&mut self, entry: Entry, listed: ObjectMeta) {
        let keep_reason = if all_rejected(&entry) {
            Some(KeepReason::NoEvents)
        } else {
            (self.ctx.rejects.is_none() && entry.rejects > 0).then_some(KeepReason::Rejects)
        };
        let delete = self.ctx.options.delete != Delete::Never;
        let kept = delete.then(|| entry.clone());
        if self.record(entry)
            && let Some(entry) = kept
        {
            match keep_reason {
                Some(reason) => self.report.record_kept(&entry.object, reason),
                None => self.deletable.push((listed, entry)),
            }
        }
    }

    /// Keeps an entry until the entry of the content that it continues is merged into it.
    fn on_part_ingested(&mut self, mut entry: Entry, base: DonePart, rest: Remainder, listed: ObjectMeta) {
        if rest != Remainder::None {
            self.record_remainder(&mut entry, rest);
        }
        self.continuations.push((entry, base, listed));
    }

    /// Gives an entry another tag than the file has, because something of the file was left: this run or the next one
    /// looks at it again though it does not change.
    fn record_remainder(&mut self, entry: &mut Entry, rest: Remainder) {
        entry.tag.push('+');
        self.report.unfinished += u64::from(rest == Remainder::UnfinishedLine);
    }

    /// Records files that continue a content that is done. A file whose base has no entry any more is not recorded: the next run
    /// reads it again.
    async fn record_parts(&mut self) -> Result<(), RunError> {
        let continuations = std::mem::take(&mut self.continuations);
        let Some(ledger) = self.ledger.as_ref().filter(|_| !continuations.is_empty()) else { return Ok(()) };
        let ids = continuations.iter().map(|(_, base, _)| base.content.id()).collect();
        let mut known = ledger.index_contents(ids).await?;
        for (entry, base, listed) in continuations {
            let origin = self.ctx.from.location().url(&base.name);
            let replaced = replaced_object(&origin, &base.content);
            let before = [origin, replaced].map(|object| known.remove(&(base.content.id(), object)));
            let Some(before) = before.into_iter().flatten().next() else { continue };
            let finished = entry.tag == listed.tag;
            let renamed = before.object != entry.object && before.address() == before.object;
            let entry = entry.following(before.clone());
            if renamed && matches!(self.ctx.from.head(&base.name).await, Ok(None)) {
                // It has another name now: a copy of it that appears later is a separate file.
                ledger.record(Entry { content: None, ..before });
            }
            // The next part of the same file continues this one.
            if let Some(content) = &entry.content {
                known.insert((content.id(), entry.object.clone()), entry.clone());
            }
            let recorded = ledger.record(entry);
            if recorded && finished && self.ctx.options.delete != Delete::Never {
                self.already_done.push(listed);
            }
        }
        Ok(())
    }

    /// Records that an object failed, with its backoff. Ends the run after too many failures of an unreachable place.
    fn quarantine(&mut self, mut entry: Entry, reason: &str, cause: FailureCause) -> Result<(), RunError> {
        reason.clone_into(&mut entry.reason);
        entry.state = State::Quarantined;
        entry.permanent = cause == FailureCause::Object;
        entry.retry_at = backoff(entry.attempts).map_or(0, |gap| entry.at + gap);
        self.fail(&entry.object, entry.size, &entry.reason, entry.permanent);
        let reason = format!("{}: {reason}", entry.object);
        self.record(entry);
        self.check_reachable(&reason)
    }

    /// Returns an error if too many consecutive objects failed.
    fn check_reachable(&self, reason: &str) -> Result<(), RunError> {
        if !self.consecutive_failures.contains(&MAX_CONSECUTIVE_FAILURES) {
            return Ok(());
        }
        Err(RunError::Storage(format!(
            "{MAX_CONSECUTIVE_FAILURES} consecutive objects could not be read or written: run again when storage is reachable; the last error: {reason}"
        ).into()))
    }

    /// Records an entry; returns whether the ledger, if there is one, accepted it.
    fn record(&self, entry: Entry) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| ledger.record(entry))
    }

    pub(super) async fn renew_and_checkpoint(&mut self) -> Result<(), RunError> {
        if self.ctx.options.dry_run {
            return Ok(());
        }
        if let Some(ledger) = self.ledger.as_ref().filter(|_| self.renewal <= Instant::now()) {
            ledger.renew().await?;
            self.renewal = Instant::now() + self.ctx.options.lease / 4;
        }
        self.checkpoint().await
    }

    /// Returns whether so many sources wait for their deletion that it cannot be put off.
    pub(super) fn is_deletion_due(&self) -> bool {
        self.already_done.len() >= DELETE_BATCH
    }

    /// Saves the last checkpoint; if all went well, deletes the remaining sources.
    pub(super) async fn finish(&mut self, well: bool) -> Result<(), RunError> {
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
            Some(ledger) => fetch_entries(ledger, self.ctx.from.location(), some).await?,
            None => Vec::new(),
        };
        for entry in delete_sources(&self.ctx, &mut self.report, fresh.chain(known)).await {
            self.record(entry);
        }
        Ok(())
    }
}
