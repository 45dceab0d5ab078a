//! Worker threads that take blocks in turn, and deliver their results in the same order.

use super::emitter::{BlockOutput, BlockReject, Flow};
use super::framer::{Block, Framer};
use super::input::Input;
use super::reject::{Part, Reject, StoredReject};
use super::summary::{Failure, Summary, Warning};
use super::worker::Worker;
use super::{Error, Options, Sink};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The source of blocks. Taking a block also assigns its sequence number.
struct BlockQueue<B> {
    blocks: B,
    sequence: u64,
    failures: Vec<Failure>,
    bytes: u64,
}

/// Produces blocks in order.
pub(super) trait BlockSource: Send {
    /// Fills the block with the next bytes; returns `false` at the end. Read errors are added to `failures`.
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool;

    /// Warnings about the inputs that were read.
    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// The output, which is written in sequence.
struct OrderedOutput<'s, S> {
    sink: &'s mut S,
    turn: u64,
    /// The line of the input on which the next block begins.
    line: u64,
    summary: Summary,
    error: Option<Error>,
    /// A thread panicked, so its turn will never come.
    panicked: bool,
}

struct Pipeline<'s, B, S> {
    source: Mutex<BlockQueue<B>>,
    delivery: Mutex<OrderedOutput<'s, S>>,
    turned: Condvar,
    options: &'s Options,
    /// The run was ended: by an error, a reject under `strict`, or a signal.
    cancelled: AtomicBool,
}

pub(super) fn run<S: Sink>(
    inputs: impl Iterator<Item = Input> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks(Inputs::new(inputs, options), options, sink)
}

pub(super) fn replay_rejects<S: Sink>(
    name: &str,
    rejects: impl Iterator<Item = io::Result<StoredReject>> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks(
        StoredRejects { name: name.into(), rejects, max: options.max_line_bytes, faults: 0, last: None },
        options,
        sink,
    )
}

fn run_blocks<S: Sink>(blocks: impl BlockSource, options: &Options, sink: &mut S) -> Result<Summary, Error> {
    let delivery =
        OrderedOutput { sink, turn: 0, line: 1, summary: Summary::default(), error: None, panicked: false };
    let shared = Pipeline {
        source: Mutex::new(BlockQueue { blocks, sequence: 0, failures: Vec::new(), bytes: 0 }),
        delivery: Mutex::new(delivery),
        turned: Condvar::new(),
        options,
        cancelled: AtomicBool::new(false),
    };
    if options.threads <= 1 {
        shared.work();
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool =
            pool.map_err(|error| Error::Threads { threads: options.threads, message: error.to_string() })?;
        pool.broadcast(|_| shared.work());
    }
    shared.finish()
}

/// Locks even if another thread panicked while holding the lock: the data is still consistent, and the pool propagates
/// the panic after all threads have ended.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B: BlockSource, S: Sink> Pipeline<'_, B, S> {
    /// Processes blocks until there are none left.
    fn work(&self) {
        let _end = PanicGuard(self);
        let mut worker = Worker::<()>::new(self.options);
        let mut block = Block::default();
        while let Some(turn) = self.take(&mut block) {
            let flow = worker.work(&block, &mut |output, last| self.deliver(turn, &block, output, last));
            if flow.is_break() {
                self.cancelled.store(true, Ordering::Relaxed);
                self.release_turn(turn);
            }
        }
    }

    fn take(&self, block: &mut Block) -> Option<u64> {
        if self.cancelled.load(Ordering::Relaxed) || self.options.stop.load(Ordering::Relaxed) {
            return None;
        }
        let source = &mut *lock(&self.source);
        if !source.blocks.next(block, &mut source.failures) {
            return None;
        }
        source.bytes += block.bytes().len() as u64;
        source.sequence += 1;
        Some(source.sequence - 1)
    }

    /// Waits for its turn, then writes the results of a block. The last part of them passes the turn on.
    fn deliver(&self, turn: u64, block: &Block, output: &mut BlockOutput, last: bool) -> Flow {
        let mut delivery = lock(&self.delivery);
        while delivery.turn != turn && !delivery.panicked {
            delivery = self.turned.wait(delivery).unwrap_or_else(PoisonError::into_inner);
        }
        if delivery.panicked || delivery.error.is_some() || delivery.summary.stopped {
            return Flow::Break(());
        }
        let flow = delivery.take(block, output, self.options.strict);
        output.events.clear();
        output.rejects.clear();
        if last && flow.is_continue() {
            delivery.turn += 1;
            drop(delivery);
            self.turned.notify_all();
        }
        flow
    }

    /// Ends a turn after an error.
    fn release_turn(&self, turn: u64) {
        lock(&self.delivery).turn = turn + 1;
        self.turned.notify_all();
    }

    fn finish(self) -> Result<Summary, Error> {
        let mut source = self.source.into_inner().unwrap_or_else(PoisonError::into_inner);
        let delivery = self.delivery.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = delivery.error {
            return Err(error);
        }
        let mut summary = delivery.summary;
        summary.failures = source.failures;
        summary.warnings = source.blocks.warnings();
        summary.bytes_in = source.bytes;
        summary.stopped |= self.options.stop.load(Ordering::Relaxed);
        Ok(summary)
    }
}

/// Runs when a thread ends; after a panic, it wakes the threads that wait for its turn.
struct PanicGuard<'s, 'd, B, S>(&'s Pipeline<'d, B, S>);

impl<B, S> Drop for PanicGuard<'_, '_, B, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.delivery).panicked = true;
            self.0.cancelled.store(true, Ordering::Relaxed);
            self.0.turned.notify_all();
        }
    }
}

/// Blocks of several inputs, one input after the other.
pub(super) struct Inputs<'o, I> {
    inputs: I,
    current: Option<Framer>,
    options: &'o Options,
    warnings: Vec<Warning>,
}

impl<'o, I> Inputs<'o, I> {
    pub(super) fn new(inputs: I, options: &'o Options) -> Self {
        Self { inputs, current: None, options, warnings: Vec::new() }
    }
}

impl<I: Iterator<Item = Input> + Send> BlockSource for Inputs<'_, I> {
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
struct StoredRejects<I> {
    name: Arc<str>,
    rejects: I,
    /// The longest line.
    max: usize,
    /// How many errors there were.
    faults: u64,
    /// The last of the errors that were not reported.
    last: Option<io::Error>,
}

impl<I: Iterator<Item = io::Result<StoredReject>> + Send> BlockSource for StoredRejects<I> {
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool {
        let failure = |error| Failure { input: Arc::clone(&self.name), offset: 0, error };
        for returned in &mut self.rejects {
            match returned {
                Ok(returned) => {
                    *block = Block::from_reject(returned, self.max);
                    return true;
                }
                Err(error) if self.faults < MAX_REPORTED => failures.push(failure(error)),
                Err(error) => self.last = Some(error),
            }
            self.faults += 1;
        }
        if let Some(last) = self.last.take() {
            let message = format!("{} more like that; the last: {last}", self.faults - MAX_REPORTED);
            failures.push(failure(io::Error::new(last.kind(), message)));
        }
        false
    }
}

impl<S: Sink> OrderedOutput<'_, S> {
    fn take(&mut self, block: &Block, output: &mut BlockOutput, strict: bool) -> Flow {
        let start = block.line.unwrap_or(self.line);
        let tally = std::mem::take(&mut output.tally);
        self.line = start + tally.lines;
        self.summary.add(tally, output.events.as_bytes().len() as u64);
        let written = self.sink.events(output.events.as_bytes()).map_err(Error::Output);
        // Rejects are still written if events cannot be.
        let refused = output.rejects.iter().try_for_each(|reject| {
            let (line, offset, raw) = block.locate(&reject.place, start, reject.line);
            let BlockReject { refusal, part, .. } = reject;
            let (input, header, part) = (&*block.input, block.header(), *part);
            let rejected = Reject { input, line, offset, header, refusal, raw, part };
            self.sink.reject(&rejected).map_err(Error::Rejects)
        });
        if let Err(error) = written.and(refused) {
            self.error = Some(error);
            return Flow::Break(());
        }
        // A reject that arrives in parts is read to its end, because half of it could not be replayed.
        if strict
            && output.rejects.last().is_some_and(|reject| matches!(reject.part, Part::Whole | Part::Last))
        {
            self.summary.stopped = true;
            return Flow::Break(());
        }
        Flow::Continue(())
    }
}
