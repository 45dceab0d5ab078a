//! Rejects: records that could not be converted, kept in full so that they can be fixed and replayed.

use crate::json::escape_into;
use crate::reject::{RejectReason, Rejection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

/// One rejected line, or record in a line.
#[derive(Debug, Clone)]
pub struct Reject<'a> {
    /// The name of the input.
    pub input: &'a str,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The offset in the (decompressed) input, from 0.
    pub offset: u64,
    /// The header that it stands below, where it is a row of CSV.
    pub header: Option<&'a str>,
    /// The reason.
    pub rejection: &'a Rejection,
    /// The bytes of the record, or a part of them.
    pub raw: &'a [u8],
    /// Which part.
    pub part: Part,
}

impl Reject<'_> {
    /// Returns whether this is the whole reject, or its first part.
    #[must_use]
    pub fn is_first_part(&self) -> bool {
        matches!(self.part, Part::Whole | Part::First)
    }
}

/// Formats for people, without the bytes: `INPUT, line LINE (byte OFFSET): REASON: MESSAGE`.
impl fmt::Display for Reject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, line, offset, rejection, .. } = self;
        write!(f, "{input}, line {line} (byte {offset}): {}: {}", rejection.reason, rejection.message)
    }
}

/// Which part of a reject this is; rejects that are too long arrive in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole reject.
    Whole,
    /// The first of several parts.
    First,
    /// A part in the middle.
    Middle,
    /// The last part; may be empty.
    Last,
}

/// Writes rejects as JSON lines:
/// `{"input","line","offset","reason","message","raw"}`, with `raw_base64` for `raw` where the bytes are no UTF-8 or
/// too long to tell. Of a row of CSV `header` is the line that it stands below, so that it can be read back by itself.
#[derive(Debug)]
pub struct RejectWriter<W> {
    out: W,
    buffer: Vec<u8>,
    /// Up to two bytes that wait for a third, because base64 encodes three at a time.
    waiting: Vec<u8>,
}

impl<W: Write> RejectWriter<W> {
    /// Creates a writer that writes each reject to `out` in one call.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Vec::new(), waiting: Vec::new() }
    }

    /// Writes one reject, or a part of one.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn write(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        self.buffer.clear();
        match (reject.part, std::str::from_utf8(reject.raw)) {
            (Part::Whole, Ok(text)) if reject.rejection.reason != RejectReason::LineTooLong => {
                self.head(reject);
                self.buffer.extend_from_slice(b"\"raw\":\"");
                escape_into(&mut self.buffer, text);
            }
            _ => self.base64(reject),
        }
        if matches!(reject.part, Part::Whole | Part::Last) {
            self.buffer.extend_from_slice(b"\"}\n");
        }
        self.out.write_all(&self.buffer)
    }

    /// Writes what is buffered, and returns the underlying writer.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn head(&mut self, reject: &Reject<'_>) {
        self.buffer.extend_from_slice(b"{\"input\":\"");
        escape_into(&mut self.buffer, reject.input);
        let place = format!(
            "\",\"line\":{},\"offset\":{},\"reason\":\"{}\",\"message\":\"",
            reject.line, reject.offset, reject.rejection.reason
        );
        self.buffer.extend_from_slice(place.as_bytes());
        escape_into(&mut self.buffer, &reject.rejection.message);
        if let Some(header) = reject.header {
            self.buffer.extend_from_slice(b"\",\"header\":\"");
            escape_into(&mut self.buffer, header);
        }
        self.buffer.extend_from_slice(b"\",");
    }

    fn base64(&mut self, reject: &Reject<'_>) {
        if reject.is_first_part() {
            self.head(reject);
            self.buffer.extend_from_slice(b"\"raw_base64\":\"");
            self.waiting.clear();
        }
        self.waiting.extend_from_slice(reject.raw);
        let last = matches!(reject.part, Part::Whole | Part::Last);
        let end = if last { self.waiting.len() } else { self.waiting.len() / 3 * 3 };
        self.buffer.extend_from_slice(BASE64.encode(&self.waiting[..end]).as_bytes());
        self.waiting.drain(..end);
    }
}

/// A reject that was read from a rejects file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReject {
    /// The name of its input.
    pub input: String,
    /// Its line in the input.
    pub line: u64,
    /// Its offset in the input.
    pub offset: u64,
    /// Why it was rejected, if known.
    pub reason: Option<RejectReason>,
    /// The header that it stood below, where it is a row of CSV.
    pub header: Option<String>,
    /// The message it was refused with, or an empty text.
    pub message: String,
    /// Its bytes.
    pub raw: Vec<u8>,
}

/// One line of a rejects file.
#[derive(serde::Deserialize)]
#[serde(expecting = "a reject")]
struct Line<'a> {
    #[serde(borrow)]
    input: Cow<'a, str>,
    line: u64,
    offset: u64,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    header: Option<Cow<'a, str>>,
    #[serde(borrow)]
    raw: Option<Cow<'a, str>>,
    #[serde(borrow)]
    raw_base64: Option<Cow<'a, str>>,
}

/// A byte-order mark.
const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Reads the rejects that a [`RejectWriter`] wrote.
#[derive(Debug)]
pub struct RejectReader<R> {
    lines: R,
    /// The maximum line length, in bytes.
    max: u64,
    line: u64,
    buffer: Vec<u8>,
    /// Nothing more can be read.
    ended: bool,
}

impl<R: BufRead> RejectReader<R> {
    /// Creates a reader for rejects whose records are at most `max_line_bytes` long.
    pub fn new(lines: R, max_line_bytes: usize) -> Self {
        // JSON may use six bytes for one (\u0000); the rest is for the input's name and the message.
        let max = (max_line_bytes as u64).saturating_mul(6).saturating_add(64 << 10);
        Self { lines, max, line: 0, buffer: Vec::new(), ended: false }
    }

    /// Reads a line up to the limit; returns `false` at the end.
    fn read(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        self.line += 1;
        Ok((&mut self.lines).take(self.max).read_until(b'\n', &mut self.buffer)? > 0)
    }

    /// Skips the rest of a line that is too long.
    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        while !self.buffer.ends_with(b"\n") {
            self.buffer.clear();
            if (&mut self.lines).take(self.max).read_until(b'\n', &mut self.buffer)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Describes what is wrong with a line that is too long.
    fn too_long(&mut self) -> io::Error {
        let message = format!("line {} is longer than {} bytes; raise --max-line-bytes", self.line, self.max);
        self.skip_rest_of_line()
            .map_or_else(|error| self.end(error), |()| io::Error::new(io::ErrorKind::InvalidData, message))
    }

    fn end(&mut self, error: io::Error) -> io::Error {
        self.ended = true;
        error
    }
}

impl<R: BufRead> Iterator for RejectReader<R> {
    type Item = io::Result<StoredReject>;

    /// Returns the next reject. After an error in one line, continues with the next line; after an error in reading the
    /// file, ends.
    fn next(&mut self) -> Option<io::Result<StoredReject>> {
        while !self.ended {
            match self.read() {
                Err(error) => return Some(Err(self.end(error))),
                Ok(false) => self.ended = true,
                Ok(true) if self.buffer.len() as u64 == self.max && !self.buffer.ends_with(b"\n") => {
                    return Some(Err(self.too_long()));
                }
                Ok(true) => {
                    // Concatenated files may each begin with a byte-order mark.
                    let line = self.buffer.strip_prefix(UTF8_BOM).unwrap_or(&self.buffer);
                    if !line.trim_ascii().is_empty() {
                        return Some(stored_reject(line, self.line));
                    }
                }
            }
        }
        None
    }
}

fn stored_reject(line: &[u8], number: u64) -> io::Result<StoredReject> {
    let invalid = |what: String| {
        let message = format!("line {number} is not a reject: {what}; expected a file that --rejects wrote");
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    // The line number is already part of the message.
    let found = |error: serde_json::Error| error.to_string().split(" at line ").next().map(str::to_owned);
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| invalid(found(error).unwrap_or_default()))?;
    let raw = match (line.raw, line.raw_base64) {
        (Some(raw), None) => raw.into_owned().into_bytes(),
        (None, Some(raw)) => BASE64.decode(&*raw).map_err(|error| invalid(error.to_string()))?,
        _ => return Err(invalid("it needs either \"raw\" or \"raw_base64\"".to_owned())),
    };
    let reason = RejectReason::named(&line.reason);
    Ok(StoredReject {
        input: line.input.into_owned(),
        line: line.line,
        offset: line.offset,
        reason,
        header: line.header.map(Cow::into_owned),
        message: line.message.into_owned(),
        raw,
    })
}
