//! Accepts connections, enforces their limits, and shuts down.

use super::app_state::{AppState, ClientAddr};
use super::config::Options;
use super::framing::{FramingParser, FramingVerdicts};
use super::router;
use super::write_timeout::{FlushNotifier, WriteTimeoutStream};
use crate::error::{Failure, RunError};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves until `stop` is cancelled, and then finishes active requests.
///
/// # Errors
/// [`RunError::Usage`] if it cannot listen; others if the storage of webhooks cannot be opened.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), RunError> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let what = format!("--listen {}: {error}", options.listen);
        RunError::Usage(Failure::new(what, "name another address").caused_by(error))
    })?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let state = Arc::new(AppState::new(options, stop)?);
    if let Some(webhook) = &state.webhook {
        webhook.open().await?;
    }
    tracing::info!(address = %address, "listening");
    accept_until_shutdown(listener, router::router(&state), &state).await;
    tracing::info!("stopped");
    Ok(())
}

/// Accepts connections until shutdown; then waits for active requests, up to the grace period.
async fn accept_until_shutdown(listener: TcpListener, router: Router, state: &Arc<AppState>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accept(&state.connections, &listener) => match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, peer, router.clone(), Arc::clone(state), place);
                    connections.spawn(connection);
                }
                // Probably out of file handles; some will be released.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let all = async {
        while connections.join_next().await.is_some() {}
        state.runs_ended().await;
    };
    if tokio::time::timeout(state.options.limits.grace, all).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "aborting requests and runs that did not finish in time"
        );
    }
}

type AcceptResult = (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, SocketAddr)>);

/// Accepts a connection when there is capacity.
async fn accept(places: &Arc<Semaphore>, listener: &TcpListener) -> AcceptResult {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    state: Arc<AppState>,
    _place: Option<OwnedSemaphorePermit>,
) {
    let _ = stream.set_nodelay(true);
    let limits = &state.options.limits;
    let router = TowerToHyperService::new(router);
    let flush = FlushNotifier::default();
    let verdicts = FramingVerdicts::default();
    let framing = FramingParser::new(limits.head, verdicts.clone());
    let stream = WriteTimeoutStream::new(stream, limits.idle_time, flush.clone(), framing);
    let handler = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ClientAddr(peer));
        if let Err(ambiguous) = verdicts.next() {
            request.extensions_mut().insert(ambiguous);
        }
        request.extensions_mut().insert(flush.clone());
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_header_size(limits.head)
        .max_headers(limits.headers)
        .max_buf_size((limits.head * 2).max(64 << 10))
        .serve_connection(TokioIo::new(stream), handler);
    tokio::pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        () = state.shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
