//! How an object ends: done and marked, kept or removed, going on with what was done of a local file before, or failed.

use super::{MAX_CONSECUTIVE_FAILURES, Run};
use crate::ingest::convert::MAX_LOGGED_REJECTS;
use crate::ingest::deletion::{KeepReason, all_rejected};
use crate::ingest::ledger::{Entry, OutputPart, State, backoff, replaced_object};
use crate::ingest::local_file::{DonePart, ReadPart, Remainder};
use crate::ingest::recovery::OrphanOutputs;
use crate::ingest::transfer::{FailureCause, IngestContext, Ingested};
use crate::ingest::{Delete, RunError};
use crate::store::ObjectMeta;

impl Run<'_> {
    pub(super) fn on_ingested(&mut self, mut entry: Entry, listed: ObjectMeta, done: Ingested) {
        let Ingested { generation, stored, output, already_present: standing, summary, refused, part, stem } =
            done;
        let told = refused.iter().take(MAX_LOGGED_REJECTS - self.rejects_logged);
        self.rejects_logged += told.map(|told| self.observer.rejected(told)).count();
        for warning in &summary.warnings {
            self.observer.warned(&format!("{}: {}", warning.input, warning.message));
        }
        self.report.add(stored, &summary);
        self.report.standing += u64::from(standing);
        self.observer.done(&entry.object, stored, summary.events);
        (entry.events, entry.rejects) = (summary.events, summary.rejects);
        (entry.generation, entry.output) = (generation, output);
        let Some(ReadPart { content, base, rest, .. }) = part else {
            return self.queue_deletion(entry, listed);
        };
        entry.content = Some(content);
        entry.parts = vec![OutputPart {
            stem,
            events: entry.events,
            rejects: entry.rejects,
            streamed: entry.events > 0 && entry.output.is_empty(),
        }];
        match base {
            Some(base) => self.on_part_ingested(entry, base, rest, listed),
            None if rest == Remainder::None => self.queue_deletion(entry, listed),
            None => {
                self.record_remainder(&mut entry, rest, listed);
                self.record(entry);
            }
        }
    }

    /// Marks an object as done, to be removed if it may be.
    fn queue_deletion(&mut self, entry: Entry, listed: ObjectMeta) {
        let stay = if self.job.rejects.is_none() && entry.rejects > 0 {
            Some(KeepReason::Rejects)
        } else {
            all_rejected(&entry).then_some(KeepReason::NoEvents)
        };
        let delete = self.job.options.delete != Delete::Never;
        let kept = delete.then(|| entry.clone());
        if self.record(entry)
            && let Some(entry) = kept
        {
            match stay {
                Some(stay) => self.report.record_kept(&entry.object, stay),
                None => self.deletable.push((listed, entry)),
            }
        }
    }

    /// Keeps an entry until what is known of the content it goes on with is added.
    pub(super) fn on_part_ingested(
        &mut self,
        mut entry: Entry,
        base: DonePart,
        rest: Remainder,
        listed: ObjectMeta,
    ) {
        if rest != Remainder::None {
            self.record_remainder(&mut entry, rest, listed.clone());
        }
        self.following.push((entry, base, listed));
    }

    /// Has a file looked at again though it does not change, since something of it was left: now, or by the next run.
    fn record_remainder(&mut self, entry: &mut Entry, rest: Remainder, listed: ObjectMeta) {
        entry.tag.push('+');
        match rest {
            Remainder::More => self.queued.push_back((listed, 0)),
            Remainder::UnfinishedLine => self.report.unfinished += 1,
            Remainder::None => {}
        }
    }

    /// Marks files that go on with a content that is done. One whose base nobody knows any more is not marked: the next run
    /// reads it again.
    pub(super) async fn record_parts(&mut self) -> Result<(), RunError> {
        let following = std::mem::take(&mut self.following);
        let Some(ledger) = self.ledger.as_ref().filter(|_| !following.is_empty()) else { return Ok(()) };
        let ids = following.iter().map(|(_, base, _)| base.content.id()).collect();
        let mut known = ledger.index_contents(ids).await?;
        for (entry, base, listed) in following {
            let origin = format!("{}{}", self.root, base.name);
            let replaced = replaced_object(&origin, &base.content);
            let before = [origin, replaced].map(|object| known.remove(&(base.content.id(), object)));
            let Some(before) = before.into_iter().flatten().next() else { continue };
            let finished = entry.tag == listed.tag;
            let renamed = before.object != entry.object && before.address() == before.object;
            let entry = entry.following(before.clone());
            if renamed && matches!(self.job.from.head(&base.name).await, Ok(None)) {
                // It has another name now: a copy of it that comes later is a file of its own.
                ledger.record(Entry { content: None, ..before });
            }
            // The next part of the same file goes on with this one.
            if let Some(content) = &entry.content {
                known.insert((content.id(), entry.object.clone()), entry.clone());
            }
            let marked = ledger.record(entry);
            if marked && finished && self.job.options.delete != Delete::Never {
                self.already_done.push(listed);
            }
        }
        Ok(())
    }

    /// Finds out what a killed run made of local files, if there may have been one.
    pub(super) async fn recover_outputs(&self) -> Result<(), RunError> {
        let IngestContext { to, rejects, recovered, options, .. } = &*self.job;
        let abandoned = self.ledger.as_ref().filter(|ledger| ledger.was_abandoned());
        let Some(ledger) = abandoned.filter(|_| self.is_local() && !options.dry_run) else { return Ok(()) };
        let found =
            OrphanOutputs::list_orphans(to.iter().chain(rejects), &ledger.output_stems().await?).await?;
        // Set once: a run begins once.
        let _ = recovered.set(found);
        Ok(())
    }

    /// Records that an object failed, with its backoff. Ends the run after too many failures of an unreachable place.
    pub(super) fn quarantine(
        &mut self,
        mut entry: Entry,
        reason: &str,
        cause: FailureCause,
    ) -> Result<(), RunError> {
        // The URL is printed next to the reason.
        let about = format!("{}: ", entry.object);
        reason.strip_prefix(&about).unwrap_or(reason).clone_into(&mut entry.reason);
        entry.state = State::Quarantined;
        entry.lasting = cause == FailureCause::Object;
        entry.next = backoff(entry.attempts).map_or(0, |gap| entry.at + gap);
        self.report.fail(&entry.object, &entry.reason);
        self.observer.failed(&entry.object, entry.size, &entry.reason, !entry.lasting);
        self.record(entry);
        self.note_unreachable(reason)
    }

    /// Ends the run where too many objects in a row failed.
    pub(super) fn note_unreachable(&self, reason: &str) -> Result<(), RunError> {
        if !self.consecutive_failures.contains(&MAX_CONSECUTIVE_FAILURES) {
            return Ok(());
        }
        Err(RunError::Store(format!(
            "{MAX_CONSECUTIVE_FAILURES} consecutive objects could not be read or written: run again when storage is reachable; the last error: {reason}"
        )))
    }
}
