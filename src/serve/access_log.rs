//! Follows a request from its head to the last byte of its response: admission, counts, and one log line.

use super::framing::FramingError;
use super::response::{ApiResponse, LogNotes, Severity};
use super::{AppState, ClientAddr};
use crate::{logging, redact};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// Paths without authentication; they reveal nothing.
const PUBLIC: [&str; 2] = ["/healthz", "/readyz"];
/// Paths of pushes, which have capacity of their own.
const PUSHES: [&str; 2] = ["/collect", "/ingest"];
/// Paths that are counted by name; all others count as `other`.
const ROUTES: [&str; 8] =
    ["/", "/healthz", "/readyz", "/metrics", "/collect", "/ingest", "/normalize", "/explain"];

/// Admits or refuses a request, and follows it to its end.
pub(super) async fn middleware(
    State(service): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let mut seen = AccessLogEntry::new(&service, &request);
    if let Some(FramingError(why)) = request.extensions().get() {
        let mut response = ApiResponse::bad_request(*why).into_response();
        // Where the next request begins is not known.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return seen.attach(response);
    }
    let response = match admit(&service, request.uri().path(), request.headers()).await {
        Ok(permit) => {
            seen.permit = permit;
            // A panic is answered as an error of this request: the connection and the others go on.
            let answer = AssertUnwindSafe(run(&service, seen.route, next.run(request))).catch_unwind().await;
            answer.unwrap_or_else(|_| ApiResponse::panicked().into_response())
        }
        Err(answer) => answer.into_response(),
    };
    seen.attach(response)
}

/// Routes a request; requests without their own time limits get that of a body.
async fn run(service: &AppState, route: &str, answer: impl Future<Output = Response>) -> Response {
    if PUSHES.contains(&route) || route == "/normalize" {
        return answer.await;
    }
    let answer = tokio::time::timeout(service.options.limits.body_time, answer).await;
    answer.unwrap_or_else(|_| ApiResponse::too_slow().into_response())
}

async fn admit(
    service: &Arc<AppState>,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<OwnedSemaphorePermit>, ApiResponse> {
    if PUBLIC.contains(&path) {
        return Ok(None);
    }
    service.callers.authorize(headers).await?;
    if path == "/metrics" {
        return Ok(None);
    }
    if service.stopping.is_set() {
        return Err(ApiResponse::stopping());
    }
    // They are counted when their body is complete; see the router.
    if PUSHES.contains(&path) {
        return Ok(None);
    }
    let permit = Arc::clone(&service.requests).try_acquire_owned();
    permit.map(Some).map_err(|_| ApiResponse::too_many(1))
}

/// An active request. Dropping it writes its log line.
struct AccessLogEntry {
    service: Arc<AppState>,
    method: Method,
    path: String,
    route: &'static str,
    head: RequestMeta,
    started: Instant,
    /// `None` if the client disconnected before the response.
    status: Option<u16>,
    sent: u64,
    whole: bool,
    notes: Option<LogNotes>,
    permit: Option<OwnedSemaphorePermit>,
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
    fn new(service: &Arc<AppState>, request: &Request) -> Self {
        let path = redact::redact_and_truncate(request.uri().path(), 200);
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let route = ROUTES.into_iter().find(|route| *route == path).unwrap_or("other");
        service.metrics.in_flight.inc();
        Self {
            service: Arc::clone(service),
            method: request.method().clone(),
            route,
            path,
            head: RequestMeta {
                size: text(CONTENT_LENGTH).map(str::to_owned),
                agent: text(USER_AGENT).map(|agent| redact::redact_and_truncate(agent, 200)),
                trace: trace(request.headers(), service.options.project.as_deref()),
                peer: request.extensions().get::<ClientAddr>().map(|peer| peer.0.ip().to_string()),
                protocol: format!("{:?}", request.version()),
            },
            started: Instant::now(),
            status: None,
            sent: 0,
            whole: false,
            notes: None,
            permit: None,
        }
    }

    fn attach(mut self, response: Response) -> Response {
        let (mut parts, inner) = response.into_parts();
        self.status = Some(parts.status.as_u16());
        // There is nothing to send except the head.
        self.whole = self.method == Method::HEAD;
        self.notes = parts.extensions.remove::<LogNotes>();
        Response::from_parts(parts, Body::new(LoggedBody { inner, seen: self }))
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
        let metrics = &self.service.metrics;
        metrics.in_flight.dec();
        // nginx's status for clients that disconnected.
        let status = self.status.unwrap_or(499);
        metrics.request(self.route, status, self.started.elapsed());
        let mut severity = if status >= 500 { Severity::Warning } else { Severity::Info };
        let mut text = format!("{} {} {status}", self.method, self.path);
        if let Some(note) = self.notes.as_ref().and_then(LogNotes::take) {
            severity = severity.max(note.severity);
            text.push_str(&format!(": {}", note.text));
        }
        if !self.whole {
            severity = severity.max(Severity::Warning);
            text.push_str(": the response was not sent completely");
        }
        let quiet = self.whole && status < 400 && matches!(self.route, "/healthz" | "/readyz" | "/metrics");
        let (request, trace) = (self.line(status), self.head.trace.as_deref());
        match severity {
            _ if quiet => {
                tracing::debug!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}")
            }
            Severity::Info => {
                tracing::info!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}")
            }
            Severity::Warning => {
                tracing::warn!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}")
            }
            Severity::Error => {
                tracing::error!({ logging::REQUEST } = request, { logging::TRACE } = trace, "{text}")
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
    seen: AccessLogEntry,
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
                self.seen.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => self.seen.whole = true,
            _ => {}
        }
        // A body that knows its end is not polled again.
        self.seen.whole |= self.inner.is_end_stream();
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
        self.seen.whole |= self.inner.is_end_stream();
    }
}
