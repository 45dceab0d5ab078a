//! Why a line or a record was rejected.

use std::borrow::Cow;
use std::fmt;

/// Why a line, or a record within it, was refused (mapping contract, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not UTF-8 text.
    NotUtf8,
    /// Longer than the size limit.
    LineTooLong,
    /// Not JSON.
    NotJson,
    /// JSON, but neither an object nor an array of objects.
    NotObject,
    /// No usable `time`, and no default time given.
    NoTime,
    /// The event is longer than Google's import methods accept. Only where events are put into requests.
    EventTooLarge,
}

impl Reason {
    /// Every reason, in the order in which they are tried.
    pub const ALL: [Self; 6] =
        [Self::NotUtf8, Self::LineTooLong, Self::NotJson, Self::NotObject, Self::NoTime, Self::EventTooLarge];

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name that rejects and summaries carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::LineTooLong => "line_too_long",
            Self::NotJson => "not_json",
            Self::NotObject => "not_object",
            Self::NoTime => "no_time",
            Self::EventTooLarge => "event_too_large",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal: the reason, and a sentence that says what was found where, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal.
    pub reason: Reason,
    /// For a person. Holds no more of the refused text than a token.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into() }
    }
}
