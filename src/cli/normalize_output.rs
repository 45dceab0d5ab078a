//! Writes the events and rejects of a run, and decides which files are kept when it ends.

use super::atomic_file::{Destination, OnInterrupt, cannot_be_written, part};
use super::error::CliError;
use super::inputs::Inputs;
use super::messages;
use super::output_target::OutputTarget;
use super::signal;
use super::timed_flush::EventSink;
use crate::normalize::{Error, Limits, Reject, RejectWriter, RequestFormat, Sink, Summary};
use anyhow::Context as _;
use std::io;
use std::path::{Path, PathBuf};

/// The inputs and outputs on the command line.
pub(super) struct IoPaths<'a> {
    pub(super) output: Option<&'a Path>,
    pub(super) rejects: Option<&'a Path>,
    /// The inputs.
    pub(super) inputs: &'a Inputs<'a>,
    /// Whether the inputs are stored rejects.
    pub(super) again: bool,
}

/// The two outputs of a run.
pub(super) struct NormalizeSink {
    events: EventSink,
    /// The file that they replace, or make, if it is one.
    file: Option<PathBuf>,
    on_terminal: bool,
    rejects: Rejects,
}

enum Rejects {
    /// Unbuffered, so that rejects are stored before more is read.
    File {
        writer: RejectWriter<Destination>,
        /// The rejects replace those that are read.
        over_source: bool,
        /// The number of rejects.
        written: u64,
    },
    /// The number of rejects reported on standard error.
    Logged(u64),
}

impl NormalizeSink {
    /// Opens both outputs, unless one would replace the other or an input.
    pub(super) fn open(
        names: &IoPaths<'_>,
        requests: Option<&(RequestFormat, Limits)>,
    ) -> Result<Self, CliError> {
        let events = place(names.output)?;
        refuse_input("--output", names.output, &events, names.inputs)?;
        let checked = |file| -> Result<(OutputTarget, bool), CliError> {
            let rejects = place(Some(file))?;
            if rejects.is_same(&events) {
                let message =
                    format!("--rejects {} is also the events file; use two different files", file.display());
                return Err(CliError::Usage(message));
            }
            let over_source = names.again && is_input(&rejects, names.inputs);
            if !over_source {
                refuse_input("--rejects", Some(file), &rejects, names.inputs)?;
            }
            // A part of them is kept beside the file, where another run's part may be what is read.
            let beside = matches!(&rejects, OutputTarget::File(file) if is_input(&OutputTarget::File(part(file)), names.inputs));
            Ok((rejects, over_source || beside))
        };
        let rejects = names.rejects.map(checked).transpose()?;
        let live = names.inputs.is_live();
        let events = Destination::open(events, OnInterrupt::Remove)?;
        let file = events.place().map(Path::to_owned);
        let rejects = rejects
            .map(|(place, over)| Ok::<_, CliError>((Destination::open(place, at_stop(over, live))?, over)))
            .transpose()?;
        let on_terminal =
            events.is_terminal() || rejects.as_ref().is_some_and(|(rejects, _)| rejects.is_terminal());
        let events = EventSink::new(events, requests, live);
        let rejects = rejects.map_or(Rejects::Logged(0), |(file, over_source)| Rejects::File {
            writer: RejectWriter::new(file),
            over_source,
            written: 0,
        });
        Ok(Self { events, file, on_terminal, rejects })
    }

    /// Whether events or rejects go to a terminal.
    pub(super) fn on_terminal(&self) -> bool {
        self.on_terminal
    }

    /// Ends a run: puts the files to keep in place, whatever signals arrive from now on.
    pub(super) fn close(self, outcome: Result<Summary, Error>) -> Result<Summary, CliError> {
        let events = self.events.finish().map_err(Error::Output);
        signal::mark_finished();
        let (summary, events) = match outcome.and_then(|summary| Ok((summary, events?))) {
            Ok(both) => both,
            Err(error) => {
                if let Some(file) = &self.file {
                    messages::eprint_line(&format!(
                        "{} was left unchanged, because the run failed",
                        file.display()
                    ));
                }
                // Rejects are kept whatever else failed.
                if let Err(fault) = self.rejects.keep(false) {
                    messages::eprint_line(&error.to_string());
                    return Err(fault);
                }
                return Err(error.into());
            }
        };
        messages::failures(&summary);
        let whole = !summary.stopped && summary.failures.is_empty();
        let left = (!whole).then_some("the input was not read completely");
        // A file that replaces an input is put in place last, so that nothing of it is lost before.
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

/// Puts a file in place, unless the existing one must be kept.
fn keep(output: Destination, left: Option<&str>) -> Result<(), CliError> {
    let Some(reason) = left else { return Ok(output.commit()?) };
    if let Some(file) = output.place() {
        messages::eprint_line(&format!("{} was left unchanged, because {reason}", file.display()));
    }
    Ok(())
}

/// Keeps the rejects of a run that has not read all of its input, and says where.
fn keep_part(rejects: Destination) -> Result<(), CliError> {
    let Some(file) = rejects.place().map(Path::to_owned) else { return Ok(()) };
    let file = file.display();
    match rejects.keep_part()?.map(|part| part.display().to_string()) {
        None => messages::eprint_line(&format!(
            "{file} was left unchanged, because the input was not read completely"
        )),
        Some(part) if part == file.to_string() => {
            messages::eprint_line(&format!(
                "{file} is incomplete, because the input was not read to its end"
            ));
        }
        Some(part) => messages::eprint_line(&format!(
            "{file} was left unchanged, because the input was not read completely; the rejects of this run are in {part}"
        )),
    }
    Ok(())
}

impl Rejects {
    /// Keeps what was refused. It replaces an older file only where all of the input was read: otherwise the older one stays,
    /// and the new one beside it, unless what was refused is still in the source.
    fn keep(self, whole: bool) -> Result<(), CliError> {
        match self {
            Self::Logged(reported) => messages::more_rejects(reported),
            Self::File { writer, over_source, written } => {
                let file = writer.finish().context("writing rejects failed")?;
                match written {
                    _ if whole => keep(file, None)?,
                    _ if over_source => keep(file, Some("it was not read completely"))?,
                    0 => keep(file, Some("the input was not read completely, and nothing was rejected"))?,
                    _ => keep_part(file)?,
                }
            }
        }
        Ok(())
    }
}

fn place(name: Option<&Path>) -> Result<OutputTarget, CliError> {
    Ok(OutputTarget::of(name).with_context(|| cannot_be_written(name.unwrap_or(Path::new("-"))))?)
}

/// What to do with rejects on a signal: a partial replay must not replace the original.
fn at_stop(over_source: bool, live: bool) -> OnInterrupt {
    if over_source { OnInterrupt::Remove } else { OnInterrupt::Keep { live } }
}

fn is_input(place: &OutputTarget, inputs: &Inputs<'_>) -> bool {
    matches!(place, OutputTarget::File(_)) && place.identity().is_some_and(|file| inputs.contain(&file))
}

/// Refuses a file for output that is an input, or that the same arguments would name as one in the next run.
fn refuse_input(
    flag: &str,
    name: Option<&Path>,
    place: &OutputTarget,
    inputs: &Inputs<'_>,
) -> Result<(), CliError> {
    let shown = match name {
        Some(name) => format!("{flag} {}", name.display()),
        None => "standard output".to_owned(),
    };
    inputs.refuse_output(place, &shown)?;
    let OutputTarget::File(file) = place else { return Ok(()) };
    match inputs.argument_for(file) {
        None => Ok(()),
        Some(argument) => Err(CliError::Usage(format!(
            "{shown} would become an input of the next run (it matches {}); use another directory, or \
             --exclude it",
            argument.display()
        ))),
    }
}

impl Sink for NormalizeSink {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.write(events)
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        match &mut self.rejects {
            Rejects::File { writer, written, .. } => {
                *written += 1;
                writer.write(reject)
            }
            Rejects::Logged(reported) => {
                messages::reject(reject, reported);
                Ok(())
            }
        }
    }
}
