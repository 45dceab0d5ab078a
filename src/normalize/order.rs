//! Threads that take blocks in turn and hand their events over in the same turn.

use super::emit::{Flow, Output, Reject};
use super::frame::{Block, Framer};
use super::input::Input;
use super::reject::{Part, Rejected, Returned};
use super::summary::{Failure, Summary, Warning};
use super::work::Worker;
use super::{Error, Options, Sink};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where blocks come from. Whoever takes one also draws the number of its turn.
struct Source<B> {
    blocks: B,
    turn: u64,
    failures: Vec<Failure>,
    bytes: u64,
}

/// Blocks in order.
pub(super) trait Blocks: Send {
    /// Fills the block with the next bytes; `false` when there are none. What cannot be read goes to `failures`.
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool;

    /// Warnings about the inputs that were read.
    fn warnings(&mut self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Where events go, in turns.
struct Delivery<'s, S> {
    sink: &'s mut S,
    turn: u64,
    /// The line of the input on which the next block begins.
    line: u64,
    summary: Summary,
    error: Option<Error>,
    /// A thread panicked, and its turn never comes.
    died: bool,
}

struct Shared<'s, B, S> {
    source: Mutex<Source<B>>,
    delivery: Mutex<Delivery<'s, S>>,
    turned: Condvar,
    options: &'s Options,
    /// Somebody ended the run: an error, a strict reject, a signal.
    over: AtomicBool,
}

pub(super) fn run<S: Sink>(
    inputs: impl Iterator<Item = Input> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks(Inputs::new(inputs, options), options, sink)
}

pub(super) fn run_returned<S: Sink>(
    name: &str,
    rejects: impl Iterator<Item = io::Result<Returned>> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks(
        ReturnedRejects { name: name.into(), rejects, max: options.max_line_bytes, faults: 0, last: None },
        options,
        sink,
    )
}

fn run_blocks<S: Sink>(blocks: impl Blocks, options: &Options, sink: &mut S) -> Result<Summary, Error> {
    let delivery = Delivery { sink, turn: 0, line: 1, summary: Summary::default(), error: None, died: false };
    let shared = Shared {
        source: Mutex::new(Source { blocks, turn: 0, failures: Vec::new(), bytes: 0 }),
        delivery: Mutex::new(delivery),
        turned: Condvar::new(),
        options,
        over: AtomicBool::new(false),
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

/// A lock whose holder panicked still guards what it guards; the panic itself is passed on by the pool, once the other
/// threads have ended.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B: Blocks, S: Sink> Shared<'_, B, S> {
    /// Takes block after block until there is none.
    fn work(&self) {
        let _end = End(self);
        let mut worker = Worker::<()>::new(self.options);
        let mut block = Block::default();
        while let Some(turn) = self.take(&mut block) {
            let flow = worker.work(&block, &mut |output, last| self.deliver(turn, &block, output, last));
            if flow.is_break() {
                self.over.store(true, Ordering::Relaxed);
                self.pass_on(turn);
            }
        }
    }

    fn take(&self, block: &mut Block) -> Option<u64> {
        if self.over.load(Ordering::Relaxed) || self.options.stop.load(Ordering::Relaxed) {
            return None;
        }
        let source = &mut *lock(&self.source);
        if !source.blocks.next(block, &mut source.failures) {
            return None;
        }
        source.bytes += block.bytes().len() as u64;
        source.turn += 1;
        Some(source.turn - 1)
    }

    /// Waits for the turn, then hands over what has come of a block. With the last of it the turn passes on.
    fn deliver(&self, turn: u64, block: &Block, output: &mut Output, last: bool) -> Flow {
        let mut delivery = lock(&self.delivery);
        while delivery.turn != turn && !delivery.died {
            delivery = self.turned.wait(delivery).unwrap_or_else(PoisonError::into_inner);
        }
        if delivery.died || delivery.error.is_some() || delivery.summary.stopped {
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

    /// Ends a turn that was broken off.
    fn pass_on(&self, turn: u64) {
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

/// The end of a thread: where that is a panic, of a sink or our own, those that wait for its turn are told.
struct End<'s, 'd, B, S>(&'s Shared<'d, B, S>);

impl<B, S> Drop for End<'_, '_, B, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.delivery).died = true;
            self.0.over.store(true, Ordering::Relaxed);
            self.0.turned.notify_all();
        }
    }
}

/// The blocks of inputs, one input after the other.
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

impl<I: Iterator<Item = Input> + Send> Blocks for Inputs<'_, I> {
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

/// How many faults of a file of rejects are told one by one: what is no such file may have any number.
const TOLD: u64 = 10;

/// A block for each reject that is read back.
struct ReturnedRejects<I> {
    name: Arc<str>,
    rejects: I,
    /// The longest line.
    max: usize,
    /// How many there were.
    faults: u64,
    /// The last of those that were not told.
    last: Option<io::Error>,
}

impl<I: Iterator<Item = io::Result<Returned>> + Send> Blocks for ReturnedRejects<I> {
    fn next(&mut self, block: &mut Block, failures: &mut Vec<Failure>) -> bool {
        let failure = |error| Failure { input: Arc::clone(&self.name), offset: 0, error };
        for returned in &mut self.rejects {
            match returned {
                Ok(returned) => {
                    *block = Block::returned(returned, self.max);
                    return true;
                }
                Err(error) if self.faults < TOLD => failures.push(failure(error)),
                Err(error) => self.last = Some(error),
            }
            self.faults += 1;
        }
        if let Some(last) = self.last.take() {
            let message = format!("{} more like that; the last: {last}", self.faults - TOLD);
            failures.push(failure(io::Error::new(last.kind(), message)));
        }
        false
    }
}

impl<S: Sink> Delivery<'_, S> {
    fn take(&mut self, block: &Block, output: &mut Output, strict: bool) -> Flow {
        let start = block.line.unwrap_or(self.line);
        let tally = std::mem::take(&mut output.tally);
        self.line = start + tally.lines;
        self.summary.add(tally, output.events.as_bytes().len() as u64);
        let written = self.sink.events(output.events.as_bytes()).map_err(Error::Output);
        // What was refused is worth handing over where events are not taken.
        let refused = output.rejects.iter().try_for_each(|reject| {
            let (line, offset, raw) = block.locate(&reject.place, start, reject.line);
            let Reject { refusal, part, .. } = reject;
            let (input, header, part) = (&*block.input, block.header(), *part);
            let rejected = Rejected { input, line, offset, header, refusal, raw, part };
            self.sink.reject(&rejected).map_err(Error::Rejects)
        });
        if let Err(error) = written.and(refused) {
            self.error = Some(error);
            return Flow::Break(());
        }
        // A reject that comes in parts is taken to its end: half of it could not be read again.
        if strict
            && output.rejects.last().is_some_and(|reject| matches!(reject.part, Part::Whole | Part::Last))
        {
            self.summary.stopped = true;
            return Flow::Break(());
        }
        Flow::Continue(())
    }
}
