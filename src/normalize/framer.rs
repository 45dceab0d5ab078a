//! Cuts inputs into blocks of whole lines. `multiline` does so for JSON that spans lines.

use super::block::{BLOCK, Block, Content};
use super::csv::Csv;
use super::detect::{self, InputKind};
use super::input::{BoxReader, Input, TrailingByteCount, decompress};
use super::multiline::MultilineScanner;
use super::options::{Format, Options};
use super::read_more::read_until_rescan;
use super::summary::Warning;
use memchr::{memchr, memrchr};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The state of cutting one input into blocks.
pub(super) struct Framer<'r> {
    name: Arc<str>,
    reader: BoxReader<'r>,
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
    /// Of the input as it was given, and of what was decompressed here.
    ignored: [TrailingByteCount; 2],
}

enum State {
    /// At the start of the input.
    Start(Format),
    Lines,
    /// In a line that exceeds the limit.
    TooLong,
    Multiline(MultilineScanner),
    Csv(Box<Csv>),
    /// Nothing of the input can be read.
    Unreadable,
}

impl<'r> Framer<'r> {
    pub(super) fn new(input: Input<'r>, options: &Options) -> io::Result<Self> {
        let decompressed = decompress(input.reader?)?;
        Ok(Self {
            name: input.name,
            reader: decompressed.reader,
            ignored: [input.ignored, decompressed.ignored],
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
        block.reset(&self.name, self.offset, &self.rest);
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
        self.offset += block.bytes().len() as u64;
        Ok(!block.bytes().is_empty() || block.content.is_end_of_long())
    }

    fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        block.line = matches!(self.state, State::Start(_)).then_some(1);
        if let State::Start(format) = self.state {
            self.start(format, block)?;
        }
        match &mut self.state {
            State::Start(_) | State::Lines => self.lines(block),
            State::TooLong => self.rest_of_line(block),
            State::Multiline(scanner) => {
                let (ended, reader, before) = (&mut self.ended, &mut *self.reader, *scanner);
                let next = scanner.next(block, self.max, self.failed, &mut |block| {
                    *ended = *ended || !block.grow(reader)?;
                    Ok(!*ended)
                });
                // After an error, everything that was read is passed on once more.
                *scanner = if next.is_ok() { *scanner } else { before };
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
                block.reset(&self.name, self.offset, &[]);
                Ok(())
            }
        }
    }

    /// Looks at how the input begins to tell what it is.
    fn start(&mut self, format: Format, block: &mut Block) -> io::Result<()> {
        let kind = match format {
            Format::Ndjson => InputKind::Lines,
            Format::Json => InputKind::Multiline,
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
            InputKind::Multiline => State::Multiline(MultilineScanner::default()),
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
            searched = block.bytes().len();
            let enough = block.bytes().len() >= BLOCK || self.prompt && searched > 0;
            match end {
                Some(end) if self.failed && end < block.bytes().len() => {
                    block.split_off(end, &mut self.rest);
                    return Ok(());
                }
                None if self.failed && block.bytes().len() <= self.max => {
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
                None if block.bytes().len() >= self.max + 2 => {
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
        if block.bytes().is_empty() && !self.ended {
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
