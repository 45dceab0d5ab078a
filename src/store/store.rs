//! The store: one interface to all backends.

use super::cloud::CloudBackend;
use super::config::StoreConfig;
use super::error::Error;
use super::gcs;
use super::local_fs::LocalFs;
use super::location::Location;
use super::object::{GetResult, MAX_BUFFERED_BYTES, ObjectMeta, Payload, PutOutcome, Version};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

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
        let location = self.location.child(directory);
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
            Backend::Local(local) => local.clone().blocking(name, LocalFs::head).await,
            Backend::Remote(remote) => remote.head(name).await,
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

    /// Reads a small object whole, at most [`MAX_BUFFERED_BYTES`]; `None` only if it certainly does not exist.
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
            Err(Error::too_large(self.location.url(name), MAX_BUFFERED_BYTES))
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
                local.clone().blocking(name, move |local, name| local.put_if_absent(name, payload)).await
            }
            Backend::Remote(remote) => remote.put_if_absent(name, payload).await,
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
                    .blocking(name, move |local, name| local.compare_and_swap(name, &bytes, read.as_ref()))
                    .await
            }
            Backend::Remote(remote) => remote.compare_and_swap(name, bytes, read).await,
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
            Backend::Local(local) => local.clone().blocking(name, LocalFs::prune_empty_parents).await,
            Backend::Remote(remote) => remote.prune_empty_parents(name).await,
        }
    }

    /// Removes the incomplete files of killed writers. Files that a writer still works on are kept.
    ///
    /// # Errors
    /// If something incomplete may remain.
    pub async fn remove_stale_temp_files(&self) -> Result<(), Error> {
        // Runs to its end even if the caller gives up, because a later writer's files must not be deleted.
        let caller = Arc::new(());
        let waiting_caller = Arc::downgrade(&caller);
        match &self.back {
            Backend::Local(local) => {
                local
                    .clone()
                    .blocking("", move |local, _| local.remove_stale_temp_files(&waiting_caller))
                    .await
            }
            Backend::Remote(_) => Ok(()),
        }
    }
}
