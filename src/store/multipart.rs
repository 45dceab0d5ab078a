//! Uploads objects that are too large for one request.

use super::download_check::Chunks;
use super::error::Error;
use super::object::same_bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error as Failure, ObjectStore, PutMultipartOptions, WriteMultipart};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};

/// The size of a part, and the number of parts uploaded at once.
const PART: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 2;

fn file_error(error: io::Error) -> Error {
    Error::io("the temporary file", error)
}

/// Uploads a file in parts. `url` is that of the object, for errors.
pub(super) async fn upload(
    store: &dyn ObjectStore,
    url: &str,
    to: &Path,
    mut file: File,
) -> Result<(), Error> {
    let failed = |error: Failure| Error::from_object_store(url, &error);
    file.rewind().map_err(file_error)?;
    let upload = store.put_multipart_opts(to, PutMultipartOptions::default()).await.map_err(failed)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
    let parts = async {
        loop {
            let mut part = Vec::with_capacity(PART);
            (&mut file).take(PART as u64).read_to_end(&mut part).map_err(file_error)?;
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

/// Compares a stored object with a file, chunk by chunk.
pub(super) async fn content_equals(mut stored: Chunks, mut file: File) -> Result<bool, Error> {
    file.rewind().map_err(file_error)?;
    while let Some(chunk) = stored.try_next().await? {
        let same = same_bytes((&mut file).take(chunk.len() as u64), &chunk[..]);
        if !same.map_err(file_error)? {
            return Ok(false);
        }
    }
    Ok(file.read(&mut [0]).map_err(file_error)? == 0)
}
