//! Why a request is refused.

use crate::serve::response::ApiResponse;

/// A refused request: why, and its response.
pub(super) type Refused = (Refusal, ApiResponse);

/// Why a request is refused, as a metric counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The signature headers are missing, repeated or malformed.
    Unsigned,
    /// The signature is not that of the body.
    Signature,
    /// The timestamp is outside the replay window.
    Timestamp,
    TooLarge,
    /// The body did not arrive completely, or not in time.
    Incomplete,
    /// The body is not one JSON object.
    Malformed,
    /// The memory for bodies is occupied.
    Overloaded,
    /// The event could not be stored.
    Storage,
}

impl Refusal {
    pub(crate) const ALL: [Self; 8] = [
        Self::Unsigned,
        Self::Signature,
        Self::Timestamp,
        Self::TooLarge,
        Self::Incomplete,
        Self::Malformed,
        Self::Overloaded,
        Self::Storage,
    ];

    /// Returns the name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
            Self::Malformed => "malformed",
            Self::Overloaded => "overloaded",
            Self::Storage => "storage",
        }
    }
}
