//! What is logged.

use tracing_subscriber::EnvFilter;

/// What `ZOOM_UDM_LOG` says, or how things go; without each request that storage is asked again.
pub(crate) fn filter() -> EnvFilter {
    EnvFilter::try_from_env("ZOOM_UDM_LOG").unwrap_or_else(|_| EnvFilter::new("info,object_store=error"))
}
