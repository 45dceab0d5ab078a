//! Ctrl-C and SIGTERM: stop after what is in hand, and leave nothing half behind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A file in the making: what becomes of it if the program must end.
pub(super) struct Unfinished {
    path: PathBuf,
    kept: Option<Kept>,
}

/// What there is of a file in the making that is worth something.
pub(super) struct Kept {
    /// Where it is put.
    pub(super) place: PathBuf,
    /// How many of its bytes are whole lines.
    pub(super) whole: Arc<AtomicU64>,
}

/// Whether a run has come to its end, and what it made is being put in place.
static SETTLED: AtomicBool = AtomicBool::new(false);

static UNFINISHED: Mutex<Vec<Unfinished>> = Mutex::new(Vec::new());

/// How long blocks in hand may take. They take milliseconds; a read from an idle pipe takes for ever.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sets `stop` at the first signal, and ends the program if that was not noticed in time: for work on threads.
pub(super) fn stop_at(stop: &Arc<AtomicBool>) {
    let (stop, mut again) = (Arc::clone(stop), false);
    let handler = move || {
        stop.store(true, Ordering::Relaxed);
        std::thread::sleep(PATIENCE);
        // Held to the end: what is put in place here is not written to any more.
        let files = undisturbed();
        if is_let_be(&mut again) {
            return;
        }
        for file in &*files {
            file.end();
        }
        super::progress::clear();
        super::report::say(
            "stopped by a signal while waiting for input, or for who reads the output; run again",
        );
        std::process::exit(super::Exit::Stopped as i32);
    };
    // Without a handler a signal ends the program as it would any other.
    let _ = ctrlc::set_handler(handler);
}

/// Whether a signal ends nothing: a run at its end says itself how it went, unless somebody asks `again`.
fn is_let_be(again: &mut bool) -> bool {
    SETTLED.load(Ordering::Relaxed) && !std::mem::replace(again, true)
}

/// Has the first signal from now on end nothing: the run is at its end, and says itself how it went.
pub(super) fn settle() {
    let _turn = undisturbed();
    SETTLED.store(true, Ordering::Relaxed);
}

impl Unfinished {
    fn end(&self) {
        // Gone already, or not ours to touch: either way nothing more can be done.
        let _ = match &self.kept {
            Some(Kept { place, whole }) if whole.load(Ordering::Relaxed) > 0 => {
                let file = File::options().write(true).open(&self.path);
                file.and_then(|file| cut(&file, whole.load(Ordering::Relaxed), place))
                    .and_then(|()| std::fs::rename(&self.path, place))
            }
            _ => std::fs::remove_file(&self.path),
        };
    }
}

/// Cuts what goes to a place behind its last whole line, and says so.
pub(super) fn cut(file: &File, whole: u64, place: &Path) -> io::Result<()> {
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
        let place = place.display();
        super::report::say(&format!(
            "{place}: the last line was cut short, and is left out; run again for it"
        ));
    }
    Ok(())
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
        super::progress::clear();
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

/// Has a file in the making removed, or what is whole of it put in a place, if the program is ended by a signal.
pub(super) fn unfinished(path: &Path, kept: Option<Kept>) {
    undisturbed().push(Unfinished { path: path.to_owned(), kept });
}

/// Notes that a file in the making has another name.
pub(super) fn renamed(files: &mut [Unfinished], from: &Path, to: &Path) {
    files.iter_mut().filter(|file| file.path == from).for_each(|file| to.clone_into(&mut file.path));
}

/// The list of files in the making. As long as it is held, no signal ends the program.
pub(super) fn undisturbed() -> MutexGuard<'static, Vec<Unfinished>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{is_let_be, settle};

    #[test]
    fn a_run_at_its_end_is_let_be_once() {
        let mut again = false;
        assert!(!is_let_be(&mut again) && !is_let_be(&mut again), "before the end every signal counts");
        settle();
        assert_eq!([is_let_be(&mut again), is_let_be(&mut again)], [true, false]);
    }
}
