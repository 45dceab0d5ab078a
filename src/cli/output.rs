//! Where output goes: a stream, or a file that is put in place only when all is well.

use super::signal;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What becomes of a file in the making when a signal ends the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AtStop {
    /// It is removed: half of it is of no use.
    Remove,
    /// It is put in place: each part of it is whole in itself.
    Keep,
}

/// A place for output.
pub(super) enum Destination {
    /// Standard output, a device or a pipe.
    Stream(File),
    /// A file in the making, beside the one it will be.
    File(NamedTempFile, PathBuf),
}

impl Destination {
    /// Standard output for nothing or `-`; anything that is no regular file as it is; else a new file beside it.
    /// `at_stop` says what a signal makes of what was written until then.
    pub(super) fn open(path: Option<&Path>, at_stop: AtStop) -> anyhow::Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Self::standard_output() };
        let context =
            || format!("{} cannot be written; check the directory and its permissions", path.display());
        if path.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Ok(Self::Stream(File::options().write(true).open(path).with_context(context)?));
        }
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".zoom-udm-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).with_context(context)?;
        // A file that is replaced keeps its mode: it may hold what not everybody is to read.
        if let Ok(old) = path.metadata() {
            file.as_file().set_permissions(old.permissions()).with_context(context)?;
        }
        signal::unfinished(file.path(), (at_stop == AtStop::Keep).then_some(path));
        Ok(Self::File(file, path.to_owned()))
    }

    /// The raw stream: blocks of events need no buffer and no search for line ends.
    #[cfg(unix)]
    fn standard_output() -> anyhow::Result<Self> {
        use std::os::fd::AsFd as _;
        let stream =
            io::stdout().as_fd().try_clone_to_owned().context("standard output cannot be written")?;
        Ok(Self::Stream(File::from(stream)))
    }

    #[cfg(windows)]
    fn standard_output() -> anyhow::Result<Self> {
        use std::os::windows::io::AsHandle as _;
        let stream =
            io::stdout().as_handle().try_clone_to_owned().context("standard output cannot be written")?;
        Ok(Self::Stream(File::from(stream)))
    }

    /// Whether a file is to be replaced, or made.
    pub(super) fn is_replacing(&self) -> bool {
        matches!(self, Self::File(..))
    }

    /// Puts the file in its place, durably. Without this what was written is gone.
    pub(super) fn keep(self) -> anyhow::Result<()> {
        if let Self::File(file, path) = self {
            let context = || format!("{} cannot be put in place", path.display());
            file.as_file().sync_all().with_context(context)?;
            file.persist(&path).with_context(context)?;
        }
        Ok(())
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
