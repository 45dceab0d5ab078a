//! Objects by name, whatever keeps them: Cloud Storage, a directory tree, memory. Knows bytes, never events.
//!
//! Beyond reading it promises two things that every caller builds on, on each kind of store:
//! - [`Store::put_new`] makes an object whole, durably and only if there is none, or says what stands there.
//! - [`Store::update`] replaces an object only if it is the version that was read (compare and swap).

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

/// Nothing that is read whole is longer, in bytes: that is a list of 20 million records of a day, or a ledger of 60 million
/// objects. What is would fill the memory, and is none of ours.
pub const SMALL: u64 = 256 << 20;

/// How often and how long a request is tried again.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Tries after the first.
    pub retries: usize,
    /// How long in all, from the first try on.
    pub retry_for: Duration,
    /// The pause before the second try; it grows twofold, with jitter, to a minute at most.
    pub first_pause: Duration,
    /// How long a store may be silent, in the middle of an answer too.
    pub timeout: Duration,
    /// Where an emulator of Cloud Storage listens that asks for no credentials; by default as `STORAGE_EMULATOR_HOST`
    /// says, if it does.
    pub emulator: Option<String>,
}

impl Settings {
    /// The pauses between tries.
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

/// An object as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the location, with `/` between parts.
    pub name: String,
    /// Bytes as stored.
    pub size: u64,
    /// When it was last modified, in milliseconds since the epoch.
    pub modified: i64,
    /// What a listing knows of its version: another tag is another version, or the same one touched.
    pub tag: String,
}

/// An object on its way in.
pub struct Fetched {
    /// Its generation: the same name and generation are the same bytes for ever.
    pub generation: String,
    /// Bytes as stored.
    pub size: u64,
    /// When this version was last modified, in milliseconds since the epoch; on Cloud Storage in whole seconds.
    pub modified: i64,
    /// The bytes.
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

/// Bytes of an object as stored: never unpacked on the way.
pub enum Body {
    /// A file at its beginning.
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

/// Bytes on their way out.
#[derive(Debug)]
pub enum Payload {
    /// In memory.
    Bytes(Bytes),
    /// In a file, from its beginning: it never comes to memory whole.
    File(File, u64),
}

/// What [`Store::put_new`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there now and was not before.
    Created,
    /// It was there, with the same bytes: an earlier try, or an earlier run, has done it.
    Same,
    /// It was there, with other bytes; they were left.
    Other,
}

/// Which version of an object was read, for [`Store::update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    tag: Option<String>,
    generation: Option<String>,
}

/// A place for objects: everything below one [`Location`].
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
    /// Opens the place. For Cloud Storage this finds credentials and asks for a first token.
    ///
    /// # Errors
    /// [`Error::Credentials`] where there are none; [`Error::Invalid`] for settings that make no sense.
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

    /// The part of this place below a directory of it.
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

    /// Where this is.
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

    /// An object as the listing tells of it; `None` where there is none.
    ///
    /// # Errors
    /// Any failure but absence.
    pub async fn find(&self, name: &str) -> Result<Option<Listed>, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::find).await,
            Back::Remote(remote) => remote.find(name).await,
        }
    }

    /// Begins to read an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] and the others; what breaks later is in the body's stream.
    pub async fn get(&self, name: &str) -> Result<Fetched, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::get).await,
            Back::Remote(remote) => remote.get(name).await,
        }
    }

    /// Reads a small object whole: one of our own, of [`SMALL`] bytes at most; `None` only where there truly is none.
    ///
    /// # Errors
    /// Any failure to read but absence.
    pub async fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::read).await,
            Back::Remote(remote) => remote.read(name).await,
        }
    }

    /// What could not be read again is not written.
    fn is_small(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        if bytes.len() as u64 > SMALL { Err(Error::too_long(self.location.url(name))) } else { Ok(()) }
    }

    /// Makes an object, if there is none of that name; compares otherwise. What returns is durable.
    ///
    /// # Errors
    /// When it is not known to stand: try again, that is safe.
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

    /// Replaces an object if it is still the version that was read, `None` for "there was none"; makes it durable.
    /// Returns the new version, or `None` where another writer came first.
    ///
    /// # Errors
    /// When neither is known.
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

    /// Whether there is an object, without reading it.
    ///
    /// # Errors
    /// Any failure but absence.
    pub async fn exists(&self, name: &str) -> Result<bool, Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::exists).await,
            Back::Remote(remote) => remote.exists(name).await,
        }
    }

    /// Removes an object; one that is gone already is removed.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::delete).await,
            Back::Remote(remote) => remote.delete(name).await,
        }
    }

    /// Removes an object if it is still the version that was listed; `false` where it is not, or is gone. On Cloud Storage
    /// nothing can come between; a file, or an object in memory, that is replaced in the microseconds between looking and
    /// removing is removed.
    ///
    /// # Errors
    /// When it may still be there.
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

    /// Removes the directories above a removed object that hold nothing any more, up to the location itself. Where
    /// directories are placeholder objects these are removed, if nothing else is below them.
    ///
    /// # Errors
    /// When one that is empty could not be removed.
    pub async fn delete_empty_above(&self, name: &str) -> Result<(), Error> {
        match &self.back {
            Back::Local(local) => local.clone().on_thread(name, Local::delete_empty_above).await,
            Back::Remote(remote) => remote.delete_empty_above(name).await,
        }
    }

    /// Removes what writers left half done that were killed. What a writer is still at work on stays, whoever's it is.
    ///
    /// # Errors
    /// When something half done may remain.
    pub async fn sweep(&self) -> Result<(), Error> {
        // Where this is given up it ends: it is not to remove what a next writer makes.
        let wanted = Arc::new(());
        let asked = Arc::downgrade(&wanted);
        match &self.back {
            Back::Local(local) => local.clone().on_thread("", move |local, _| local.sweep(&asked)).await,
            Back::Remote(_) => Ok(()),
        }
    }
}
