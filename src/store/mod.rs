//! Objects by name in Cloud Storage, a directory tree or memory. Handles bytes only.
//!
//! All backends guarantee, beyond reading:
//! - [`Store::put_new`] creates an object whole, durably and only if it is absent, or reports what is there.
//! - [`Store::update`] replaces an object only if it is the version that was read (compare-and-swap).

mod error;
mod fed;
mod gcs;
mod listing;
mod local;
mod location;
mod mended;
mod names;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod remote;
mod verify;

pub use error::Error;
pub(crate) use fed::Fed;
pub use location::Location;
pub(crate) use verify::collect;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use local::Local;
use remote::Remote;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// The maximum size in bytes of an object that is read whole: enough for counts of 20 million records of a day, or a
/// ledger of 60 million objects. Larger ones would fill the memory, and are not ours.
pub const SMALL: u64 = 256 << 20;

/// Retry settings.
#[derive(Debug, Clone)]
pub struct Settings {
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

impl Settings {
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

impl Default for Settings {
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
pub struct Listed {
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
pub struct Fetched {
    /// The generation: the same name and generation always have the same bytes.
    pub generation: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time of this version in milliseconds since the epoch; on Cloud Storage in whole seconds.
    pub modified: i64,
    /// The contents.
    pub body: Body,
}

impl fmt::Debug for Fetched {
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
pub enum Put {
    /// The object was created.
    Created,
    /// The object exists with the same bytes, from an earlier attempt or run.
    Same,
    /// The object exists with other bytes, which were kept.
    Other,
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
    back: Back,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.location).finish()
    }
}

#[derive(Clone)]
enum Back {
    Local(Arc<Local>),
    Remote(Arc<Remote>),
}

impl Store {
    /// Opens the store. For Cloud Storage, this finds credentials and requests a first token.
    ///
    /// # Errors
    /// [`Error::Credentials`] if there are none; [`Error::Invalid`] for invalid settings.
    pub async fn open(location: &Location, settings: &Settings) -> Result<Self, Error> {
        let back = match location {
            Location::File(root) => Back::Local(Arc::new(Local::new(root, settings.retry_for))),
            Location::Memory(prefix) => Back::Remote(Arc::new(Remote::memory(prefix, settings))),
            Location::Gcs { bucket, prefix } => Back::Remote(Arc::new(Remote::gcs(
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
    pub fn below(&self, directory: &str) -> Self {
        let directory = directory.trim_matches('/');
        let location = match &self.location {
            Location::Gcs { bucket, prefix } => {
                Location::Gcs { bucket: bucket.clone(), prefix: format!("{prefix}{directory}/") }
            }
            Location::Memory(prefix) => Location::Memory(format!("{prefix}{directory}/")),
            Location::File(root) => Location::File(root.join(directory)),
        };
        let back = match (&self.back, &location) {
            (Back::Remote(remote), Location::Gcs { prefix, .. } | Location::Memory(prefix)) => {
                Back::Remote(Arc::new(remote.at(prefix)))
            }
            (Back::Local(local), Location::File(root)) => Back::Local(Arc::new(local.at(root))),
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
    pub fn list(&self) -> BoxStream<'static, Result<Listed, Error>> {
        match &self.back {
            Back::Local(local) => Local::list(Arc::clone(local)).boxed(),
            Back::Remote(remote) => Remote::list(Arc::clone(remote)).boxed(),
        }
    }

    /// Returns the metadata of an object as in a listing; `None` if it does not exist.
    ///
    /// # Errors
    /// Any failure except absence.
    pub async fn find(&self, name: &str) -> Result<Option<Listed>, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::find).await,
            Back::Remote(remote) => remote.find(name).await,
        }
    }

    /// Starts reading an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] and others; later failures appear in the body's stream.
    pub async fn get(&self, name: &str) -> Result<Fetched, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::get).await,
            Back::Remote(remote) => remote.get(name).await,
        }
    }

    /// Reads a small object of ours whole, at most [`SMALL`] bytes; `None` only if it certainly does not exist.
    ///
    /// # Errors
    /// Any failure to read, except absence.
    pub async fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::read).await,
            Back::Remote(remote) => remote.read(name).await,
        }
    }

    /// Refuses to write what could not be read again.
    fn is_small(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        if bytes.len() as u64 > SMALL { Err(Error::too_long(self.location.url(name))) } else { Ok(()) }
    }

    /// Creates an object if it is absent, and compares its content otherwise. Durable when it returns.
    ///
    /// # Errors
    /// If it is not certain that the object exists; retrying is safe.
    pub async fn put_new(&self, name: &str, payload: Payload) -> Result<Put, Error> {
        if let Payload::Bytes(bytes) = &payload {
            self.is_small(name, bytes)?;
        }
        match &self.back {
            Back::Local(local) => {
                local.clone().on_thread(name, move |local, name| local.put_new(name, payload)).await
            }
            Back::Remote(remote) => remote.put_new(name, payload).await,
        }
    }

    /// Replaces an object if it is still the version that was read; `None` stands for absent. Durable when it returns.
    /// Returns the new version, or `None` if another writer came first.
    ///
    /// # Errors
    /// If neither is certain.
    pub async fn update(
        &self,
        name: &str,
        bytes: Bytes,
        read: Option<Version>,
    ) -> Result<Option<Version>, Error> {
        self.is_small(name, &bytes)?;
        match &self.back {
            Back::Local(local) => {
                local
                    .clone()
                    .on_thread(name, move |local, name| local.update(name, &bytes, read.as_ref()))
                    .await
            }
            Back::Remote(remote) => remote.update(name, bytes, read).await,
        }
    }

    /// Returns whether an object exists, without reading it.
    ///
    /// # Errors
    /// Any failure except absence.
    pub async fn exists(&self, name: &str) -> Result<bool, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::exists).await,
            Back::Remote(remote) => remote.exists(name).await,
        }
    }

    /// Deletes an object; succeeds if it does not exist.
    ///
    /// # Errors
    /// If the object may still exist.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::delete).await,
            Back::Remote(remote) => remote.delete(name).await,
        }
    }

    /// Deletes an object if it is still the version that was listed; returns `false` if it is not, or is gone. Atomic
    /// on Cloud Storage. In a directory and in memory, a version that is written in the microseconds between check and
    /// deletion is deleted.
    ///
    /// # Errors
    /// If the object may still exist.
    pub async fn delete_version(&self, listed: &Listed) -> Result<bool, Error> {
        match &self.back {
            Back::Local(local) => {
                let tag = listed.tag.clone();
                local
                    .clone()
                    .on_thread(&listed.name, move |local, name| local.delete_version(name, &tag))
                    .await
            }
            Back::Remote(remote) => remote.delete_version(listed).await,
        }
    }

    /// Deletes the empty directories above a deleted object, up to the location itself. Directories that are
    /// placeholder objects are deleted if nothing else is below them.
    ///
    /// # Errors
    /// If an empty one could not be deleted.
    pub async fn delete_empty_above(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::delete_empty_above).await,
            Back::Remote(remote) => remote.delete_empty_above(name).await,
        }
    }

    /// Removes what writers left half done that were killed. What a writer is still at work on stays, whoever's it is.
    ///
    /// # Errors
    /// If something incomplete may remain.
    pub async fn sweep(&self) -> Result<(), Error> {
        // Runs to its end even if the caller gives up, because a later writer's files must not be deleted.
        let wanted = Arc::new(());
        let asked = Arc::downgrade(&wanted);
        match &self.back {
            Back::Local(local) => local.clone().on_thread("", move |local, _| local.sweep(&asked)).await,
            Back::Remote(_) => Ok(()),
        }
    }
}
