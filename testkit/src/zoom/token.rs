//! `POST /oauth/token`.

use super::http::{Reply, pairs};
use super::{ACCOUNT, CLIENT, State, TOKEN_MARK};
use base64::Engine as _;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

impl State {
    pub(super) fn token(&mut self, headers: &HeaderMap, query: &str, body: &[u8], base: &str) -> Reply {
        if let Some((status, body)) = &self.behavior.token_refused {
            return Reply::json(*status, body.clone());
        }
        let mut given = pairs(query);
        given.extend(pairs(&String::from_utf8_lossy(body)));
        let refuse = |status, reason: &str, error: &str| {
            Reply::json(status, format!("{{\"reason\":\"{reason}\",\"error\":\"{error}\"}}"))
        };
        if given.get("grant_type").map(String::as_str) != Some("account_credentials") {
            return refuse(400, "unsupported grant type", "unsupported_grant_type");
        }
        let wanted = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{}", self.secret));
        let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if basic.split_once(' ').map(|(kind, value)| (kind.to_ascii_lowercase(), value))
            != Some(("basic".into(), wanted.as_str()))
        {
            // Zoom repeats input in some of its errors, so a client that prints the error prints its credentials.
            return Reply::json(
                400,
                format!(
                    "{{\"reason\":\"Invalid client_id or client_secret\",\"error\":\"invalid_client\",\"code\":4702,\"given\":\"{basic}\"}}"
                ),
            );
        }
        if given.get("account_id").map(String::as_str) != Some(ACCOUNT) {
            return refuse(400, "Bad Request", "invalid_request");
        }
        let token = format!("{TOKEN_MARK}.{}.{:016x}", self.token_requests, self.random.u64(..));
        self.tokens = vec![(token.clone(), self.clock.now())];
        let api_url = if self.behavior.api_url { format!(",\"api_url\":\"{base}\"") } else { String::new() };
        let scopes = self.behavior.scopes();
        let scope = if scopes.is_empty() { "user:read:user:admin".into() } else { scopes.join(" ") };
        Reply::json(
            200,
            format!(
                "{{\"access_token\":\"{token}\",\"token_type\":\"{}\",\"expires_in\":{},\"scope\":\"{scope}\"{api_url}}}",
                self.behavior.token_type, self.behavior.token_life
            ),
        )
    }

    /// Returns an error unless the request has a valid access token.
    pub(super) fn refused_bearer(&self, headers: &HeaderMap) -> Option<Reply> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = given.strip_prefix("Bearer ").unwrap_or_default();
        match self.tokens.iter().find(|(token, _)| token == given) {
            Some((_, issued)) if self.clock.now() - issued < self.behavior.token_life => None,
            Some(_) => Some(Reply::error(401, 124, "Access token is expired.")),
            None => Some(Reply::error(401, 124, "Invalid access token.")),
        }
    }
}
