//! The client of Zoom's API: fetches pages; handles tokens, rate limits and transient errors.

mod error;
mod error_body;
mod http;
mod page;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
#[cfg(test)]
mod redaction;
mod retry_after;
mod salvage;
mod token;

pub(crate) use error::{CLASSIC_SCOPE, SCOPE, ZoomError, scope_hint};
pub(crate) use page::{Page, PageRecord, RecordHash};
pub(crate) use token::Token;

use super::config::{Account, MAX_PAGE};
use super::date::Date;
use super::stop::Stop;
use super::{Observer, RunError};
use crate::clock::Clock;
use crate::{http_client, redact};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use error::ErrorResponse;
use http::HttpClients;
use page::PageError;
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The maximum pause; if Zoom asks for a longer one, the run ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// No address is longer, in bytes: the HTTP library and most servers take no more.
const LONGEST_ADDRESS: usize = 65_000;

/// The maximum size of a response in bytes; a page of 300 records has some hundred thousand.
const LARGEST: usize = 64 << 20;

/// A range of days as the API takes it; whether the last one is inclusive is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Date,
    pub(crate) to: Date,
    /// The minute of the last day that the window ends with, in milliseconds since the epoch; otherwise it has all of it.
    pub(crate) until: Option<i64>,
}

impl Window {
    /// A window of whole days.
    pub(crate) fn days(from: Date, to: Date) -> Self {
        Self { from, to, until: None }
    }

    /// A window that ends with a minute of its last day.
    pub(crate) fn until(from: Date, minute: i64) -> Self {
        Self { from, to: Date::from_millis(minute), until: Some(minute) }
    }

    /// `from` and `to` as the API takes them: both dates, or both with a time of day.
    pub(crate) fn bounds(self) -> (String, String) {
        match self.until {
            None => (self.from.to_string(), self.to.to_string()),
            Some(minute) => (format!("{} 00:00", self.from), crate::clock::minute(minute)),
        }
    }
}

/// Statistics of requests.
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

/// Retry and rate limits.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: usize,
    /// The delay before the second attempt; it doubles, with jitter, up to a minute.
    pub first_pause: Duration,
    /// The maximum number of requests of a run.
    pub max_requests: Option<u64>,
    /// The maximum number of requests per second.
    pub max_rate: Option<NonZeroU64>,
}

pub(crate) struct ZoomClient {
    http: HttpClients,
    account: Account,
    patience: RetryPolicy,
    /// Records on a page. The token of a page holds for the size that it came with.
    pub(crate) page_size: u16,
    /// The largest page size of which no page was too long.
    pub(crate) page_limit: u16,
    clock: Clock,
    stop: Stop,
    observer: Arc<dyn Observer>,
    token: Option<Token>,
    /// When the next request may start.
    next: tokio::time::Instant,
    pub(crate) counts: RequestStats,
    /// One of the unknown members.
    pub(crate) unknown: Option<String>,
}

impl ZoomClient {
    pub(crate) fn new(options: &super::Options, observer: Arc<dyn Observer>) -> Result<Self, RunError> {
        register_basic_header(&options.account);
        Ok(Self {
            http: HttpClients::new(options)?,
            account: options.account.clone(),
            patience: options.zoom_retry.clone(),
            page_size: options.page_size,
            page_limit: MAX_PAGE,
            clock: options.clock.clone(),
            stop: options.stop.clone(),
            observer,
            token: None,
            next: tokio::time::Instant::now(),
            counts: RequestStats::default(),
            unknown: None,
        })
    }

    /// Fetches a page, with retries; at most `tries` of them, if given.
    pub(crate) async fn page(
        &mut self,
        window: Window,
        next: Option<&str>,
        tries: Option<usize>,
    ) -> Result<Page, ZoomError> {
        let mut pauses = self.backoff(tries);
        let mut renewed = false;
        loop {
            let trouble = match self.try_fetch_page(window, next).await {
                Ok(mut page) => {
                    self.counts.pages += 1;
                    self.counts.unknown += page.unknown.len() as u64;
                    let named = page.unknown.pop().map(|name| redact::redact_and_truncate(&name, 100));
                    self.unknown = named.or(self.unknown.take());
                    return Ok(page);
                }
                Err(trouble) => trouble,
            };
            match trouble {
                ZoomError::Unauthorized(message) => {
                    self.token = None;
                    if renewed && self.counts.pages == 0 {
                        return Err(ZoomError::PermissionDenied(message));
                    }
                    // Earlier tokens were valid: another program, such as a concurrent backfill, has invalidated this
                    // one.
                    if renewed {
                        let waited = self.backoff_or_fail(transient(message), &mut pauses).await;
                        // The window is not at fault.
                        waited.map_err(|trouble| stopped(trouble.message()))?;
                    }
                    renewed = true;
                }
                ZoomError::TooLong(message) => self.shrink_page(&message, next)?,
                trouble => self.backoff_or_fail(trouble, &mut pauses).await?,
            }
        }
    }

    /// Has the pages from now on hold a quarter of the records. The token of a page holds for its size only: a window that
    /// was begun is begun again.
    fn shrink_page(&mut self, message: &str, next: Option<&str>) -> Result<(), ZoomError> {
        if self.page_size <= 1 {
            return Err(ZoomError::Rejected(format!(
                "{message}, though PAGE_SIZE is 1; no page size can read it"
            )));
        }
        self.page_limit = (self.page_size / 4).max(1);
        self.page_size = self.page_limit;
        let message = format!("{message}; reading on with PAGE_SIZE {}, which can be set", self.page_size);
        self.observer.warn(&message);
        match next {
            Some(_) => Err(ZoomError::PageTokenExpired(message)),
            None => Ok(()),
        }
    }

    /// Gets a valid token, for `check`.
    pub(crate) async fn token(&mut self) -> Result<Token, ZoomError> {
        let mut pauses = self.backoff(None);
        loop {
            match self.fresh_token().await {
                Ok(()) => {}
                Err(trouble) => self.backoff_or_fail(trouble, &mut pauses).await?,
            }
            if let Some(token) = &self.token {
                return Ok(token.clone());
            }
        }
    }

    fn backoff(&self, tries: Option<usize>) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.patience.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(tries.unwrap_or(usize::MAX).min(self.patience.retries))
            .build()
    }

    /// Waits before another attempt; returns the error if there is none.
    async fn backoff_or_fail(
        &mut self,
        trouble: ZoomError,
        pauses: &mut (dyn Iterator<Item = Duration> + Send),
    ) -> Result<(), ZoomError> {
        let wait = match &trouble {
            ZoomError::Transient { wait, .. } => wait.unwrap_or_default(),
            ZoomError::InvalidResponse(_) => Duration::ZERO,
            _ => return Err(trouble),
        };
        if wait > LONGEST_PAUSE {
            return Err(stopped(trouble.message()));
        }
        let Some(pause) = pauses.next() else { return Err(trouble) };
        let pause = pause.max(wait);
        self.observer.info(&format!("{}; retrying in {} ms", trouble.message(), pause.as_millis()));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            reason = self.stop.wait() => Err(stopped(reason)),
        }
    }

    async fn try_fetch_page(&mut self, window: Window, next: Option<&str>) -> Result<Page, ZoomError> {
        self.fresh_token().await?;
        let Some(token) = &self.token else {
            return Err(ZoomError::InvalidResponse("no access token".into()));
        };
        let url = self.page_url(token, window, next);
        if url.as_str().len() > LONGEST_ADDRESS {
            return Err(ZoomError::Rejected(format!(
                "{}: the page token is {} bytes long, more than a request can carry; set PAGE_SIZE to {MAX_PAGE}, so that \
                 fewer pages need one",
                what(window, next),
                next.unwrap_or_default().len()
            )));
        }
        let request = self.http.to(&url).get(url.clone()).bearer_auth(token.text.expose());
        let (status, headers, body) = self.send(request, &redacted_url(&url)).await?;
        let asked = what(window, next);
        if status.is_success() {
            let tracking = tracking_id(&headers);
            let tell = |wrong: &str| format!("{asked}: {wrong} [x-zm-trackingid {tracking}]");
            match page::parse(&body, &tracking) {
                Ok(page) => return Ok(page),
                Err(PageError::Body(wrong)) => return Err(transient(tell(&wrong))),
                Err(PageError::Shape(wrong)) => return Err(ZoomError::InvalidResponse(tell(&wrong))),
                Err(PageError::Reported) => {}
            }
        }
        let answer = ErrorResponse {
            status,
            headers: &headers,
            body: &body,
            now: self.clock.now(),
            paged: next.is_some(),
            what: &asked,
        };
        let trouble = answer.trouble();
        // Whoever sent a 401, Zoom or something in front of it: the next try asks for a new token.
        if status == reqwest::StatusCode::UNAUTHORIZED {
            self.token = None;
        }
        Err(trouble)
    }

    /// Returns the URL of a page; the library encodes all parameters, because page tokens contain `+`, `/`, `=` and
    /// `&`.
    fn page_url(&self, token: &Token, window: Window, next: Option<&str>) -> Url {
        let mut url = token.api.clone();
        url.set_path(&format!("{}/v2/report/operationlogs", url.path().trim_end_matches('/')));
        let (from, to) = window.bounds();
        url.query_pairs_mut()
            .append_pair("from", &from)
            .append_pair("to", &to)
            .append_pair("page_size", &self.page_size.to_string());
        if let Some(next) = next {
            url.query_pairs_mut().append_pair("next_page_token", next);
        }
        url
    }

    /// Waits until another request may start: requests are sequential, and `max_rate` spaces them.
    async fn rate_limit(&mut self) -> Result<(), ZoomError> {
        let Some(rate) = self.patience.max_rate else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep_until(self.next) => {}
            reason = self.stop.wait() => return Err(stopped(reason)),
        }
        self.next = tokio::time::Instant::now() + Duration::from_nanos(1_000_000_000 / rate);
        Ok(())
    }

    /// Sends a request within the budget, and reads the whole response.
    async fn send(
        &mut self,
        request: reqwest::RequestBuilder,
        trace: &str,
    ) -> Result<(reqwest::StatusCode, HeaderMap, Bytes), ZoomError> {
        if let Some(reason) = self.stop.reason() {
            return Err(stopped(reason));
        }
        if self.patience.max_requests.is_some_and(|most| self.counts.requests >= most) {
            return Err(ZoomError::QuotaExhausted("--max-requests".to_owned()));
        }
        self.rate_limit().await?;
        if trace.starts_with("POST") {
            self.counts.tokens += 1;
        } else {
            self.counts.requests += 1;
        }
        let started = Instant::now();
        let exchange = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, http_client::read_body_limited(answer, LARGEST).await?))
        };
        let done = tokio::select! {
            done = exchange => done,
            reason = self.stop.wait() => return Err(stopped(reason)),
        };
        let took = started.elapsed().as_millis();
        match done {
            Ok((.., None)) => {
                Err(ZoomError::TooLong(format!("{trace}: the response exceeds {LARGEST} bytes")))
            }
            Ok((status, headers, Some(body))) => {
                self.counts.throttled += u64::from(status == reqwest::StatusCode::TOO_MANY_REQUESTS);
                let tracking = match tracking_id(&headers) {
                    id if id.is_empty() => id,
                    id => format!(", x-zm-trackingid {id}"),
                };
                let line =
                    format!("{trace} -> {}, {} bytes, {took} ms{tracking}", status.as_u16(), body.len());
                self.observer.trace(&redact::redact(&line));
                Ok((status, headers, body))
            }
            Err(error) => {
                let message = redact::redact(&format!("{trace}: {}", reason(error))).into_owned();
                self.observer.trace(&format!("{message}, {took} ms"));
                Err(transient(message))
            }
        }
    }
}

/// Has the Basic header of requests for tokens removed from texts, too.
fn register_basic_header(account: &Account) {
    let pair = format!("{}:{}", account.client_id, account.secret.expose());
    redact::register(&STANDARD.encode(pair));
}

/// Zoom's name for a request, redacted and of a bounded length; empty if there is none.
fn tracking_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-zm-trackingid").map(|value| String::from_utf8_lossy(value.as_bytes()));
    redact::redact_and_truncate(&id.unwrap_or_default(), 200)
}

fn what(window: Window, next: Option<&str>) -> String {
    let which = if next.is_some() { "a further page" } else { "the first page" };
    let (from, to) = window.bounds();
    format!("operation logs from {from} to {to}, {which}")
}

fn transient(message: String) -> ZoomError {
    ZoomError::Transient { message, wait: None }
}

fn stopped(reason: &str) -> ZoomError {
    ZoomError::Stopped(reason.to_owned())
}

/// Describes a request without its page token.
fn redacted_url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.query_pairs_mut().clear();
    for (key, value) in url.query_pairs() {
        let value = if key == "next_page_token" { format!("({} bytes)", value.len()).into() } else { value };
        shown.query_pairs_mut().append_pair(&key, &value);
    }
    format!("GET {shown}")
}

/// Returns the root cause of an error, and what to do.
fn reason(error: reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no response within TIMEOUT"
    } else if error.is_connect() {
        "no connection; check the network, the proxy's variables, ZOOM_API_BASE and ZOOM_TOKEN_URL"
    } else {
        "the connection closed before the end of the response"
    };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    format!("{what} ({cause})")
}
