//! The counts of a run.

use crate::mapping::{Diagnostic, DiagnosticCounts};
use crate::record::RecordKind;
use crate::reject::RejectReason;
use crate::udm::EventType;
use std::io;
use std::sync::Arc;

/// The counts of one run.
#[derive(Debug, Default)]
pub struct Summary {
    /// Records read; each became an event or a reject.
    pub records: u64,
    /// Events written.
    pub events: u64,
    /// Events by the name of their type.
    pub events_by_type: Vec<(EventType, u64)>,
    /// Events by the kind of their record, in the order of [`RecordKind::ALL`].
    pub events_by_kind: [u64; RecordKind::ALL.len()],
    /// Rejects.
    pub rejects: u64,
    /// Rejects by reason, in the order of [`RejectReason::ALL`].
    pub rejects_by_reason: [u64; RejectReason::ALL.len()],
    /// Notes by kind.
    pub notes: DiagnosticCounts,
    /// Bytes read, decompressed.
    pub bytes_in: u64,
    /// Bytes of events.
    pub bytes_out: u64,
    /// Inputs that could not be read, or not to their end.
    pub failures: Vec<Failure>,
    /// Inputs that were read to their end with something left out that was not gzip.
    pub warnings: Vec<Warning>,
    /// Whether the run stopped early: at a reject under `strict`, or by a signal.
    pub stopped: bool,
}

/// An input that could not be read to its end.
#[derive(Debug)]
pub struct Failure {
    /// Its name.
    pub input: Arc<str>,
    /// How many of its bytes, decompressed, were read.
    pub offset: u64,
    /// The error.
    pub error: io::Error,
}

/// What the owner of an input should know though all of it was read.
#[derive(Debug)]
pub struct Warning {
    /// Its name.
    pub input: Arc<str>,
    /// What was found and done.
    pub message: String,
}

/// The counts of one block.
#[derive(Debug, Default)]
pub(super) struct BlockCounts {
    pub(super) records: u64,
    pub(super) notes: DiagnosticCounts,
    /// Line ends.
    pub(super) lines: u64,
    events: Vec<(EventType, u64)>,
    kinds: [u64; RecordKind::ALL.len()],
    rejects: [u64; RejectReason::ALL.len()],
}

impl BlockCounts {
    #[inline]
    pub(super) fn event(&mut self, event_type: EventType, kind: RecordKind) {
        add(&mut self.events, event_type, 1);
        self.kinds[kind as usize] += 1;
    }

    pub(super) fn rejected(&mut self, reason: RejectReason, times: u64) {
        self.rejects[reason as usize] += times;
    }
}

#[inline]
fn add(counts: &mut Vec<(EventType, u64)>, event_type: EventType, more: u64) {
    match counts.iter_mut().find(|(known, _)| known.number() == event_type.number()) {
        Some((_, count)) => *count += more,
        None => counts.push((event_type, more)),
    }
}

impl Summary {
    /// Adds the counts of another run over other inputs, except its failures.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.events += other.events;
        self.rejects += other.rejects;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.notes.merge(&other.notes);
        for (sum, count) in self.rejects_by_reason.iter_mut().zip(other.rejects_by_reason) {
            *sum += count;
        }
        for (sum, count) in self.events_by_kind.iter_mut().zip(other.events_by_kind) {
            *sum += count;
        }
        for (event_type, more) in &other.events_by_type {
            add(&mut self.events_by_type, *event_type, *more);
        }
        self.events_by_type.sort_by_key(|(event_type, _)| event_type.name());
    }

    /// Returns the number of events of records of this kind.
    #[must_use]
    pub fn events_of(&self, kind: RecordKind) -> u64 {
        self.events_by_kind[kind as usize]
    }

    /// Returns the number of rejects with this reason.
    #[must_use]
    pub fn rejects_for(&self, reason: RejectReason) -> u64 {
        self.rejects_by_reason[reason as usize]
    }

    /// Returns the number of notes of this kind.
    #[must_use]
    pub fn notes_of(&self, note: Diagnostic) -> u64 {
        self.notes.count(note)
    }

    /// Adds the counts of one block, and the bytes of its events.
    pub(super) fn add(&mut self, counts: BlockCounts, bytes_out: u64) {
        self.records += counts.records;
        self.bytes_out += bytes_out;
        self.notes.merge(&counts.notes);
        for (event_type, count) in counts.events {
            self.events += count;
            add(&mut self.events_by_type, event_type, count);
        }
        for (sum, count) in self.events_by_kind.iter_mut().zip(counts.kinds) {
            *sum += count;
        }
        for (sum, count) in self.rejects_by_reason.iter_mut().zip(counts.rejects) {
            *sum += count;
            self.rejects += count;
        }
        self.events_by_type.sort_by_key(|(event_type, _)| event_type.name());
    }
}
