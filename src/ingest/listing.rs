//! Lists what to read: everything in a source, or some names.

use super::panic_guard::{PANICKED, catch_panic};
use crate::error::{Failure, RunError};
use crate::store::{self, ObjectMeta, Store, TaskStream};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

/// An entry of a listing.
pub(super) enum Entry {
    Object(ObjectMeta),
    /// One of the names could not be looked up. The others are not affected.
    Failed {
        name: String,
        error: store::Error,
    },
}

/// Entries, as many at once as are known.
pub(super) type Page = Vec<Result<Entry, store::Error>>;

/// Lists in a background task, two pages ahead of the consumer.
pub(super) fn prefetch(listing: BoxStream<'static, Result<Entry, store::Error>>) -> TaskStream<Page> {
    TaskStream::spawn(2, |to| async move {
        let mut listing = listing.ready_chunks(1024);
        while let Some(page) = listing.next().await {
            if to.send(page).await.is_err() {
                return;
            }
        }
    })
}

/// Returns the next page; `None` after the last one. Cancel-safe.
pub(super) async fn next(pages: &mut TaskStream<Page>) -> Option<Result<Page, RunError>> {
    let page = pages.next().await?;
    Some(page.map_err(|died| {
        let failure = Failure::from(format!("listing the source failed: {died}"));
        RunError::Storage(failure.caused_by(died))
    }))
}

/// A listing of all objects.
pub(super) fn all(store: &Store) -> BoxStream<'static, Result<Entry, store::Error>> {
    store.list().map_ok(Entry::Object).boxed()
}

/// Lists only these names; those that do not exist are omitted.
pub(super) fn list_named(
    store: Store,
    names: Vec<String>,
) -> BoxStream<'static, Result<Entry, store::Error>> {
    let each = futures::stream::iter(names).map(move |name| {
        let store = store.clone();
        async move { look_up(&store, name).await }
    });
    each.buffer_unordered(FOUND_AT_ONCE).filter_map(std::future::ready).boxed()
}

/// The entry of one name. Without usable credentials no other name could be looked up: that alone fails the listing.
async fn look_up(store: &Store, name: String) -> Option<Result<Entry, store::Error>> {
    let found = catch_panic(store.head(&name)).await.unwrap_or_else(|_| {
        let url = store.location().url(&name);
        Err(store::Error::Invalid { url, message: PANICKED.into() })
    });
    match found {
        Ok(listed) => listed.map(|listed| Ok(Entry::Object(listed))),
        Err(error @ store::Error::Credentials { .. }) => Some(Err(error)),
        Err(error) => Some(Ok(Entry::Failed { name, error })),
    }
}

/// The number of names that are looked up at once.
const FOUND_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::{next, prefetch};
    use futures::StreamExt as _;

    #[tokio::test]
    async fn panicking_listing_is_an_error_not_an_end() {
        let mut pages = prefetch(futures::stream::poll_fn(|_| panic!("as asked")).boxed());
        assert!(next(&mut pages).await.unwrap().is_err());
        let mut none = prefetch(futures::stream::empty().boxed());
        assert!(next(&mut none).await.is_none());
    }
}
