//! Opens the inputs of a command: files, globs, directories, standard input.

use super::error::CliError;
use super::expand::{expand_argument, would_name};
use super::name_filter::NameFilter;
use super::output_target::{Identity, OutputTarget};
use super::{messages, progress};
use crate::normalize::Input;
use crate::polling_stdio::PollingStream;
use indicatif::ProgressBar;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// What the arguments of a run name, in order.
pub(super) struct Inputs<'a> {
    arguments: &'a [OsString],
    filter: NameFilter,
    sources: Vec<Source>,
}

/// One input, not yet opened.
enum Source {
    Standard,
    File(PathBuf),
    /// What cannot be looked at, and why.
    Failed(String, io::Error),
}

impl<'a> Inputs<'a> {
    /// Finds what the arguments name; none is standard input. Prints which files of directories are skipped.
    pub(super) fn find(arguments: &'a [OsString], filter: NameFilter) -> Self {
        let mut sources = Vec::new();
        for argument in arguments {
            sources.extend(sources_of(argument, &filter));
        }
        if arguments.is_empty() {
            sources.push(Source::Standard);
        }
        Self { arguments, filter, sources }
    }

    /// The one input that is a file, or standard input for `-`.
    pub(super) fn of_file(file: &Path) -> Self {
        let source = if file == Path::new("-") { Source::Standard } else { Source::File(file.to_owned()) };
        Self { arguments: &[], filter: NameFilter::default(), sources: vec![source] }
    }

    /// Whether one of the inputs may come slowly: it is a pipe, a terminal, a socket.
    pub(super) fn is_live(&self) -> bool {
        self.sources.iter().any(|source| match source {
            Source::Standard => Identity::of_file(io::stdin()).is_none(),
            Source::File(path) => is_stream(path),
            Source::Failed(..) => false,
        })
    }

    /// Whether a file is one of the inputs.
    pub(super) fn contain(&self, file: &Identity) -> bool {
        self.sources.iter().any(|source| match source {
            Source::Standard => Identity::of_stream(io::stdin()).as_ref() == Some(file),
            Source::File(path) => Identity::of(path).as_ref() == Some(file),
            Source::Failed(..) => false,
        })
    }

    /// Refuses an output that is one of the inputs: it would be overwritten, or grow while it is read.
    pub(super) fn refuse_output(&self, output: &OutputTarget, name: &str) -> Result<(), CliError> {
        if output.file_identity().is_some_and(|file| self.contain(&file)) {
            return Err(CliError::Usage(format!(
                "{name} is one of the inputs, which it would overwrite; give another file"
            )));
        }
        Ok(())
    }

    /// The argument that would name a file, by its path without links, in a later run.
    pub(super) fn argument_for(&self, file: &Path) -> Option<&'a OsStr> {
        self.arguments
            .iter()
            .map(OsString::as_os_str)
            .find(|argument| would_name(argument, file, &self.filter))
    }

    /// How many bytes all inputs have, where all are files and there is one.
    fn size(&self) -> Option<u64> {
        if self.sources.is_empty() {
            return None;
        }
        let sizes = self.sources.iter().map(|source| match source {
            Source::Standard => None,
            Source::File(path) => Some(path.metadata().map_or(0, |meta| meta.len())),
            Source::Failed(..) => Some(0),
        });
        sizes.sum()
    }

    /// Opens each in its turn. What cannot be opened is an input that fails.
    pub(super) fn open(self, progress: &Progress) -> impl Iterator<Item = Input<'static>> + Send {
        self.sources.into_iter().map(|source| match source {
            Source::Standard => Input::new("-", standard()).line_buffered(),
            Source::File(path) => file(&path, progress),
            Source::Failed(name, error) => Input::failed(name, error),
        })
    }
}

/// What one argument names.
fn sources_of(argument: &OsStr, filter: &NameFilter) -> Vec<Source> {
    if argument == "-" {
        return vec![Source::Standard];
    }
    let found = match expand_argument(argument, filter) {
        Ok(found) => found,
        Err(error) => return vec![Source::Failed(argument.display().to_string(), error)],
    };
    let name = argument.display();
    match (found.files.len(), found.skipped.len()) {
        (0, 0) => messages::eprint_line(&format!("{name}: no input files found")),
        (_, 0) => {}
        (0, skipped) => messages::eprint_line(&format!(
            "{name}: no input found: none of its {skipped} files matches; pass them by name, or pass \
             --include '**'"
        )),
        (_, skipped) => messages::eprint_line(&format!(
            "{name}: skipped {skipped} files that are not selected by name; to read them, name them or pass --include '**'"
        )),
    }
    let source = |(path, outcome): (PathBuf, io::Result<()>)| match outcome {
        Ok(()) => Source::File(path),
        Err(error) => Source::Failed(path.display().to_string(), error),
    };
    found.files.into_iter().map(source).collect()
}

fn is_stream(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

fn standard() -> PollingStream<io::Stdin> {
    print_stdin_hint();
    PollingStream(io::stdin())
}

fn print_stdin_hint() {
    if io::stdin().is_terminal() {
        messages::eprint_line("reading records from the terminal; end with Ctrl-D, or see --help");
    }
}

fn file(path: &Path, progress: &Progress) -> Input<'static> {
    let name = path.display().to_string();
    match open_one(path) {
        Ok(file) => {
            let input = Input::new(name, Counted { file: PollingStream(file), bar: progress.0.clone() });
            if is_stream(path) { input.line_buffered() } else { input }
        }
        Err(error) => Input::failed(name, error),
    }
}

/// Opens one file, or standard input for `-`.
pub(super) fn open_one_or_standard(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(standard()));
    }
    Ok(Box::new(PollingStream(open_one(path)?)))
}

/// Opens one file for reading.
fn open_one(path: &Path) -> io::Result<File> {
    let lies_elsewhere = |scheme: &str| path.as_os_str().as_encoded_bytes().starts_with(scheme.as_bytes());
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if lies_elsewhere("gs://") => io::Error::new(
            error.kind(),
            "not a local file; use zoom-udm ingest to read from Cloud Storage, or pipe `gcloud storage cat` into this command",
        ),
        io::ErrorKind::NotFound if lies_elsewhere("file://") => {
            io::Error::new(error.kind(), "not a path; name the file without file://")
        }
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "file not found; check the path"),
        io::ErrorKind::PermissionDenied => {
            io::Error::new(error.kind(), "permission denied; check its owner and mode")
        }
        _ => error,
    })
}

/// A progress bar for the bytes of input files.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shown on a terminal where every input is a file, unless `output_on_terminal`: what else is written there would
    /// run into the bar.
    pub(super) fn start(inputs: &Inputs<'_>, output_on_terminal: bool) -> Self {
        let quiet = !io::stderr().is_terminal() || output_on_terminal;
        match inputs.size().filter(|_| !quiet) {
            Some(size) => {
                Self(progress::show(size, "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}"))
            }
            None => Self::hidden(),
        }
    }

    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A file that advances the bar while it is read.
struct Counted {
    file: PollingStream<File>,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
