//! Where output goes: a stream, or a file that is put in place only when all is well.

use super::place::Place;
use super::signal::{self, Kept};
use anyhow::Context as _;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::NamedTempFile;

/// What becomes of a file in the making when a signal ends the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AtStop {
    /// It is removed: half of it is of no use.
    Remove,
    /// It is put in place, as far as its lines are whole: each is of use by itself.
    Keep,
}

/// A place for output.
pub(super) enum Destination {
    /// Standard output, a device or a pipe, by its name.
    Stream(File, String),
    /// A file in the making.
    File(Making),
}

/// A file in the making, beside the one it will be.
pub(super) struct Making {
    file: NamedTempFile,
    place: PathBuf,
    lines: Option<Lines>,
}

/// How much was written of a file whose whole lines are kept, and how much of that are whole lines.
#[derive(Default)]
struct Lines {
    written: u64,
    whole: Arc<AtomicU64>,
}

impl Destination {
    /// A stream as it is; of a file a new one beside it. `at_stop` says what a signal makes of what was written until
    /// then.
    pub(super) fn open(place: Place, at_stop: AtStop) -> anyhow::Result<Self> {
        match place {
            Place::Output => {
                let stream = standard(io::stdout()).context("standard output cannot be written")?;
                Ok(Self::Stream(stream, "standard output".to_owned()))
            }
            Place::Error => {
                let stream = standard(io::stderr()).context("standard error cannot be written")?;
                Ok(Self::Stream(stream, "standard error".to_owned()))
            }
            Place::Stream(path) => {
                let stream = File::options().append(true).open(&path);
                let stream = stream.with_context(|| cannot_be_written(&path))?;
                Ok(Self::Stream(stream, path.display().to_string()))
            }
            Place::File(path) => {
                let context = cannot_be_written(&path);
                Ok(Self::File(Making::beside(path, at_stop).context(context)?))
            }
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stream(stream, _) if stream.is_terminal())
    }

    /// The file that is to be replaced, or made, if it is one.
    pub(super) fn place(&self) -> Option<&Path> {
        match self {
            Self::Stream(..) => None,
            Self::File(making) => Some(&making.place),
        }
    }

    /// Puts the file in its place, durably. Without this what was written is gone.
    pub(super) fn keep(self) -> anyhow::Result<()> {
        match self {
            Self::Stream(..) => Ok(()),
            Self::File(making) => making.keep(),
        }
    }
}

/// What is wrong where an output cannot be opened.
pub(super) fn cannot_be_written(path: &Path) -> String {
    format!("{} cannot be written; check the directory and its permissions", path.display())
}

/// The raw stream: blocks of events need no buffer and no search for line ends.
#[cfg(unix)]
fn standard(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn standard(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

impl Making {
    fn beside(place: PathBuf, at_stop: AtStop) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".zoom-udm-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // The name that it cannot have is nobody's concern.
        let file = builder
            .tempfile_in(place.parent().unwrap_or(Path::new(".")))
            .map_err(|error| io::Error::from(error.kind()))?;
        if let Ok(old) = place.metadata() {
            // Who may not write to a file does not replace it either.
            File::options().append(true).open(&place)?;
            #[cfg(unix)]
            keep_owner(file.as_file(), &old);
            // It keeps its mode: it may hold what not everybody is to read.
            file.as_file().set_permissions(old.permissions())?;
        }
        let lines = (at_stop == AtStop::Keep).then(Lines::default);
        let kept = lines.as_ref().map(|lines| Kept { place: place.clone(), whole: Arc::clone(&lines.whole) });
        signal::unfinished(file.path(), kept);
        Ok(Self { file, place, lines })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(lines) = &mut self.lines else { return self.file.as_file_mut().write(bytes) };
        let _turn = signal::undisturbed();
        let length = self.file.as_file_mut().write(bytes)?;
        lines.written += length as u64;
        if bytes[..length].ends_with(b"\n") {
            lines.whole.store(lines.written, Ordering::Relaxed);
        }
        Ok(length)
    }

    fn keep(self) -> anyhow::Result<()> {
        let Self { file, place, lines } = self;
        let context = || format!("{} cannot be put in place", place.display());
        if let Some(lines) = lines {
            let _turn = signal::undisturbed();
            signal::cut(file.as_file(), lines.whole.load(Ordering::Relaxed), &place).with_context(context)?;
        }
        // This may take a while: who asks twice need not wait for it.
        file.as_file().sync_all().with_context(context)?;
        let _turn = signal::undisturbed();
        file.persist(&place).with_context(context)?;
        sync_directory(&place);
        Ok(())
    }
}

/// Makes the name of a file durable, too: another one may be put in place only because this one is.
fn sync_directory(file: &Path) {
    let directory =
        file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Who may not open the directory, or has a system that opens none, has the file in place all the same.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

/// Gives a file the owner and the group of the one that it replaces, as far as that is permitted.
#[cfg(unix)]
fn keep_owner(file: &File, old: &std::fs::Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let _ = fchown(file, Some(old.uid()), Some(old.gid())).or_else(|_| fchown(file, None, Some(old.gid())));
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at =
            |place: &dyn Display, error: io::Error| io::Error::new(error.kind(), format!("{place}: {error}"));
        match self {
            Self::Stream(stream, name) => stream.write(bytes).map_err(|error| at(name, error)),
            Self::File(making) => making.write(bytes).map_err(|error| at(&making.place.display(), error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
