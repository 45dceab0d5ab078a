//! Blocks: parts of inputs, cut at the ends of records.

use crate::reject::Rejection;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// Bytes to read before a block is passed on. A block and its events (about twice its size) fit into the second-level
/// cache of a core; chosen by benchmark among 64 KiB to 4 MiB.
pub(super) const BLOCK: usize = 256 << 10;

/// A part of one input, cut at the ends of records.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Vec<u8>,
    length: usize,
    /// The input.
    pub(super) input: Arc<str>,
    /// The offset in the input.
    pub(super) offset: u64,
    /// The line in the input, if it is not the one on which the previous block ended.
    pub(super) line: Option<u64>,
    pub(super) content: Content,
}

/// The kind of content of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// Whole lines.
    #[default]
    Lines,
    /// JSON values that may span lines, each with its range.
    Values(Vec<Value>),
    /// A stored reject, with its message: the reason may be in the text that surrounded it.
    Reject { message: String },
    /// The last line of an input that could not be read to its end.
    Cut,
    /// A part of a line or value that exceeds the limit.
    TooLong { first: bool, last: bool },
    /// Rows of CSV, converted to records.
    Rows(Rows),
    /// Part of a row that is too long to be read.
    OverlongRowPart(OverlongRowPart),
}

impl Content {
    /// Whether this is the end of what is too long, which may be empty.
    pub(super) fn is_end_of_long(&self) -> bool {
        matches!(
            self,
            Self::TooLong { first: false, last: true }
                | Self::OverlongRowPart(OverlongRowPart { first: false, last: true, .. })
        )
    }
}

/// The range of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) place: Range<usize>,
    /// Whether the value is an element of an array that is split into elements.
    pub(super) is_element: bool,
}

impl Block {
    /// The text that records are read from: these bytes, or the records that rows were converted to.
    pub(super) fn records(&self) -> &[u8] {
        match &self.content {
            Content::Rows(rows) => &rows.json,
            _ => self.bytes(),
        }
    }

    /// Where a record stands in the input that has a place in [`records`](Self::records) and a line counted from `start`:
    /// its line, its offset, and its bytes.
    pub(super) fn locate(&self, place: &Range<usize>, start: u64, line: u64) -> (u64, u64, &[u8]) {
        let (line, place) = match &self.content {
            Content::Rows(rows) => {
                rows.at(place.start).map_or((start, 0..0), |row| (row.line, row.raw.clone()))
            }
            _ => (start + line, place.clone()),
        };
        (line, self.offset + place.start as u64, &self.bytes()[place])
    }

    /// The header that rows stand below, where they do.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.content {
            Content::Rows(rows) => Some(&rows.header),
            Content::OverlongRowPart(row) => Some(&row.header),
            _ => None,
        }
    }

    /// Creates a block of bytes at an offset of an input.
    pub(super) fn new(input: Arc<str>, offset: u64, bytes: Vec<u8>) -> Self {
        Self { length: bytes.len(), buffer: bytes, input, offset, ..Self::default() }
    }

    /// Starts over with bytes at an offset of an input, in the same buffer.
    pub(super) fn reset(&mut self, input: &Arc<str>, offset: u64, bytes: &[u8]) {
        self.input = Arc::clone(input);
        self.offset = offset;
        self.content = Content::Lines;
        self.length = 0;
        self.append(bytes);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Reads once, after reserving space for `more` bytes.
    pub(super) fn read(&mut self, reader: &mut dyn Read, more: usize) -> io::Result<usize> {
        self.reserve(more);
        loop {
            match reader.read(&mut self.buffer[self.length..self.length + more]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.length += read;
                    return Ok(read);
                }
            }
        }
    }

    /// Reads up to as much as the block already holds, or one block; returns `false` at the end.
    pub(super) fn grow(&mut self, reader: &mut dyn Read) -> io::Result<bool> {
        Ok(self.read(reader, self.length.max(BLOCK))? > 0)
    }

    fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.length + bytes.len();
        self.buffer[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Makes room for more bytes.
    fn reserve(&mut self, more: usize) {
        let length = self.length + more;
        if self.buffer.is_empty() {
            // The system zeroes new memory of this size; `resize` would write to all of it.
            self.buffer = vec![0; length];
        } else if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
    }

    /// Moves everything after `end` to `rest`.
    pub(super) fn split_off(&mut self, end: usize, rest: &mut Vec<u8>) {
        rest.extend_from_slice(&self.buffer[end..self.length]);
        self.length = end;
    }
}

/// The rows of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// The line of the header.
    pub(super) header: Arc<str>,
    /// Their records, one a line; an empty line for a row that is rejected.
    pub(super) json: Vec<u8>,
    pub(super) rows: Vec<Row>,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The place of its record in `json`.
    pub(super) json: Range<usize>,
    /// The place of its bytes in the block, without the line end.
    pub(super) raw: Range<usize>,
    /// The line of the input it begins on.
    pub(super) line: u64,
    /// Why it does not make a record.
    pub(super) fault: Option<Rejection>,
}

impl Rows {
    /// The row whose record stands at a place in `json`.
    pub(super) fn at(&self, place: usize) -> Option<&Row> {
        self.rows[..self.rows.partition_point(|row| row.json.start <= place)].last()
    }
}

/// Part of a row that is too long to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OverlongRowPart {
    /// The line of the header.
    pub(super) header: Arc<str>,
    pub(super) first: bool,
    pub(super) last: bool,
}
