//! How the processing of an object ended.

use super::content_id::ContentId;
use super::convert::ConvertError;
use crate::error::{Failure, RunError};
use crate::normalize::Summary;
use crate::progress::Skip;
use crate::store::{self, ObjectMeta};

/// The outcome of an object.
pub(super) enum Outcome {
    Done(Box<Ingested>),
    Skipped(Skip),
    /// All there is to read of a local file is done: by another name, or at another time of modification.
    Known {
        base: DonePart,
        rest: Remainder,
    },
    Failed {
        generation: String,
        reason: String,
        cause: FailureCause,
    },
    /// It would be read.
    Selected,
    /// The run cannot continue.
    Fatal(RunError),
    Stopped,
}

/// Where the cause of a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureCause {
    /// In the object: it fails every time.
    Object,
    /// In something transient.
    Transient,
    /// The source is unreachable; the object may be fine.
    Source,
    /// The destination is unreachable.
    Destination,
}

/// A processed object.
pub(super) struct Ingested {
    pub(super) generation: String,
    pub(super) stored: u64,
    pub(super) output: String,
    pub(super) already_present: bool,
    pub(super) summary: Summary,
    /// Some rejects, formatted for the log, if nothing stores them.
    pub(super) logged_rejects: Vec<String>,
    /// Of a local file: what was read of it.
    pub(super) part: Option<ReadPart>,
    /// The stem of its outputs.
    pub(super) stem: String,
}

impl Outcome {
    /// Returns whether more of a local file is to be read at once.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Known { rest, .. } => *rest == Remainder::More,
            Self::Done(ingested) => ingested.part.as_ref().is_some_and(|part| part.rest == Remainder::More),
            _ => false,
        }
    }

    /// Returns the outcome of an object that could not be converted.
    pub(super) fn not_converted(
        url: &str,
        listed: &ObjectMeta,
        generation: String,
        error: ConvertError,
    ) -> Self {
        match error {
            ConvertError::Fetch(error) => Self::not_fetched(url, listed, error),
            ConvertError::Content(reason) => Self::failed(generation, reason, FailureCause::Object),
            ConvertError::Changed => {
                Self::failed(generation, "changed while being read", FailureCause::Transient)
            }
            ConvertError::Disk(error) => {
                let what = format!("writing a temporary file failed: {error}");
                let failure = Failure::new(what, "set TMPDIR to a disk with free space");
                Self::Fatal(RunError::Storage(failure.caused_by(error)))
            }
            ConvertError::Output(error) => Self::Fatal(RunError::Output(error)),
            ConvertError::CollectorState => Self::Skipped(Skip::CollectorState),
            ConvertError::Stopped => Self::Stopped,
        }
    }

    /// Returns the outcome of an object that could not be fetched.
    pub(super) fn not_fetched(url: &str, listed: &ObjectMeta, error: store::Error) -> Self {
        match error {
            store::Error::NotFound { .. } if listed.size == 0 => Self::Skipped(Skip::Placeholder),
            store::Error::NotFound { .. } => Self::Skipped(Skip::Gone),
            store::Error::Credentials { .. } => Self::Fatal(error.into()),
            error => {
                let cause = match error {
                    store::Error::Invalid { .. } => FailureCause::Object,
                    _ if error.is_transient() => FailureCause::Source,
                    _ => FailureCause::Transient,
                };
                Self::failed("", error.reason_at(url), cause)
            }
        }
    }

    pub(super) fn failed(
        generation: impl Into<String>,
        reason: impl Into<String>,
        cause: FailureCause,
    ) -> Self {
        Self::Failed {
            generation: generation.into(),
            reason: crate::redact::redact(&reason.into()).into_owned(),
            cause,
        }
    }
}

/// The part of a local file that was done before: its content, and the name of the file that had it.
pub(super) struct DonePart {
    pub(super) content: ContentId,
    pub(super) name: String,
}

/// The part of a local file that was read.
pub(super) struct ReadPart {
    /// All of the file up to the end of the part.
    pub(super) content: ContentId,
    /// The part that was done before.
    pub(super) base: Option<DonePart>,
    /// The stem of its outputs.
    pub(super) stem: String,
    /// What is left of the file.
    pub(super) rest: Remainder,
}

/// What is left of a local file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remainder {
    None,
    /// A line that has no end yet.
    UnfinishedLine,
    /// What a killed run had not read.
    More,
}
