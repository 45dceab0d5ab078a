//! Sends requests within the budget of a run, one after the other.

use super::config::ZoomConfig;
use super::error::{ZoomError, ZoomErrorKind};
use super::http::HttpClients;
use super::request::tracking_id;
use super::session::ZoomSession;
use crate::collect::cancellation::Cancellation;
use crate::error::{Failure, RunError};
use crate::progress::Observer;
use crate::{http_client, redact};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Instant;

/// The maximum size of a response in bytes; a page of 300 records has some hundred thousand.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Counts of requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestStats {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) throttled: u64,
    /// Pages received.
    pub(crate) pages: u64,
    /// Unknown members of pages, counted each time.
    pub(crate) unknown: u64,
}

/// What a request is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Token,
    Page,
}

/// A whole response.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The connection to Zoom.
pub(super) struct Transport {
    http: HttpClients,
    max_requests: Option<u64>,
    max_rate: Option<NonZeroU64>,
    cancellation: Cancellation,
    observer: Arc<dyn Observer>,
    session: Arc<ZoomSession>,
    pub(super) stats: RequestStats,
}

impl Transport {
    pub(super) fn new(
        config: &ZoomConfig,
        session: Arc<ZoomSession>,
        cancellation: Cancellation,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RunError> {
        Ok(Self {
            http: HttpClients::new(config.timeout)?,
            max_requests: config.retry.max_requests,
            max_rate: config.retry.max_rate,
            cancellation,
            observer,
            session,
            stats: RequestStats::default(),
        })
    }

    /// Returns the HTTP client for a URL.
    pub(super) fn client_for(&self, url: &Url) -> &Client {
        self.http.to(url)
    }

    /// Sends a request, described by `trace`, and reads the whole response.
    pub(super) async fn send(
        &mut self,
        request: RequestBuilder,
        purpose: Purpose,
        trace: &str,
    ) -> Result<Response, ZoomError> {
        if let Some(reason) = self.cancellation.reason() {
            return Err(ZoomError::stopped(reason));
        }
        if self.max_requests.is_some_and(|most| self.stats.requests >= most) {
            return Err(ZoomError::new(ZoomErrorKind::QuotaExhausted, "--max-requests"));
        }
        self.rate_limit().await?;
        match purpose {
            Purpose::Token => self.stats.tokens += 1,
            Purpose::Page => self.stats.requests += 1,
        }
        let started = Instant::now();
        let exchange = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = http_client::read_body_limited(response, MAX_RESPONSE_BYTES).await?;
            Ok::<_, reqwest::Error>((status, headers, body))
        };
        let outcome = tokio::select! {
            outcome = exchange => outcome,
            reason = self.cancellation.stopped() => return Err(ZoomError::stopped(reason)),
        };
        let millis = started.elapsed().as_millis();
        match outcome {
            Ok((.., None)) => Err(ZoomError::new(
                ZoomErrorKind::TooLong,
                format!("{trace}: the response exceeds {MAX_RESPONSE_BYTES} bytes"),
            )),
            Ok((status, headers, Some(body))) => {
                self.stats.throttled += u64::from(status == StatusCode::TOO_MANY_REQUESTS);
                let response = Response { status, headers, body };
                self.observer.trace(&redact::redact(&format!("{trace} -> {}", describe(&response, millis))));
                Ok(response)
            }
            Err(error) => {
                let failure = connection_failure(trace, error);
                self.observer.trace(&format!("{failure}, {millis} ms"));
                Err(ZoomError::transient(failure))
            }
        }
    }

    /// Waits until another request may start: `max_rate` spaces those of all reports.
    async fn rate_limit(&self) -> Result<(), ZoomError> {
        let Some(rate) = self.max_rate else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep_until(self.session.reserve(rate)) => Ok(()),
            reason = self.cancellation.stopped() => Err(ZoomError::stopped(reason)),
        }
    }
}

fn describe(response: &Response, millis: u128) -> String {
    let tracking = match tracking_id(&response.headers) {
        id if id.is_empty() => id,
        id => format!(", x-zm-trackingid {id}"),
    };
    format!("{}, {} bytes, {millis} ms{tracking}", response.status.as_u16(), response.body.len())
}

/// Returns why a request got no response, with the root cause, and what to do.
fn connection_failure(trace: &str, error: reqwest::Error) -> Failure {
    let (what, hint) = if error.is_timeout() {
        ("no response within TIMEOUT", None)
    } else if error.is_connect() {
        let hint = "check the network, the proxy's variables, ZOOM_API_BASE and ZOOM_TOKEN_URL";
        ("no connection", Some(hint))
    } else {
        ("the connection closed before the end of the response", None)
    };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let what = redact::redact(&format!("{trace}: {what} ({cause})")).into_owned();
    match hint {
        Some(hint) => Failure::new(what, hint),
        None => what.into(),
    }
}
