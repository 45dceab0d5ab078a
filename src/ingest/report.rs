//! The report of a run.

use crate::normalize::Summary;
use crate::progress::Skip;
use std::collections::BTreeMap;

/// The counts of one run.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects listed.
    pub listed: u64,
    /// Objects skipped, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Objects that would be read, in a dry run.
    pub would_read: u64,
    /// Objects whose events and rejects are durable.
    pub done: u64,
    /// Of these, objects whose output already existed with the same bytes.
    pub already_present: u64,
    /// Objects that failed in this run.
    pub failed: u64,
    /// Some of them, with their reasons: at most [`Report::NAMED`].
    pub failures: Vec<(String, String)>,
    /// Source objects deleted.
    pub deleted: u64,
    /// Source objects that were to be deleted but were kept.
    pub not_deleted: u64,
    /// Some of them, with their reasons: at most [`Report::NAMED`].
    pub undeleted: Vec<(String, String)>,
    /// Of these, objects with rejected records that are stored nowhere else.
    pub without_rejects: u64,
    /// Among them those that stay because all of their records were rejected.
    pub all_rejected: u64,
    /// Of these, objects that an earlier run processed and whose output is not at the destination.
    pub without_output: u64,
    /// Of these, objects that version 0.1.0 processed.
    pub old_rules: u64,
    /// Bytes read, as stored.
    pub bytes_stored: u64,
    /// The counts of all records in these objects.
    pub summary: Summary,
    /// Local files whose last line was left, because it has no end yet.
    pub unfinished: u64,
    /// Whether the run was stopped early.
    pub stopped: bool,
}

impl Report {
    /// The number of failures that are listed.
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

    pub(super) fn record_undeleted(&mut self, object: &str, reason: &str) {
        self.not_deleted += 1;
        if self.undeleted.len() < Self::NAMED {
            self.undeleted.push((object.to_owned(), reason.to_owned()));
        }
    }

    /// Adds a source object that was to be deleted but was kept.
    pub(super) fn record_kept(&mut self, object: &str, reason: KeepReason) {
        match reason {
            KeepReason::Changed => return,
            KeepReason::Rejects => self.without_rejects += 1,
            KeepReason::NoEvents => self.all_rejected += 1,
            KeepReason::Output => self.without_output += 1,
            KeepReason::OldRules => self.old_rules += 1,
            KeepReason::Above => self.deleted += 1,
        }
        self.record_undeleted(object, reason.message());
    }

    pub(super) fn add(&mut self, stored: u64, summary: &Summary) {
        self.done += 1;
        self.bytes_stored += stored;
        self.summary.merge(summary);
    }

    /// Returns how many objects were skipped for a reason.
    #[must_use]
    pub fn skipped_for(&self, skip: Skip) -> u64 {
        self.skipped.get(&skip).copied().unwrap_or_default()
    }
}

/// Why a source is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepReason {
    /// It has another version by now, or is gone.
    Changed,
    /// Some of its records were rejected, and the rejects are stored nowhere.
    Rejects,
    /// All records of it were rejected: it may be another log, or flags may be wrong.
    NoEvents,
    /// An earlier run processed it for another destination, or one that was emptied since.
    Output,
    /// Version 0.1.0 processed it, and may have made empty events of sign-ins.
    OldRules,
    /// It was deleted, but an empty directory above it could not be.
    Above,
}

impl KeepReason {
    /// Returns the message.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Changed => "it has changed",
            Self::Rejects => "some of its records were rejected and stored nowhere else",
            Self::NoEvents => "all of its records were rejected",
            Self::Output => "the output of an earlier run is missing at --to",
            Self::OldRules => "version 0.1.0 processed it, which did not read sign-ins and webhook events",
            Self::Above => "it was deleted, but its empty parent directory was not",
        }
    }
}
