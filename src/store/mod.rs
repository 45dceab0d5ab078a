//! Objects by name in Cloud Storage, a directory tree or memory. Handles bytes only.
//!
//! All backends guarantee, beyond reading:
//! - [`Store::put_new`] creates an object whole, durably and only if it is absent, or reports what is there.
//! - [`Store::update`] replaces an object only if it is the version that was read (compare-and-swap).

mod cloud;
mod error;
mod gcs;
mod gcs_http;
mod listing;
mod local_fs;
mod location;
mod name_escape;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod task_stream;
mod verify;

pub use error::Error;
pub use location::Location;
pub(crate) use task_stream::TaskStream;
pub(crate) use verify::collect;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use cloud::CloudBackend;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use local_fs::LocalFs;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// The maximum size in bytes of an object that is read whole: enough for counts of 20 million records of a day, or a
/// ledger of 60 million objects. Larger ones would fill the memory, and are not ours.
pub const MAX_BUFFERED_BYTES: u64 = 256 << 20;

/// Retry settings.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Attempts after the first.
    pub retries: usize,
    /// The total time of all attempts.
    pub retry_for: Duration,
    /// The delay before the second attempt; it doubles, with jitter, up to a minute.
    pub first_pause: Duration,
    /// How long a server may be silent, also within a response.
    pub timeout: Duration,
    /// The address of a Cloud Storage emulator, which gets no credentials; by default from `STORAGE_EMULATOR_HOST`.
    pub emulator: Option<String>,
}

impl StoreConfig {
    /// Returns the delays between attempts.
    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.first_pause)
            .with_max_delay(Duration::from_secs(60))
            .with_max_times(self.retries)
    }

    /// Makes a request, and makes it again while `again` holds for its error and the settings allow another try.
    pub(crate) async fn retry<T, F: Future<Output = Result<T, Error>>>(
        &self,
        request: impl FnMut() -> F,
        again: impl Fn(&Error) -> bool,
    ) -> Result<T, Error> {
        let until = tokio::time::Instant::now() + self.retry_for;
        let again = |error: &Error| again(error) && tokio::time::Instant::now() < until;
        request.retry(self.pauses()).when(again).await
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            retries: 8,
            retry_for: Duration::from_secs(180),
            first_pause: Duration::from_millis(200),
            timeout: Duration::from_secs(30),
            emulator: None,
        }
    }
}

/// The metadata of an object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The name below the location, with `/` between its parts.
    pub name: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time in milliseconds since the epoch.
    pub modified: i64,
    /// The version as far as a listing shows it: another tag is another version, or the same one touched.
    pub tag: String,
}

/// An object that is being read.
pub struct GetResult {
    /// The generation: the same name and generation always have the same bytes.
    pub generation: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time of this version in milliseconds since the epoch; on Cloud Storage in whole seconds.
    pub modified: i64,
    /// The contents.
    pub body: Body,
}

impl fmt::Debug for GetResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("generation", &self.generation)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The bytes of an object as stored, without decompression.
pub enum Body {
    /// A file, at its beginning.
    File(File),
    /// Chunks as they arrive. Broken connections are resumed within. They end with [`Error::Corrupt`] unless all of the
    /// object arrived as it is stored: nothing made of them counts before their end.
    Stream(BoxStream<'static, Result<Bytes, Error>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::File(_)) { "File" } else { "Stream" })
    }
}

/// Bytes to be written.
#[derive(Debug)]
pub enum Payload {
    /// In memory.
    Bytes(Bytes),
    /// In a file, read from its beginning and never held in memory whole.
    File(File, u64),
}

/// The result of [`Store::put_new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object was created.
    Created,
    /// The object exists with the same bytes, from an earlier attempt or run.
    AlreadyIdentical,
    /// The object exists with other bytes, which were kept.
    Conflict,
}

/// The version of an object that was read, for [`Store::update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    tag: Option<String>,
    generation: Option<String>,
}

/// A store: all objects below one [`Location`].
#[derive(Clone)]
pub struct Store {
    location: Location,
    back: Backend,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.location).finish()
    }
}

#[derive(Clone)]
enum Backend {
    Local(Arc<LocalFs>),
    Remote(Arc<CloudBackend>),
}

impl Store {
    /// Opens the store. For Cloud Storage, this finds credentials and requests a first token.
    ///
    /// # Errors
    /// [`Error::Credentials`] if there are none; [`Error::Invalid`] for invalid settings.
    pub async fn open(location: &Location, settings: &StoreConfig) -> Result<Self, Error> {
        let back = match location {
            Location::File(root) => Backend::Local(Arc::new(LocalFs::new(root, settings.retry_for))),
            Location::Memory(prefix) => Backend::Remote(Arc::new(CloudBackend::memory(prefix, settings))),
            Location::Gcs { bucket, prefix } => Backend::Remote(Arc::new(CloudBackend::gcs(
                gcs::connect(bucket, settings).await?,
                bucket,
                prefix,
                settings,
            ))),
        };
        Ok(Self { location: location.clone(), back })
    }

    /// Returns the part of this store below a directory.
    #[must_use]
    pub fn subdir(&self, directory: &str) -> Self {
        let directory = directory.trim_matches('/');
        let location = match &self.location {
            Location::Gcs { bucket, prefix } => {
                Location::Gcs { bucket: bucket.clone(), prefix: format!("{prefix}{directory}/") }
            }
            Location::Memory(prefix) => Location::Memory(format!("{prefix}{directory}/")),
            Location::File(root) => Location::File(root.join(directory)),
        };
        let back = match (&self.back, &location) {
            (Backend::Remote(remote), Location::Gcs { prefix, .. } | Location::Memory(prefix)) => {
                Backend::Remote(Arc::new(remote.at(prefix)))
            }
            (Backend::Local(local), Location::File(root)) => Backend::Local(Arc::new(local.at(root))),
            (back, _) => back.clone(),
        };
        Self { location, back }
    }

    /// Returns the location.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Every object, page by page; on Cloud Storage and memory in order of name. A page that fails, or is not of this
    /// bucket and prefix, is requested again. An error that ends the listing means that it is not complete.
    #[must_use]
    pub fn list(&self) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        match &self.back {
            Backend::Local(local) => LocalFs::list(Arc::clone(local)).boxed(),
            Backend::Remote(remote) => CloudBackend::list(Arc::clone(remote)).boxed(),
        }
    }

    /// Returns the metadata of an object as in a listing; `None` if it does not exist.
    ///
    /// # Errors
    /// Any failure except absence.
    pub async fn head(&self, name: &str) -> Result<Option<ObjectMeta>, Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::find).await,
            Backend::Remote(remote) => remote.find(name).await,
        }
    }

    /// Starts reading an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] and others; later failures appear in the body's stream.
    pub async fn get(&self, name: &str) -> Result<GetResult, Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::get).await,
            Backend::Remote(remote) => remote.get(name).await,
        }
    }

    /// Reads a small object of ours whole, at most [`SMALL`] bytes; `None` only if it certainly does not exist.
    ///
    /// # Errors
    /// Any failure to read, except absence.
    pub async fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::read).await,
            Backend::Remote(remote) => remote.read(name).await,
        }
    }

    /// Refuses to write what could not be read again.
    fn is_small(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        if bytes.len() as u64 > MAX_BUFFERED_BYTES {
            Err(Error::too_large(self.location.url(name)))
        } else {
            Ok(())
        }
    }

    /// Creates an object if it is absent, and compares its content otherwise. Durable when it returns.
    ///
    /// # Errors
    /// If it is not certain that the object exists; retrying is safe.
    pub async fn put_if_absent(&self, name: &str, payload: Payload) -> Result<PutOutcome, Error> {
        if let Payload::Bytes(bytes) = &payload {
            self.is_small(name, bytes)?;
        }
        match &self.back {
            Backend::Local(local) => {
                local.clone().blocking(name, move |local, name| local.put_new(name, payload)).await
            }
            Backend::Remote(remote) => remote.put_new(name, payload).await,
        }
    }

    /// Replaces an object if it is still the version that was read; `None` stands for absent. Durable when it returns.
    /// Returns the new version, or `None` if another writer came first.
    ///
    /// # Errors
    /// If neither is certain.
    pub async fn compare_and_swap(
        &self,
        name: &str,
        bytes: Bytes,
        read: Option<Version>,
    ) -> Result<Option<Version>, Error> {
        self.is_small(name, &bytes)?;
        match &self.back {
            Backend::Local(local) => {
                local
                    .clone()
                    .blocking(name, move |local, name| local.update(name, &bytes, read.as_ref()))
                    .await
            }
            Backend::Remote(remote) => remote.update(name, bytes, read).await,
        }
    }

    /// Returns whether an object exists, without reading it.
    ///
    /// # Errors
    /// Any failure except absence.
    pub async fn exists(&self, name: &str) -> Result<bool, Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::exists).await,
            Backend::Remote(remote) => remote.exists(name).await,
        }
    }

    /// Deletes an object; succeeds if it does not exist.
    ///
    /// # Errors
    /// If the object may still exist.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::delete).await,
            Backend::Remote(remote) => remote.delete(name).await,
        }
    }

    /// Deletes an object if it is still the version that was listed; returns `false` if it is not, or is gone. Atomic
    /// on Cloud Storage. In a directory and in memory, a version that is written in the microseconds between check and
    /// deletion is deleted.
    ///
    /// # Errors
    /// If the object may still exist.
    pub async fn delete_version(&self, listed: &ObjectMeta) -> Result<bool, Error> {
        match &self.back {
            Backend::Local(local) => {
                let tag = listed.tag.clone();
                local
                    .clone()
                    .blocking(&listed.name, move |local, name| local.delete_version(name, &tag))
                    .await
            }
            Backend::Remote(remote) => remote.delete_version(listed).await,
        }
    }

    /// Deletes the empty directories above a deleted object, up to the location itself. Directories that are
    /// placeholder objects are deleted if nothing else is below them.
    ///
    /// # Errors
    /// If an empty one could not be deleted.
    pub async fn prune_empty_parents(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Backend::Local(local) => local.clone().blocking(name, LocalFs::delete_empty_above).await,
            Backend::Remote(remote) => remote.delete_empty_above(name).await,
        }
    }

    /// Removes what writers left half done that were killed. What a writer is still at work on stays, whoever's it is.
    ///
    /// # Errors
    /// If something incomplete may remain.
    pub async fn remove_stale_temp_files(&self) -> Result<(), Error> {
        // Runs to its end even if the caller gives up, because a later writer's files must not be deleted.
        let wanted = Arc::new(());
        let asked = Arc::downgrade(&wanted);
        match &self.back {
            Backend::Local(local) => local.clone().blocking("", move |local, _| local.sweep(&asked)).await,
            Backend::Remote(_) => Ok(()),
        }
    }
}
