//! The backends of `object_store`: Cloud Storage and memory.

use super::config::StoreConfig;
use super::download_check::{Chunks, Expected, read_to_end, verify_chunks};
use super::error::Error;
use super::location::LONGEST_NAME;
use super::name_escape::{escape, unescape, with_generation};
use super::object::{Body, GetResult, MAX_BUFFERED_BYTES, ObjectMeta, Payload, PutOutcome, Version};
use super::{listing, multipart};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::list::PaginatedListStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error as Failure, GetOptions, ObjectMeta as CloudObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

/// Larger objects are uploaded in parts under a temporary name, because one request would hold them in memory whole.
const MULTIPART_THRESHOLD: u64 = 32 << 20;

pub(super) struct CloudBackend {
    store: Arc<dyn ObjectStore>,
    /// Where listings come from page by page; memory has no pages.
    pages: Option<Arc<dyn PaginatedListStore>>,
    /// The start of URLs, up to the prefix.
    root: String,
    prefix: String,
    settings: StoreConfig,
}

impl CloudBackend {
    pub(super) fn gcs(
        store: object_store::gcp::GoogleCloudStorage,
        bucket: &str,
        prefix: &str,
        settings: &StoreConfig,
    ) -> Self {
        let pages = Some(Arc::new(store.clone()) as Arc<dyn PaginatedListStore>);
        let (root, settings) = (format!("gs://{bucket}/"), settings.clone());
        Self { store: Arc::new(store), pages, root, prefix: prefix.into(), settings }
    }

    pub(super) fn memory(prefix: &str, settings: &StoreConfig) -> Self {
        let (root, settings) = ("memory://".into(), settings.clone());
        Self { store: Arc::new(InMemory::new()), pages: None, root, prefix: prefix.into(), settings }
    }

    pub(super) fn at(&self, prefix: &str) -> Self {
        let (store, pages, root) = (Arc::clone(&self.store), self.pages.clone(), self.root.clone());
        Self { store, pages, root, prefix: prefix.into(), settings: self.settings.clone() }
    }

    fn url(&self, name: &str) -> String {
        format!("{}{}{name}", self.root, self.prefix)
    }

    /// The name as `object_store` takes it. One that is too long for Cloud Storage is refused here, since the client
    /// panics where an escaped name does not fit into an address.
    fn path(&self, name: &str) -> Result<Path, Error> {
        let whole = format!("{}{name}", self.prefix);
        if whole.len() > LONGEST_NAME {
            let message =
                format!("the name has {} bytes; Cloud Storage takes at most {LONGEST_NAME}", whole.len());
            return Err(Error::Invalid { url: self.url(name), message });
        }
        let path = Path::parse(escape(&whole));
        path.map_err(|error| Error::Invalid { url: self.url(name), message: error.to_string() })
    }

    pub(super) fn list(this: Arc<Self>) -> impl Stream<Item = Result<ObjectMeta, Error>> {
        let objects = this.listing(&this.prefix, None);
        objects.try_filter_map(move |meta| std::future::ready(Ok(this.listed(&meta))))
    }

    /// The objects below a prefix, after a name.
    fn listing(
        &self,
        prefix: &str,
        after: Option<&Path>,
    ) -> BoxStream<'static, Result<CloudObjectMeta, Error>> {
        let url = format!("{}{prefix}", self.root);
        if let Some(pages) = &self.pages {
            let after = after.map(AsRef::as_ref);
            return listing::objects(Arc::clone(pages), self.settings.clone(), url, prefix, after);
        }
        let directory = prefix.trim_end_matches('/');
        let directory = (!directory.is_empty()).then(|| Path::parse(escape(directory)).unwrap_or_default());
        let listing = match after {
            None => self.store.list(directory.as_ref()),
            Some(after) => self.store.list_with_offset(directory.as_ref(), after),
        };
        listing.map_err(move |error| Error::from_object_store(&*url, &error)).boxed()
    }

    fn listed(&self, meta: &CloudObjectMeta) -> Option<ObjectMeta> {
        let name = unescape(meta.location.as_ref());
        let name = name.strip_prefix(&self.prefix)?.to_owned();
        let modified = meta.last_modified.timestamp_millis();
        let tag = meta.e_tag.as_deref().unwrap_or_default().trim_matches('"');
        Some(ObjectMeta {
            name,
            size: meta.size,
            modified,
            tag: format!("{tag}-{modified:x}-{:x}", meta.size),
        })
    }

    /// Lists from just before the name, because only a listing gives the complete tag. For names that a listing cannot
    /// start before, a HEAD request gives nearly as much.
    pub(super) async fn head(&self, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let path = self.path(name)?;
        let mut before = path.as_ref().to_owned();
        before.pop();
        if let Ok(before) = Path::parse(&before) {
            let mut listing = self.listing(&self.prefix, Some(&before));
            while let Some(meta) = listing.try_next().await? {
                if meta.location == path {
                    return Ok(self.listed(&meta));
                }
                if meta.location > path {
                    break;
                }
            }
        }
        match self.retry(name, || self.store.head(&path)).await {
            Ok(meta) => Ok(self.listed(&meta)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<GetResult, Error> {
        let (meta, body) = self.open(name).await?;
        let generation = meta.version.or(meta.e_tag).unwrap_or_default().trim_matches('"').to_owned();
        let (size, modified) = (meta.size, meta.last_modified.timestamp_millis());
        Ok(GetResult { generation, size, modified, body: Body::Stream(body) })
    }

    /// Returns the metadata of an object and its bytes, which are verified as they arrive.
    async fn open(&self, name: &str) -> Result<(CloudObjectMeta, Chunks), Error> {
        let (path, url) = (self.path(name)?, self.url(name));
        let got = self.store.get_opts(&path, GetOptions::default()).await;
        let got = got.map_err(|error| Error::from_object_store(&url, &error))?;
        let expected = got.extensions.get::<Expected>().cloned();
        let expected = expected.unwrap_or_else(|| Expected::length(got.meta.size));
        let (meta, failed) = (got.meta.clone(), url.clone());
        let chunks =
            got.into_stream().map_err(move |error| Error::from_object_store(&failed, &error)).boxed();
        Ok((meta, verify_chunks(chunks, expected, url)))
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, Error> {
        let read = || async {
            let (meta, chunks) = self.open(name).await?;
            if meta.size > MAX_BUFFERED_BYTES {
                return Err(Error::too_large(self.url(name), MAX_BUFFERED_BYTES));
            }
            Ok((read_to_end(chunks).await?, Version { tag: meta.e_tag, generation: meta.version }))
        };
        match self.settings.retry(read, Error::is_transient).await {
            Err(Error::NotFound { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) async fn exists(&self, name: &str) -> Result<bool, Error> {
        let path = self.path(name)?;
        match self.retry(name, || self.store.head(&path)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Retries a request after a transient failure. `object_store` does not retry a conditional PUT whose response was
    /// lost. Only for requests that detect what an earlier attempt did.
    async fn retry<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        name: &str,
        request: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let url = self.url(name);
        let mut request = request;
        let tried = || {
            let (request, url) = (request(), &url);
            async move { request.await.map_err(|error| Error::from_object_store(url, &error)) }
        };
        self.settings.retry(tried, Error::is_transient).await
    }

    pub(super) async fn put_if_absent(&self, name: &str, payload: Payload) -> Result<PutOutcome, Error> {
        match payload {
            Payload::File(file, size) if size > MULTIPART_THRESHOLD => self.put_multipart(name, file).await,
            Payload::File(mut file, size) => {
                let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
                let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
                read.map_err(|error| Error::io("the temporary file", error))?;
                self.put_small(name, bytes.into()).await
            }
            Payload::Bytes(bytes) => self.put_small(name, bytes).await,
        }
    }

    async fn put_small(&self, name: &str, bytes: Bytes) -> Result<PutOutcome, Error> {
        let path = self.path(name)?;
        let options = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.retry(name, || async {
            match self.store.put_opts(&path, PutPayload::from_bytes(bytes.clone()), options()).await {
                Ok(_) => Ok(true),
                Err(Failure::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        });
        if put.await? {
            return Ok(PutOutcome::Created);
        }
        // Another writer, or an earlier attempt of ours whose response was lost.
        match self.read(name).await {
            Ok(Some((stored, _))) if stored == bytes => Ok(PutOutcome::AlreadyIdentical),
            // An object that is too long to be read differs.
            Ok(Some(_)) | Err(Error::Invalid { .. }) => Ok(PutOutcome::Conflict),
            Err(error) => Err(error),
            Ok(None) => Err(Error::Transient {
                url: self.url(name),
                message: "it was removed while it was being written".into(),
            }),
        }
    }

    /// Uploads parts under a temporary name, then copies the result with a precondition, which parts cannot have. The
    /// temporary name is deterministic, so that the next attempt overwrites and deletes what a killed run left.
    async fn put_multipart(&self, name: &str, file: File) -> Result<PutOutcome, Error> {
        let (path, temporary_name) = (self.path(name)?, format!("{name}.part"));
        let temporary = self.path(&temporary_name)?;
        let mut exists = self.exists(name).await?;
        if !exists {
            let parts = file.try_clone().map_err(|error| Error::io("the temporary file", error))?;
            multipart::upload(&*self.store, &self.url(&temporary_name), &temporary, parts).await?;
            let options = CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
            match self.store.copy_opts(&temporary, &path, options).await {
                Ok(()) => {}
                Err(Failure::AlreadyExists { .. } | Failure::Precondition { .. }) => exists = true,
                Err(error) => return Err(Error::from_object_store(self.url(name), &error)),
            }
        }
        self.delete(&temporary_name).await?;
        if !exists {
            return Ok(PutOutcome::Created);
        }
        let (_, stored) = self.open(name).await?;
        let same = multipart::content_equals(stored, file).await?;
        Ok(if same { PutOutcome::AlreadyIdentical } else { PutOutcome::Conflict })
    }

    pub(super) async fn compare_and_swap(
        &self,
        name: &str,
        bytes: Bytes,
        read: Option<Version>,
    ) -> Result<Option<Version>, Error> {
        let path = self.path(name)?;
        let put = self.retry(name, || async {
            let mode = match &read {
                None => PutMode::Create,
                Some(read) => PutMode::Update(UpdateVersion {
                    e_tag: read.tag.clone(),
                    version: read.generation.clone(),
                }),
            };
            let options = PutOptions { mode, ..PutOptions::default() };
            match self.store.put_opts(&path, PutPayload::from_bytes(bytes.clone()), options).await {
                Ok(put) => Ok(Some(Version { tag: put.e_tag, generation: put.version })),
                // If no version was expected, there is no other writer to wait for.
                Err(error @ Failure::NotFound { .. }) if read.is_none() => Err(error),
                Err(
                    Failure::AlreadyExists { .. } | Failure::Precondition { .. } | Failure::NotFound { .. },
                ) => Ok(None),
                Err(error) => Err(error),
            }
        });
        match put.await.map_err(Error::into_missing_bucket)? {
            Some(version) => Ok(Some(version)),
            // If the response to an earlier attempt was lost, the object already has these bytes.
            None => {
                Ok(self.read(name).await?.and_then(|(stored, version)| (stored == bytes).then_some(version)))
            }
        }
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        match self.retry(name, || self.store.delete(&path)).await {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done,
        }
    }

    /// Passes the generation to the store, so that exactly the version that was checked is deleted.
    pub(super) async fn delete_version(&self, listed: &ObjectMeta) -> Result<bool, Error> {
        let path = self.path(&listed.name)?;
        let now = match self.retry(&listed.name, || self.store.head(&path)).await {
            Err(Error::NotFound { .. }) => return Ok(false),
            now => now?,
        };
        // HEAD reports whole seconds.
        let same_time = now.last_modified.timestamp() == listed.modified.div_euclid(1000);
        let tag = now.e_tag.as_deref().unwrap_or_default().trim_matches('"');
        if !same_time || now.size != listed.size || !listed.tag.starts_with(tag) {
            return Ok(false);
        }
        let conditional = match &now.version {
            Some(generation) => Path::parse(with_generation(path.as_ref(), generation)),
            None => Ok(path),
        };
        let path = conditional
            .map_err(|error| Error::Invalid { url: self.url(&listed.name), message: error.to_string() })?;
        let deleted = self.retry(&listed.name, || async {
            match self.store.delete(&path).await {
                Err(Failure::Precondition { .. }) => Ok(false),
                done => done.map(|()| true),
            }
        });
        match deleted.await {
            // An earlier attempt succeeded, but its response was lost.
            Err(Error::NotFound { .. }) => Ok(true),
            done => done,
        }
    }

    /// Placeholders are empty objects whose name ends in `/`.
    pub(super) async fn prune_empty_parents(&self, name: &str) -> Result<(), Error> {
        let mut above = name;
        while let Some((directory, _)) = above.trim_end_matches('/').rsplit_once('/') {
            let placeholder = format!("{directory}/");
            let mut listing = self.listing(&format!("{}{placeholder}", self.prefix), None);
            let mut found = None;
            while let Some(meta) = listing.try_next().await? {
                let listed = self.listed(&meta);
                match listed {
                    Some(listed) if listed.name == placeholder && listed.size == 0 => found = Some(listed),
                    _ => return Ok(()),
                }
            }
            // Only that version: a run that stalled since the listing must not remove what was written after it.
            if let Some(listed) = found {
                self.delete_version(&listed).await?;
            }
            above = directory;
        }
        Ok(())
    }
}
