//! The routes.

use super::answer::Answer;
use super::limits::{Broken, Limits, Upload};
use super::push::{self, Message};
use super::{Service, collecting, feeding, normalizing, observe, page};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// The maximum size of a push. Documented senders stay far below it: a notification contains an object resource (a name
/// of up to 1 KiB, metadata of up to 8 KiB) at most twice, once in base64.
const LONGEST_PUSH: u64 = 256 << 10;
/// The maximum size of all pushes in memory: thousands of typical ones, and enough large ones that they do not wait for
/// each other.
pub(super) const PUSHES: usize = 32 << 20;
/// How long the body of a push may take.
const PUSH_TIME: Duration = Duration::from_secs(10);

pub(super) fn router(service: &Arc<Service>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    if service.options.collect.is_some() {
        router = router.route("/collect", post(collect));
    }
    if service.options.ingest.is_some() {
        router = router.route("/ingest", post(ingest));
    }
    if service.options.normalize.is_some() {
        router = router.route("/normalize", post(normalizing::normalize)).merge(page::routes());
    }
    let router = router.fallback(|| async { Answer::not_here() }).with_state(Arc::clone(service));
    router.layer(from_fn_with_state(Arc::clone(service), observe::pass))
}

async fn ready(State(service): State<Arc<Service>>) -> impl IntoResponse {
    if service.stopping.is_set() { Answer::stopping().into_response() } else { "ready\n".into_response() }
}

async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let content = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content)], service.metrics.text())
}

async fn collect(State(service): State<Arc<Service>>, request: Request) -> Answer {
    match message(&service, request).await {
        Ok((message, _place)) => collecting::collect(&service, message).await,
        Err(answer) => answer,
    }
}

async fn ingest(State(service): State<Arc<Service>>, request: Request) -> Answer {
    match message(&service, request).await {
        Ok((message, _place)) => feeding::ingest(&service, message).await,
        Err(answer) => answer,
    }
}

/// A complete push and its place in the queue; incomplete ones have none.
async fn message(service: &Service, request: Request) -> Result<(Message, OwnedSemaphorePermit), Answer> {
    let (parts, body) = request.into_parts();
    let limits = &service.options.limits;
    let limits = Limits {
        body: limits.body.min(LONGEST_PUSH),
        body_time: limits.body_time.min(PUSH_TIME),
        ..limits.clone()
    };
    let mut upload = Upload::new(body, &limits, &service.held_of_pushes);
    let mut body = Vec::new();
    let _share = match upload.read_to(&mut body).await {
        // The length is not what is wrong with it.
        Err(Broken::TooLarge(_)) if push::is_malformed_start(&body) => {
            return Err(Answer::poison("the body is malformed or nested too deeply"));
        }
        read => read?,
    };
    let place = Arc::clone(&service.pushes).try_acquire_owned().map_err(|_| Answer::too_many(1))?;
    let message = push::read(&parts.headers, &body);
    message.map(|message| (message, place)).map_err(|push::Malformed(why)| Answer::poison(why))
}
