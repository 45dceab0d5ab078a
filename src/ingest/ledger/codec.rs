//! A segment of the ledger as bytes: one line `zoom-udm-ledger 1 SHA256-OF-THE-REST`, then gzip of one JSON object a line.

use super::{Entry, Error, State};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};

const MAGIC: &str = "zoom-udm-ledger";
/// Another number is another format, which this program would not understand.
const VERSION: &str = "1";

/// Writes entries, one after the other.
pub(super) struct Encoder(GzEncoder<Vec<u8>>);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Adds an entry, or the line that one was read from.
    pub(super) fn line(&mut self, line: &[u8]) {
        // Memory takes all that is written to it.
        let _ = self.0.write_all(line).and_then(|()| self.0.write_all(b"\n"));
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.line(serde_json::to_string(entry).unwrap_or_default().as_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        sealed(&self.0.finish().unwrap_or_default())
    }
}

/// A segment of a body: with its head.
pub(super) fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{MAGIC} {VERSION} {}\n", hex(body)).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    crate::store::hex(&Sha256::digest(bytes))
}

/// What is asked of every entry, read without a copy: of a million of them few are asked for more.
#[derive(Deserialize)]
pub(super) struct Brief<'l> {
    #[serde(borrow)]
    pub(super) object: Cow<'l, str>,
    #[serde(borrow)]
    pub(super) tag: Cow<'l, str>,
    pub(super) modified: i64,
    pub(super) state: State,
    #[serde(skip)]
    pub(super) line: &'l [u8],
}

impl Brief<'_> {
    /// All of the entry.
    pub(super) fn whole(&self) -> Result<Entry, serde_json::Error> {
        serde_json::from_slice(self.line)
    }
}

/// Takes entries one by one; what it cannot read of one is damage.
pub(super) type Each<'e> = &'e mut dyn FnMut(&Brief<'_>) -> Result<(), serde_json::Error>;

/// Checks a segment and hands its entries over. Nothing is handed over of one whose checksum differs.
pub(super) fn decode(url: &str, bytes: &[u8], each: Each<'_>) -> Result<(), Error> {
    let damaged = |what: &str| {
        Error::Damaged(format!(
            "{url}: {what}; it was left as it is. Put a good copy of it in its place, or remove it: \
             what it knew is then read again, and outputs that stand are recognised"
        ))
    };
    let body = checked(bytes).map_err(|what| damaged(&what))?;
    let mut lines = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(body));
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(damaged(&format!("the ledger is damaged ({error})"))),
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let brief = serde_json::from_slice::<Brief<'_>>(line);
        brief
            .and_then(|brief| each(&Brief { line, ..brief }))
            .map_err(|error| damaged(&format!("the ledger is damaged ({error})")))?;
    }
}

/// What is behind the head of a segment, if that is as the head says; what is wrong otherwise.
fn checked(bytes: &[u8]) -> Result<&[u8], String> {
    let end = memchr::memchr(b'\n', bytes).ok_or("this is no ledger, or was cut short")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let body = &bytes[end + 1..];
    match head.split(' ').collect::<Vec<_>>()[..] {
        [MAGIC, VERSION, sum] if sum == hex(body) => Ok(body),
        [MAGIC, VERSION, _] => Err("the ledger is damaged (its checksum differs)".into()),
        [MAGIC, version, _] => Err(format!(
            "the ledger has format {version}, and this program reads {VERSION}; use the zoom-udm that wrote it"
        )),
        _ => Err("this is no ledger".into()),
    }
}
