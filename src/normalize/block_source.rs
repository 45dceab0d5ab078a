//! Where blocks come from: inputs, or stored rejects.

use super::block::{Block, Content, Value};
use super::csv::{Csv, Header};
use super::framer::Framer;
use super::input::Input;
use super::options::Options;
use super::reject_file::StoredReject;
use super::summary::{Failure, Warning};
use crate::reject::RejectReason;
use std::io;
use std::sync::Arc;

/// Produces blocks in order.
pub(super) trait BlockSource: Send {
    /// Fills the block with the next bytes; returns `false` at the end. Read errors are added to `failures`.
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool;

    /// Warnings about the inputs that were read.
    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Blocks of several inputs, one input after the other.
pub(super) struct Inputs<'o, 'r, I> {
    inputs: I,
    current: Option<Framer<'r>>,
    options: &'o Options,
    warnings: Vec<Warning>,
}

impl<'o, I> Inputs<'o, '_, I> {
    pub(super) fn new(inputs: I, options: &'o Options) -> Self {
        Self { inputs, current: None, options, warnings: Vec::new() }
    }
}

impl<'r, I: Iterator<Item = Input<'r>> + Send> BlockSource for Inputs<'_, 'r, I> {
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool {
        loop {
            let Some(framer) = &mut self.current else {
                let Some(input) = self.inputs.next() else { return false };
                let name = Arc::clone(&input.name);
                match Framer::new(input, self.options) {
                    Ok(framer) => self.current = Some(framer),
                    Err(error) => failures.push(Failure { input: name, offset: 0, error }),
                }
                continue;
            };
            match framer.next(block) {
                Ok(true) => return true,
                Ok(false) => {
                    self.warnings.extend(framer.warning());
                    self.current = None;
                }
                Err(error) => {
                    let (input, offset) = framer.position();
                    failures.push(Failure { input, offset, error });
                }
            }
        }
    }

    fn warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }
}

/// How many errors in a rejects file are reported one by one; a file of another kind may have any number.
const MAX_REPORTED: u64 = 10;

/// Produces a block for each stored reject.
pub(super) struct StoredRejects<I> {
    name: Arc<str>,
    rejects: I,
    /// The longest line.
    max: usize,
    /// How many errors there were.
    faults: u64,
    /// The last of the errors that were not reported.
    last: Option<io::Error>,
}

impl<I> StoredRejects<I> {
    /// Creates a source of rejects from the file `name`, with lines of at most `max` bytes.
    pub(super) fn new(name: &str, rejects: I, max: usize) -> Self {
        Self { name: name.into(), rejects, max, faults: 0, last: None }
    }
}

impl<I: Iterator<Item = io::Result<StoredReject>> + Send> BlockSource for StoredRejects<I> {
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool {
        let failure = |error| Failure { input: Arc::clone(&self.name), offset: 0, error };
        for reject in &mut self.rejects {
            match reject {
                Ok(reject) => {
                    *block = reject_block(reject, self.max);
                    return true;
                }
                Err(error) if self.faults < MAX_REPORTED => failures.push(failure(error)),
                Err(error) => self.last = Some(error),
            }
            self.faults += 1;
        }
        if let Some(last) = self.last.take() {
            let message = format!("{} similar warnings; the last: {last}", self.faults - MAX_REPORTED);
            failures.push(failure(io::Error::new(last.kind(), message)));
        }
        false
    }
}

/// Returns the block that holds a reject, as it was read at first.
fn reject_block(reject: StoredReject, max: usize) -> Block {
    let StoredReject { input, line, offset, reason, header, message, raw } = reject;
    let length = raw.len();
    let mut block = Block::new(input.into(), offset, raw);
    if let Some(Ok(header)) = header.map(|header| Header::read(header.as_bytes())) {
        block.content = Csv::rows_of_reject(header, &mut block, line, max);
        return block;
    }
    block.line = Some(line);
    block.content = match reason {
        Some(RejectReason::NotObject | RejectReason::LineTooLong) => Content::Reject { message },
        _ => Content::Values(vec![Value { place: 0..length, is_element: false }]),
    };
    block
}
