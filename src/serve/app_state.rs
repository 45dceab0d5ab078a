//! The state that all requests share.

use super::auth::Authenticator;
use super::config::{CollectConfig, Options};
use super::jwks::JwksCache;
use super::metrics::Metrics;
use super::response::ApiResponse;
use super::triggers::ingest_queue::IngestQueue;
use super::webhook::receiver::Receiver;
use crate::clock::Clock;
use crate::error::RunError;
use futures::future::{BoxFuture, Shared};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The maximum size of all pushes in memory: thousands of typical ones, and enough large ones that they do not wait for
/// each other.
const PUSH_MEMORY: usize = 32 << 20;

/// The current run of collect, if there is one.
pub(super) type CurrentRun = Mutex<Option<Shared<BoxFuture<'static, ApiResponse>>>>;

/// The address of the client.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddr(pub(super) SocketAddr);

/// State that all requests share.
pub(super) struct AppState {
    pub(super) options: Options,
    pub(super) authenticator: Authenticator,
    pub(super) metrics: Arc<Metrics>,
    /// Cancelled when the service shuts down.
    pub(super) shutdown: CancellationToken,
    pub(super) collect_run: CurrentRun,
    pub(super) ingest_queue: IngestQueue,
    pub(super) webhook: Option<Receiver>,
    /// Active runs, whether or not anybody waits for them.
    runs: Mutex<JoinSet<()>>,
    /// When the ledger was last measured.
    pub(super) ledger_measured_at: Mutex<Option<Instant>>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) requests: Arc<Semaphore>,
    pub(super) pushes: Arc<Semaphore>,
    pub(super) normalizations: Arc<Semaphore>,
    /// The remaining memory budget for bodies.
    pub(super) body_budget: Arc<Semaphore>,
    /// The same for pushes, so that other bodies never delay them.
    pub(super) push_budget: Arc<Semaphore>,
}

impl AppState {
    pub(super) fn new(options: Options, shutdown: CancellationToken) -> Result<Self, RunError> {
        let collected: Vec<_> = options.collect.iter().flat_map(CollectConfig::kinds).collect();
        let metrics = Arc::new(Metrics::new(&collected, options.webhook.is_some()));
        let oidc = match options.oidc.clone() {
            None => None,
            Some(oidc) => {
                let keys = JwksCache::new(oidc.keys.clone(), oidc.min_refresh_interval, Arc::clone(&metrics));
                let keys = keys.map_err(|error| {
                    RunError::Usage(format!("cannot create an HTTP client: {error}").into())
                })?;
                Some((oidc, keys))
            }
        };
        let webhook = options
            .webhook
            .as_ref()
            .map(|config| Receiver::new(config, options.clock.as_ref(), &metrics.webhook, &shutdown));
        let limits = &options.limits;
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self {
            authenticator: Authenticator::new(options.listen.ip().is_loopback(), oidc, options.clock.clone()),
            metrics,
            shutdown,
            collect_run: Mutex::default(),
            ingest_queue: IngestQueue::default(),
            webhook,
            runs: Mutex::default(),
            ledger_measured_at: Mutex::default(),
            connections: semaphore(limits.connections),
            requests: semaphore(limits.requests),
            pushes: semaphore(limits.requests),
            normalizations: semaphore(limits.normalizations),
            body_budget: semaphore(limits.body_memory),
            push_budget: semaphore(PUSH_MEMORY),
            options,
        })
    }

    /// Keeps a run going to its end, even if nobody waits for it.
    pub(super) fn track_run(&self, run: impl Future<Output = ()> + Send + 'static) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        while runs.try_join_next().is_some() {}
        runs.spawn(run);
    }

    /// Waits until all runs have ended.
    pub(super) async fn runs_ended(&self) {
        let mut runs = std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner));
        while runs.join_next().await.is_some() {}
    }

    /// Returns the clock for a new run.
    pub(super) fn clock(&self) -> Clock {
        self.options.clock.clone().unwrap_or_else(Clock::system)
    }
}
