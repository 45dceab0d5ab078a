//! Cuts inputs into blocks of whole lines. `document` does so for JSON that spans lines.

use super::csv::{Csv, Header, LongRow, Rows};
use super::detect::{self, InputKind};
use super::input::{Ignored, Input, unpacked};
use super::multiline::MultilineScanner;
use super::read_more::read_until_rescan;
use super::summary::Warning;
use super::{Format, Options};
use crate::reject::RejectReason;
use memchr::{memchr, memrchr};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// A reject that was read back, with the message it had: its reason may be in what surrounded it.
    Returned { message: String },
    /// The last line of an input that could not be read to its end.
    Cut,
    /// A part of a line or value that exceeds the limit.
    TooLong { first: bool, last: bool },
    /// Rows of CSV, converted to records.
    Rows(Rows),
    /// Part of a row that is too long to be read.
    LongRow(LongRow),
}

impl Content {
    /// Whether this is the end of what is too long, which may be empty.
    fn is_end_of_long(&self) -> bool {
        matches!(
            self,
            Self::TooLong { first: false, last: true }
                | Self::LongRow(LongRow { first: false, last: true, .. })
        )
    }
}

/// The place of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) place: Range<usize>,
    /// Whether it stands in a list that is handed on element by element.
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
            Content::Rows(rows) => Some(rows.header()),
            Content::LongRow(row) => Some(row.header()),
            _ => None,
        }
    }

    /// The content of a reject, to be read again.
    pub(super) fn from_reject(returned: super::StoredReject, max: usize) -> Self {
        let length = returned.raw.len();
        if let Some(Ok(header)) = returned.header.as_deref().map(|header| Header::read(header.as_bytes())) {
            let (input, offset) = (returned.input.into(), returned.offset);
            let mut block = Self { buffer: returned.raw, length, input, offset, ..Self::default() };
            block.content = Csv::from_reject(header, &mut block, returned.line, max);
            return block;
        }
        let content = match returned.reason {
            Some(RejectReason::NotObject | RejectReason::LineTooLong) => {
                Content::Returned { message: returned.message }
            }
            _ => Content::Values(vec![Value { place: 0..length, is_element: false }]),
        };
        Self {
            buffer: returned.raw,
            length,
            input: returned.input.into(),
            offset: returned.offset,
            line: Some(returned.line),
            content,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Reads once, after reserving space for `more` bytes.
    fn read(&mut self, reader: &mut dyn Read, more: usize) -> io::Result<usize> {
        if self.buffer.len() < self.length + more {
            self.buffer.resize(self.length + more, 0);
        }
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
    fn grow(&mut self, reader: &mut dyn Read) -> io::Result<bool> {
        Ok(self.read(reader, self.length.max(BLOCK))? > 0)
    }

    fn append(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Moves everything after `end` to `rest`.
    fn split_off(&mut self, end: usize, rest: &mut Vec<u8>) {
        rest.extend_from_slice(&self.buffer[end..self.length]);
        self.length = end;
    }
}

/// The state of cutting one input into blocks.
pub(super) struct Framer {
    name: Arc<str>,
    reader: Box<dyn Read + Send>,
    prompt: bool,
    max: usize,
    /// Bytes that were read but not passed on.
    rest: Vec<u8>,
    /// The offset of `rest` in the input.
    offset: u64,
    ended: bool,
    /// Reading failed: the last line or value may be cut short, and the error reports that.
    failed: bool,
    state: State,
    /// Of the input as it was given, and of what was unpacked here.
    ignored: [Ignored; 2],
}

enum State {
    /// At the start of the input.
    Start(Format),
    Lines,
    /// In a line that exceeds the limit.
    TooLong,
    Document(MultilineScanner),
    Csv(Box<Csv>),
    /// Nothing of the input can be read.
    Unreadable,
}

impl Framer {
    pub(super) fn new(input: Input, options: &Options) -> io::Result<Self> {
        let unpacked = unpacked(input.reader?)?;
        Ok(Self {
            name: input.name,
            reader: unpacked.reader,
            ignored: [input.ignored, unpacked.ignored],
            prompt: input.prompt,
            max: options.max_line_bytes,
            rest: Vec::new(),
            offset: 0,
            ended: false,
            failed: false,
            state: State::Start(options.format),
        })
    }

    /// What the reader of the input's events should know, once all of it was read.
    pub(super) fn warning(&self) -> Option<Warning> {
        let ignored = self.ignored.iter().map(|ignored| ignored.load(Ordering::Relaxed)).sum::<u64>();
        let message = format!(
            "{ignored} bytes after the gzip data are not gzip and were ignored; check whether the file was damaged"
        );
        (ignored > 0).then(|| Warning { input: Arc::clone(&self.name), message })
    }

    /// The input, and how much of it was read.
    pub(super) fn position(&self) -> (Arc<str>, u64) {
        (Arc::clone(&self.name), self.offset + self.rest.len() as u64)
    }

    /// Fills `block` with what comes next; returns `false` at the end. After an error, first passes on what had been
    /// read, then ends.
    pub(super) fn next(&mut self, block: &mut Block) -> io::Result<bool> {
        block.input = Arc::clone(&self.name);
        block.offset = self.offset;
        block.length = 0;
        block.content = Content::Lines;
        block.append(&self.rest);
        self.rest.clear();
        let filled = self.fill(block);
        if let Err(error) = filled {
            // Kept for the next call, which reports the end.
            (self.ended, self.failed) = (true, true);
            match &mut self.state {
                State::Unreadable => return Err(error),
                State::Csv(csv) => csv.cut = true,
                _ => {}
            }
            block.split_off(0, &mut self.rest);
            return Err(error);
        }
        self.offset += block.length as u64;
        Ok(block.length > 0 || block.content.is_end_of_long())
    }

    fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        block.line = matches!(self.state, State::Start(_)).then_some(1);
        if let State::Start(format) = self.state {
            self.start(format, block)?;
        }
        match &mut self.state {
            State::Start(_) | State::Lines => self.lines(block),
            State::TooLong => self.rest_of_line(block),
            State::Document(document) => {
                let (ended, reader, before) = (&mut self.ended, &mut *self.reader, *document);
                let next = document.next(block, self.max, self.failed, &mut |block| {
                    *ended = *ended || !block.grow(reader)?;
                    Ok(!*ended)
                });
                // After an error, everything that was read is passed on once more.
                *document = if next.is_ok() { *document } else { before };
                block.split_off(next?, &mut self.rest);
                Ok(())
            }
            State::Csv(csv) => {
                let (ended, reader) = (&mut self.ended, &mut *self.reader);
                let (end, content) = csv.next(block, &mut |block| {
                    *ended = *ended || !block.grow(reader)?;
                    Ok(!*ended)
                })?;
                block.split_off(end, &mut self.rest);
                block.content = content;
                Ok(())
            }
            State::Unreadable => {
                block.length = 0;
                Ok(())
            }
        }
    }

    /// Looks at how the input begins to tell what it is.
    fn start(&mut self, format: Format, block: &mut Block) -> io::Result<()> {
        let kind = match format {
            Format::Ndjson => InputKind::Lines,
            Format::Json => InputKind::Document,
            Format::Auto | Format::Csv => loop {
                let until = match detect::detect(block.bytes(), self.ended, self.max, format == Format::Csv) {
                    Ok(kind) => break kind,
                    Err(until) => until,
                };
                let reader = &mut *self.reader;
                self.ended |= read_until_rescan(block, 0, self.max, until, &mut |block| block.grow(reader))?;
            },
        };
        self.state = match kind {
            InputKind::Lines => State::Lines,
            InputKind::Document => State::Document(MultilineScanner::default()),
            InputKind::Csv(header, begin) => {
                State::Csv(Box::new(Csv::new(header, begin, self.max, self.prompt)))
            }
            InputKind::Unreadable(why) => {
                self.state = State::Unreadable;
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        };
        Ok(())
    }

    /// Reads whole lines: a block of them, or what has arrived.
    fn lines(&mut self, block: &mut Block) -> io::Result<()> {
        // Everything before this position is known to contain no line end.
        let mut searched = 0;
        let mut end = None;
        loop {
            end = memrchr(b'\n', &block.bytes()[searched..]).map(|at| searched + at + 1).or(end);
            searched = block.length;
            let enough = block.length >= BLOCK || self.prompt && searched > 0;
            match end {
                Some(end) if self.failed && end < block.length => {
                    block.split_off(end, &mut self.rest);
                    return Ok(());
                }
                None if self.failed && block.length <= self.max => {
                    block.content = Content::Cut;
                    return Ok(());
                }
                // The last line needs no line end.
                _ if self.ended => return Ok(()),
                Some(end) if enough => {
                    block.split_off(end, &mut self.rest);
                    return Ok(());
                }
                // Two bytes more than the limit: one for a carriage return, one that proves the line too long.
                None if block.length >= self.max + 2 => {
                    block.content = Content::TooLong { first: true, last: false };
                    self.state = State::TooLong;
                    return Ok(());
                }
                _ => {}
            }
            self.ended |= block.read(&mut *self.reader, BLOCK)? == 0;
        }
    }

    /// Continues with a line that exceeds the limit, up to its end.
    fn rest_of_line(&mut self, block: &mut Block) -> io::Result<()> {
        if block.length == 0 && !self.ended {
            self.ended |= block.read(&mut *self.reader, BLOCK)? == 0;
        }
        let end = memchr(b'\n', block.bytes());
        let last = end.is_some() || self.ended;
        block.content = Content::TooLong { first: false, last };
        if last {
            self.state = State::Lines;
        }
        if let Some(end) = end {
            block.split_off(end + 1, &mut self.rest);
        }
        Ok(())
    }
}
