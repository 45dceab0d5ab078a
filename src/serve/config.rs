//! The configuration of the service.

use crate::clock::Clock;
use crate::collect::Secret;
use crate::store::Location;
use crate::timestamp::Timestamp;
use crate::{collect, ingest, normalize};
use chrono::DateTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Options of the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 selects a free one.
    pub listen: SocketAddr,
    /// How to collect; enables `POST /collect`.
    pub collect: Option<CollectConfig>,
    /// How to ingest; enables `POST /ingest`.
    pub ingest: Option<IngestConfig>,
    /// How to normalize; enables `POST /normalize` and the page.
    pub normalize: Option<NormalizeConfig>,
    /// How to receive Zoom's events; enables `POST /webhook`, which checks Zoom's signature instead of `oidc`.
    pub webhook: Option<WebhookConfig>,
    /// Whether to serve `GET /metrics`.
    pub metrics: bool,
    /// Which callers are accepted; `None` accepts all.
    pub oidc: Option<OidcConfig>,
    /// The limits.
    pub limits: Limits,
    /// The clock, if not the system clock.
    pub clock: Option<Clock>,
    /// The Google Cloud project that traces belong to.
    pub project: Option<String>,
}

/// How to collect.
#[derive(Debug, Clone)]
pub struct CollectConfig {
    /// The options of each run, for each kind of log; cancellation and clock are replaced.
    pub options: Vec<collect::Options>,
    /// The maximum duration of a run.
    pub deadline: Duration,
}

impl CollectConfig {
    /// Returns what is collected.
    pub(super) fn kinds(&self) -> impl Iterator<Item = collect::LogKind> + use<'_> {
        self.options.iter().map(|options| options.logs)
    }
}

/// How to ingest.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// The options of each run; the clock is replaced.
    pub options: ingest::Options,
    /// How long a push may wait for its response; a run gets a third of it.
    pub deadline: Duration,
}

/// How to normalize.
#[derive(Debug, Clone)]
pub struct NormalizeConfig {
    /// How records become events.
    pub options: normalize::Options,
    /// The format and size of requests, if events are grouped.
    pub requests: Option<(normalize::RequestFormat, normalize::Limits)>,
    /// Whether records without a usable time get the time of their request.
    pub default_to_now: bool,
}

impl NormalizeConfig {
    /// Returns the options for a request that arrived at this time, in milliseconds.
    pub(super) fn options_at(&self, now: i64) -> normalize::Options {
        let mut options = self.options.clone();
        if self.default_to_now {
            let now = DateTime::from_timestamp_millis(now).and_then(Timestamp::from_chrono);
            options.default_time = now.or(options.default_time);
        }
        options
    }
}

/// How to receive Zoom's events.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Where events are stored.
    pub to: Location,
    /// The secret token of the Zoom app, with which Zoom signs.
    pub secret: Secret,
}

/// Which tokens are accepted.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// The expected audience.
    pub audience: String,
    /// The accepted e-mail addresses.
    pub emails: Vec<String>,
    /// The URL of the public keys.
    pub keys: reqwest::Url,
    /// The minimum time between two fetches of the keys because of an unknown key ID.
    pub min_refresh_interval: Duration,
}

/// The limits of the service.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Concurrent connections; further ones wait.
    pub connections: usize,
    /// Concurrent requests, and as many waiting pushes; further ones get 503.
    pub requests: usize,
    /// Concurrent normalizations; further ones wait.
    pub normalizations: usize,
    /// Bytes of a body as sent.
    pub body: u64,
    /// Bytes of a body, decompressed.
    pub unpacked: u64,
    /// Bytes of all bodies in memory, except those of pushes.
    pub body_memory: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// How long a head may take, and how long a connection may be idle.
    pub head_time: Duration,
    /// How long a caller may neither send nor receive a byte.
    pub idle_time: Duration,
    /// How long a body and its response may take in total.
    pub body_time: Duration,
    /// How long requests may take to finish after a shutdown signal.
    pub grace: Duration,
}

/// The number of bodies that the page explains at once, each on a thread.
pub(super) const CONCURRENT_EXPLANATIONS: usize = 2;

impl Limits {
    /// Returns how many blocking tasks last as long as a request or a run: normalizations, explanations, and a run of
    /// collect.
    pub(crate) fn blocking_tasks(&self) -> usize {
        self.normalizations + CONCURRENT_EXPLANATIONS + 1
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests: 80,
            normalizations: 16,
            body: 32 << 20,
            unpacked: 4 << 30,
            body_memory: 128 << 20,
            head: 32 << 10,
            headers: 100,
            head_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            body_time: Duration::from_secs(300),
            grace: Duration::from_secs(8),
        }
    }
}
