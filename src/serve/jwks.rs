//! Google's public keys for ID tokens: fetched, cached as long as Google allows, and refreshed for unknown key IDs.

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
pub const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

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
    /// The minimum time between fetches for unknown key IDs.
    min_refresh: Duration,
    metrics: Arc<Metrics>,
    cache: Mutex<CachedKeys>,
    /// Held by the task that fetches.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct CachedKeys {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// When the keys were fetched, and how long they are fresh.
    fetched_at: Option<(Instant, Duration)>,
    /// No fetch before this time.
    next_fetch: Option<Instant>,
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
    fn lookup(&self, kid: &str, now: Instant) -> Lookup {
        let age = self.fetched_at.map(|(at, fresh)| (now.saturating_duration_since(at), fresh));
        let is_fresh = age.is_some_and(|(age, fresh)| age < fresh);
        let key = self.keys.get(kid).cloned();
        let old = match key {
            Some(key) if is_fresh => return Lookup::Found(key),
            key => key.filter(|_| age.is_some_and(|(age, _)| age < STALE)),
        };
        if self.next_fetch.is_none_or(|next| next <= now) {
            return Lookup::Fetch { old };
        }
        match old {
            Some(old) => Lookup::Found(old),
            None if is_fresh => Lookup::Missing(KeyError::Unknown),
            None => Lookup::Missing(KeyError::Unreachable("the previous attempt failed moments ago".into())),
        }
    }

    fn store(
        &mut self,
        keys: HashMap<String, Arc<DecodingKey>>,
        fresh: Duration,
        now: Instant,
        min_refresh: Duration,
    ) {
        (self.keys, self.fetched_at, self.next_fetch) = (keys, Some((now, fresh)), Some(now + min_refresh));
    }

    fn failed(&mut self, now: Instant, min_refresh: Duration) {
        // If nobody can be authenticated, retry soon.
        let usable = self.fetched_at.is_some_and(|(at, _)| now.saturating_duration_since(at) < STALE);
        self.next_fetch = Some(now + if usable { min_refresh } else { AFTER_FAILURE });
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
    /// Creates an empty cache of the keys at a URL. Unknown key IDs cause a fetch once per `min_refresh` at most.
    pub(super) fn new(
        url: reqwest::Url,
        min_refresh: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        let near = crate::net::bypasses_proxy(url.host_str().unwrap_or_default());
        let http =
            http_client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(10));
        let http = if near { http.no_proxy() } else { http }.build()?;
        let (cache, fetching) = (Mutex::default(), Arc::default());
        Ok(Self(Arc::new(JwksFetcher { http, url, min_refresh, metrics, cache, fetching })))
    }

    /// Returns the key with an ID. Only callers without a valid key wait for a fetch, which is shared.
    pub(super) async fn get(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        let Lookup::Fetch { old } = self.0.lookup(kid) else { return self.0.cached(kid) };
        if let Some(old) = old {
            if let Ok(lock) = Arc::clone(&self.0.fetching).try_lock_owned() {
                self.spawn_refresh(lock);
            }
            return Ok(old);
        }
        let lock = Arc::clone(&self.0.fetching).lock_owned().await;
        // The previous task may have fetched it.
        if matches!(self.0.lookup(kid), Lookup::Fetch { .. }) {
            let fetched = self.spawn_refresh(lock).await;
            fetched.unwrap_or_else(|_| Err("fetching them failed".into())).map_err(KeyError::Unreachable)?;
        }
        self.0.cached(kid)
    }

    /// Fetches in a separate task, so that it does not end with the first caller that wanted it.
    fn spawn_refresh(&self, lock: OwnedMutexGuard<()>) -> JoinHandle<Result<(), String>> {
        let source = Arc::clone(&self.0);
        tokio::spawn(async move {
            let _lock = lock;
            source.refresh().await
        })
    }
}

impl JwksFetcher {
    /// The cache, locked only for a lookup.
    fn cache(&self) -> MutexGuard<'_, CachedKeys> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lookup(&self, kid: &str) -> Lookup {
        self.cache().lookup(kid, Instant::now())
    }

    /// Looks up an ID without a fetch.
    fn cached(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        match self.lookup(kid) {
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
                self.cache().store(keys, fresh, Instant::now(), self.min_refresh);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(why, "Google's keys cannot be fetched");
                self.cache().failed(Instant::now(), self.min_refresh);
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
        MIN_REFRESH_INTERVAL, Metrics, STALE,
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// With one key, `a`, which was fetched at the second time.
    fn known() -> (CachedKeys, Instant) {
        let start = Instant::now();
        let mut known = CachedKeys::default();
        known.store(
            [("a".to_owned(), Arc::new(DecodingKey::from_secret(b"a")))].into(),
            FRESH,
            start,
            MIN_REFRESH_INTERVAL,
        );
        (known, start)
    }

    #[test]
    fn empty_key_cache_requests_a_fetch() {
        assert!(matches!(CachedKeys::default().lookup("a", Instant::now()), Lookup::Fetch { old: None }));
    }

    #[test]
    fn unknown_key_id_is_fetched_once_a_minute() {
        let (mut known, start) = known();
        assert!(matches!(known.lookup("b", start + SECOND), Lookup::Missing(KeyError::Unknown)));
        assert!(matches!(known.lookup("b", start + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: None }));
        let keys = [("b".to_owned(), Arc::new(DecodingKey::from_secret(b"b")))];
        known.store(keys.into(), FRESH, start + MIN_REFRESH_INTERVAL, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.lookup("b", start + MIN_REFRESH_INTERVAL), Lookup::Found(_)));
        assert!(matches!(
            known.lookup("a", start + MIN_REFRESH_INTERVAL),
            Lookup::Missing(KeyError::Unknown)
        ));
    }

    #[test]
    fn stale_keys_serve_for_a_limited_time() {
        let (mut known, start) = known();
        assert!(matches!(known.lookup("a", start + FRESH / 2), Lookup::Found(_)));
        let later = start + FRESH;
        assert!(matches!(known.lookup("a", later), Lookup::Fetch { old: Some(_) }));
        known.failed(later, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.lookup("a", later + SECOND), Lookup::Found(_)), "not asked for again at once");
        assert!(matches!(known.lookup("b", later + SECOND), Lookup::Missing(KeyError::Unreachable(_))));
        assert!(matches!(known.lookup("a", later + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: Some(_) }));
        let last = start + STALE;
        assert!(matches!(known.lookup("a", last), Lookup::Fetch { old: None }));
        known.failed(last, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.lookup("a", last + SECOND), Lookup::Missing(KeyError::Unreachable(_))));
        assert!(matches!(known.lookup("a", last + AFTER_FAILURE), Lookup::Fetch { old: None }));
    }

    #[test]
    fn failed_fetch_does_not_speed_up_unknown_ids() {
        let (mut known, start) = known();
        let first = start + MIN_REFRESH_INTERVAL;
        assert!(matches!(known.lookup("made up", first), Lookup::Fetch { old: None }));
        known.failed(first, MIN_REFRESH_INTERVAL);
        assert!(matches!(known.lookup("made up", first + AFTER_FAILURE), Lookup::Missing(_)));
        assert!(matches!(known.lookup("made up", first + MIN_REFRESH_INTERVAL), Lookup::Fetch { old: None }));
    }

    /// Returns keys at a URL that accepts connections and never responds.
    fn stuck() -> (JwksCache, std::net::TcpListener) {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
        let metrics = Arc::new(Metrics::new(&[], false));
        (JwksCache::new(url, MIN_REFRESH_INTERVAL, metrics).unwrap(), silent)
    }

    #[tokio::test]
    async fn known_key_does_not_wait_for_unknown_key() {
        let (keys, _silent) = stuck();
        let good = || [("a".to_owned(), Arc::new(DecodingKey::from_secret(b"a")))].into();
        keys.0.cache().store(good(), FRESH, Instant::now(), Duration::ZERO);
        let made_up = keys.get("made up");
        tokio::pin!(made_up);
        let soon = Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, made_up.as_mut()).await.is_err(), "it is being asked for");
        assert!(matches!(tokio::time::timeout(soon, keys.get("a")).await, Ok(Ok(_))));
        // Stale but valid: one caller starts a refresh, and none of them waits.
        keys.0.cache().store(good(), Duration::ZERO, Instant::now(), Duration::ZERO);
        assert!(matches!(tokio::time::timeout(soon, keys.get("a")).await, Ok(Ok(_))));
    }
}
