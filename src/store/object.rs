//! Objects: their metadata, contents and versions.

use super::error::Error;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// The maximum size in bytes of an object that is read whole: enough for counts of 20 million records of a day, or a
/// ledger of 60 million objects. Larger ones would fill the memory, and were not written by this program.
pub const MAX_BUFFERED_BYTES: u64 = 256 << 20;

/// The metadata of an object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The name below the location, with `/` between its parts.
    pub name: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time in milliseconds since the epoch.
    pub modified: i64,
    /// The version as far as a listing shows it: another tag is another version, or the same one touched.
    pub tag: String,
}

/// An object that is being read.
pub struct GetResult {
    /// The generation: the same name and generation always have the same bytes.
    pub generation: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time of this version in milliseconds since the epoch; on Cloud Storage in whole seconds.
    pub modified: i64,
    /// The contents.
    pub body: Body,
}

impl fmt::Debug for GetResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetResult")
            .field("generation", &self.generation)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The bytes of an object as stored, without decompression.
pub enum Body {
    /// A file, at its beginning.
    File(File),
    /// Chunks as they arrive. Broken connections are resumed within. They end with [`Error::Corrupt`] unless all of the
    /// object arrived as it is stored: nothing made of them counts before their end.
    Stream(BoxStream<'static, Result<Bytes, Error>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::File(_)) { "File" } else { "Stream" })
    }
}

/// Bytes to be written.
#[derive(Debug)]
pub enum Payload {
    /// In memory.
    Bytes(Bytes),
    /// In a file, read from its beginning and never held in memory whole.
    File(File, u64),
}

/// The result of [`super::Store::put_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object was created.
    Created,
    /// The object exists with the same bytes, from an earlier attempt or run.
    AlreadyIdentical,
    /// The object exists with other bytes, which were kept.
    Conflict,
}

/// The version of an object that was read, for [`super::Store::compare_and_swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(super) tag: Option<String>,
    pub(super) generation: Option<String>,
}

/// Returns whether two readers give the same bytes.
pub(super) fn same_bytes(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = io::copy(&mut (&mut one).take(a.len() as u64), &mut a.as_mut_slice())?;
        let other = io::copy(&mut (&mut other).take(b.len() as u64), &mut b.as_mut_slice())?;
        let length = usize::try_from(read).unwrap_or(usize::MAX).min(a.len());
        if read != other || a[..length] != b[..length] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}
