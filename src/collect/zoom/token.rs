//! Access tokens, requested when needed and never stored.

use super::config::Account;
use super::error::{ZoomError, ZoomErrorKind};
use super::error_body::ErrorBody;
use super::response::classify_token_error;
use super::transport::Response;
use crate::clock::Clock;
use crate::collect::clock_skew::clock_skew;
use crate::collect::secret::Secret;
use crate::error::Failure;
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, DATE};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;

/// A token is not used in its last minute.
const MARGIN: i64 = 60_000;

/// An access token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: Secret,
    /// In milliseconds since the epoch.
    expires_at: i64,
    /// The scopes, if Zoom lists them.
    pub(crate) scope: String,
    /// The URL of the API.
    pub(crate) api: Url,
    /// What Zoom's clock showed when it gave the token, in milliseconds since the epoch, if the answer says.
    pub(crate) date: Option<i64>,
    /// What is wrong if the run's clock differed from Zoom's at that time.
    pub(crate) clock_skew: Option<Failure>,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    #[serde(default)]
    token_type: String,
    expires_in: Option<i64>,
    scope: Option<String>,
    api_url: Option<String>,
}

impl Token {
    pub(super) fn is_valid(&self, now: i64) -> bool {
        now < self.expires_at
    }
}

/// Returns a request for a token.
pub(super) fn request(client: &Client, account: &Account) -> RequestBuilder {
    // The library encodes forms like queries.
    let mut form = account.token_url.clone();
    form.query_pairs_mut()
        .clear()
        .append_pair("grant_type", "account_credentials")
        .append_pair("account_id", &account.account_id);
    client
        .post(account.token_url.clone())
        .basic_auth(&account.client_id, Some(account.secret.expose()))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned())
}

/// Returns the request for messages.
pub(super) fn describe(account: &Account) -> String {
    let mut shown = account.token_url.clone();
    shown.set_query(None);
    format!("POST {shown}")
}

/// Returns the token in a response that came at `now`.
pub(super) fn parse(response: &Response, account: &Account, now: i64) -> Result<Token, ZoomError> {
    let Response { status, headers, body } = response;
    if !status.is_success() {
        return Err(classify_token_error(*status, headers, body, now));
    }
    let unusable = |what: &str| {
        let what = format!("{}: {what} ({} bytes)", describe(account), body.len());
        ZoomError::new(ZoomErrorKind::InvalidResponse, Failure::new(what, "check ZOOM_TOKEN_URL"))
    };
    let reply = serde_json::from_slice::<TokenResponse>(body)
        .ok()
        .filter(|reply| !reply.access_token.trim().is_empty());
    let reply = reply.ok_or_else(|| match ErrorBody::read(body).code {
        0 => unusable("the response is not a JSON object with an access token"),
        code => unusable(&format!("the response contains error code {code} and no access token")),
    })?;
    if !reply.token_type.is_empty() && !reply.token_type.eq_ignore_ascii_case("bearer") {
        return Err(unusable("the token type is not bearer"));
    }
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| Some(DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis()));
    Ok(Token {
        text: Secret::token(&reply.access_token),
        expires_at: now + reply.expires_in.unwrap_or(3600).clamp(0, 86_400) * 1000 - MARGIN,
        scope: reply.scope.unwrap_or_default(),
        api: account.api(reply.api_url.as_deref()),
        date,
        clock_skew: date.and_then(|date| clock_skew(date, now, Clock::machine())),
    })
}
