//! Worker threads that take blocks in turn, and deliver their results in the same order.

use super::block::Block;
use super::block_source::{BlockSource, Inputs, StoredRejects};
use super::emitter::{BlockOutput, BlockReject, Flow, RecordSpans};
use super::error::Error;
use super::input::Input;
use super::options::Options;
use super::reject_file::{Part, Reject, StoredReject};
use super::sink::Sink;
use super::summary::{Failure, Summary};
use super::worker::Worker;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Normalizes all inputs, in order, into the sink.
///
/// ```
/// use std::io;
/// use zoom_udm::normalize::{self, Input, Options, Reject, Sink};
///
/// /// Counts the bytes of events, and stops at the first reject.
/// struct Bytes(usize);
///
/// impl Sink for Bytes {
///     fn events(&mut self, events: &[u8]) -> io::Result<()> {
///         self.0 += events.len();
///         Ok(())
///     }
///     fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
///         Err(io::Error::other(format!("line {}: {}", reject.line, reject.rejection.message)))
///     }
/// }
///
/// // Anything that reads: a file, a socket, standard input; plain or gzip.
/// let reader = io::Cursor::new("{\"time\":\"2024-01-31T23:59:59Z\",\"action\":\"Add\"}\n".repeat(1000));
/// let mut bytes = Bytes(0);
/// let options = Options { threads: 2, ..Options::default() };
/// let summary = normalize::run(std::iter::once(Input::new("logs", reader)), &options, &mut bytes)?;
/// assert_eq!((summary.records, summary.events), (1000, 1000));
/// // Inputs that could not be read are listed here; all others were read.
/// assert!(summary.failures.is_empty() && bytes.0 > 100_000);
/// # Ok::<(), normalize::Error>(())
/// ```
///
/// # Errors
/// [`Error`]; the counts so far are lost, but the sink has received everything that came before.
pub fn run<'r, S: Sink>(
    inputs: impl Iterator<Item = Input<'r>> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks::<(), _>(Inputs::new(inputs, options), options, sink)
}

/// Normalizes stored rejects again, each as the line or record that it was.
///
/// # Errors
/// As [`run`]. Errors in reading the rejects are listed in [`Summary::failures`]: the first ten, and the number of
/// further ones. Reading continues with the next reject.
pub fn replay_rejects<S: Sink>(
    name: &str,
    rejects: impl Iterator<Item = io::Result<StoredReject>> + Send,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
    run_blocks::<(), _>(StoredRejects::new(name, rejects, options.max_line_bytes), options, sink)
}

/// Receives the results of blocks, in order.
pub(super) trait BlockSink<P>: Send {
    fn events(&mut self, events: &[u8]) -> io::Result<()>;

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()>;

    /// Receives what was observed, and empties it.
    fn observed(&mut self, observed: &mut P);
}

impl<S: Sink> BlockSink<()> for S {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        Sink::events(self, events)
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        Sink::reject(self, reject)
    }

    fn observed(&mut self, (): &mut ()) {}
}

/// The source of blocks. Taking a block also assigns its sequence number.
struct BlockQueue<B> {
    blocks: B,
    sequence: u64,
    failures: Vec<Failure>,
    bytes: u64,
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

/// Reads all blocks on the threads of the options; the results reach the sink in the order of the blocks.
pub(super) fn run_blocks<P: RecordSpans + Default, S: BlockSink<P>>(
    blocks: impl BlockSource,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, Error> {
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
        shared.work::<P>();
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
        let pool = pool.map_err(|error| Error::Threads { threads: options.threads, source: error.into() })?;
        pool.broadcast(|_| shared.work::<P>());
    }
    shared.finish()
}

/// Locks even if another thread panicked while holding the lock: the data is still consistent, and the pool propagates
/// the panic after all threads have ended.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B: BlockSource, S> Pipeline<'_, B, S> {
    /// Processes blocks until there are none left.
    fn work<P: RecordSpans + Default>(&self)
    where
        S: BlockSink<P>,
    {
        let _end = PanicGuard(self);
        let mut worker = Worker::<P>::new(self.options);
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
    fn deliver<P>(&self, turn: u64, block: &Block, output: &mut BlockOutput<P>, last: bool) -> Flow
    where
        S: BlockSink<P>,
    {
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

impl<S> OrderedOutput<'_, S> {
    fn take<P>(&mut self, block: &Block, output: &mut BlockOutput<P>, strict: bool) -> Flow
    where
        S: BlockSink<P>,
    {
        let start = block.line.unwrap_or(self.line);
        let counts = std::mem::take(&mut output.counts);
        self.line = start + counts.lines;
        self.summary.add(counts, output.events.as_bytes().len() as u64);
        self.sink.observed(&mut output.spans);
        let written = self.sink.events(output.events.as_bytes()).map_err(Error::Output);
        // Rejects are still written if events cannot be.
        let refused = output.rejects.iter().try_for_each(|reject| {
            let (line, offset, raw) = block.locate(&reject.place, start, reject.line);
            let BlockReject { rejection, part, .. } = reject;
            let (input, header, part) = (&*block.input, block.header(), *part);
            let rejected = Reject { input, line, offset, header, rejection, raw, part };
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
