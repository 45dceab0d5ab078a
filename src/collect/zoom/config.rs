//! The configuration of the client.

use crate::collect::secret::Secret;
use crate::redact;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use std::num::NonZeroU64;
use std::time::Duration;

/// The default URL of Zoom's API.
pub const API_BASE: &str = "https://api.zoom.us";
/// The default URL for access tokens.
pub const TOKEN_URL: &str = "https://zoom.us/oauth/token";
/// The maximum page size of Zoom's API.
pub const MAX_PAGE: u16 = 300;

/// The account, and how to request pages.
#[derive(Debug, Clone)]
pub struct ZoomConfig {
    /// The Zoom account.
    pub account: Account,
    /// Retry and rate limits.
    pub retry: RetryPolicy,
    /// Records per page.
    pub page_size: u16,
    /// How long Zoom may be silent.
    pub timeout: Duration,
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

/// The Zoom account and its endpoints.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account ID.
    pub account_id: String,
    /// The client ID of the Server-to-Server OAuth app.
    pub client_id: String,
    /// The client secret.
    pub secret: Secret,
    /// The URL of the API; by default the one in the token response.
    pub api_base: Option<Url>,
    /// The URL for access tokens.
    pub token_url: Url,
}

impl Account {
    /// Has the `Authorization` header of token requests removed from all output; the secret itself already is.
    pub(super) fn register_secrets(&self) {
        let pair = format!("{}:{}", self.client_id, self.secret.expose());
        redact::register(&STANDARD.encode(pair));
    }

    /// Returns the URL of the API, given the token response. Tokens are not sent over plain HTTP to a host that was not
    /// configured.
    pub(crate) fn api(&self, named: Option<&str>) -> Url {
        let trusted = |url: &Url| url.scheme() == "https" || url.scheme() == self.token_url.scheme();
        let named = named.and_then(|url| url.parse::<Url>().ok()).filter(trusted);
        let default = || API_BASE.parse().unwrap_or_else(|_| self.token_url.clone());
        let mut url = self.api_base.clone().or(named).unwrap_or_else(default);
        url.set_query(None);
        // The URL appears in messages, and must not contain credentials of its own.
        let _ = (url.set_username(""), url.set_password(None));
        let path = url.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
        url.set_path(&path);
        url
    }
}
