//! How an object ends: done and marked, kept or removed, going on with what was done of a local file before, or failed.

use super::{OUT_OF_ORDER, Run};
use crate::ingest::convert::TOLD;
use crate::ingest::ledger::{Entry, OutputPart, State, replaced_object, rest};
use crate::ingest::local_file::{Base, ReadPart, Rest};
use crate::ingest::object::{Cause, Done, Job};
use crate::ingest::recovery::Recovered;
use crate::ingest::removal::{Stay, all_rejected};
use crate::ingest::{Delete, Error};
use crate::store::Listed;

impl Run<'_> {
    pub(super) fn done(&mut self, mut entry: Entry, listed: Listed, done: Done) {
        let Done { generation, stored, output, standing, summary, refused, part, stem } = done;
        let told = refused.iter().take(TOLD - self.told);
        self.told += told.map(|told| self.observer.rejected(told)).count();
        for warning in &summary.warnings {
            self.observer.warned(&format!("{}: {}", warning.input, warning.message));
        }
        self.report.add(stored, &summary);
        self.report.standing += u64::from(standing);
        self.observer.done(&entry.object, stored, summary.events);
        (entry.events, entry.rejects) = (summary.events, summary.rejects);
        (entry.generation, entry.output) = (generation, output);
        let Some(ReadPart { content, base, rest, .. }) = part else {
            return self.mark_removable(entry, listed);
        };
        entry.content = Some(content);
        entry.parts = vec![OutputPart {
            stem,
            events: entry.events,
            rejects: entry.rejects,
            streamed: entry.events > 0 && entry.output.is_empty(),
        }];
        match base {
            Some(base) => self.follow(entry, base, rest, listed),
            None if rest == Rest::None => self.mark_removable(entry, listed),
            None => {
                self.leave(&mut entry, rest, listed);
                self.mark(entry);
            }
        }
    }

    /// Marks an object as done, to be removed if it may be.
    fn mark_removable(&mut self, entry: Entry, listed: Listed) {
        let stay = if self.job.rejects.is_none() && entry.rejects > 0 {
            Some(Stay::Rejects)
        } else {
            all_rejected(&entry).then_some(Stay::NoEvents)
        };
        let delete = self.job.options.delete != Delete::Never;
        let kept = delete.then(|| entry.clone());
        if self.mark(entry)
            && let Some(entry) = kept
        {
            match stay {
                Some(stay) => self.report.stay(&entry.object, stay),
                None => self.removable.push((listed, entry)),
            }
        }
    }

    /// Keeps an entry until what is known of the content it goes on with is added.
    pub(super) fn follow(&mut self, mut entry: Entry, base: Base, rest: Rest, listed: Listed) {
        if rest != Rest::None {
            self.leave(&mut entry, rest, listed.clone());
        }
        self.following.push((entry, base, listed));
    }

    /// Has a file looked at again though it does not change, since something of it was left: now, or by the next run.
    fn leave(&mut self, entry: &mut Entry, rest: Rest, listed: Listed) {
        entry.tag.push('+');
        match rest {
            Rest::More => self.chosen.push_back((listed, 0)),
            Rest::UnfinishedLine => self.report.unfinished += 1,
            Rest::None => {}
        }
    }

    /// Marks files that go on with a content that is done. One whose base nobody knows any more is not marked: the next run
    /// reads it again.
    pub(super) async fn mark_following(&mut self) -> Result<(), Error> {
        let following = std::mem::take(&mut self.following);
        let Some(ledger) = self.ledger.as_ref().filter(|_| !following.is_empty()) else { return Ok(()) };
        let ids = following.iter().map(|(_, base, _)| base.content.id()).collect();
        let mut known = ledger.with_contents(ids).await?;
        for (entry, base, listed) in following {
            let origin = format!("{}{}", self.root, base.name);
            let replaced = replaced_object(&origin, &base.content);
            let before = [origin, replaced].map(|object| known.remove(&(base.content.id(), object)));
            let Some(before) = before.into_iter().flatten().next() else { continue };
            let finished = entry.tag == listed.tag;
            let renamed = before.object != entry.object && before.address() == before.object;
            let entry = entry.following(before.clone());
            if renamed && matches!(self.job.from.find(&base.name).await, Ok(None)) {
                // It has another name now: a copy of it that comes later is a file of its own.
                ledger.mark(Entry { content: None, ..before });
            }
            // The next part of the same file goes on with this one.
            if let Some(content) = &entry.content {
                known.insert((content.id(), entry.object.clone()), entry.clone());
            }
            let marked = ledger.mark(entry);
            if marked && finished && self.job.options.delete != Delete::Never {
                self.known.push(listed);
            }
        }
        Ok(())
    }

    /// Finds out what a killed run made of local files, if there may have been one.
    pub(super) async fn recover(&self) -> Result<(), Error> {
        let Job { to, rejects, recovered, options, .. } = &*self.job;
        let abandoned = self.ledger.as_ref().filter(|ledger| ledger.was_abandoned());
        let Some(ledger) = abandoned.filter(|_| self.is_local() && !options.dry_run) else { return Ok(()) };
        let found = Recovered::list(to.iter().chain(rejects), &ledger.stems().await?).await?;
        // Set once: a run begins once.
        let _ = recovered.set(found);
        Ok(())
    }

    /// Records that an object failed, with its backoff. Ends the run after too many failures of an unreachable place.
    pub(super) fn quarantine(&mut self, mut entry: Entry, reason: &str, cause: Cause) -> Result<(), Error> {
        // The URL is printed next to the reason.
        let about = format!("{}: ", entry.object);
        reason.strip_prefix(&about).unwrap_or(reason).clone_into(&mut entry.reason);
        entry.state = State::Quarantined;
        entry.lasting = cause == Cause::Object;
        entry.next = rest(entry.attempts).map_or(0, |gap| entry.at + gap);
        self.report.fail(&entry.object, &entry.reason);
        self.observer.failed(&entry.object, entry.size, &entry.reason, !entry.lasting);
        self.mark(entry);
        self.in_reach(reason)
    }

    /// Ends the run where too many objects in a row failed.
    pub(super) fn in_reach(&self, reason: &str) -> Result<(), Error> {
        if !self.out_of_reach.contains(&OUT_OF_ORDER) {
            return Ok(());
        }
        Err(Error::Store(format!(
            "{OUT_OF_ORDER} consecutive objects could not be read or written: run again when storage is reachable; the last error: {reason}"
        )))
    }
}
