//! Inputs as the command line names them: files, globs, directories, standard input.

use super::files::named;
use super::place::Identity;
use crate::normalize::Input;
use indicatif::{ProgressBar, ProgressStyle};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// Opens what the arguments name, each in its turn. What cannot be opened is an input that fails.
pub(super) fn open<'a>(
    arguments: &'a [OsString],
    progress: &'a Progress,
) -> Box<dyn Iterator<Item = Input> + Send + 'a> {
    if arguments.is_empty() {
        return Box::new(std::iter::once_with(standard_input));
    }
    Box::new(arguments.iter().flat_map(move |argument| -> Box<dyn Iterator<Item = Input> + Send + 'a> {
        if argument == "-" {
            return Box::new(std::iter::once_with(standard_input));
        }
        match named(argument) {
            Ok(files) => Box::new(files.into_iter().map(move |(path, found)| file(&path, found, progress))),
            Err(error) => Box::new(std::iter::once(Input::failed(argument.display().to_string(), error))),
        }
    }))
}

/// Whether a file is among those that the arguments name.
pub(super) fn are_of(arguments: &[OsString], file: &Identity) -> bool {
    let is = |identity: Option<Identity>| identity.is_some_and(|identity| identity == *file);
    let names = |argument: &OsStr| {
        argument == "-" && is(Identity::of_stream(io::stdin()))
            || named(argument).is_ok_and(|files| files.iter().any(|(path, _)| is(Identity::of(path))))
    };
    arguments.is_empty() && names(OsStr::new("-")) || arguments.iter().any(|argument| names(argument))
}

fn standard_input() -> Input {
    match standard() {
        Ok(stdin) => Input::new("-", stdin).prompt(),
        Err(error) => Input::failed("-", error),
    }
}

fn standard() -> io::Result<io::Stdin> {
    say_how_to_end();
    no_output(Identity::of_stream(io::stdin()).as_ref())?;
    Ok(io::stdin())
}

/// Refuses an input that is the file which standard output is: it would go on with what comes of it, without an end.
fn no_output(input: Option<&Identity>) -> io::Result<()> {
    if input.is_some() && input == Identity::of_file(io::stdout()).as_ref() {
        let message = "standard output goes to this very file; send it elsewhere, or leave this input out";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

fn say_how_to_end() {
    if io::stdin().is_terminal() {
        super::report::say("reading records from the terminal; end with Ctrl-D, or see --help");
    }
}

fn file(path: &Path, found: io::Result<()>, progress: &Progress) -> Input {
    let name = path.display().to_string();
    match found.and_then(|()| open_one(path)) {
        Ok(file) => Input::new(name, Counted { file, bar: progress.0.clone() }),
        Err(error) => Input::failed(name, error),
    }
}

/// Opens one file, or standard input for `-`, or says why not.
pub(super) fn open_one_or_standard(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(standard()?));
    }
    Ok(Box::new(open_one(path)?))
}

/// Opens one file for reading, or says why not.
fn open_one(path: &Path) -> io::Result<File> {
    no_output(Identity::of(path).as_ref())?;
    let lies_elsewhere = |scheme: &str| path.as_os_str().as_encoded_bytes().starts_with(scheme.as_bytes());
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if lies_elsewhere("gs://") => io::Error::new(
            error.kind(),
            "this is no file; zoom-udm ingest reads from Cloud Storage, or pipe `gcloud storage cat` into this",
        ),
        io::ErrorKind::NotFound if lies_elsewhere("file://") => {
            io::Error::new(error.kind(), "this is no file; name it without file://")
        }
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no such file; check the path"),
        io::ErrorKind::PermissionDenied => {
            io::Error::new(error.kind(), "reading it is not permitted; check its owner and mode")
        }
        _ => error,
    })
}

/// A bar on the terminal for the bytes of files that were read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shown on a terminal, where every input is a file and events do not go to the same terminal.
    pub(super) fn start(arguments: &[OsString], to_file: bool) -> Self {
        let quiet = !io::stderr().is_terminal() || (!to_file && io::stdout().is_terminal());
        if quiet || arguments.is_empty() {
            return Self(ProgressBar::hidden());
        }
        let Some(size) = arguments.iter().map(|argument| size(argument)).sum() else {
            return Self(ProgressBar::hidden());
        };
        let bar = ProgressBar::new(size);
        let style = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }
}

/// How many bytes the files that an argument names have, where it names files.
fn size(argument: &OsStr) -> Option<u64> {
    let length = |(path, _): &(PathBuf, io::Result<()>)| path.metadata().map_or(0, |meta| meta.len());
    (argument != "-").then(|| named(argument).ok())?.map(|files| files.iter().map(length).sum())
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A file that moves the bar on as it is read.
struct Counted {
    file: File,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
