//! Which path goes where.

use super::answer::Answer;
use super::limits::Upload;
use super::push::{self, Message};
use super::{Service, collecting, feeding, normalizing, observe, page};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::sync::Arc;

/// How long a message of Pub/Sub can be, with its envelope.
const LONGEST_PUSH: u64 = 16 << 20;

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
    let most = usize::try_from(service.options.limits.body).unwrap_or(usize::MAX);
    let router = router.fallback(|| async { Answer::not_here() }).with_state(Arc::clone(service));
    router.layer(DefaultBodyLimit::max(most)).layer(from_fn_with_state(Arc::clone(service), observe::pass))
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
        Ok(message) => collecting::collect(&service, &message).await,
        Err(answer) => answer,
    }
}

async fn ingest(State(service): State<Arc<Service>>, request: Request) -> Answer {
    match message(&service, request).await {
        Ok(message) => feeding::ingest(&service, &message).await,
        Err(answer) => answer,
    }
}

async fn message(service: &Service, request: Request) -> Result<Message, Answer> {
    let (parts, body) = request.into_parts();
    let mut limits = service.options.limits.clone();
    limits.body = limits.body.min(LONGEST_PUSH);
    let body = Upload::new(body, &limits).whole().await?;
    push::read(&parts.headers, &body).map_err(|push::Malformed(why)| Answer::poison(why))
}
