//! Keeps a panic over one object from ending the run that other objects share.

use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;

/// The reason given for an object whose processing panicked. The panic message is printed on standard error only: it may
/// quote what was read.
pub(super) const PANICKED: &str =
    "an internal error ended its processing; please report the message on standard error";

/// Something panicked.
#[derive(Debug)]
pub(super) struct PanicError;

/// Awaits a future; returns [`PanicError`] if it panics.
pub(super) async fn catch_panic<T>(work: impl Future<Output = T>) -> Result<T, PanicError> {
    // Nothing that the work has left half changed is used again: all of it belongs to one object.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| PanicError)
}

#[cfg(test)]
mod tests {
    use super::catch_panic;

    #[tokio::test]
    async fn panic_is_returned_as_an_error() {
        assert!(matches!(catch_panic(async { 1 }).await, Ok(1)));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "as intended");
        };
        assert!(catch_panic(panics).await.is_err());
    }
}
