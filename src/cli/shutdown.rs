//! Ctrl-C and SIGTERM for asynchronous work.

use super::error::Exit;
use super::progress;
use tokio_util::sync::CancellationToken;

/// Returns a token that the first signal cancels, so that the run ends with its progress saved. The second signal ends
/// the program.
pub(super) fn cancel_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        signal().await;
        cancelled.cancel();
        signal().await;
        progress::clear();
        std::process::exit(Exit::Stopped as i32);
    });
    token
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    drop(tokio::signal::ctrl_c().await);
}
