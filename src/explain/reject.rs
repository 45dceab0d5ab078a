//! Explains a reject: what was found, what was expected, what to do.

use crate::reject::{RejectReason, Rejection};
use serde::Serialize;

/// Why a record was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectExplanation {
    /// The name of the reason, as in rejects.
    pub reason: &'static str,
    /// The whole message, as in rejects.
    pub message: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: &'static str,
    /// What to do.
    pub hint: &'static str,
}

impl RejectExplanation {
    pub(super) fn new(rejection: &Rejection) -> Self {
        let (expected, hint) = describe(rejection.reason);
        Self {
            reason: rejection.reason.name(),
            found: rejection.finding().to_owned(),
            message: rejection.message.clone().into_owned(),
            expected,
            hint,
        }
    }
}

/// Returns what is expected instead of what is rejected for a reason, and what to do.
fn describe(reason: RejectReason) -> (&'static str, &'static str) {
    match reason {
        RejectReason::NotUtf8 => {
            ("UTF-8 text", "convert the file to UTF-8, or check it for truncation or mixed encodings")
        }
        RejectReason::LineTooLong => (
            "one record per line, within the limit",
            "raise --max-line-bytes if it is a record; otherwise look for a missing newline",
        ),
        RejectReason::NotJson => (
            "valid JSON: one object per line, an array of objects, or a page of Zoom's API",
            "check whether the text was truncated or edited, and fetch it again",
        ),
        RejectReason::NotObject => (
            "one JSON object per record, like {\"time\":…,\"operator\":…}",
            "remove it, or pass the records without their wrapper",
        ),
        RejectReason::UnknownRecord => (
            "an operation log (operator, category_type, action or operation_detail), a sign-in (type and email) or \
             a webhook event (event and payload)",
            "remove it if it is an API error or of another log, or leave its file out",
        ),
        RejectReason::NoTime => (
            "a \"time\" in RFC 3339, like 2019-08-20T19:09:01Z, or 10 or 13 digits since the epoch",
            "fix the time, or pass --default-time",
        ),
        RejectReason::EventTooLarge => (
            "a record whose event fits into one request",
            "shorten the record, or write events with --format udm",
        ),
    }
}
