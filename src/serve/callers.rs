//! Who may call: callers with a token that Google signed for them and for this service, or anybody, where that was said.

use super::answer::{Answer, Severity};
use super::keys::{Keys, Missing};
use crate::clock::Clock;
use crate::host;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use std::time::Duration;

/// Who signs.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// Seconds that two clocks may differ.
const LEEWAY: i64 = 60;

/// Whose tokens are good, and for what.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// What tokens are to be made for.
    pub audience: String,
    /// Whom they are to name.
    pub emails: Vec<String>,
    /// Where the keys are that signatures are checked with.
    pub keys: reqwest::Url,
    /// How long after keys came they are asked for again because of a name that is not among them.
    pub keys_apart: Duration,
}

/// Decides on callers.
pub(super) struct Callers {
    /// Only this machine can call.
    loopback: bool,
    oidc: Option<(Oidc, Keys)>,
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

impl Callers {
    pub(super) fn new(loopback: bool, oidc: Option<(Oidc, Keys)>, clock: Option<Clock>) -> Self {
        Self { loopback, oidc, clock }
    }

    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(), Answer> {
        self.no_page_of_others(headers)?;
        let Some((oidc, keys)) = &self.oidc else { return Ok(()) };
        let token = headers.get(AUTHORIZATION).ok_or_else(|| Answer::who("no token"))?;
        let token = token.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or_else(|| Answer::who("no bearer token"))?;
        self.check(oidc, keys, token).await
    }

    /// A page of another site, open in somebody's browser, can send requests to this machine too.
    fn no_page_of_others(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST).unwrap_or_default();
        if self.loopback && !names_here(host) {
            return Err(Answer::forbidden("the host that is asked for is not this machine"));
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
            Some(_) => Err(Answer::forbidden("a page of another site asks")),
        }
    }

    async fn check(&self, oidc: &Oidc, keys: &Keys, token: &str) -> Result<(), Answer> {
        if token.ends_with(".SIGNATURE_REMOVED_BY_GOOGLE") {
            return Err(Answer::who(
                "Cloud Run has checked the token and taken its signature away; with its IAM in front, start with \
                 --allow-unauthenticated instead of --require-oidc",
            ));
        }
        let header = decode_header(token).map_err(|_| Answer::who("the token is no JWT of a known kind"))?;
        if header.alg != Algorithm::RS256 {
            return Err(Answer::who("the token is not signed with RS256"));
        }
        let kid = header.kid.ok_or_else(|| Answer::who("the token names no key"))?;
        let key = keys.get(&kid).await.map_err(|missing| match missing {
            Missing::Unknown => Answer::who("the token is signed with a key that is not Google's"),
            Missing::Unreachable(why) => Answer::again("the caller cannot be checked now; send it again", 10)
                .noted(Severity::Error, format!("Google's keys cannot be fetched: {why}")),
        })?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&oidc.audience]);
        rules.set_issuer(&ISSUERS);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        // By our clock, below.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        let claims = decode::<Claims>(token, &key, &rules)
            .map_err(|error| Answer::who(&format!("the token is not good: {error}")))?
            .claims;
        self.in_time(&claims)?;
        let named = claims.email.filter(|_| claims.email_verified == Some(true));
        let named = named.ok_or_else(|| Answer::forbidden("the token names no verified e-mail"))?;
        if oidc.emails.iter().any(|email| email.eq_ignore_ascii_case(&named)) {
            return Ok(());
        }
        Err(Answer::forbidden("the token is of somebody who is not among --allow"))
    }

    fn in_time(&self, claims: &Claims) -> Result<(), Answer> {
        let now = self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now) / 1000;
        if claims.exp.saturating_add(LEEWAY) < now {
            return Err(Answer::who("the token has expired"));
        }
        let begins = claims.nbf.into_iter().chain(claims.iat).max();
        if begins.is_some_and(|begins| begins.saturating_sub(LEEWAY) > now) {
            return Err(Answer::who("the token is of a time to come"));
        }
        Ok(())
    }
}

/// Whether a `Host`, with a port or without, is this machine.
pub(super) fn names_here(host: &str) -> bool {
    // Colons within brackets are an address's own.
    let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
    host::is_here(&host[..port.unwrap_or(host.len())])
}
