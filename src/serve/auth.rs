//! Authenticates callers: by ID tokens that Google signed for them and this service, or not at all if configured so.

use super::config::OidcConfig;
use super::jwks::{JwksCache, KeyError};
use super::response::{ApiResponse, Severity};
use crate::clock::Clock;
use crate::net;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

/// The accepted issuers.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The tolerated clock difference in seconds.
const LEEWAY: i64 = 60;

/// Authorizes callers.
pub(super) struct Authenticator {
    /// Only this machine can connect.
    loopback: bool,
    oidc: Option<(OidcConfig, JwksCache)>,
    clock: Option<Clock>,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    email: Option<String>,
    email_verified: Option<bool>,
}

impl Authenticator {
    pub(super) fn new(loopback: bool, oidc: Option<(OidcConfig, JwksCache)>, clock: Option<Clock>) -> Self {
        Self { loopback, oidc, clock }
    }

    pub(super) async fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiResponse> {
        self.check_origin(headers)?;
        let Some((oidc, keys)) = &self.oidc else { return Ok(()) };
        let token = headers.get(AUTHORIZATION).ok_or_else(|| ApiResponse::unauthenticated("no token"))?;
        let token = token.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or_else(|| ApiResponse::unauthenticated("no bearer token"))?;
        self.check(oidc, keys, token).await
    }

    /// A page of another site in somebody's browser can send requests to this machine too.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), ApiResponse> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST).unwrap_or_default();
        if self.loopback && !is_loopback_host(host) {
            return Err(ApiResponse::forbidden("the Host header does not name this machine"));
        }
        match headers.get(ORIGIN) {
            None => Ok(()),
            Some(_)
                if text(ORIGIN)
                    .and_then(|origin| origin.split_once("://"))
                    .is_some_and(|(_, at)| at == host) =>
            {
                Ok(())
            }
            Some(_) => Err(ApiResponse::forbidden("cross-origin request")),
        }
    }

    async fn check(&self, oidc: &OidcConfig, keys: &JwksCache, token: &str) -> Result<(), ApiResponse> {
        if token.ends_with(".SIGNATURE_REMOVED_BY_GOOGLE") {
            return Err(ApiResponse::unauthenticated(
                "Cloud Run has checked the token and removed its signature; with Cloud Run IAM, start with --allow-unauthenticated instead of --require-oidc",
            ));
        }
        let header = decode_header(token)
            .map_err(|_| ApiResponse::unauthenticated("the token is not a JWT of a known type"))?;
        if header.alg != Algorithm::RS256 {
            return Err(ApiResponse::unauthenticated("the token is not signed with RS256"));
        }
        let kid = header.kid.ok_or_else(|| ApiResponse::unauthenticated("the token has no key ID"))?;
        let key = keys.get(&kid).await.map_err(|missing| match missing {
            KeyError::Unknown => {
                ApiResponse::unauthenticated("the token is signed with a key that is not Google's")
            }
            KeyError::Unreachable(why) => {
                ApiResponse::retry_later("the caller cannot be authenticated now; retry", 10)
                    .with_log(Severity::Error, format!("Google's keys cannot be fetched: {why}"))
            }
        })?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&oidc.audience]);
        rules.set_issuer(&ISSUERS);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Checked against our own clock, below.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        let claims = decode::<Claims>(token, &key, &rules)
            .map_err(|error| ApiResponse::unauthenticated(&format!("invalid token: {error}")))?
            .claims;
        self.check_validity(&claims)?;
        let named = claims.email.filter(|_| claims.email_verified == Some(true));
        let named =
            named.ok_or_else(|| ApiResponse::forbidden("the token contains no verified e-mail address"))?;
        if oidc.emails.iter().any(|email| email.eq_ignore_ascii_case(&named)) {
            return Ok(());
        }
        Err(ApiResponse::forbidden("the token's e-mail address is not in --allow"))
    }

    fn check_validity(&self, claims: &Claims) -> Result<(), ApiResponse> {
        let now = self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now) / 1000;
        if claims.exp.saturating_add(LEEWAY) < now {
            return Err(ApiResponse::unauthenticated("the token has expired"));
        }
        let begins = claims.nbf.into_iter().chain(claims.iat).max();
        if begins.is_some_and(|begins| begins.saturating_sub(LEEWAY) > now) {
            return Err(ApiResponse::unauthenticated(
                "the token is not valid yet (`nbf` or `iat` in the future)",
            ));
        }
        Ok(())
    }
}

/// Returns whether a `Host`, with or without a port, is a loopback address.
pub(super) fn is_loopback_host(host: &str) -> bool {
    // Colons inside brackets belong to the address.
    let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    net::is_loopback_host(&host[..port.unwrap_or(host.len())])
}
