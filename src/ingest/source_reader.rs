//! A stream as a reader for a thread that may wait. What breaks it is noted beside.

use super::convert::Failure;
use crate::store::{self, TaskStream};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::io::{self, Read};
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle;

/// The number of chunks that wait for the reading thread.
const CHUNKS: usize = 16;

/// Reads the chunks of a stream.
pub(super) fn piped(
    mut stream: BoxStream<'static, Result<Bytes, store::Error>>,
    url: String,
) -> (impl Read + Send + 'static, Failure) {
    let failure = Failure::default();
    let chunks = TaskStream::spawn(CHUNKS, |to| async move {
        while let Some(chunk) = stream.next().await {
            let last = chunk.is_err();
            if to.send(chunk).await.is_err() || last {
                return;
            }
        }
    });
    let runtime = Handle::current();
    (StreamReader { chunks, runtime, url, failure: Arc::clone(&failure), chunk: Bytes::new() }, failure)
}

struct StreamReader {
    chunks: TaskStream<Result<Bytes, store::Error>>,
    runtime: Handle,
    url: String,
    failure: Failure,
    chunk: Bytes,
}

impl StreamReader {
    /// Returns the next chunk; `None` only at the end of the stream.
    fn next(&mut self) -> Result<Option<Bytes>, store::Error> {
        match self.runtime.block_on(self.chunks.next()) {
            None => Ok(None),
            Some(Ok(chunk)) => chunk.map(Some),
            Some(Err(died)) => Err(store::Error::Transient {
                url: self.url.clone(),
                message: format!("reading it failed: {died}"),
            }),
        }
    }
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.next() {
                Ok(None) => return Ok(0),
                Ok(Some(chunk)) => self.chunk = chunk,
                Err(error) => return Err(noted(&self.failure, error)),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

pub(super) fn noted(failure: &Failure, error: store::Error) -> io::Error {
    let message = error.to_string();
    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    io::Error::other(message)
}

#[cfg(test)]
mod tests {
    use super::piped;
    use bytes::Bytes;
    use futures::StreamExt as _;
    use std::io::Read as _;

    #[tokio::test]
    async fn panicking_stream_is_an_error_not_an_end() {
        let part = futures::stream::once(async { Ok(Bytes::from_static(b"half")) });
        let stream = part.chain(futures::stream::poll_fn(|_| panic!("as asked"))).boxed();
        let (mut reader, failure) = piped(stream, "gs://b/x".into());
        let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).map_err(drop));
        assert_eq!(read.await.unwrap(), Err(()));
        let failure = failure.lock().unwrap().take().unwrap();
        assert!(failure.is_transient() && failure.to_string().starts_with("gs://b/x: reading it failed"));
    }
}
