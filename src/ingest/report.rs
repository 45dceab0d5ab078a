//! What a run did.

use super::select::Skip;
use crate::mapping::Notes;
use crate::normalize::Summary;
use crate::refusal::Reason;
use crate::udm::EventType;
use std::collections::BTreeMap;

/// The counts of one run.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects listed.
    pub listed: u64,
    /// Objects not read, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Objects whose events and rejects are durable.
    pub done: u64,
    /// Among them those whose output stood already, with the same bytes.
    pub standing: u64,
    /// Objects that failed, in this run.
    pub failed: u64,
    /// Some of them, with their reasons: at most [`Report::NAMED`].
    pub failures: Vec<(String, String)>,
    /// Source objects removed.
    pub deleted: u64,
    /// Source objects that could not be removed.
    pub not_deleted: u64,
    /// Bytes read, as stored.
    pub bytes_stored: u64,
    /// Bytes read, unpacked.
    pub bytes_in: u64,
    /// Bytes of events, unpacked.
    pub bytes_out: u64,
    /// Records read.
    pub records: u64,
    /// Events written.
    pub events: u64,
    /// Events by type, by name.
    pub events_by_type: Vec<(EventType, u64)>,
    /// Records refused.
    pub rejects: u64,
    /// Rejects by reason, in the order of [`Reason::ALL`].
    pub rejects_by_reason: [u64; Reason::ALL.len()],
    /// Notes by kind.
    pub notes: Notes,
    /// Whether the run was stopped before it was through.
    pub stopped: bool,
}

impl Report {
    /// How many failures are named.
    pub const NAMED: usize = 100;

    pub(super) fn skip(&mut self, skip: Skip) {
        *self.skipped.entry(skip).or_default() += 1;
    }

    pub(super) fn fail(&mut self, object: &str, reason: &str) {
        self.failed += 1;
        if self.failures.len() < Self::NAMED {
            self.failures.push((object.to_owned(), reason.to_owned()));
        }
    }

    pub(super) fn add(&mut self, stored: u64, summary: &Summary) {
        self.done += 1;
        self.bytes_stored += stored;
        self.bytes_in += summary.bytes_in;
        self.bytes_out += summary.bytes_out;
        self.records += summary.records;
        self.events += summary.events;
        self.rejects += summary.rejects;
        self.notes.merge(&summary.notes);
        for (sum, count) in self.rejects_by_reason.iter_mut().zip(summary.rejects_by_reason) {
            *sum += count;
        }
        for (event_type, more) in &summary.events_by_type {
            match self.events_by_type.iter_mut().find(|(known, _)| known.number() == event_type.number()) {
                Some((_, count)) => *count += more,
                None => self.events_by_type.push((*event_type, *more)),
            }
        }
        self.events_by_type.sort_by_key(|(event_type, _)| event_type.name());
    }

    /// How many objects were skipped for a reason.
    #[must_use]
    pub fn skipped_for(&self, skip: Skip) -> u64 {
        self.skipped.get(&skip).copied().unwrap_or_default()
    }
}
