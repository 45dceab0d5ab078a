//! Why a line or a record was rejected.

use std::borrow::Cow;
use std::fmt;

/// Why a line, or a record in it, was rejected (docs/mapping-rules.md, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Not UTF-8.
    NotUtf8,
    /// Longer than the line limit.
    LineTooLong,
    /// Not JSON.
    NotJson,
    /// JSON, but neither an object nor an array of objects.
    NotObject,
    /// An object that is not a record of Zoom.
    UnknownRecord,
    /// No usable `time`, and no default time.
    NoTime,
    /// The event is longer than Google's import methods accept. Only where events are put into requests.
    EventTooLarge,
}

impl RejectReason {
    /// All reasons, in the order in which they are checked.
    pub const ALL: [Self; 7] = [
        Self::NotUtf8,
        Self::LineTooLong,
        Self::NotJson,
        Self::NotObject,
        Self::UnknownRecord,
        Self::NoTime,
        Self::EventTooLarge,
    ];

    /// Returns the reason with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Returns the name in rejects and summaries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::LineTooLong => "line_too_long",
            Self::NotJson => "not_json",
            Self::NotObject => "not_object",
            Self::UnknownRecord => "unknown_record",
            Self::NoTime => "no_time",
            Self::EventTooLarge => "event_too_large",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rejection: the reason, and a message that says what was found where, what was expected, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// The reason.
    pub reason: RejectReason,
    /// The message for people. Contains at most one token of the rejected text.
    pub message: Cow<'static, str>,
    /// The length of what the message says was found; the rest says what was expected, and what to do.
    finding: usize,
}

impl Rejection {
    /// Creates a rejection. The message ends with `advice`, which says what was expected, and what to do; it may be empty.
    pub fn new(reason: RejectReason, message: impl Into<Cow<'static, str>>, advice: &str) -> Self {
        let message = message.into();
        debug_assert!(message.ends_with(advice), "{message:?} does not end with {advice:?}");
        let finding = message.len().saturating_sub(advice.len());
        Self { reason, message, finding }
    }

    /// Returns the part of the message that says what was found.
    #[must_use]
    pub fn finding(&self) -> &str {
        self.message.get(..self.finding).unwrap_or(&self.message)
    }
}
