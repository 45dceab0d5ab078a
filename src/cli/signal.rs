//! Ctrl-C and SIGTERM: finish current work, and leave no incomplete files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An incomplete file, and what to do with it if the program must end.
pub(super) struct PendingFile {
    path: PathBuf,
    kept: Option<PartialFile>,
}

/// The useful part of an incomplete file.
pub(super) struct PartialFile {
    /// Its destination.
    pub(super) place: PathBuf,
    /// How many of its bytes are complete lines.
    pub(super) whole: Arc<AtomicU64>,
}

/// Whether the run has ended and its outputs are being put in place.
static FINISHED: AtomicBool = AtomicBool::new(false);

static PENDING: Mutex<Vec<PendingFile>> = Mutex::new(Vec::new());

/// How long current blocks may take. They take milliseconds, but a read from an idle pipe takes forever.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// Sets `stop` at the first signal, and ends the program if the threads do not react in time.
pub(super) fn stop_on_interrupt(stop: &Arc<AtomicBool>) {
    let (stop, mut again) = (Arc::clone(stop), false);
    let handler = move || {
        stop.store(true, Ordering::Relaxed);
        std::thread::sleep(GRACE_PERIOD);
        // Held to the end, because files that are put in place here must not be written any more.
        let files = lock_pending();
        if ignore_first_signal(&mut again) {
            return;
        }
        for file in &*files {
            file.end();
        }
        super::progress::clear();
        super::messages::eprint_line(
            "stopped by a signal while waiting for input or for the reader of the output; run again",
        );
        std::process::exit(super::error::Exit::Stopped as i32);
    };
    // Without a handler, a signal ends the program as usual.
    let _ = ctrlc::set_handler(handler);
}

/// Returns whether a signal is ignored: a run at its end reports its own result, unless there is a second signal.
fn ignore_first_signal(again: &mut bool) -> bool {
    FINISHED.load(Ordering::Relaxed) && !std::mem::replace(again, true)
}

/// Ignores the first signal from now on, because the run is at its end and reports its own result.
pub(super) fn mark_finished() {
    let _turn = lock_pending();
    FINISHED.store(true, Ordering::Relaxed);
}

impl PendingFile {
    fn end(&self) {
        // Nothing more can be done if this fails.
        let _ = match &self.kept {
            Some(PartialFile { place, whole }) if whole.load(Ordering::Relaxed) > 0 => {
                let file = File::options().write(true).open(&self.path);
                file.and_then(|file| truncate_to(&file, whole.load(Ordering::Relaxed), place))
                    .and_then(|()| std::fs::rename(&self.path, place))
            }
            _ => std::fs::remove_file(&self.path),
        };
    }
}

/// Truncates a file after its last complete line, and reports it.
pub(super) fn truncate_to(file: &File, whole: u64, place: &Path) -> io::Result<()> {
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
        let place = place.display();
        super::messages::eprint_line(&format!(
            "{place}: removed an incomplete last line; run again to complete the file"
        ));
    }
    Ok(())
}

/// Registers an incomplete file, to be deleted or put in place if a signal ends the program.
pub(super) fn register_pending(path: &Path, kept: Option<PartialFile>) {
    lock_pending().push(PendingFile { path: path.to_owned(), kept });
}

/// Notes that a file in the making has another name.
pub(super) fn rename_pending(files: &mut [PendingFile], from: &Path, to: &Path) {
    files.iter_mut().filter(|file| file.path == from).for_each(|file| to.clone_into(&mut file.path));
}

/// The list of incomplete files. While it is locked, no signal ends the program.
pub(super) fn lock_pending() -> MutexGuard<'static, Vec<PendingFile>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{ignore_first_signal, mark_finished};

    #[test]
    fn finished_run_ignores_only_the_first_signal() {
        let mut again = false;
        assert!(
            !ignore_first_signal(&mut again) && !ignore_first_signal(&mut again),
            "before the end every signal counts"
        );
        mark_finished();
        assert_eq!([ignore_first_signal(&mut again), ignore_first_signal(&mut again)], [true, false]);
    }
}
