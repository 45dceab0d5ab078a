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

mod answer;
mod callers;
mod cloudevent;
mod collecting;
mod download;
mod feeding;
mod framing;
mod heard;
mod keys;
mod limits;
mod metrics;
mod normalizing;
mod observe;
mod outlet;
mod page;
mod patience;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod push;
mod queue;
mod router;
mod server;
mod stopping;
mod thread;

pub use callers::Oidc;
pub use collecting::Collecting;
pub use feeding::Feeding;
pub use keys::{APART as KEYS_APART, GOOGLE as GOOGLE_KEYS};
pub use limits::Limits;
pub use normalizing::Normalizing;

use crate::clock::Clock;
use crate::halt::Error;
use callers::Callers;
use keys::Keys;
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
    pub collect: Option<Collecting>,
    /// How to ingest; enables `POST /ingest`.
    pub ingest: Option<Feeding>,
    /// How to normalize; enables `POST /normalize` and the page.
    pub normalize: Option<Normalizing>,
    /// Which callers are accepted; `None` accepts all.
    pub oidc: Option<Oidc>,
    /// The limits.
    pub limits: Limits,
    /// The clock, if not the system clock.
    pub clock: Option<Clock>,
    /// The Google Cloud project that traces belong to.
    pub project: Option<String>,
}

/// State that all requests share.
struct Service {
    options: Options,
    callers: Callers,
    metrics: Arc<Metrics>,
    stopping: Stopping,
    collecting: collecting::Running,
    queue: queue::Queue,
    /// Active runs, whether or not anybody waits for them.
    runs: Mutex<JoinSet<()>>,
    /// When the ledger was last measured.
    weighed: Mutex<Option<Instant>>,
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    pushes: Arc<Semaphore>,
    normalizations: Arc<Semaphore>,
    /// The remaining memory budget for bodies.
    held: Arc<Semaphore>,
    /// The same for pushes, so that other bodies never delay them.
    held_of_pushes: Arc<Semaphore>,
}

impl Service {
    fn new(options: Options) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::new(options.collect.is_some()));
        let oidc = match options.oidc.clone() {
            None => None,
            Some(oidc) => {
                let keys = Keys::new(&oidc, Arc::clone(&metrics));
                let keys =
                    keys.map_err(|error| Error::Usage(format!("cannot create an HTTP client: {error}")))?;
                Some((oidc, keys))
            }
        };
        let limits = &options.limits;
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self {
            callers: Callers::new(options.listen.ip().is_loopback(), oidc, options.clock.clone()),
            metrics,
            stopping: Stopping::new(),
            collecting: Mutex::default(),
            queue: queue::Queue::default(),
            runs: Mutex::default(),
            weighed: Mutex::default(),
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
    fn see_to(&self, run: impl Future<Output = ()> + Send + 'static) {
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
struct Peer(SocketAddr);

/// Serves until `stop` is notified, and then finishes active requests.
///
/// # Errors
/// [`Error::Usage`] if it cannot listen.
pub async fn run(options: Options, stop: Arc<Notify>) -> Result<(), Error> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Error::Usage(format!("--listen {}: {error}; name another address", options.listen))
    })?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let service = Arc::new(Service::new(options)?);
    tracing::info!(address = %address, "listening");
    server::serve(listener, router::router(&service), &service, &stop).await;
    tracing::info!("stopped");
    Ok(())
}
