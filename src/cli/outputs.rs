//! Where events and rejects of a run go, and what is kept of them however it ends.

use super::Fault;
use super::inputs;
use super::output::{AtStop, Destination, cannot_be_written};
use super::place::Place;
use super::report;
use super::signal;
use crate::normalize::{Error, EventWriter, Limits, RejectWriter, Rejected, Request, Sink, Summary};
use anyhow::Context as _;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// What the command line says of a run's inputs and outputs.
pub(super) struct Names<'a> {
    pub(super) output: Option<&'a Path>,
    pub(super) rejects: Option<&'a Path>,
    /// What is read.
    pub(super) inputs: &'a [OsString],
    /// Whether that is rejects, read back.
    pub(super) again: bool,
}

/// The two outputs of a run.
pub(super) struct Outputs {
    events: EventWriter<Destination>,
    /// Events replace one of the inputs: what is rejected of it would be nowhere, unless a file takes it.
    over_input: bool,
    rejects: Rejects,
}

enum Rejects {
    /// Not buffered: what was refused is in the file before more is read.
    File {
        writer: RejectWriter<Destination>,
        /// They replace the rejects that are read back.
        over_source: bool,
        /// How many there are.
        written: u64,
    },
    /// How many were said on standard error.
    Said(u64),
}

impl Outputs {
    /// Opens both, unless one would take the other's place, or an input's.
    pub(super) fn open(names: &Names<'_>, requests: Option<&(Request, Limits)>) -> Result<Self, Fault> {
        let events = place(names.output)?;
        let is_input = |place: &Place| match place {
            Place::File(_) => place.identity().is_some_and(|file| inputs::are_of(names.inputs, &file)),
            _ => false,
        };
        let over_input = is_input(&events);
        let checked = |file| -> Result<(Place, bool), Fault> {
            let rejects = place(Some(file))?;
            let over_source = is_input(&rejects);
            refuse_clash(file, rejects.is_same(&events), over_source && !names.again)?;
            Ok((rejects, over_source))
        };
        let rejects = names.rejects.map(checked).transpose()?;
        let events = EventWriter::new(Destination::open(events, AtStop::Remove)?, requests);
        let rejects = rejects.map_or(Ok(Rejects::Said(0)), |(place, over)| Rejects::open(place, over))?;
        Ok(Self { events, over_input, rejects })
    }

    /// Ends a run that came to this: puts in place what is to be kept of it, whatever signals come from now on.
    pub(super) fn close(self, outcome: Result<Summary, Error>) -> Result<Summary, Fault> {
        let events = self.events.finish().map_err(Error::Output);
        signal::settle();
        let (summary, events) = match outcome.and_then(|summary| Ok((summary, events?))) {
            Ok(both) => both,
            Err(error) => {
                // What was refused is worth keeping whatever else failed.
                if let Err(fault) = self.rejects.keep(false) {
                    report::say(&error.to_string());
                    return Err(fault);
                }
                return Err(error.into());
            }
        };
        report::failures(&summary);
        let whole = !summary.stopped && summary.failures.is_empty();
        let unkept = summary.rejects > 0 && matches!(self.rejects, Rejects::Said(_));
        let left = if !whole {
            Some("not all of the input was read")
        } else if self.over_input && unkept {
            Some("its rejects would be nowhere: give --rejects FILE")
        } else {
            None
        };
        // What takes the place of a source comes last: until then nothing of it is lost.
        if matches!(self.rejects, Rejects::File { over_source: true, .. }) {
            keep(events, left)?;
            self.rejects.keep(whole)?;
        } else {
            self.rejects.keep(whole)?;
            keep(events, left)?;
        }
        Ok(summary)
    }
}

/// Puts a file in place, unless there is a reason to leave the one that is there.
fn keep(output: Destination, left: Option<&str>) -> Result<(), Fault> {
    let Some(reason) = left else { return Ok(output.keep()?) };
    if let Some(file) = output.place() {
        report::say(&format!("{} was left as it was, since {reason}", file.display()));
    }
    Ok(())
}

impl Rejects {
    fn open(place: Place, over_source: bool) -> anyhow::Result<Self> {
        let at_stop = if over_source { AtStop::Remove } else { AtStop::Keep };
        let writer = RejectWriter::new(Destination::open(place, at_stop)?);
        Ok(Self::File { writer, over_source, written: 0 })
    }

    /// Keeps what was refused; over the rejects that were read back only if all of them were, and over those of another run
    /// only if there are any, or could have been.
    fn keep(self, whole: bool) -> Result<(), Fault> {
        match self {
            Self::Said(said) => report::more_rejects(said),
            Self::File { writer, over_source, written } => {
                let left = match written {
                    _ if whole => None,
                    _ if over_source => Some("not all of it was read"),
                    0 => Some("not all of the input was read, and nothing of that was rejected"),
                    _ => None,
                };
                keep(writer.finish().context("writing rejects failed")?, left)?;
            }
        }
        Ok(())
    }
}

fn place(name: Option<&Path>) -> Result<Place, Fault> {
    Ok(Place::of(name).with_context(|| cannot_be_written(name.unwrap_or(Path::new("-"))))?)
}

/// Refuses a file for rejects that is something else already.
fn refuse_clash(rejects: &Path, is_output: bool, is_input: bool) -> Result<(), Fault> {
    let rejects = rejects.display();
    if is_output {
        let message = format!("--rejects {rejects} is where events go, too; give each a file of its own");
        return Err(Fault::Usage(message));
    }
    if is_input {
        let message = format!(
            "--rejects {rejects} is one of the inputs, and would take its place; give another file, or --from-rejects to read rejects back"
        );
        return Err(Fault::Usage(message));
    }
    Ok(())
}

impl Sink for Outputs {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Rejected<'_>) -> io::Result<()> {
        match &mut self.rejects {
            Rejects::File { writer, written, .. } => {
                *written += 1;
                writer.write(reject)
            }
            Rejects::Said(said) => {
                report::reject(reject, said);
                Ok(())
            }
        }
    }
}
