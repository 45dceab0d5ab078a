//! Handles requests to `POST /webhook`.

use crate::serve::app_state::AppState;
use crate::serve::response::ApiResponse;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Handles a delivery.
pub(crate) async fn webhook(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let Some(receiver) = &state.webhook else { return ApiResponse::not_found().into_response() };
    receiver.receive(&state.options.limits, request, |batch| state.track_run(batch)).await
}
