//! The access log: follows a request to the last byte of its response, counts it, and writes one line.

use super::app_state::{AppState, ClientAddr};
use super::response::{LogNoteHandle, Severity};
use crate::{logging, redact};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, USER_AGENT};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// Paths that are counted by name; all others count as `other`.
const ROUTES: [&str; 9] =
    ["/", "/healthz", "/readyz", "/metrics", "/collect", "/ingest", "/normalize", "/explain", "/webhook"];

/// An active request. Dropping it writes its log line.
pub(super) struct AccessLogEntry {
    state: Arc<AppState>,
    method: Method,
    path: String,
    pub(super) route: &'static str,
    head: RequestMeta,
    started: Instant,
    /// `None` if the client disconnected before the response.
    status: Option<u16>,
    sent: u64,
    /// Whether the response was sent completely.
    complete: bool,
    notes: Option<LogNoteHandle>,
    /// Released when the request ends.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// The parts of the head that are logged.
struct RequestMeta {
    size: Option<String>,
    agent: Option<String>,
    trace: Option<String>,
    peer: Option<String>,
    protocol: String,
}

impl AccessLogEntry {
    pub(super) fn new(state: &Arc<AppState>, request: &Request) -> Self {
        let path = redact::redact_and_truncate(request.uri().path(), 200);
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let route = ROUTES.into_iter().find(|route| *route == path).unwrap_or("other");
        state.metrics.in_flight.inc();
        Self {
            state: Arc::clone(state),
            method: request.method().clone(),
            route,
            path,
            head: RequestMeta {
                size: text(CONTENT_LENGTH).map(str::to_owned),
                agent: text(USER_AGENT).map(|agent| redact::redact_and_truncate(agent, 200)),
                trace: trace(request.headers(), state.options.project.as_deref()),
                peer: request.extensions().get::<ClientAddr>().map(|peer| peer.0.ip().to_string()),
                protocol: format!("{:?}", request.version()),
            },
            started: Instant::now(),
            status: None,
            sent: 0,
            complete: false,
            notes: None,
            permit: None,
        }
    }

    pub(super) fn attach(mut self, response: Response) -> Response {
        let (mut parts, inner) = response.into_parts();
        self.status = Some(parts.status.as_u16());
        // There is nothing to send except the head.
        self.complete = self.method == Method::HEAD;
        self.notes = parts.extensions.remove::<LogNoteHandle>();
        Response::from_parts(parts, Body::new(LoggedBody { inner, entry: self }))
    }

    fn line(&self, status: u16) -> String {
        let mut request = serde_json::json!({
            "requestMethod": self.method.as_str(),
            "requestUrl": self.path,
            "status": status,
            "responseSize": self.sent.to_string(),
            "latency": format!("{:.6}s", self.started.elapsed().as_secs_f64()),
            "protocol": self.head.protocol,
        });
        let more = [
            ("requestSize", &self.head.size),
            ("userAgent", &self.head.agent),
            ("remoteIp", &self.head.peer),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                request[name] = value.as_str().into();
            }
        }
        request.to_string()
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        self.permit = None;
        let metrics = &self.state.metrics;
        metrics.in_flight.dec();
        // nginx's status for clients that disconnected.
        let status = self.status.unwrap_or(499);
        metrics.request(self.route, status, self.started.elapsed());
        let mut severity = if status >= 500 { Severity::Warning } else { Severity::Info };
        let mut text = format!("{} {} {status}", self.method, self.path);
        if let Some(note) = self.notes.as_ref().and_then(LogNoteHandle::take) {
            severity = severity.max(note.severity);
            text.push_str(&format!(": {}", note.text));
        }
        if !self.complete {
            severity = severity.max(Severity::Warning);
            text.push_str(": the response was not sent completely");
        }
        let quiet =
            self.complete && status < 400 && matches!(self.route, "/healthz" | "/readyz" | "/metrics");
        let (request, trace) = (self.line(status), self.head.trace.as_deref());
        match severity {
            _ if quiet => {
                tracing::debug!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}");
            }
            Severity::Info => {
                tracing::info!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}");
            }
            Severity::Warning => {
                tracing::warn!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}");
            }
            Severity::Error => {
                tracing::error!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}");
            }
        }
    }
}

/// Converts `X-Cloud-Trace-Context: TRACE/SPAN;o=1` to the name of a trace in this project.
pub(super) fn trace(headers: &HeaderMap, project: Option<&str>) -> Option<String> {
    let context = headers.get("x-cloud-trace-context")?.to_str().ok()?;
    let id = context.split('/').next()?;
    let sound = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| project.map_or_else(|| id.to_owned(), |project| format!("projects/{project}/traces/{id}")))
}

struct LoggedBody {
    inner: Body,
    entry: AccessLogEntry,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.entry.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => self.entry.complete = true,
            _ => {}
        }
        // A body that knows its end is not polled again.
        self.entry.complete |= self.inner.is_end_stream();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        self.entry.complete |= self.inner.is_end_stream();
    }
}
