//! The service: collect, ingest and normalize over HTTP, and the page that explains records.
//!
//! - `server`, `patience`: connections, timeouts and shutdown; `limits`: the limits.
//! - `framing`: refuses requests that a proxy could read differently.
//! - `router`: routes. `observe`: admission, counts, and one log line per request.
//! - `callers`, `keys`: authentication.
//! - `push`, `cloudevent`: what a push asks for. `collecting`, `feeding`: pushes to runs. `queue`: which push waits for
//!   which run of ingest. `heard`: the outcome of a run.
//! - `answer`: responses, designed for Pub/Sub.
//! - `normalizing`, `thread`, `download`: `POST /normalize`; `outlet`: passes chunks from worker threads to responses.
//! - `metrics`: metrics.
//! - `page`: the page, and its data.
//!
//! A push gets 2xx only after its work is durable. Repeated pushes are harmless, because runs do only what is not done
//! yet.

mod access_log;
mod auth;
mod chunk_sender;
mod cloudevent;
mod collect_handler;
mod explain_page;
mod framing;
mod ingest_handler;
mod ingest_outcome;
mod ingest_queue;
mod jwks;
mod limits;
mod metrics;
mod normalize_handler;
mod normalize_response;
mod normalize_worker;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod pubsub;
mod response;
mod router;
mod server;
mod stopping;
mod write_timeout;

pub use auth::OidcConfig;
pub use collect_handler::CollectConfig;
pub use ingest_handler::IngestConfig;
pub use jwks::{GOOGLE as GOOGLE_KEYS, MIN_REFRESH_INTERVAL as KEYS_APART};
pub use limits::Limits;
pub use normalize_handler::NormalizeConfig;

use crate::clock::Clock;
use crate::error::RunError;
use auth::Authenticator;
use jwks::JwksCache;
use metrics::Metrics;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stopping::Stopping;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

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
    /// Which callers are accepted; `None` accepts all.
    pub oidc: Option<OidcConfig>,
    /// The limits.
    pub limits: Limits,
    /// The clock, if not the system clock.
    pub clock: Option<Clock>,
    /// The Google Cloud project that traces belong to.
    pub project: Option<String>,
}

/// State that all requests share.
struct AppState {
    options: Options,
    callers: Authenticator,
    metrics: Arc<Metrics>,
    stopping: Stopping,
    collecting: collect_handler::CurrentRun,
    queue: ingest_queue::Queue,
    /// Active runs, whether or not anybody waits for them.
    runs: Mutex<JoinSet<()>>,
    /// When the ledger was last measured.
    ledger_measured_at: Mutex<Option<Instant>>,
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    pushes: Arc<Semaphore>,
    normalizations: Arc<Semaphore>,
    /// The remaining memory budget for bodies.
    held: Arc<Semaphore>,
    /// The same for pushes, so that other bodies never delay them.
    held_of_pushes: Arc<Semaphore>,
}

impl AppState {
    fn new(options: Options) -> Result<Self, RunError> {
        let metrics = Arc::new(Metrics::new(options.collect.is_some()));
        let oidc = match options.oidc.clone() {
            None => None,
            Some(oidc) => {
                let keys = JwksCache::new(&oidc, Arc::clone(&metrics));
                let keys =
                    keys.map_err(|error| RunError::Usage(format!("cannot create an HTTP client: {error}")))?;
                Some((oidc, keys))
            }
        };
        let limits = &options.limits;
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self {
            callers: Authenticator::new(options.listen.ip().is_loopback(), oidc, options.clock.clone()),
            metrics,
            stopping: Stopping::new(),
            collecting: Mutex::default(),
            queue: ingest_queue::Queue::default(),
            runs: Mutex::default(),
            ledger_measured_at: Mutex::default(),
            connections: semaphore(limits.connections),
            requests: semaphore(limits.requests),
            pushes: semaphore(limits.requests),
            normalizations: semaphore(limits.normalizations),
            held: semaphore(limits.held),
            held_of_pushes: semaphore(router::PUSHES),
            options,
        })
    }

    /// Keeps a run going to its end, even if nobody waits for it.
    fn track_run(&self, run: impl Future<Output = ()> + Send + 'static) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        while runs.try_join_next().is_some() {}
        runs.spawn(run);
    }

    /// Waits until all runs have ended.
    async fn runs_ended(&self) {
        let mut runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        while runs.join_next().await.is_some() {}
    }

    /// Returns the clock for a new run.
    fn clock(&self) -> Clock {
        self.options.clock.clone().unwrap_or_else(Clock::system)
    }
}

/// The address of the client.
#[derive(Debug, Clone, Copy)]
struct ClientAddr(SocketAddr);

/// Serves until `stop` is notified, and then finishes active requests.
///
/// # Errors
/// [`RunError::Usage`] if it cannot listen.
pub async fn run(options: Options, stop: Arc<Notify>) -> Result<(), RunError> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        RunError::Usage(format!("--listen {}: {error}; name another address", options.listen))
    })?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let service = Arc::new(AppState::new(options)?);
    tracing::info!(address = %address, "listening");
    server::serve(listener, router::router(&service), &service, &stop).await;
    tracing::info!("stopped");
    Ok(())
}
