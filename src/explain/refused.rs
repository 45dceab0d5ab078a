//! A reject explained: what is wrong, what was expected, what to do.

use super::Raw;
use crate::refusal::{Reason, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The reason's name, as rejects carry it.
    pub reason: &'static str,
    /// The whole sentence, as rejects carry it.
    pub message: String,
    /// What was found.
    pub what: String,
    /// What was expected.
    pub expected: &'static str,
    /// What to do.
    pub cure: &'static str,
}

impl Refused {
    pub(super) fn new(refusal: &Refusal) -> Self {
        let (end, expected, cure) = words(refusal.reason);
        let what = end.iter().find_map(|end| refusal.message.rsplit_once(end)).map(|(what, _)| what);
        Self {
            reason: refusal.reason.name(),
            what: what.unwrap_or(&refusal.message).to_owned(),
            message: refusal.message.clone().into_owned(),
            expected,
            cure,
        }
    }
}

/// What ends what was found in a reason's sentence; what is expected; what to do.
fn words(reason: Reason) -> (&'static [&'static str], &'static str, &'static str) {
    match reason {
        Reason::NotUtf8 => (
            &["; expected "],
            "text in UTF-8",
            "convert the file to UTF-8, or see where it was cut or what else was mixed into it",
        ),
        Reason::LineTooLong => (
            &["; raise "],
            "one record a line, no longer than the limit",
            "raise --max-line-bytes if it is a record; otherwise look for a missing newline",
        ),
        Reason::NotJson => (
            &["; expected "],
            "valid JSON: one object a line, an array of objects, or a page of Zoom's API",
            "look whether the text was cut short or edited on its way, and fetch it again",
        ),
        Reason::NotObject => (
            &[", expected ", ", a record is "],
            "one JSON object a record, like {\"time\":…,\"operator\":…}",
            "take it out, or hand over the records and not what they are wrapped in",
        ),
        Reason::NoTime => (
            &["; expected "],
            "a \"time\" in RFC 3339, like 2019-08-20T19:09:01Z, or 10 or 13 digits since the epoch",
            "mend the time, or choose a default time (--default-time)",
        ),
        Reason::EventTooLarge => (
            &["; shorten "],
            "a record whose event fits into one request",
            "shorten the record, or write events with --format udm",
        ),
    }
}

/// How much is shown of what is longer than the limit for a line.
const START: usize = 1024;

/// A record's bytes, as they can be shown.
pub(super) fn raw(bytes: &[u8], refusal: Option<&Refusal>) -> Raw {
    if refusal.is_some_and(|refusal| refusal.reason == Reason::LineTooLong) {
        return Raw::Start(BASE64.encode(&bytes[..bytes.len().min(START)]));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Raw::Text(text.to_owned()),
        Err(_) => Raw::Base64(BASE64.encode(bytes)),
    }
}
