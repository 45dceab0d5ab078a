//! The format of a segment: one line `zoom-udm-ledger 1 SHA256-OF-THE-REST`, then gzip of one JSON object per line.

use super::entry::{Entry, State};
use crate::checksummed::Envelope;
use crate::error::RunError;
use crate::ingest::content_id::ContentId;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};

pub(super) const SEGMENT: Envelope = Envelope { magic: "zoom-udm-ledger", version: "1", label: "ledger" };

/// Writes entries one after the other.
pub(super) struct EntryEncoder(GzEncoder<Vec<u8>>);

impl EntryEncoder {
    pub(super) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Adds an entry, or the line that one was read from.
    pub(super) fn line(&mut self, line: &[u8]) {
        // Writing to memory cannot fail.
        let _ = self.0.write_all(line).and_then(|()| self.0.write_all(b"\n"));
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.line(serde_json::to_string(entry).unwrap_or_default().as_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        SEGMENT.encode(&self.0.finish().unwrap_or_default())
    }
}

/// The borrowed fields that are needed of every entry; few of a million entries are needed in full.
#[derive(Deserialize)]
pub(super) struct EntryHeader<'l> {
    #[serde(borrow)]
    pub(super) object: Cow<'l, str>,
    #[serde(borrow)]
    pub(super) tag: Cow<'l, str>,
    pub(super) modified: i64,
    pub(super) state: State,
    #[serde(default)]
    pub(super) content: Option<ContentId>,
    #[serde(skip)]
    pub(super) line: &'l [u8],
}

impl EntryHeader<'_> {
    /// Parses the whole entry.
    pub(super) fn parse_full(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_slice(self.line)
    }
}

/// Receives entries one by one; an entry that it cannot read is damage.
pub(super) type EntryVisitor<'e> = &'e mut dyn FnMut(&EntryHeader<'_>) -> Result<(), serde_json::Error>;

/// Verifies a segment and passes its entries on; nothing is passed on if the checksum differs.
pub(super) fn decode(url: &str, bytes: &[u8], each: EntryVisitor<'_>) -> Result<(), RunError> {
    let damaged = |what: &str| {
        RunError::Corrupt(format!(
            "{url}: {what}; it was left untouched. Restore a good copy, or delete it: its objects are then read again, and existing outputs are recognized"
        ).into())
    };
    let body = SEGMENT.decode(bytes).map_err(|what| damaged(&what))?;
    let mut lines = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(body));
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(damaged(&format!("the ledger is corrupt ({error})"))),
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let header = serde_json::from_slice::<EntryHeader<'_>>(line);
        header
            .and_then(|header| each(&EntryHeader { line, ..header }))
            .map_err(|error| damaged(&format!("the ledger is corrupt ({error})")))?;
    }
}
