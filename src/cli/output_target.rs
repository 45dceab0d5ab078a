//! Resolves the name of an output to a file, standard output or error, or another stream.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// An output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OutputTarget {
    /// Standard output, under any name.
    Output,
    /// Standard error, under any name.
    Error,
    /// A device, a pipe or an open file descriptor: written as it is.
    Stream(PathBuf),
    /// A file that may be replaced, whether or not it exists, with links resolved.
    File(PathBuf),
}

/// The maximum number of links to follow, as in Linux.
const MOST_LINKS: usize = 40;

impl OutputTarget {
    /// Resolves a name; nothing and `-` are standard output.
    ///
    /// # Errors
    /// If its directory cannot be inspected.
    pub(super) fn of(name: Option<&Path>) -> io::Result<Self> {
        let Some(name) = name.filter(|name| *name != Path::new("-")) else { return Ok(Self::Output) };
        if name.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "this names a directory; name a file"));
        }
        let file = resolve_links(name)?;
        if !is_pseudo_file(&file) && name.metadata().map_or(true, |meta| meta.is_file()) {
            return Ok(Self::File(file));
        }
        // Opening it again would give it a position of its own, and both would overwrite each other.
        let is = |stream: Option<Identity>| stream.is_some() && stream == Identity::of(name);
        Ok(match name {
            _ if is(Identity::of_stream(io::stdout())) => Self::Output,
            _ if is(Identity::of_stream(io::stderr())) => Self::Error,
            name => Self::Stream(name.to_owned()),
        })
    }

    /// Returns the identity of the file, if it exists.
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Output => Identity::of_stream(io::stdout()),
            Self::Error => Identity::of_stream(io::stderr()),
            Self::Stream(path) | Self::File(path) => Identity::of(path),
        }
    }

    /// Returns the identity of what it is, if that is a regular file.
    pub(super) fn file_identity(&self) -> Option<Identity> {
        match self {
            Self::Output => Identity::of_file(io::stdout()),
            Self::Error => Identity::of_file(io::stderr()),
            Self::Stream(path) | Self::File(path) if path.is_file() => Identity::of(path),
            Self::Stream(_) | Self::File(_) => None,
        }
    }

    /// Returns whether writing to one would overwrite or mix with the other. Devices accept everything.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = self.identity().is_some_and(|identity| other.identity() == Some(identity));
        same || matches!((self, other), (Self::File(one), Self::File(two)) if one == two)
    }
}

/// Follows links up to a pseudo file, which is a link to an open file too.
fn resolve_links(name: &Path) -> io::Result<PathBuf> {
    let mut path = name.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(last) = path.file_name() else { return Ok(path) };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new(".")).canonicalize()?;
        let here = directory.join(last);
        match here.read_link() {
            Ok(link) if !is_pseudo_file(&here) => path = directory.join(link),
            _ => return Ok(here),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// Returns whether a path is a pseudo file of the system: a device or an open file. Shared memory consists of ordinary
/// files.
fn is_pseudo_file(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/dev") && !path.starts_with("/dev/shm")
}

/// Returns whether a stream is the null device, which also stands for a closed one.
#[cfg(unix)]
pub(super) fn is_null(stream: impl std::os::fd::AsFd) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |meta: std::fs::Metadata| meta.rdev();
    let stream = stream.as_fd().try_clone_to_owned().map(File::from).and_then(|stream| stream.metadata());
    let (stream, null) = (stream.map(device), Path::new("/dev/null").metadata().map(device));
    stream.is_ok_and(|stream| stream != 0 && null.is_ok_and(|null| null == stream))
}

/// Not detectable on this system.
#[cfg(not(unix))]
pub(super) fn is_null<S>(_: S) -> bool {
    false
}

/// Whether standard output was closed when the program began (`>&-`), as far as that can be told. Rust's runtime then
/// opens the null device in its place, to read and to write; a shell opens it to write only (`>/dev/null`). Some other
/// programs that start this one open it to do both, such as Python's `subprocess.DEVNULL`.
#[cfg(unix)]
pub(super) fn output_is_closed() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl};
    is_null(io::stdout())
        && fcntl_getfl(io::stdout()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}

/// Whether standard output was closed when the program began: nobody can tell.
#[cfg(not(unix))]
pub(super) fn output_is_closed() -> bool {
    false
}

/// Identifies a file or pipe under any name. Terminals and other devices have no identity, because each accepts
/// everything.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The device and inode number.
    #[cfg(unix)]
    Node(u64, u64),
    /// The path, on systems without inode numbers.
    #[cfg(not(unix))]
    Path(PathBuf),
}

#[cfg(unix)]
impl Identity {
    /// Returns the identity of a path.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::new(&path.metadata().ok()?)
    }

    /// Returns the identity of a stream.
    pub(super) fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        Self::new(&file.metadata().ok()?)
    }

    /// Returns the identity of a regular file.
    pub(super) fn of_file(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok().filter(std::fs::Metadata::is_file).and_then(|meta| Self::new(&meta))
    }

    fn new(meta: &std::fs::Metadata) -> Option<Self> {
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
        (!meta.file_type().is_char_device()).then(|| Self::Node(meta.dev(), meta.ino()))
    }
}

#[cfg(not(unix))]
impl Identity {
    /// Returns the identity of a path.
    pub(super) fn of(path: &Path) -> Option<Self> {
        path.canonicalize().ok().map(Self::Path)
    }

    /// Streams have no identity.
    pub(super) fn of_stream<S>(_: S) -> Option<Self> {
        None
    }

    /// Streams have no identity.
    pub(super) fn of_file<S>(_: S) -> Option<Self> {
        None
    }
}
