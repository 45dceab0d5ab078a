//! The routes.

use super::admission;
use super::app_state::AppState;
use super::body::{BodyError, LimitedBody};
use super::config::Limits;
use super::explain_page;
use super::normalize;
use super::response::ApiResponse;
use super::triggers::payload::{Malformed, is_malformed_start};
use super::triggers::push::{self, PushMessage};
use super::triggers::{collect_handler, ingest_handler};
use super::webhook;
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
const MAX_PUSH_BYTES: u64 = 256 << 10;
/// How long the body of a push may take.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn router(state: &Arc<AppState>) -> Router {
    let mut router = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready));
    if state.options.metrics {
        router = router.route("/metrics", get(metrics));
    }
    if state.options.collect.is_some() {
        router = router.route("/collect", post(collect));
    }
    if state.options.ingest.is_some() {
        router = router.route("/ingest", post(ingest));
    }
    if state.options.normalize.is_some() {
        router =
            router.route("/normalize", post(normalize::handler::normalize)).merge(explain_page::routes());
    }
    if state.webhook.is_some() {
        router = router.route("/webhook", post(webhook::handler::webhook));
    }
    let router = router.fallback(|| async { ApiResponse::not_found() }).with_state(Arc::clone(state));
    router.layer(from_fn_with_state(Arc::clone(state), admission::middleware))
}

async fn ready(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    if state.shutdown.is_cancelled() {
        ApiResponse::stopping().into_response()
    } else {
        "ready\n".into_response()
    }
}

async fn metrics(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let content = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content)], state.metrics.text())
}

async fn collect(State(state): State<Arc<AppState>>, request: Request) -> ApiResponse {
    match read_push(&state, request).await {
        Ok((message, _permit)) => collect_handler::collect(&state, message).await,
        Err(response) => response,
    }
}

async fn ingest(State(state): State<Arc<AppState>>, request: Request) -> ApiResponse {
    match read_push(&state, request).await {
        Ok((message, _permit)) => ingest_handler::ingest(&state, message).await,
        Err(response) => response,
    }
}

/// Reads a complete push, and acquires its place in the queue.
async fn read_push(
    state: &AppState,
    request: Request,
) -> Result<(PushMessage, OwnedSemaphorePermit), ApiResponse> {
    let (parts, body) = request.into_parts();
    let limits = &state.options.limits;
    let limits = Limits {
        body: limits.body.min(MAX_PUSH_BYTES),
        body_time: limits.body_time.min(PUSH_TIMEOUT),
        ..limits.clone()
    };
    let mut limited = LimitedBody::new(body, &limits, &state.push_budget);
    let mut body = Vec::new();
    let _share = match limited.read_to(&mut body).await {
        // Its content is wrong, whatever its length.
        Err(BodyError::TooLarge(_)) if is_malformed_start(&body) => {
            return Err(ApiResponse::bad_request("the body is malformed or nested too deeply"));
        }
        read => read?,
    };
    let permit = Arc::clone(&state.pushes).try_acquire_owned().map_err(|_| ApiResponse::too_many(1))?;
    let message = push::read(&parts.headers, &body);
    message.map(|message| (message, permit)).map_err(|Malformed(why)| ApiResponse::bad_request(why))
}
