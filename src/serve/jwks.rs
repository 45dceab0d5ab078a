//! Google's public keys for ID tokens: fetched, cached as long as Google allows, and refreshed for unknown key IDs.

use super::auth::OidcConfig;
use super::metrics::Metrics;
use crate::http_client;
use jsonwebtoken::DecodingKey;
use reqwest::header::CACHE_CONTROL;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

/// The URL of Google's keys.
pub const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The minimum time between fetches for unknown key IDs, because anybody can invent one.
pub const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// The same if no key is valid.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long keys are fresh if the response does not say.
const FRESH: Duration = Duration::from_secs(3600);
/// How long keys remain valid if they cannot be refreshed; Google publishes new keys a day before using them.
const STALE: Duration = Duration::from_secs(12 * 3600);
/// Larger than any such document.
const LARGEST: usize = 1 << 20;

/// Keys by ID.
pub(super) struct JwksCache(Arc<JwksFetcher>);

struct JwksFetcher {
    http: reqwest::Client,
    url: reqwest::Url,
    /// See [`APART`].
    apart: Duration,
    metrics: Arc<Metrics>,
    known: Mutex<CachedKeys>,
    /// Held by the task that fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct CachedKeys {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// When the keys were fetched, and how long they are fresh.
    came: Option<(Instant, Duration)>,
    /// No fetch before this time.
    next: Option<Instant>,
}

/// The result of looking up a key ID.
enum Lookup {
    Found(Arc<DecodingKey>),
    Missing(KeyError),
    /// The keys must be refreshed; `old` is used if that fails.
    Fetch {
        old: Option<Arc<DecodingKey>>,
    },
}

impl CachedKeys {
    fn look(&self, kid: &str, now: Instant) -> Lookup {
        let age = self.came.map(|(came, fresh)| (now.saturating_duration_since(came), fresh));
        let is_fresh = age.is_some_and(|(age, fresh)| age < fresh);
        let key = self.keys.get(kid).cloned();
        let old = match key {
            Some(key) if is_fresh => return Lookup::Found(key),
            key => key.filter(|_| age.is_some_and(|(age, _)| age < STALE)),
        };
        if self.next.is_none_or(|next| next <= now) {
            return Lookup::Fetch { old };
        }
        match old {
            Some(old) => Lookup::Found(old),
            None if is_fresh => Lookup::Missing(KeyError::Unknown),
            None => Lookup::Missing(KeyError::Unreachable("the last attempt just failed".into())),
        }
    }

    fn fetched(
        &mut self,
        keys: HashMap<String, Arc<DecodingKey>>,
        fresh: Duration,
        now: Instant,
        apart: Duration,
    ) {
        (self.keys, self.came, self.next) = (keys, Some((now, fresh)), Some(now + apart));
    }

    fn failed(&mut self, now: Instant, apart: Duration) {
        // If nobody can be authenticated, retry soon.
        let usable = self.came.is_some_and(|(came, _)| now.saturating_duration_since(came) < STALE);
        self.next = Some(now + if usable { apart } else { AFTER_FAILURE });
    }
}

pub(super) enum KeyError {
    /// No key has this ID.
    Unknown,
    /// The keys are unavailable.
    Unreachable(String),
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kid: Option<String>,
    kty: String,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl JwksCache {
    pub(super) fn new(oidc: &OidcConfig, metrics: Arc<Metrics>) -> Result<Self, reqwest::Error> {
        let near = crate::net::bypasses_proxy(oidc.keys.host_str().unwrap_or_default());
        let http =
            http_client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(10));
        let http = if near { http.no_proxy() } else { http }.build()?;
        let (known, fetching) = (Mutex::default(), Arc::default());
        Ok(Self(Arc::new(JwksFetcher {
            http,
            url: oidc.keys.clone(),
            apart: oidc.keys_apart,
            metrics,
            known,
            fetching,
        })))
    }

    /// Returns the key with an ID. Only callers without a valid key wait for a fetch, which is shared.
    pub(super) async fn get(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        let Lookup::Fetch { old } = self.0.look(kid) else { return self.0.found(kid) };
        if let Some(old) = old {
            if let Ok(turn) = Arc::clone(&self.0.fetching).try_lock_owned() {
                self.begin(turn);
            }
            return Ok(old);
        }
        let turn = Arc::clone(&self.0.fetching).lock_owned().await;
        // The previous task may have fetched it.
        if matches!(self.0.look(kid), Lookup::Fetch { .. }) {
            let fetched = self.begin(turn).await;
            fetched.unwrap_or_else(|_| Err("fetching them failed".into())).map_err(KeyError::Unreachable)?;
        }
        self.0.found(kid)
    }

    /// Fetches in a separate task, so that it does not end with the first caller that wanted it.
    fn begin(&self, turn: OwnedMutexGuard<()>) -> JoinHandle<Result<(), String>> {
        let source = Arc::clone(&self.0);
        tokio::spawn(async move {
            let _turn = turn;
            source.refresh().await
        })
    }
}

impl JwksFetcher {
    /// Held only for a lookup.
    fn known(&self) -> MutexGuard<'_, CachedKeys> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, kid: &str) -> Lookup {
        self.known().look(kid, Instant::now())
    }

    /// Looks up an ID without a fetch.
    fn found(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        match self.look(kid) {
            Lookup::Found(key) | Lookup::Fetch { old: Some(key) } => Ok(key),
            Lookup::Missing(why) => Err(why),
            Lookup::Fetch { old: None } => Err(KeyError::Unknown),
        }
    }

    async fn refresh(&self) -> Result<(), String> {
        let fetched = self.fetch().await;
        let outcome = if fetched.is_ok() { "good" } else { "failed" };
        self.metrics.key_fetches.get_or_create(&[("outcome", outcome)]).inc();
        match fetched {
            Ok((keys, fresh)) => {
                self.known().fetched(keys, fresh, Instant::now(), self.apart);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(why, "Google's keys cannot be fetched");
                self.known().failed(Instant::now(), self.apart);
                Err(why)
            }
        }
    }

    async fn fetch(&self) -> Result<(HashMap<String, Arc<DecodingKey>>, Duration), String> {
        let plain = |error: reqwest::Error| error.without_url().to_string();
        let response = self.http.get(self.url.clone()).send().await.map_err(plain)?;
        if !response.status().is_success() {
            return Err(format!("the response is {}", response.status()));
        }
        let cache = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh = cache.and_then(max_age).unwrap_or(FRESH);
        let bytes = http_client::read_body_limited(response, LARGEST)
            .await
            .map_err(plain)?
            .ok_or("the response is too long")?;
        let document: Jwks =
            serde_json::from_slice(&bytes).map_err(|_| "the response is not a key set".to_owned())?;
        let keys: HashMap<_, _> = document.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("the response contains no RSA key".into());
        }
        Ok((keys, fresh))
    }
}

fn usable(key: Key) -> Option<(String, Arc<DecodingKey>)> {
    if key.kty != "RSA" || key.alg.is_some_and(|alg| alg != "RS256") {
        return None;
    }
    let decoding = DecodingKey::from_rsa_components(&key.n?, &key.e?).ok()?;
    Some((key.kid?, Arc::new(decoding)))
}

/// Parses `public, max-age=19845, must-revalidate`: between a minute and a day.
fn max_age(cache: &str) -> Option<Duration> {
    let age = cache.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    let seconds: u64 = age.trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(60, 86_400)))
}

#[cfg(test)]
mod tests {
    use super::{
        AFTER_FAILURE, Arc, CachedKeys, DecodingKey, Duration, FRESH, Instant, JwksCache, KeyError, Lookup,
        MIN_REFRESH_INTERVAL, Metrics, OidcConfig, STALE,
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// With one key, `a`, which was fetched at the second time.
    fn known() -> (CachedKeys, Instant) {
        let start = Instant::now();
        let mut known = CachedKeys::default();
        known.fetched(
            [("a".to_owned(), Arc::new(DecodingKey::from_secret(b"a")))].into(),
            FRESH,
            start,
            MIN_REFRESH_INTERVAL,
        );
        (known, start)
    }

    #[test]
    fn empty_key_cache_requests_a_fetch() {
        assert!(matches!(CachedKeys::default().look("a", Instant::now()), Lookup::Fetch { old: None }));
    }

    #[test]
    fn unknown_key_id_is_fetched_once_a_minute() {
        let (mut known, start) = known();
        assert!(matches!(known.look("b", start + SECOND), Lookup::Missing(KeyError::Unknown)));
        assert!(matches!(known.look("b", start + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: None }));
        let keys = [("b".to_owned(), Arc::new(DecodingKey::from_secret(b"b")))];
        known.fetched(keys.into(), FRESH, start + MIN_REFRESH_INTERVAL, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.look("b", start + MIN_REFRESH_INTERVAL), Lookup::Found(_)));
        assert!(matches!(known.look("a", start + MIN_REFRESH_INTERVAL), Lookup::Missing(KeyError::Unknown)));
    }

    #[test]
    fn stale_keys_serve_for_a_limited_time() {
        let (mut known, start) = known();
        assert!(matches!(known.look("a", start + FRESH / 2), Lookup::Found(_)));
        let later = start + FRESH;
        assert!(matches!(known.look("a", later), Lookup::Fetch { old: Some(_) }));
        known.failed(later, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.look("a", later + SECOND), Lookup::Found(_)), "not asked for again at once");
        assert!(matches!(known.look("b", later + SECOND), Lookup::Missing(KeyError::Unreachable(_))));
        assert!(matches!(known.look("a", later + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: Some(_) }));
        let last = start + STALE;
        assert!(matches!(known.look("a", last), Lookup::Fetch { old: None }));
        known.failed(last, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.look("a", last + SECOND), Lookup::Missing(KeyError::Unreachable(_))));
        assert!(matches!(known.look("a", last + AFTER_FAILURE), Lookup::Fetch { old: None }));
    }

    #[test]
    fn failed_fetch_does_not_speed_up_unknown_ids() {
        let (mut known, start) = known();
        let first = start + MIN_REFRESH_INTERVAL;
        assert!(matches!(known.look("made up", first), Lookup::Fetch { old: None }));
        known.failed(first, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.look("made up", first + AFTER_FAILURE), Lookup::Missing(_)));
        assert!(matches!(known.look("made up", first + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: None }));
    }

    /// Returns keys at a URL that accepts connections and never responds.
    fn stuck() -> (JwksCache, std::net::TcpListener) {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
        let oidc = OidcConfig {
            audience: String::new(),
            emails: Vec::new(),
            keys: url,
            keys_apart: MIN_REFRESH_INTERVAL,
        };
        (JwksCache::new(&oidc, Arc::new(Metrics::new(false))).unwrap(), silent)
    }

    #[tokio::test]
    async fn known_key_does_not_wait_for_unknown_key() {
        let (keys, _silent) = stuck();
        let good = || [("a".to_owned(), Arc::new(DecodingKey::from_secret(b"a")))].into();
        keys.0.known().fetched(good(), FRESH, Instant::now(), Duration::ZERO);
        let made_up = keys.get("made up");
        tokio::pin!(made_up);
        let soon = Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, made_up.as_mut()).await.is_err(), "it is being asked for");
        assert!(matches!(tokio::time::timeout(soon, keys.get("a")).await, Ok(Ok(_))));
        // Stale but valid: one caller starts a refresh, and none of them waits.
        keys.0.known().fetched(good(), Duration::ZERO, Instant::now(), Duration::ZERO);
        assert!(matches!(tokio::time::timeout(soon, keys.get("a")).await, Ok(Ok(_))));
    }
}
