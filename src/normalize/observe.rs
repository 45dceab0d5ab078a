//! Reads the records of inputs on several threads, without writing their events.

use super::block_source::Inputs;
use super::emitter::RecordSpans;
use super::error::Error;
use super::input::Input;
use super::options::Options;
use super::pipeline::{BlockSink, run_blocks};
use super::reject_file::Reject;
use super::summary::Summary;
use crate::record::Record;
use crate::udm::EventType;
use std::io;
use std::ops::Range;

/// What one thread observes of the records that it reads.
pub(crate) trait RecordObserver: Default + Send {
    /// Observes a record, which is `text`. Returns the type of its event; `None` if it has no usable time, which rejects it.
    fn observe(&mut self, record: &Record<'_>, text: &str, options: &Options) -> Option<EventType>;

    /// Returns whether what was observed takes so much memory that it must be merged.
    fn is_full(&self) -> bool;
}

/// Reads all inputs as [`run`](super::run) does, and passes what was observed to `merge`, in the order of the records. `merge`
/// must empty it.
///
/// # Errors
/// [`Error::Threads`]. Read errors are listed in [`Summary::failures`].
pub(crate) fn observe_each<'r, O: RecordObserver>(
    inputs: impl Iterator<Item = Input<'r>> + Send,
    options: &Options,
    merge: impl FnMut(&mut O) + Send,
) -> Result<Summary, Error> {
    run_blocks::<Observed<O>, _>(Inputs::new(inputs, options), options, &mut Merging(merge))
}

#[derive(Default)]
struct Observed<O>(O);

impl<O: RecordObserver> RecordSpans for Observed<O> {
    const WHOLE: bool = false;
    const READS: bool = true;

    fn record(&mut self, _: Range<usize>, _: impl FnOnce() -> u64) {}

    fn read(&mut self, record: &Record<'_>, text: &str, options: &Options) -> Option<EventType> {
        self.0.observe(record, text, options)
    }

    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

struct Merging<F>(F);

impl<O, F: FnMut(&mut O) + Send> BlockSink<Observed<O>> for Merging<F> {
    fn events(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: &Reject<'_>) -> io::Result<()> {
        Ok(())
    }

    fn observed(&mut self, observed: &mut Observed<O>) {
        (self.0)(&mut observed.0);
    }
}
