//! The routes.

use super::limits::{Broken, LimitedBody, Limits};
use super::pubsub::{self, PushMessage};
use super::response::ApiResponse;
use super::{AppState, access_log, collect_handler, explain_page, ingest_handler, normalize_handler};
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

pub(super) fn router(service: &Arc<AppState>) -> Router {
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
        router = router.route("/normalize", post(normalize_handler::normalize)).merge(explain_page::routes());
    }
    let router = router.fallback(|| async { ApiResponse::not_found() }).with_state(Arc::clone(service));
    router.layer(from_fn_with_state(Arc::clone(service), access_log::middleware))
}

async fn ready(State(service): State<Arc<AppState>>) -> impl IntoResponse {
    if service.stopping.is_set() {
        ApiResponse::stopping().into_response()
    } else {
        "ready\n".into_response()
    }
}

async fn metrics(State(service): State<Arc<AppState>>) -> impl IntoResponse {
    let content = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content)], service.metrics.text())
}

async fn collect(State(service): State<Arc<AppState>>, request: Request) -> ApiResponse {
    match message(&service, request).await {
        Ok((message, _place)) => collect_handler::collect(&service, message).await,
        Err(answer) => answer,
    }
}

async fn ingest(State(service): State<Arc<AppState>>, request: Request) -> ApiResponse {
    match message(&service, request).await {
        Ok((message, _place)) => ingest_handler::ingest(&service, message).await,
        Err(answer) => answer,
    }
}

/// A complete push and its place in the queue; incomplete ones have none.
async fn message(
    service: &AppState,
    request: Request,
) -> Result<(PushMessage, OwnedSemaphorePermit), ApiResponse> {
    let (parts, body) = request.into_parts();
    let limits = &service.options.limits;
    let limits = Limits {
        body: limits.body.min(LONGEST_PUSH),
        body_time: limits.body_time.min(PUSH_TIME),
        ..limits.clone()
    };
    let mut upload = LimitedBody::new(body, &limits, &service.held_of_pushes);
    let mut body = Vec::new();
    let _share = match upload.read_to(&mut body).await {
        // The length is not what is wrong with it.
        Err(Broken::TooLarge(_)) if pubsub::is_malformed_start(&body) => {
            return Err(ApiResponse::bad_request("the body is malformed or nested too deeply"));
        }
        read => read?,
    };
    let place = Arc::clone(&service.pushes).try_acquire_owned().map_err(|_| ApiResponse::too_many(1))?;
    let message = pubsub::read(&parts.headers, &body);
    message.map(|message| (message, place)).map_err(|pubsub::Malformed(why)| ApiResponse::bad_request(why))
}
