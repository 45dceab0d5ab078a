//! The service: collect, ingest and normalize behind HTTP, and the page that explains records.
//!
//! - `server`: connections, their limits, and how all of it ends.
//! - `router`: which path goes where.
//! - `page`: the page for people, and what it asks.

mod page;
mod router;
mod server;

use crate::halt::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// How long requests under way may take to end once the service is told to.
    pub grace: Duration,
}

/// Serves until `stop` is notified, and ends what is under way.
///
/// # Errors
/// [`Error::Usage`] where it cannot listen.
pub async fn run(options: Options, stop: Arc<Notify>) -> Result<(), Error> {
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Error::Usage(format!("--listen {}: {error}", options.listen)))?;
    let address = listener.local_addr().unwrap_or(options.listen);
    tracing::info!(address = %address, "listening");
    server::serve(listener, router::router(), options.grace, &stop).await;
    Ok(())
}
