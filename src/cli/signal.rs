//! Ctrl-C and SIGTERM: stop after the blocks in hand, and leave nothing half behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Files in the making: gone if the program must end before they are whole.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How long blocks in hand may take. They take milliseconds; a read from an idle pipe takes for ever.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sets `stop` at the first signal, and ends the program if that was not noticed in time.
pub(super) fn stop_at(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    let handler = move || {
        stop.store(true, Ordering::Relaxed);
        std::thread::sleep(PATIENCE);
        for path in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Gone already, or not ours to remove: either way nothing more can be done.
            let _ = std::fs::remove_file(path);
        }
        super::report::say("stopped by a signal while waiting for input; run again");
        std::process::exit(super::Exit::Stopped as i32);
    };
    // Without a handler a signal ends the program as it would any other.
    let _ = ctrlc::set_handler(handler);
}

/// Has a file removed if the program is ended by a signal.
pub(super) fn remove_at_stop(path: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}
