//! A directory tree as a store. Files are synced before they are reported as written, and appear under their names only
//! when complete. Incomplete files are named `.zoom-udm-put-….part`.

use super::error::Error;
use super::object::{
    Body, GetResult, MAX_BUFFERED_BYTES, ObjectMeta, Payload, PutOutcome, Version, same_bytes,
};
use super::task_stream::TaskStream;
use bytes::Bytes;
use futures::Stream;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

/// The prefix of our files that are not objects.
const RESERVED_PREFIX: &str = ".zoom-udm-";
/// The prefix of incomplete files. Their writers hold a lock on them, which the system releases when a writer ends, however
/// it ends.
const TEMP_PREFIX: &str = ".zoom-udm-put-";
/// The holder of this file's lock may replace files. The operating system releases it when the process ends.
const LOCK_FILE: &str = ".zoom-udm-lock";
/// The lock is held during one small write, so a longer wait means that its owner hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct LocalFs {
    root: PathBuf,
    lock_timeout: Duration,
    /// Only one thread of this process waits for the lock at a time; the timeout is for other processes.
    in_process_lock: Mutex<()>,
}

impl LocalFs {
    pub(super) fn new(root: &Path, retry_for: Duration) -> Self {
        Self {
            root: root.to_owned(),
            lock_timeout: LOCK_TIMEOUT.min(retry_for),
            in_process_lock: Mutex::default(),
        }
    }

    /// The same with another root.
    pub(super) fn at(&self, root: &Path) -> Self {
        Self { root: root.to_owned(), lock_timeout: self.lock_timeout, in_process_lock: Mutex::default() }
    }

    /// Runs blocking work on a thread for it.
    pub(super) async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        name: &str,
        work: impl FnOnce(&Self, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (name, url) = (name.to_owned(), self.url(name));
        let done = tokio::task::spawn_blocking(move || work(&self, &name)).await;
        done.unwrap_or_else(|error| Err(Error::io(url, io::Error::other(error))))
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}/{name}", self.root.display())
    }

    /// Returns the path of an object, which must stay below the root.
    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if name.split('/').all(fits) {
            return Ok(self.root.join(name));
        }
        Err(Error::Invalid { url: self.url(name), message: "not a valid file name".into() })
    }

    pub(super) fn list(this: Arc<Self>) -> impl Stream<Item = Result<ObjectMeta, Error>> {
        let url = this.url("");
        let walk = TaskStream::spawn_blocking(256, move |to| this.walk(&to));
        futures::stream::unfold((walk, url), |(mut walk, url)| async move {
            let item = walk.next().await?;
            let item = item.unwrap_or_else(|died| Err(Error::io(&url, io::Error::other(died))));
            Some((item, (walk, url)))
        })
    }

    fn walk(&self, to: &mpsc::Sender<Result<ObjectMeta, Error>>) {
        let ours = |entry: &walkdir::DirEntry| {
            entry.file_name().as_encoded_bytes().starts_with(RESERVED_PREFIX.as_bytes())
        };
        let entries = walkdir::WalkDir::new(&self.root).sort_by_file_name().into_iter();
        for entry in entries.filter_entry(|entry| entry.depth() == 0 || !ours(entry)) {
            let item = match entry {
                // The root may be a link to a directory.
                Ok(entry) if entry.file_type().is_dir() || (entry.depth() == 0 && entry.path().is_dir()) => {
                    continue;
                }
                Ok(entry) if entry.depth() == 0 => Err(Error::Invalid {
                    url: self.url("").trim_end_matches('/').to_owned(),
                    message: "not a directory; name its directory, and the file with --include".into(),
                }),
                Ok(entry) => self.listed(entry.path()).map_err(|error| self.unlisted(entry.path(), &error)),
                Err(error) => {
                    let (path, depth) = (error.path().unwrap_or(&self.root).to_owned(), error.depth());
                    let url = if depth == 0 { self.url("") } else { format!("file://{}", path.display()) };
                    match Error::io(url, io::Error::from(error)) {
                        error if depth == 0 => Err(error),
                        // It was deleted meanwhile.
                        Error::NotFound { .. } => Ok(None),
                        error => Err(self.unlisted(&path, &error)),
                    }
                }
            };
            if item.transpose().is_some_and(|item| to.blocking_send(item).is_err()) {
                return;
            }
        }
    }

    /// An error at one path does not end the listing.
    fn unlisted(&self, path: &Path, error: &Error) -> Error {
        let name = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned();
        let url = self.url(&name);
        Error::UnlistableEntry { message: error.reason_at(&url), name, url }
    }

    pub(super) fn head(&self, name: &str) -> Result<Option<ObjectMeta>, Error> {
        self.listed(&self.path(name)?)
    }

    fn listed(&self, path: &Path) -> Result<Option<ObjectMeta>, Error> {
        let name = path.strip_prefix(&self.root).unwrap_or(path);
        let url = || self.url(&name.to_string_lossy());
        let meta = match fs::metadata(path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = "broken symbolic link; fix or remove it".into();
                return Err(Error::Invalid { url: url(), message });
            }
            Err(error) => return Err(Error::io(url(), error)),
        };
        // A lossy name would name another file, or none.
        let name = name.to_str().map(str::to_owned).ok_or_else(|| Error::Invalid {
            url: url(),
            message: "the name is not UTF-8; rename it".into(),
        })?;
        let modified = modified(&meta);
        Ok(Some(ObjectMeta { name, size: meta.len(), modified: modified / 1_000_000, tag: tag(&meta) }))
    }

    pub(super) fn get(&self, name: &str) -> Result<GetResult, Error> {
        let (path, url) = (self.path(name)?, self.url(name));
        let failed = |error: io::Error| Error::io(&url, error);
        let regular = |meta: Metadata| {
            let message = "not a regular file".into();
            if meta.is_file() { Ok(meta) } else { Err(Error::Invalid { url: url.clone(), message }) }
        };
        // Opening a named pipe would block until someone writes to it.
        fs::metadata(&path).map_err(failed).and_then(regular)?;
        let file = File::open(&path).map_err(failed)?;
        let meta = file.metadata().map_err(failed).and_then(regular)?;
        let modified = modified(&meta) / 1_000_000;
        Ok(GetResult { generation: tag(&meta), size: meta.len(), modified, body: Body::File(file) })
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        let path = self.path(name)?;
        let read = || -> io::Result<(Vec<u8>, u64)> {
            let (mut file, mut bytes) = (File::open(&path)?, Vec::new());
            (&mut file).take(MAX_BUFFERED_BYTES + 1).read_to_end(&mut bytes)?;
            Ok((bytes, file.metadata()?.len()))
        };
        match read() {
            Ok((bytes, _)) if bytes.len() as u64 > MAX_BUFFERED_BYTES => {
                Err(Error::too_large(self.url(name), MAX_BUFFERED_BYTES))
            }
            Ok((bytes, size)) if bytes.len() as u64 != size => {
                Err(Error::incomplete(self.url(name), bytes.len() as u64, size))
            }
            Ok((bytes, _)) => {
                let version = version(&bytes);
                Ok(Some((bytes.into(), version)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(self.url(name), error)),
        }
    }

    pub(super) fn exists(&self, name: &str) -> Result<bool, Error> {
        self.path(name)?.try_exists().map_err(|error| Error::io(self.url(name), error))
    }

    pub(super) fn put_if_absent(&self, name: &str, payload: Payload) -> Result<PutOutcome, Error> {
        let path = self.path(name)?;
        let put = || -> io::Result<PutOutcome> {
            let mut payload = payload;
            if path.exists() {
                return compare(&path, payload);
            }
            let file = self.write_temp(&path, &mut payload)?;
            match file.persist_noclobber(&path) {
                Ok(_) => sync_directory(&path).map(|()| PutOutcome::Created),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => compare(&path, payload),
                Err(error) => Err(error.error),
            }
        };
        put().map_err(|error| Error::io(self.url(name), error))
    }

    pub(super) fn compare_and_swap(
        &self,
        name: &str,
        bytes: &Bytes,
        read: Option<&Version>,
    ) -> Result<Option<Version>, Error> {
        let path = self.path(name)?;
        let swap = || -> io::Result<Option<Version>> {
            Self::make_directory(&self.root)?;
            let _in_process = self.in_process_lock.lock().unwrap_or_else(PoisonError::into_inner);
            let lock = File::options().create(true).append(true).open(self.root.join(LOCK_FILE))?;
            self.lock_with_timeout(&lock)?;
            let now = match fs::read(&path) {
                Ok(bytes) => Some(version(&bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            if now.as_ref() != read {
                return Ok(None);
            }
            self.write_temp(&path, &mut Payload::Bytes(bytes.clone()))?.persist(&path)?;
            sync_directory(&path)?;
            Ok(Some(version(bytes)))
        };
        swap().map_err(|error| Error::io(self.url(name), error))
    }

    fn lock_with_timeout(&self, lock: &File) -> io::Result<()> {
        let until = Instant::now() + self.lock_timeout;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Writes the payload to an incomplete file and syncs it.
    fn write_temp(&self, path: &Path, payload: &mut Payload) -> io::Result<NamedTempFile> {
        let directory = path.parent().unwrap_or(&self.root);
        Self::make_directory(directory)?;
        let mut file = in_the_making(directory)?;
        match payload {
            Payload::Bytes(bytes) => file.write_all(bytes)?,
            Payload::File(from, _) => {
                from.rewind()?;
                io::copy(from, &mut file)?;
            }
        }
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Creates a directory and its parents, each synced in its parent.
    fn make_directory(directory: &Path) -> io::Result<()> {
        if directory.is_dir() {
            return Ok(());
        }
        if let Some(above) = directory.parent() {
            Self::make_directory(above)?;
        }
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_directory(directory),
        }
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(self.url(name), error)),
            _ => Ok(()),
        }
    }

    pub(super) fn delete_version(&self, name: &str, listed: &str) -> Result<bool, Error> {
        match fs::metadata(self.path(name)?) {
            Ok(meta) if tag(&meta) == listed => self.delete(name).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io(self.url(name), error)),
        }
    }

    pub(super) fn prune_empty_parents(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        let above = path.ancestors().skip(1).take_while(|above| *above != self.root);
        // The operating system refuses to delete a non-empty directory; that ends the loop.
        let _ = above.map(fs::remove_dir).find(Result::is_err);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "called as what can fail is")]
    pub(super) fn remove_stale_temp_files(&self, caller: &Weak<()>) -> Result<(), Error> {
        let entries = walkdir::WalkDir::new(&self.root).into_iter().flatten();
        let part = |entry: &walkdir::DirEntry| {
            entry.file_type().is_file()
                && entry.file_name().as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes())
        };
        for entry in entries.take_while(|_| caller.strong_count() > 0).filter(part) {
            let Ok(file) = File::options().read(true).write(true).open(entry.path()) else { continue };
            if file.try_lock().is_ok() {
                // A leftover file does no harm, because listings skip it.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Creates an incomplete file, locked as long as it is open.
fn in_the_making(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX).suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(directory)?;
        // In a file system without locks nobody can lock a stale file either, so all are kept.
        let _ = file.as_file().lock();
        // Another run may have removed it before it was locked.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Compares an existing object with the payload. Syncs it first, because its writer may have been killed between
/// linking and syncing.
fn compare(path: &Path, payload: Payload) -> io::Result<PutOutcome> {
    let existing = File::open(path)?;
    existing.sync_all()?;
    sync_directory(path)?;
    let same = match payload {
        Payload::Bytes(bytes) => same_bytes(existing, &bytes[..])?,
        Payload::File(mut file, _) => {
            file.rewind()?;
            same_bytes(existing, file)?
        }
    };
    Ok(if same { PutOutcome::AlreadyIdentical } else { PutOutcome::Conflict })
}

/// Syncs a directory, so that names in it are durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn version(bytes: &[u8]) -> Version {
    let digest = Sha256::digest(bytes);
    Version { tag: Some(crate::checksummed::hex(&digest)), generation: None }
}

/// Returns nanoseconds since the epoch.
fn modified(meta: &Metadata) -> i64 {
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns the version of a file: its modification time and size.
fn tag(meta: &Metadata) -> String {
    format!("{:x}-{:x}", modified(meta), meta.len())
}
