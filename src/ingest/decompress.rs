//! Decompresses within limits: a few kilobytes of gzip can hold gigabytes.

use crate::normalize::{Decompressed, decompress_with};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Limits for decompressed objects: a few kilobytes of gzip can hold gigabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum ratio of decompressed to compressed bytes, enforced after 4 MiB.
    pub ratio: u64,
    /// Maximum number of decompressed bytes.
    pub bytes: u64,
}

impl Default for Limits {
    /// 300 times, and 64 GiB. Logs compress to a tenth or, if repetitive, a hundredth; the maximum of gzip is 1032.
    fn default() -> Self {
        Self { ratio: 300, bytes: 64 << 30 }
    }
}

/// The limit that decompressed data exceeds; the source of an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LimitExceeded {
    /// [`Limits::bytes`].
    #[error("it decompresses to more than {0} bytes")]
    Bytes(u64),
    /// [`Limits::ratio`].
    #[error("it decompresses to more than {0} times its size")]
    Ratio(u64),
}

/// Unpacks what is gzip within the limits. The caller knows which flags set them: messages name none.
pub(crate) fn decompress_limited(
    bytes: Box<dyn Read + Send>,
    limits: Limits,
) -> io::Result<Decompressed<'static>> {
    let packed = Arc::<AtomicU64>::default();
    let bytes = CountingReader { inner: bytes, count: Arc::clone(&packed) };
    decompress_with(Box::new(bytes), &|inner| {
        Box::new(RatioLimitedReader { inner, packed: Arc::clone(&packed), limits, count: 0 })
    })
}

struct CountingReader {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct RatioLimitedReader {
    inner: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    limits: Limits,
    count: u64,
}

/// Below this size no ratio is enforced, because a few megabytes do no harm.
const RATIO_GRACE_BYTES: u64 = 4 << 20;

impl Read for RatioLimitedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        let exceeded = |limit| Err(io::Error::new(io::ErrorKind::FileTooLarge, limit));
        if self.count > self.limits.bytes {
            return exceeded(LimitExceeded::Bytes(self.limits.bytes));
        }
        let packed = self.packed.load(Ordering::Relaxed).max(1);
        if self.count > RATIO_GRACE_BYTES && self.count > packed.saturating_mul(self.limits.ratio) {
            return exceeded(LimitExceeded::Ratio(self.limits.ratio));
        }
        Ok(read)
    }
}
