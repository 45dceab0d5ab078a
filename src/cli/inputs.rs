//! Inputs as the command line names them: files, globs, directories, standard input.

use crate::normalize::Input;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// Opens what the arguments name, each in its turn. What cannot be opened is an input that fails.
pub(super) fn open<'a>(
    arguments: &'a [String],
    progress: &'a Progress,
) -> Box<dyn Iterator<Item = Input> + Send + 'a> {
    if arguments.is_empty() {
        return Box::new(std::iter::once_with(standard_input));
    }
    Box::new(arguments.iter().flat_map(move |argument| -> Box<dyn Iterator<Item = Input> + Send + 'a> {
        if argument == "-" {
            return Box::new(std::iter::once_with(standard_input));
        }
        match paths(argument) {
            Ok(paths) => Box::new(paths.into_iter().map(move |path| file(path, progress))),
            Err(error) => Box::new(std::iter::once(Input::failed(argument.as_str(), error))),
        }
    }))
}

fn standard_input() -> Input {
    if io::stdin().is_terminal() {
        super::report::say("reading records from the terminal; end with Ctrl-D, or see --help");
    }
    Input::new("-", io::stdin()).prompt()
}

fn file(path: io::Result<PathBuf>, progress: &Progress) -> Input {
    let path = match path {
        Ok(path) => path,
        Err(error) => return Input::failed(error.to_string(), error),
    };
    let name = path.display().to_string();
    match open_one(&path) {
        Ok(file) => Input::new(name, Counted { file, bar: progress.0.clone() }),
        Err(error) => Input::failed(name, error),
    }
}

/// Opens one file for reading, or says why not.
pub(super) fn open_one(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no such file; check the path"),
        io::ErrorKind::PermissionDenied => {
            io::Error::new(error.kind(), "reading it is not permitted; check its owner and mode")
        }
        _ => error,
    })
}

/// The files that an argument names: itself, those that match it, or those in it, sorted by path.
fn paths(argument: &str) -> io::Result<Vec<io::Result<PathBuf>>> {
    let path = Path::new(argument);
    if path.is_dir() {
        return Ok(walk(path));
    }
    if path.exists() || !argument.contains(['*', '?', '[']) {
        return Ok(vec![Ok(path.to_owned())]);
    }
    let pattern = glob::glob(argument)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("no glob: {error}")))?;
    let mut paths = Vec::new();
    for found in pattern {
        match found {
            Ok(found) if found.is_dir() => paths.extend(walk(&found)),
            Ok(found) => paths.push(Ok(found)),
            Err(error) => paths.push(Err(io::Error::new(error.error().kind(), error.to_string()))),
        }
    }
    if paths.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no file matches; quote the glob, or check the path",
        ));
    }
    Ok(paths)
}

/// Every file below a directory; hidden ones and links to directories are left out.
fn walk(directory: &Path) -> Vec<io::Result<PathBuf>> {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    let entries = walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().filter_entry(visible);
    entries
        .filter(|entry| entry.as_ref().map_or(true, |entry| !entry.path().is_dir()))
        .map(|entry| entry.map(walkdir::DirEntry::into_path).map_err(io::Error::from))
        .collect()
}

/// A bar on the terminal for the bytes of files that were read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shown on a terminal, where every input is a file and events do not go to the same terminal.
    pub(super) fn start(arguments: &[String], to_file: bool) -> Self {
        let quiet = !io::stderr().is_terminal() || (!to_file && io::stdout().is_terminal());
        let sizes = || -> Option<u64> {
            let paths =
                arguments.iter().map(|argument| (argument != "-").then(|| paths(argument).ok()).flatten());
            paths
                .map(|paths| {
                    Some(
                        paths?
                            .iter()
                            .flatten()
                            .filter_map(|path| path.metadata().ok())
                            .map(|meta| meta.len())
                            .sum::<u64>(),
                    )
                })
                .sum()
        };
        match sizes().filter(|_| !quiet && !arguments.is_empty()) {
            None => Self(ProgressBar::hidden()),
            Some(size) => {
                let bar = ProgressBar::new(size);
                let style = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
                bar.set_style(
                    ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                Self(bar)
            }
        }
    }
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
