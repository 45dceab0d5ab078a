//! What a run of `ingest` or `collect` reports while it works.

/// Observes a run. Called from one task; must not block.
pub trait Observer: Send + Sync {
    /// Something the user should know about the whole run.
    fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }
    /// An event of interest.
    fn info(&self, _message: &str) {}
    /// A request and its response, without secrets.
    fn trace(&self, _message: &str) {}
    /// What happened to an object of `ingest`.
    fn object(&self, _object: &str, _event: ObjectEvent<'_>) {}
}

/// Observes nothing; warnings are logged.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopObserver;

impl Observer for NoopObserver {}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectEvent<'a> {
    /// It will be read, or would be in a dry run.
    Selected {
        /// In bytes, as stored.
        size: u64,
    },
    /// It is skipped.
    Skipped(Skip),
    /// It is skipped because it failed and is in backoff.
    Backoff {
        /// Why it failed.
        reason: &'a str,
        /// Whether the failure is permanent.
        permanent: bool,
    },
    /// It is done.
    Done {
        /// In bytes, as stored.
        size: u64,
        /// The number of its events.
        events: u64,
    },
    /// It failed.
    Failed {
        /// In bytes, as stored; 0 if unknown.
        size: u64,
        /// Why it failed.
        reason: &'a str,
        /// Whether the failure is permanent.
        permanent: bool,
    },
}

/// Why an object is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The ledger records this version as done.
    Done,
    /// It failed and is in backoff.
    Waiting,
    /// Another run holds its segment of the ledger.
    HeldByOther,
    /// It belongs to another shard.
    OtherShard,
    /// It is older than the maximum age.
    TooOld,
    /// It matches no `--include`.
    NotIncluded,
    /// It matches an `--exclude`.
    Excluded,
    /// It is a file of a collector: its state, or a file next to it.
    CollectorState,
    /// It is an output, a reject file or a ledger of this program.
    Own,
    /// It is a placeholder for a directory.
    Placeholder,
    /// It was deleted after it was listed.
    Gone,
    /// It is a local file that may still be growing.
    Settling,
}

impl Skip {
    /// All reasons, in the order of a summary.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Waiting,
        Self::HeldByOther,
        Self::OtherShard,
        Self::TooOld,
        Self::NotIncluded,
        Self::Excluded,
        Self::CollectorState,
        Self::Own,
        Self::Placeholder,
        Self::Gone,
        Self::Settling,
    ];

    /// Returns the name in summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::HeldByOther => "held_by_another_run",
            Self::OtherShard => "other_shard",
            Self::TooOld => "too_old",
            Self::NotIncluded => "not_included",
            Self::Excluded => "excluded",
            Self::CollectorState => "collector_state",
            Self::Own => "own_output",
            Self::Placeholder => "directory_placeholder",
            Self::Gone => "gone",
            Self::Settling => "settling",
        }
    }
}
