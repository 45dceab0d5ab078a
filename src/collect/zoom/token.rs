//! Access tokens: requested when there is no valid one, and never stored.

use super::ZoomClient;
use super::error::{ZoomError, classify_token_error};
use super::error_body::ErrorBody;
use crate::collect::secret::Secret;
use chrono::DateTime;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, DATE};
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

impl ZoomClient {
    /// Gets a new token if there is no valid one.
    pub(super) async fn fresh_token(&mut self) -> Result<(), ZoomError> {
        let now = self.clock.now();
        if self.token.as_ref().is_some_and(|token| now < token.expires_at) {
            return Ok(());
        }
        self.token = None;
        // The library encodes forms like queries.
        let mut form = self.account.token_url.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "account_credentials")
            .append_pair("account_id", &self.account.account_id);
        let request = self
            .http
            .to(&self.account.token_url)
            .post(self.account.token_url.clone())
            .basic_auth(&self.account.client_id, Some(self.account.secret.expose()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let mut shown = self.account.token_url.clone();
        shown.set_query(None);
        let sent = self.send(request, &format!("POST {shown}")).await;
        let (status, headers, body) = sent.map_err(|trouble| match trouble {
            // No page size makes a token shorter.
            ZoomError::TooLong(message) => ZoomError::InvalidResponse(message),
            trouble => trouble,
        })?;
        if !status.is_success() {
            return Err(classify_token_error(status, &headers, &body, now));
        }
        let unusable = |what: &str| {
            ZoomError::InvalidResponse(format!(
                "POST {shown}: {what} ({} bytes); check ZOOM_TOKEN_URL",
                body.len()
            ))
        };
        let reply = serde_json::from_slice::<TokenResponse>(&body)
            .ok()
            .filter(|reply| !reply.access_token.trim().is_empty());
        let reply = reply.ok_or_else(|| match ErrorBody::read(&body).code {
            0 => unusable("the response is not a JSON object with an access token"),
            code => unusable(&format!("the response contains error code {code} and no access token")),
        })?;
        if !reply.token_type.is_empty() && !reply.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unusable("the token type is not bearer"));
        }
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        self.token = Some(Token {
            text: Secret::token(&reply.access_token),
            expires_at: now + reply.expires_in.unwrap_or(3600).clamp(0, 86_400) * 1000 - MARGIN,
            scope: reply.scope.unwrap_or_default(),
            api: self.account.api(reply.api_url.as_deref()),
            date: date.and_then(|date| Some(DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis())),
        });
        Ok(())
    }
}
