//! Uploads objects that are too large for one request.

use super::super::local_fs::equal;
use super::super::{Body, Error, PutOutcome};
use super::CloudBackend;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, Error as Failure, PutMultipartOptions, WriteMultipart};
use std::fs::File;
use std::io::{Read as _, Seek as _};

/// The size of a part, and the number of parts uploaded at once.
const PART: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 2;

impl CloudBackend {
    /// Uploads parts under a temporary name, then copies the result with a precondition, which parts cannot have. The
    /// temporary name is deterministic, so that the next attempt overwrites and deletes what a killed run left.
    pub(super) async fn put_multipart(&self, name: &str, file: File) -> Result<PutOutcome, Error> {
        let (path, passing_name) = (self.path(name)?, format!("{name}.part"));
        let passing = self.path(&passing_name)?;
        let failed = |error: Failure| Error::from_object_store(self.url(name), &error);
        let mut standing = self.exists(name).await?;
        if !standing {
            self.upload(&passing, file.try_clone().map_err(|error| Error::io("the temporary file", &error))?)
                .await?;
            let options = CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() };
            match self.store.copy_opts(&passing, &path, options).await {
                Ok(()) => {}
                Err(Failure::AlreadyExists { .. } | Failure::Precondition { .. }) => standing = true,
                Err(error) => return Err(failed(error)),
            }
        }
        self.delete(&passing_name).await?;
        if !standing {
            Ok(PutOutcome::Created)
        } else if self.content_equals(name, file).await? {
            Ok(PutOutcome::AlreadyIdentical)
        } else {
            Ok(PutOutcome::Conflict)
        }
    }

    async fn upload(&self, to: &Path, mut file: File) -> Result<(), Error> {
        let failed = |error: Failure| Error::from_object_store(format!("{}{to}", self.root), &error);
        let read = |error: &std::io::Error| Error::io("the temporary file", error);
        file.rewind().map_err(|error| read(&error))?;
        let upload =
            self.store.put_multipart_opts(to, PutMultipartOptions::default()).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let parts = async {
            loop {
                let mut part = Vec::with_capacity(PART);
                (&mut file).take(PART as u64).read_to_end(&mut part).map_err(|error| read(&error))?;
                if part.is_empty() {
                    return Ok(());
                }
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
                upload.put(part.into());
            }
        };
        if let Err(error) = parts.await {
            // Aborts the upload, because stored parts of incomplete uploads cost money.
            let _ = upload.abort().await;
            return Err(error);
        }
        upload.finish().await.map(drop).map_err(failed)
    }

    /// Compares an object with a file, chunk by chunk.
    async fn content_equals(&self, name: &str, mut file: File) -> Result<bool, Error> {
        let read = |error: &std::io::Error| Error::io("the temporary file", error);
        file.rewind().map_err(|error| read(&error))?;
        let Body::Stream(mut standing) = self.get(name).await?.body else { return Ok(false) };
        while let Some(chunk) = standing.try_next().await? {
            if !equal((&mut file).take(chunk.len() as u64), &chunk[..]).map_err(|error| read(&error))? {
                return Ok(false);
            }
        }
        Ok(file.read(&mut [0]).map_err(|error| read(&error))? == 0)
    }
}
