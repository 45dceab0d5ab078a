//! Admission: who may call, and how many requests are active at once.

use super::access_log::AccessLogEntry;
use super::app_state::AppState;
use super::framing::FramingError;
use super::response::ApiResponse;
use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Paths without authentication; they reveal nothing.
const PUBLIC: [&str; 2] = ["/healthz", "/readyz"];
/// Paths of pushes, which have capacity of their own.
const PUSHES: [&str; 2] = ["/collect", "/ingest"];
/// The path of Zoom's events. Zoom has no token and is on no list: the route checks a signature. Its memory and its time
/// are limited there, and its number by that of connections, because each event waits while others are gathered.
const WEBHOOK: &str = "/webhook";

/// Admits or refuses a request, and follows it to its end.
pub(super) async fn middleware(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let mut entry = AccessLogEntry::new(&state, &request);
    if let Some(FramingError(why)) = request.extensions().get() {
        let mut response = ApiResponse::bad_request(*why).into_response();
        // The start of the next request is unknown.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return entry.attach(response);
    }
    let response = match admit(&state, request.uri().path(), request.headers()).await {
        Ok(permit) => {
            entry.permit = permit;
            // A panic fails this request only: the connection and other requests continue.
            let response = AssertUnwindSafe(run(&state, entry.route, next.run(request))).catch_unwind().await;
            response.unwrap_or_else(|_| ApiResponse::panicked().into_response())
        }
        Err(response) => response.into_response(),
    };
    entry.attach(response)
}

/// Routes a request; requests without their own time limits get that of a body.
async fn run(state: &AppState, route: &str, response: impl Future<Output = Response>) -> Response {
    if PUSHES.contains(&route) || ["/normalize", WEBHOOK].contains(&route) {
        return response.await;
    }
    let response = tokio::time::timeout(state.options.limits.body_time, response).await;
    response.unwrap_or_else(|_| ApiResponse::too_slow().into_response())
}

async fn admit(
    state: &Arc<AppState>,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<OwnedSemaphorePermit>, ApiResponse> {
    if PUBLIC.contains(&path) {
        return Ok(None);
    }
    let signed = path == WEBHOOK && state.webhook.is_some();
    if !signed {
        state.authenticator.authorize(headers).await?;
    }
    if path == "/metrics" {
        return Ok(None);
    }
    if state.shutdown.is_cancelled() {
        return Err(ApiResponse::stopping());
    }
    // They are counted when their body is complete; see the router.
    if signed || PUSHES.contains(&path) {
        return Ok(None);
    }
    let permit = Arc::clone(&state.requests).try_acquire_owned();
    permit.map(Some).map_err(|_| ApiResponse::too_many(1))
}
