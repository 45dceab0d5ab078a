//! Output to a stream, or to a file that is put in place only on success.

use super::output_target::OutputTarget;
use super::signal::{self, PartialFile};
use crate::polling_stdio::PollingStream;
use anyhow::Context as _;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempPath;

/// What to do with an incomplete file when a signal ends the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnInterrupt {
    /// Delete it, because a partial file is useless.
    Remove,
    /// Keep its complete lines, because each is useful alone. With `live`, the file is visible from its first complete
    /// line.
    Keep { live: bool },
}

/// An output.
pub(super) enum Destination {
    /// Standard output, a device or a pipe, with its name.
    Stream(PollingStream<File>, String),
    /// An incomplete file.
    File(AtomicFile),
}

/// An incomplete file next to its destination.
pub(super) struct AtomicFile {
    file: File,
    /// Its temporary name; removed on drop.
    name: Option<TempPath>,
    place: PathBuf,
    lines: Option<CompleteLines>,
}

/// A file whose whole lines are kept, however the run ends.
struct CompleteLines {
    written: u64,
    /// How much of that are whole lines.
    whole: Arc<AtomicU64>,
    /// Where they are kept if the run ends early: the destination, or `FILE.partial` if it exists.
    part: PathBuf,
    live: bool,
}

/// The suffix of an incomplete replacement.
const PARTIAL: &str = ".partial";

impl Destination {
    /// Opens a stream, or creates a file next to the destination. `at_stop` says what a signal does with the bytes
    /// written until then.
    pub(super) fn open(place: OutputTarget, at_stop: OnInterrupt) -> anyhow::Result<Self> {
        match place {
            OutputTarget::Output => {
                let stream = standard(io::stdout()).context("standard output cannot be written")?;
                Ok(Self::Stream(PollingStream(stream), "standard output".to_owned()))
            }
            OutputTarget::Error => {
                let stream = standard(io::stderr()).context("standard error cannot be written")?;
                Ok(Self::Stream(PollingStream(stream), "standard error".to_owned()))
            }
            OutputTarget::Stream(path) => {
                let stream = File::options().append(true).open(&path);
                let stream = stream.with_context(|| cannot_be_written(&path))?;
                Ok(Self::Stream(PollingStream(stream), path.display().to_string()))
            }
            OutputTarget::File(path) => {
                let context = cannot_be_written(&path);
                Ok(Self::File(AtomicFile::beside(path, at_stop).context(context)?))
            }
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stream(stream, _) if stream.0.is_terminal())
    }

    /// Returns the destination, if it is a file.
    pub(super) fn place(&self) -> Option<&Path> {
        match self {
            Self::Stream(..) => None,
            Self::File(making) => Some(&making.place),
        }
    }

    /// Puts the file in place durably. Without this call, what was written is deleted.
    pub(super) fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::Stream(..) => Ok(()),
            Self::File(making) => making.keep(),
        }
    }

    /// Keeps the whole lines of a file that is not complete, and returns where: in its place only if that held nothing.
    /// `None` where there are no whole lines, or it is not such a file.
    pub(super) fn keep_part(self) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stream(..) => Ok(None),
            Self::File(making) => making.keep_part(),
        }
    }
}

/// Describes why an output cannot be opened.
pub(super) fn cannot_be_written(path: &Path) -> String {
    format!("cannot write {}; check the directory and its permissions", path.display())
}

/// Unbuffered, because blocks of events need no buffer.
#[cfg(unix)]
fn standard(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn standard(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

impl AtomicFile {
    fn beside(place: PathBuf, at_stop: OnInterrupt) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".zoom-udm-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // The temporary name does not matter to the user.
        let file = builder
            .tempfile_in(place.parent().unwrap_or(Path::new(".")))
            .map_err(|error| io::Error::from(error.kind()))?;
        if let Ok(old) = place.metadata() {
            // A file that the user may not write is not replaced either.
            File::options().append(true).open(&place)?;
            #[cfg(unix)]
            keep_owner(file.as_file(), &old);
            // Keeps the mode, because the file may be private.
            file.as_file().set_permissions(old.permissions())?;
        }
        let lines = match at_stop {
            OnInterrupt::Remove => None,
            OnInterrupt::Keep { live } => {
                Some(CompleteLines { written: 0, whole: Arc::default(), part: part(&place), live })
            }
        };
        let kept = lines
            .as_ref()
            .map(|lines| PartialFile { place: lines.part.clone(), whole: Arc::clone(&lines.whole) });
        signal::register_pending(file.path(), kept);
        let (file, name) = file.into_parts();
        Ok(Self { file, name: Some(name), place, lines })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(lines) = &mut self.lines else { return self.file.write(bytes) };
        let mut turn = signal::lock_pending();
        let length = self.file.write(bytes)?;
        lines.written += length as u64;
        if bytes[..length].ends_with(b"\n") {
            lines.whole.store(lines.written, Ordering::Relaxed);
            if let Some(name) = self.name.take_if(|_| lines.live) {
                let before = name.to_path_buf();
                name.persist(&lines.part)?;
                signal::rename_pending(&mut turn, &before, &lines.part);
            }
        }
        Ok(length)
    }

    fn keep(self) -> anyhow::Result<()> {
        let place = self.place.clone();
        self.settle(&place)
    }

    fn keep_part(self) -> anyhow::Result<Option<PathBuf>> {
        let Some(lines) = &self.lines else { return Ok(None) };
        if lines.whole.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let part = lines.part.clone();
        self.settle(&part).map(|()| Some(part))
    }

    /// Gives the file its last name, durably.
    fn settle(self, place: &Path) -> anyhow::Result<()> {
        let Self { file, name, lines, .. } = self;
        let context = || format!("cannot rename the output to {}", place.display());
        if let Some(lines) = &lines {
            let _turn = signal::lock_pending();
            signal::truncate_to(&file, lines.whole.load(Ordering::Relaxed), place).with_context(context)?;
        }
        // This may take long, so a second signal ends the program.
        file.sync_all().with_context(context)?;
        let _turn = signal::lock_pending();
        match (name, lines) {
            (Some(name), _) => name.persist(place).map_err(io::Error::from),
            (None, Some(lines)) => std::fs::rename(lines.part, place),
            (None, None) => Ok(()),
        }
        .with_context(context)?;
        sync_directory(place);
        Ok(())
    }
}

/// Where whole lines go before a file is complete: where they take the place of nothing.
pub(super) fn part(place: &Path) -> PathBuf {
    if place.metadata().map_or(true, |old| old.len() == 0) {
        return place.to_owned();
    }
    let mut name: OsString = place.into();
    name.push(PARTIAL);
    name.into()
}

/// Syncs the directory, so that the name is durable before anything that depends on it.
fn sync_directory(file: &Path) {
    let directory =
        file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // If the directory cannot be opened or synced, the file is in place nevertheless.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

/// Gives a file the owner and group of the one that it replaces, as far as permitted.
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
