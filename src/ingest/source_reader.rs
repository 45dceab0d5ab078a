//! A stored object's stream as a reader for a blocking thread.

use crate::store::{self, TaskStream};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::io::{self, Read};
use tokio_util::io::{StreamReader, SyncIoBridge};

/// The number of chunks that wait for the reading thread.
const CHUNKS: usize = 16;

/// Reads the chunks of a stream, some of them ahead. Errors are [`store::Error`]s within [`io::Error`]s.
pub(super) fn source_reader(
    mut stream: BoxStream<'static, Result<Bytes, store::Error>>,
    url: String,
) -> impl Read + Send + 'static {
    let chunks = TaskStream::spawn(CHUNKS, |to| async move {
        while let Some(chunk) = stream.next().await {
            let last = chunk.is_err();
            if to.send(chunk).await.is_err() || last {
                return;
            }
        }
    });
    let chunks = futures::stream::unfold((chunks, url), |(mut chunks, url)| async move {
        let chunk = chunks.next().await?.unwrap_or_else(|panicked| {
            let message = format!("cannot read: {panicked}");
            Err(store::Error::Transient { url: url.clone(), message })
        });
        Some((chunk.map_err(io::Error::other), (chunks, url)))
    });
    SyncIoBridge::new(StreamReader::new(chunks.boxed()))
}

#[cfg(test)]
mod tests {
    use super::source_reader;
    use crate::store::Error;
    use bytes::Bytes;
    use futures::StreamExt as _;
    use std::io::Read as _;

    #[tokio::test]
    async fn panicking_stream_is_a_failure_to_read() {
        let part = futures::stream::once(async { Ok(Bytes::from_static(b"half")) });
        let stream = part.chain(futures::stream::poll_fn(|_| panic!("as asked"))).boxed();
        let mut reader = source_reader(stream, "gs://b/x".into());
        let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
        let error = read.await.unwrap().unwrap_err().downcast::<Error>().unwrap();
        assert!(error.is_transient() && error.to_string().starts_with("gs://b/x: cannot read"));
    }
}
