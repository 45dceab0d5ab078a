//! Which path goes where.

use super::page;
use axum::Router;
use axum::routing::get;

pub(super) fn router() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).merge(page::routes())
}
