//! Fetches pages of a report: handles access tokens, transient errors and pages that are too long.

use super::config::{MAX_PAGE, ZoomConfig};
use super::error::{DeniedBy, ZoomError, ZoomErrorKind};
use super::page::{self, Page, PageError};
use super::request::{PageRequest, redacted_url, tracking_id};
use super::response::ErrorResponse;
use super::retry_after::LONGEST_PAUSE;
use super::session::ZoomSession;
use super::token::{self, Token};
use super::transport::{Purpose, RequestStats, Response, Transport};
use super::window::Window;
use crate::clock::Clock;
use crate::collect::cancellation::Cancellation;
use crate::collect::log_kind::LogKind;
use crate::error::{Failure, RunError};
use crate::progress::Observer;
use crate::redact;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::sync::Arc;
use std::time::Duration;

/// The maximum length of a URL in bytes: the HTTP library and most servers take no more.
const MAX_URL_BYTES: usize = 65_000;

/// A client of one of Zoom's reports.
pub(crate) struct ZoomClient {
    transport: Transport,
    config: ZoomConfig,
    logs: LogKind,
    session: Arc<ZoomSession>,
    /// The token that was used last.
    used_token: Option<Token>,
    /// Records on a page. The token of a page holds for the size that it came with.
    pub(crate) page_size: u16,
    /// The largest page size of which no page was too long.
    pub(crate) page_limit: u16,
    clock: Clock,
    cancellation: Cancellation,
    observer: Arc<dyn Observer>,
    /// One of the unknown members of pages.
    unknown_member: Option<String>,
}

impl ZoomClient {
    pub(crate) fn new(
        config: &ZoomConfig,
        logs: LogKind,
        session: Arc<ZoomSession>,
        clock: Clock,
        cancellation: Cancellation,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RunError> {
        config.account.register_secrets();
        Ok(Self {
            transport: Transport::new(
                config,
                Arc::clone(&session),
                cancellation.clone(),
                Arc::clone(&observer),
            )?,
            config: config.clone(),
            logs,
            session,
            used_token: None,
            page_size: config.page_size,
            page_limit: MAX_PAGE,
            clock,
            cancellation,
            observer,
            unknown_member: None,
        })
    }

    pub(crate) fn stats(&self) -> RequestStats {
        self.transport.stats
    }

    /// Returns one of the unknown members that pages had.
    pub(crate) fn unknown_member(&self) -> Option<&str> {
        self.unknown_member.as_deref()
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
            let error = match self.try_fetch_page(window, next).await {
                Ok(page) => return Ok(self.received(page)),
                Err(error) => error,
            };
            match error.kind {
                ZoomErrorKind::Unauthorized => {
                    self.discard_token().await;
                    if renewed {
                        self.wait_for_token(error, &mut pauses).await?;
                    }
                    renewed = true;
                }
                ZoomErrorKind::TooLong => self.shrink_page(&error, next)?,
                _ => self.backoff_or_fail(error, &mut pauses).await?,
            }
        }
    }

    /// Returns a valid token.
    pub(crate) async fn token(&mut self) -> Result<Token, ZoomError> {
        let mut pauses = self.backoff(None);
        loop {
            match self.fresh_token().await {
                Ok(token) => return Ok(token),
                Err(error) => self.backoff_or_fail(error, &mut pauses).await?,
            }
        }
    }

    fn received(&mut self, mut page: Page) -> Page {
        self.transport.stats.pages += 1;
        self.transport.stats.unknown += page.unknown.len() as u64;
        let named = page.unknown.pop().map(|name| redact::redact_and_truncate(&name, 100));
        self.unknown_member = named.or(self.unknown_member.take());
        page
    }

    /// Waits after Zoom refused a new token, too. If earlier tokens were valid, another program, such as a concurrent
    /// backfill, has invalidated this one.
    async fn wait_for_token(
        &mut self,
        error: ZoomError,
        pauses: &mut (dyn Iterator<Item = Duration> + Send),
    ) -> Result<(), ZoomError> {
        if self.transport.stats.pages == 0 {
            return Err(ZoomError { kind: ZoomErrorKind::PermissionDenied(DeniedBy::Credentials), ..error });
        }
        let waited = self.backoff_or_fail(ZoomError::transient(error.failure), pauses).await;
        waited.map_err(|error| match error.kind {
            // The window is not at fault.
            ZoomErrorKind::Transient { .. } => ZoomError { kind: ZoomErrorKind::Unavailable, ..error },
            _ => error,
        })
    }

    /// Sets the page size to a quarter. The token of a page holds for its size only: a window that was begun is begun
    /// again.
    fn shrink_page(&mut self, error: &ZoomError, next: Option<&str>) -> Result<(), ZoomError> {
        let what = &error.failure.what;
        if self.page_size <= 1 {
            let failure = Failure::new(format!("{what}, though PAGE_SIZE is 1"), "no page size can read it");
            return Err(ZoomError::new(ZoomErrorKind::Rejected, failure));
        }
        self.page_limit = (self.page_size / 4).max(1);
        self.page_size = self.page_limit;
        let hint = format!("reading on with PAGE_SIZE {}, which can be set", self.page_size);
        let failure = Failure::new(what, hint);
        self.observer.warn(&failure.to_string());
        match next {
            Some(_) => Err(ZoomError::new(ZoomErrorKind::PageTokenExpired, failure)),
            None => Ok(()),
        }
    }

    fn backoff(&self, tries: Option<usize>) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.config.retry.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(tries.unwrap_or(usize::MAX).min(self.config.retry.retries))
            .build()
    }

    /// Waits before another attempt; returns the error if there is none.
    async fn backoff_or_fail(
        &mut self,
        error: ZoomError,
        pauses: &mut (dyn Iterator<Item = Duration> + Send),
    ) -> Result<(), ZoomError> {
        let wait = match error.kind {
            ZoomErrorKind::Transient { wait } => wait.unwrap_or_default(),
            ZoomErrorKind::InvalidResponse => Duration::ZERO,
            _ => return Err(error),
        };
        if wait > LONGEST_PAUSE {
            return Err(ZoomError { kind: ZoomErrorKind::Unavailable, ..error });
        }
        let Some(pause) = pauses.next() else { return Err(error) };
        let pause = pause.max(wait);
        self.observer.info(&format!("{error}; retrying in {} ms", pause.as_millis()));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            reason = self.cancellation.stopped() => Err(ZoomError::stopped(reason)),
        }
    }

    async fn try_fetch_page(&mut self, window: Window, next: Option<&str>) -> Result<Page, ZoomError> {
        let token = self.fresh_token().await?;
        let request = PageRequest { logs: self.logs, window, page_size: self.page_size, next };
        let url = request.url(&token);
        let described = request.describe();
        if url.as_str().len() > MAX_URL_BYTES {
            let what = format!(
                "{described}: the page token is {} bytes long, more than a request can carry",
                next.unwrap_or_default().len()
            );
            let hint = format!("set PAGE_SIZE to {MAX_PAGE}, so that fewer pages need one");
            return Err(ZoomError::new(ZoomErrorKind::Rejected, Failure::new(what, hint)));
        }
        let get = self.transport.client_for(&url).get(url.clone()).bearer_auth(token.text.expose());
        let response = self.transport.send(get, Purpose::Page, &redacted_url(&url)).await?;
        // Zoom or something in front of it sent the 401: the next attempt requests a new token.
        if response.status == reqwest::StatusCode::UNAUTHORIZED {
            self.discard_token().await;
        }
        self.parse_page(&response, next.is_some(), &described)
    }

    fn parse_page(&self, response: &Response, paged: bool, described: &str) -> Result<Page, ZoomError> {
        if response.status.is_success() {
            let tracking = tracking_id(&response.headers);
            let what = |wrong: &str| format!("{described}: {wrong} [x-zm-trackingid {tracking}]");
            match page::parse(&response.body, self.logs, &tracking) {
                Ok(page) => return Ok(page),
                Err(PageError::Body(wrong)) => return Err(ZoomError::transient(what(&wrong))),
                Err(PageError::Shape(wrong)) => {
                    return Err(ZoomError::new(ZoomErrorKind::InvalidResponse, what(&wrong)));
                }
                Err(PageError::Reported) => {}
            }
        }
        let error = ErrorResponse {
            status: response.status,
            headers: &response.headers,
            body: &response.body,
            now: self.clock.now(),
            paged,
            logs: self.logs,
            what: described,
        };
        Err(error.classify())
    }

    /// Has the token that was used last requested again.
    async fn discard_token(&mut self) {
        if let Some(refused) = self.used_token.take() {
            self.session.discard(&refused).await;
        }
    }

    /// Returns the current token of the run; requests one if it is missing or expires soon.
    async fn fresh_token(&mut self) -> Result<Token, ZoomError> {
        let session = Arc::clone(&self.session);
        let mut current = session.token().await;
        let token = match current.take().filter(|token| token.is_valid(self.clock.now())) {
            Some(token) => token,
            None => self.request_token().await?,
        };
        *current = Some(token.clone());
        Ok(self.used_token.insert(token).clone())
    }

    async fn request_token(&mut self) -> Result<Token, ZoomError> {
        let now = self.clock.now();
        let account = &self.config.account;
        let request = token::request(self.transport.client_for(&account.token_url), account);
        let trace = token::describe(account);
        let sent = self.transport.send(request, Purpose::Token, &trace).await;
        let response = sent.map_err(|error| match error.kind {
            // No page size makes a token shorter.
            ZoomErrorKind::TooLong => ZoomError { kind: ZoomErrorKind::InvalidResponse, ..error },
            _ => error,
        })?;
        token::parse(&response, account, now)
    }
}
