//! Responses to pushes, chosen so that Pub/Sub repeats what should be repeated and nothing else.
//!
//! | status | outcome | what Pub/Sub does |
//! |---|---|---|
//! | 200 | `done`: the work is durable | acknowledges |
//! | 200 | `ignored`: nothing to do, with the reason | acknowledges |
//! | 400, 413, 415, 422 | `invalid`: will never succeed | repeats until the dead-letter topic receives it |
//! | 401, 403 | `denied`: the caller is not authorized | the same |
//! | 408, 409, 503 | `retry`: may succeed later, after `Retry-After` | repeats |
//! | 500 | `error`: settings, access or the state need an operator | repeats |
//!
//! Responses never contain a path, a URL or a secret; those go to the log.

use crate::redact;
use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// The severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Info,
    Warning,
    Error,
}

/// What the log says about a request, beyond the response.
#[derive(Debug, Clone)]
pub(super) struct LogNote {
    pub(super) severity: Severity,
    pub(super) text: String,
}

impl LogNote {
    /// Writes a log line of its own, apart from that of a request.
    fn log(&self) {
        match self.severity {
            Severity::Info => tracing::info!("{}", self.text),
            Severity::Warning => tracing::warn!("{}", self.text),
            Severity::Error => tracing::error!("{}", self.text),
        }
    }
}

/// The notes for the log line of a request. The line is written after the response was sent, and notes can be added
/// until then.
#[derive(Debug, Clone, Default)]
pub(super) struct LogNoteHandle(Arc<Mutex<Option<LogNote>>>);

impl LogNoteHandle {
    pub(super) fn of(severity: Severity, text: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(Some(LogNote { severity, text: text.into() }))))
    }

    /// Keeps the higher severity of two notes, with both texts.
    pub(super) fn add(&self, severity: Severity, text: &str) {
        let mut note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *note = Some(match note.take() {
            None => LogNote { severity, text: text.to_owned() },
            Some(known) => {
                LogNote { severity: known.severity.max(severity), text: format!("{}; {text}", known.text) }
            }
        });
    }

    pub(super) fn take(&self) -> Option<LogNote> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The response, and the note for the log.
#[derive(Debug, Clone)]
pub(super) struct ApiResponse {
    status: StatusCode,
    outcome: &'static str,
    /// The body for the caller.
    message: String,
    counts: Map<String, Value>,
    retry_after: Option<u32>,
    /// The scheme by which a caller can authenticate.
    challenge: Option<&'static str>,
    note: Option<Box<LogNote>>,
}

impl ApiResponse {
    fn new(status: StatusCode, outcome: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, outcome, message, counts: Map::new(), retry_after: None, challenge: None, note: None }
    }

    /// The work is durable.
    pub(super) fn done(message: impl Into<String>, counts: Value) -> Self {
        let counts = if let Value::Object(counts) = counts { counts } else { Map::new() };
        Self { counts, ..Self::new(StatusCode::OK, "done", message) }
    }

    /// There is nothing to do.
    pub(super) fn ignored(why: impl Into<String>) -> Self {
        let response = Self::new(StatusCode::OK, "ignored", why);
        let message = response.message.clone();
        response.with_log(Severity::Info, format!("ignored: {message}"))
    }

    /// The request is malformed.
    pub(super) fn bad_request(why: impl Into<String>) -> Self {
        Self::invalid_body(StatusCode::BAD_REQUEST, why)
    }

    /// The request is valid but cannot succeed.
    pub(super) fn unprocessable(why: impl Into<String>) -> Self {
        Self::invalid_body(StatusCode::UNPROCESSABLE_ENTITY, why)
    }

    pub(super) fn too_large(why: impl Into<String>) -> Self {
        Self::invalid_body(StatusCode::PAYLOAD_TOO_LARGE, why)
    }

    pub(super) fn unsupported_media_type(why: impl Into<String>) -> Self {
        Self::invalid_body(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)
    }

    fn invalid_body(status: StatusCode, why: impl Into<String>) -> Self {
        let response = Self::new(status, "invalid", why);
        let message = response.message.clone();
        response.with_log(Severity::Warning, format!("invalid: {message}"))
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "retry", "the body did not arrive in time; retry")
    }

    /// The request may succeed later.
    pub(super) fn retry_later(why: impl Into<String>, seconds: u32) -> Self {
        let response = Self::new(StatusCode::SERVICE_UNAVAILABLE, "retry", why);
        Self { retry_after: Some(seconds), ..response }
    }

    pub(super) fn too_many(seconds: u32) -> Self {
        Self::retry_later("too many requests at once; retry", seconds)
    }

    /// Another process works on the same.
    pub(super) fn conflict(why: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, ..Self::retry_later(why, 60) }
    }

    pub(super) fn stopping() -> Self {
        Self::retry_later("the service is shutting down; retry", 1)
    }

    /// An operator must act.
    pub(super) fn internal_error(why: impl Into<String>) -> Self {
        let response = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "error", why);
        Self { retry_after: Some(300), ..response }
    }

    /// The work ended in a panic, whose message is on standard error only.
    pub(super) fn panicked() -> Self {
        Self::internal_error("internal error; see the log")
            .with_log(Severity::Error, "error: an internal error (panic); please report it")
    }

    /// The caller is not authenticated. Only the log says why.
    pub(super) fn unauthenticated(why: &str) -> Self {
        let message = "a Google-signed token for this service is required";
        Self { challenge: Some("Bearer"), ..Self::new(StatusCode::UNAUTHORIZED, "denied", message) }
            .with_log(Severity::Warning, format!("denied: {why}"))
    }

    /// The request is not signed by Zoom for this service. Only the log says why.
    pub(super) fn unsigned(severity: Severity, why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "denied", "Zoom's signature for this service is required")
            .with_log(severity, format!("denied: {why}"))
    }

    pub(super) fn forbidden(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", "this caller is not allowed")
            .with_log(Severity::Warning, format!("denied: {why}"))
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "denied", "unknown or disabled endpoint")
    }

    /// Combines the responses for several tasks, by name: the most serious one decides, so that Pub/Sub repeats what any
    /// of them needs repeated. Each keeps its own outcome and counts. The response for a single task is its own.
    pub(super) fn combine(mut tasks: Vec<(&'static str, Self)>) -> Self {
        if tasks.len() < 2 {
            return tasks.pop().map_or_else(Self::not_found, |(_, response)| response);
        }
        let worst = tasks.iter().max_by_key(|(_, response)| response.seriousness());
        let mut combined =
            worst.map_or_else(Self::not_found, |(_, worst)| Self { counts: Map::new(), ..worst.clone() });
        let notes = tasks.iter().filter_map(|(name, response)| Some((name, response.note.as_ref()?)));
        let severity = notes.clone().map(|(_, note)| note.severity).max().unwrap_or(Severity::Info);
        let texts: Vec<_> = notes.map(|(name, note)| format!("{name}: {}", note.text)).collect();
        combined.note = Some(Box::new(LogNote { severity, text: texts.join("; ") }));
        for (name, response) in tasks {
            let mut part = response.counts;
            part.insert("outcome".into(), response.outcome.into());
            part.insert("message".into(), redact::redact(&response.message).into());
            combined.counts.insert(name.into(), part.into());
        }
        combined
    }

    /// Ranks responses: an operator must act, storage or Zoom fails, another process is working, all is done.
    fn seriousness(&self) -> (u8, Option<Severity>) {
        let rank = match self.status.as_u16() {
            500 => 3,
            503 => 2,
            409 => 1,
            _ => 0,
        };
        (rank, self.note.as_ref().map(|note| note.severity))
    }

    /// Adds a note that only the log shows.
    pub(super) fn with_log(self, severity: Severity, text: impl Into<String>) -> Self {
        Self { note: Some(Box::new(LogNote { severity, text: text.into() })), ..self }
    }

    /// Logs the note now, and returns the response without it, so that several requests with this response do not
    /// repeat the note.
    pub(super) fn logged(mut self) -> Self {
        if let Some(note) = self.note.take() {
            note.log();
        }
        self
    }

    /// Returns the message for the caller.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn outcome(&self) -> &'static str {
        self.outcome
    }
}

impl From<crate::error::RunError> for ApiResponse {
    fn from(error: crate::error::RunError) -> Self {
        use crate::error::RunError;
        let text = error.to_string();
        match error {
            RunError::Locked(_) => Self::conflict("another process is working on the same data")
                .with_log(Severity::Warning, text),
            RunError::Access(_) => {
                Self::internal_error("access denied; see the log").with_log(Severity::Error, text)
            }
            RunError::Usage(_) => {
                Self::internal_error("invalid settings; see the log").with_log(Severity::Error, text)
            }
            RunError::Corrupt(_) => {
                Self::internal_error("the ledger or the state cannot be read; see the log")
                    .with_log(Severity::Error, text)
            }
            RunError::Zoom(_) => Self::retry_later("Zoom returns no usable responses; see the log", 60)
                .with_log(Severity::Error, text),
            RunError::Storage(_) | RunError::Output(_) => {
                Self::retry_later("storage is unreachable; see the log", 30).with_log(Severity::Error, text)
            }
        }
    }
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        let mut body = self.counts;
        body.insert("outcome".into(), self.outcome.into());
        body.insert("message".into(), redact::redact(&self.message).into());
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(note) = self.note {
            response.extensions_mut().insert(LogNoteHandle::of(note.severity, note.text));
        }
        response
    }
}
