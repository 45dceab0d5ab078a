//! Local files by content: which bytes of them are done, whatever the files are called and however often they are touched.
//!
//! A file has no generation. Its time of modification changes when nothing else does, and logs grow and are renamed. So a
//! file is done up to a length, by the hash of all bytes before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes of a file from its beginning to some length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentId {
    /// How many bytes.
    pub length: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
    /// A hash of the first 256 bytes; 0 for a shorter content.
    pub head: u64,
}

/// How many bytes at the beginning of a content select what it is compared to. A file that grows keeps them.
pub(super) const HEAD_LENGTH: usize = 256;

impl ContentId {
    fn new(length: u64, head: u64, hasher: Sha256) -> Self {
        let head = if length < HEAD_LENGTH as u64 { 0 } else { head };
        Self { length, sha256: crate::checksummed::hex(&hasher.finalize()), head }
    }

    /// Returns sixteen bytes that identify the content.
    pub(super) fn id(&self) -> u128 {
        super::fingerprint::fingerprint(&self.sha256, "")
    }

    fn key(&self) -> Key {
        (self.head, self.length, self.id())
    }
}

/// Head, length and id of a content.
type Key = (u64, u64, u128);

/// The contents that are done, each with the names of the files that had it when they were read.
#[derive(Debug, Default)]
pub(super) struct ProcessedContents(Mutex<BTreeMap<Key, Vec<String>>>);

impl ProcessedContents {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<String>>> {
        // A panic elsewhere leaves nothing half changed: every change is one insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a content that a file of this name has.
    pub(super) fn insert(&self, content: &ContentId, name: &str) {
        let mut index = self.lock();
        let names = index.entry(content.key()).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    /// Removes a name from a content; returns `false` if the content did not have it.
    pub(super) fn remove(&self, content: &ContentId, name: &str) -> bool {
        let mut index = self.lock();
        let Some(names) = index.get_mut(&content.key()) else { return false };
        let found = names.iter().position(|known| known == name);
        found.map(|at| names.swap_remove(at)).is_some()
    }

    fn names(&self, content: &ContentId) -> Vec<String> {
        self.lock().get(&content.key()).cloned().unwrap_or_default()
    }

    /// The lengths of contents that a file may begin with, in order. Those shorter than [`HEAD_LENGTH`] have fewer than that many
    /// lengths between them, so this is short however many contents there are.
    fn lengths(&self, head: u64, most: u64) -> BTreeSet<u64> {
        let index = self.lock();
        let of = |head: u64| {
            index.range((head, 0, 0)..=(head, most, u128::MAX)).map(|((_, length, _), _)| *length)
        };
        of(0).chain(of(head)).collect()
    }

    /// The name of the file that had a content and that a file of name `name`, which has it now, is: itself, or one that
    /// has it no more. A file whose content another one still has is a copy, which is a file of its own.
    fn origin(&self, content: &ContentId, name: &str, root: &Path) -> io::Result<Option<String>> {
        let names = self.names(content);
        if names.iter().any(|known| known == name) {
            return Ok(Some(name.to_owned()));
        }
        for known in names {
            if !begins_with(&root.join(&known), content)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }
}

/// The longest content of a file that is done.
pub(super) struct ProcessedPrefix {
    pub(super) content: ContentId,
    /// The name of the file when that was read.
    pub(super) origin: String,
    /// As it is after these bytes.
    pub(super) hasher: Sha256,
}

/// Returns the longest content that is done and that the file begins with, and the hash of its first bytes. Reads no more
/// than the longest content that it may begin with. `name` is the file's, below `root`.
pub(super) fn longest_done_prefix(
    file: &mut File,
    size: u64,
    index: &ProcessedContents,
    name: &str,
    root: &Path,
) -> io::Result<(Option<ProcessedPrefix>, u64)> {
    file.rewind()?;
    let mut first = Vec::with_capacity(HEAD_LENGTH);
    (&mut *file).take(HEAD_LENGTH as u64).read_to_end(&mut first)?;
    let head = hash_head(&first);
    let (mut hasher, mut at, mut found) = (Sha256::new(), 0, None);
    file.rewind()?;
    for length in index.lengths(head, size) {
        if hash_up_to(file, length - at, &mut hasher)? < length - at {
            break;
        }
        at = length;
        let content = ContentId::new(length, head, hasher.clone());
        if let Some(origin) = index.origin(&content, name, root)? {
            found = Some(ProcessedPrefix { content, origin, hasher: hasher.clone() });
        }
    }
    Ok((found, head))
}

/// Hashes the next bytes of a file; returns how many there were.
pub(super) fn hash_up_to(file: &mut File, length: u64, hasher: &mut Sha256) -> io::Result<u64> {
    hash_all(&mut file.take(length), hasher)
}

/// Hashes all that a reader gives; how many bytes that was.
fn hash_all(reader: &mut impl Read, hasher: &mut Sha256) -> io::Result<u64> {
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether a file begins with a content; `false` where there is none.
fn begins_with(path: &Path, content: &ContentId) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let mut hasher = Sha256::new();
    Ok(hash_up_to(&mut file, content.length, &mut hasher)? == content.length
        && crate::checksummed::hex(&hasher.finalize()) == content.sha256)
}

fn hash_head(first: &[u8]) -> u64 {
    let digest = Sha256::digest(first);
    // 0 means that there are too few bytes.
    u64::from_be_bytes(std::array::from_fn(|at| digest[at])).max(1)
}

/// Reads a range of a file, and hashes all bytes of the file up to its end.
pub(super) struct HashingReader {
    file: File,
    /// The number of bytes at the start that are hashed already.
    hashed: u64,
    left: u64,
    end: u64,
    head: u64,
    hasher: Sha256,
}

impl HashingReader {
    /// The bytes from `start`, which is not after the end of what is done, to `end`.
    pub(super) fn new(
        mut file: File,
        done: Option<ProcessedPrefix>,
        head: u64,
        start: u64,
        end: u64,
    ) -> io::Result<Self> {
        let length = done.as_ref().map_or(0, |done| done.content.length);
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file,
            hashed: length - start.min(length),
            left: end - start,
            end,
            head,
            hasher: done.map_or_else(Sha256::new, |done| done.hasher),
        })
    }

    /// Reads what is left, and returns the content of the file up to the end of the part.
    pub(super) fn finish(mut self) -> io::Result<ContentId> {
        io::copy(&mut self, &mut io::sink())?;
        if self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(ContentId::new(self.end, self.head, self.hasher))
    }
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most])?;
        let known = read.min(usize::try_from(self.hashed).unwrap_or(usize::MAX));
        self.hasher.update(&buffer[known..read]);
        (self.hashed, self.left) = (self.hashed - known as u64, self.left - read as u64);
        Ok(read)
    }
}

/// Returns whether a file still begins with a content and holds nothing else.
pub(super) fn matches_file(file: &mut File, content: &ContentId) -> io::Result<bool> {
    if file.metadata()?.len() != content.length {
        return Ok(false);
    }
    let mut hasher = Sha256::new();
    let read = hash_up_to(file, content.length + 1, &mut hasher)?;
    Ok(read == content.length && crate::checksummed::hex(&hasher.finalize()) == content.sha256)
}
