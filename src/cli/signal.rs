//! Ctrl-C and SIGTERM: stop after what is in hand, and leave nothing half behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Files in the making, with the place where what there is of one is put if the program must end; without a place it
/// is removed.
static UNFINISHED: Mutex<Vec<(PathBuf, Option<PathBuf>)>> = Mutex::new(Vec::new());

/// How long blocks in hand may take. They take milliseconds; a read from an idle pipe takes for ever.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sets `stop` at the first signal, and ends the program if that was not noticed in time: for work on threads.
pub(super) fn stop_at(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    let handler = move || {
        stop.store(true, Ordering::Relaxed);
        std::thread::sleep(PATIENCE);
        for (path, place) in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Gone already, or not ours to touch: either way nothing more can be done.
            let _ = match place {
                Some(place) => std::fs::rename(path, place),
                None => std::fs::remove_file(path),
            };
        }
        super::report::say(
            "stopped by a signal while waiting for input, or for who reads the output; run again",
        );
        std::process::exit(super::Exit::Stopped as i32);
    };
    // Without a handler a signal ends the program as it would any other.
    let _ = ctrlc::set_handler(handler);
}

/// Has a first signal end the run with what is done kept, and a second one end the program: for work on a runtime.
#[cfg(feature = "gcs")]
pub(super) fn stop_at_signals(stop: &Arc<tokio::sync::Notify>, flag: &Arc<AtomicBool>) {
    let (stop, flag) = (Arc::clone(stop), Arc::clone(flag));
    tokio::spawn(async move {
        signal().await;
        flag.store(true, Ordering::Relaxed);
        stop.notify_one();
        signal().await;
        std::process::exit(super::Exit::Stopped as i32);
    });
}

#[cfg(all(feature = "gcs", unix))]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(all(feature = "gcs", not(unix)))]
async fn signal() {
    drop(tokio::signal::ctrl_c().await);
}

/// Has a file in the making put in a place, or removed, if the program is ended by a signal.
pub(super) fn unfinished(path: &Path, place: Option<&Path>) {
    let entry = (path.to_owned(), place.map(Path::to_owned));
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
}
