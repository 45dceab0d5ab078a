//! The public keys that Google signs tokens with: fetched, kept as long as Google says, fetched anew for a new one.

use super::metrics::Metrics;
use jsonwebtoken::DecodingKey;
use reqwest::header::CACHE_CONTROL;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Where Google's keys are.
pub const GOOGLE: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// A key that is not among those known is asked for no more often than this: anybody can make one up.
const APART: Duration = Duration::from_secs(60);
/// The same where there are no keys at all.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long keys are good where nobody says.
const FRESH: Duration = Duration::from_secs(3600);
/// How long keys stay good that cannot be fetched anew: Google gives new ones out a day before they are used.
const STALE: Duration = Duration::from_secs(12 * 3600);
/// More than any such document has.
const LARGEST: usize = 1 << 20;

/// Keys by name.
pub(super) struct Keys {
    http: reqwest::Client,
    url: reqwest::Url,
    metrics: Arc<Metrics>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// When they came, and how long they are fresh.
    came: Option<(Instant, Duration)>,
    /// Before when they are not asked for again.
    next: Option<Instant>,
}

pub(super) enum Missing {
    /// There is no key of that name.
    Unknown,
    /// Nobody can tell.
    Unreachable(String),
}

#[derive(Deserialize)]
struct Document {
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

impl Keys {
    pub(super) fn new(url: reqwest::Url, metrics: Arc<Metrics>) -> Result<Self, reqwest::Error> {
        // A second installation says that there is one already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("zoom-udm/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, url, metrics, known: Mutex::default() })
    }

    /// The key of a name. Who comes while it is being fetched waits for that.
    pub(super) async fn get(&self, kid: &str) -> Result<Arc<DecodingKey>, Missing> {
        let mut known = self.known.lock().await;
        let age = known.came.map(|(came, fresh)| (came.elapsed(), fresh));
        let key = known.keys.get(kid).cloned();
        if let (Some(key), Some((age, fresh))) = (&key, age)
            && age < fresh
        {
            return Ok(Arc::clone(key));
        }
        let is_fresh = age.is_some_and(|(age, fresh)| age < fresh);
        let recently = known.next.is_some_and(|next| Instant::now() < next);
        let usable = key.filter(|_| age.is_some_and(|(age, _)| age < STALE));
        if recently {
            let missing = if is_fresh {
                Missing::Unknown
            } else {
                Missing::Unreachable("the last try failed just now".into())
            };
            return usable.ok_or(missing);
        }
        known.next = Some(Instant::now() + APART);
        match self.fetch().await {
            Ok((keys, fresh)) => {
                self.metrics.key_fetches.get_or_create(&[("outcome", "good")]).inc();
                (known.keys, known.came) = (keys, Some((Instant::now(), fresh)));
                known.keys.get(kid).cloned().ok_or(Missing::Unknown)
            }
            Err(why) => {
                self.metrics.key_fetches.get_or_create(&[("outcome", "failed")]).inc();
                tracing::warn!(why, "Google's keys cannot be fetched");
                // Nobody can be let in before it goes well.
                if usable.is_none() {
                    known.next = Some(Instant::now() + AFTER_FAILURE);
                }
                usable.ok_or(Missing::Unreachable(why))
            }
        }
    }

    async fn fetch(&self) -> Result<(HashMap<String, Arc<DecodingKey>>, Duration), String> {
        let plain = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.http.get(self.url.clone()).send().await.map_err(plain)?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let cache = response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let fresh = cache.and_then(max_age).unwrap_or(FRESH);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(plain)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST {
                return Err("the answer is too long".into());
            }
        }
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|_| "the answer is no set of keys".to_owned())?;
        let keys: HashMap<_, _> = document.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("the answer holds no RSA key".into());
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

/// `public, max-age=19845, must-revalidate`: between a minute and a day.
fn max_age(cache: &str) -> Option<Duration> {
    let age = cache.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    let seconds: u64 = age.trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(60, 86_400)))
}
