//! Writes gathered events as objects: lines of JSON in gzip, one object for each batch.

use crate::checksummed::uuid;
use crate::clock::Clock;
use crate::collect::{Date, gzip};
use crate::error::RunError;
use crate::serve::response::{ApiResponse, Severity};
use crate::store::{Error, Location, Payload, PutOutcome, Store, StoreConfig};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long writing an object may take. With a second of gathering it ends before deliveries are answered after 2.5 seconds,
/// so that their answers say what became of the object.
const WRITE_TIMEOUT: Duration = Duration::from_millis(1300);

/// How long requests to storage, and retries of them, may take. Shorter, so that an error says what storage answered.
const RETRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes objects below a location.
pub(super) struct ObjectWriter {
    to: Location,
    /// Opened when it is needed, so that the service can start while storage is unreachable.
    store: OnceCell<Store>,
    clock: Option<Clock>,
}

impl ObjectWriter {
    pub(super) fn new(to: Location, clock: Option<Clock>) -> Self {
        Self { to, store: OnceCell::new(), clock }
    }

    pub(super) fn location(&self) -> &Location {
        &self.to
    }

    pub(super) async fn open(&self) -> Result<&Store, Error> {
        let settings = StoreConfig {
            retries: 2,
            retry_for: RETRY_TIMEOUT,
            first_pause: Duration::from_millis(50),
            timeout: RETRY_TIMEOUT,
            emulator: None,
        };
        self.store.get_or_try_init(|| Store::open(&self.to, &settings)).await
    }

    /// Writes lines as an object; returns its size. On success the lines are durable; after an error they may be.
    pub(super) async fn write(&self, lines: &[u8]) -> Result<u64, ApiResponse> {
        let bytes = gzip(lines);
        let name = self.name(&bytes);
        let (size, url) = (bytes.len() as u64, self.to.url(&name));
        let put = async { self.open().await?.put_if_absent(&name, Payload::Bytes(bytes.into())).await };
        match tokio::time::timeout(WRITE_TIMEOUT, put).await {
            Ok(Ok(PutOutcome::Created | PutOutcome::AlreadyIdentical)) => Ok(size),
            Ok(Ok(PutOutcome::Conflict)) => {
                Err(ApiResponse::internal_error("an object could not be written; see the log").with_log(
                    Severity::Error,
                    format!("{url}: an object of this name has other content; nothing was written"),
                ))
            }
            Ok(Err(error)) => Err(RunError::from(error).into()),
            Err(_) => Err(ApiResponse::retry_later("storage did not respond in time; retry", 30).with_log(
                Severity::Error,
                format!(
                    "{url}: storage did not respond within {} ms; Zoom sends the events again",
                    WRITE_TIMEOUT.as_millis()
                ),
            )),
        }
    }

    /// Returns a name that depends only on the day and the bytes of the object: the same lines, written again after a
    /// lost response, are the same object. A name of the lines would conflict if another version of the program
    /// compressed them differently.
    fn name(&self, bytes: &[u8]) -> String {
        let now = self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now);
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        format!("{}/zoom-webhooks-{}.json.gz", Date::from_millis(now).path(), uuid(&digest))
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, ObjectWriter, Store};

    async fn names(store: &Store) -> Vec<String> {
        use futures::TryStreamExt as _;
        store.list().map_ok(|object| object.name).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn same_lines_are_written_once() {
        let clock = Clock::at("2024-01-31T12:00:00Z".parse().unwrap());
        let writer = ObjectWriter::new("memory://zoom/webhooks/".parse().unwrap(), Some(clock));
        let sizes = [writer.write(b"{\"a\":1}\n").await, writer.write(b"{\"a\":1}\n").await];
        assert!(sizes.iter().all(|size| matches!(size, Ok(1..))), "{sizes:?}");
        let store = writer.open().await.unwrap();
        let one = names(store).await;
        assert_eq!(one.len(), 1);
        assert!(one[0].starts_with("2024/01/31/zoom-webhooks-") && one[0].ends_with(".json.gz"), "{one:?}");
        let (bytes, _) = store.read(&one[0]).await.unwrap().unwrap();
        assert_eq!(one[0], writer.name(&bytes), "the name is that of the bytes, not of the lines");
        writer.write(b"{\"a\":2}\n").await.unwrap();
        assert_eq!(names(store).await.len(), 2);
    }
}
