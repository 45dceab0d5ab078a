//! Expands an argument to files: the file itself, the matches of a glob, or the files below a directory.
//!
//! A file that is named, or that a glob matches, is taken whatever its name is. In a directory a filter selects by name.

use super::name_filter::NameFilter;
use crate::globs::compile_glob;
use globset::GlobMatcher;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The files that an argument names.
pub(super) struct Found<'f> {
    filter: &'f NameFilter,
    /// Files by path, so that each occurs once and in order; an error for a path that cannot be inspected.
    pub(super) files: BTreeMap<PathBuf, io::Result<()>>,
    /// Files in directories that the filter did not select.
    pub(super) skipped: BTreeSet<PathBuf>,
}

/// What an argument is.
enum Kind<'a> {
    Directory,
    Glob(&'a str),
    File,
}

/// What `argument` is: an existing path is itself, even if it looks like a glob.
fn kind(argument: &OsStr) -> Kind<'_> {
    let path = Path::new(argument);
    match argument.to_str().filter(|text| text.contains(['*', '?', '['])) {
        _ if path.is_dir() => Kind::Directory,
        Some(pattern) if !path.exists() => Kind::Glob(pattern),
        _ => Kind::File,
    }
}

/// Returns the files that an argument names, each once, sorted by path.
///
/// # Errors
/// An invalid glob, or one without matches.
pub(super) fn expand_argument<'f>(argument: &OsStr, filter: &'f NameFilter) -> io::Result<Found<'f>> {
    let path = Path::new(argument);
    let mut found = Found { filter, files: BTreeMap::new(), skipped: BTreeSet::new() };
    match kind(argument) {
        Kind::Directory => walk(path, path, &mut found),
        Kind::Glob(pattern) => matching(pattern, &mut found)?,
        Kind::File => found.add(path, Ok(())),
    }
    Ok(found)
}

impl Found<'_> {
    fn add(&mut self, path: &Path, outcome: io::Result<()>) {
        self.files.insert(path.to_owned(), outcome);
    }
}

/// A component of a glob.
enum GlobPart<'p> {
    /// A literal name.
    Name(&'p str),
    /// A pattern for names; it matches hidden files only if it begins with a dot.
    Pattern(GlobMatcher),
    /// `**`: this directory and everything below it.
    Recursive,
    /// A slash at the end: a directory, and what the filter selects below it.
    Directory,
}

impl<'p> GlobPart<'p> {
    fn new(text: &'p str) -> Result<Self, globset::Error> {
        match text {
            "**" => Ok(Self::Recursive),
            text if text.contains(['*', '?', '[']) => {
                compile_glob(text).map(|glob| Self::Pattern(glob.compile_matcher()))
            }
            text => Ok(Self::Name(text)),
        }
    }

    /// Whether it matches one name.
    fn matches(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(text) => name == OsStr::new(text),
            Self::Pattern(glob) => {
                (!is_hidden(name) || glob.glob().glob().starts_with('.')) && glob.is_match(name)
            }
            Self::Recursive | Self::Directory => false,
        }
    }
}

/// Parses a glob.
///
/// # Errors
/// The first component that is not a valid glob.
fn parse_glob(pattern: &str) -> io::Result<Vec<GlobPart<'_>>> {
    let parts = pattern.split('/').filter(|text| !text.is_empty()).map(GlobPart::new);
    let parts: Result<Vec<_>, _> = parts.collect();
    let mut parts = parts
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid glob: {error}")))?;
    parts.dedup_by(|one, other| matches!((one, other), (GlobPart::Recursive, GlobPart::Recursive)));
    if pattern.ends_with('/') {
        // A directory is walked to its end anyway.
        parts.pop_if(|last| matches!(last, GlobPart::Recursive));
        parts.push(GlobPart::Directory);
    }
    Ok(parts)
}

fn matching(pattern: &str, found: &mut Found<'_>) -> io::Result<()> {
    let parts = parse_glob(pattern)?;
    let root = if pattern.starts_with('/') { "/" } else { "" };
    descend(Path::new(root), &parts, found);
    if found.files.is_empty() && found.skipped.is_empty() {
        let message = "no file matches; quote the glob, or check the path";
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(())
}

/// Finds what the rest of a glob matches below a path.
fn descend(at: &Path, parts: &[GlobPart<'_>], found: &mut Found<'_>) {
    let Some((part, rest)) = parts.split_first() else {
        return if at.is_dir() { walk(at, at, found) } else { add_file(at, found) };
    };
    match part {
        GlobPart::Name(name) => {
            let next = at.join(name);
            if next.symlink_metadata().is_ok() {
                descend(&next, rest, found);
            }
        }
        GlobPart::Directory => walk(at, at, found),
        GlobPart::Recursive => {
            if !rest.is_empty() {
                descend(at, rest, found);
            }
            for child in read_dir(at, found).iter().filter(|child| !is_hidden(file_name(child))) {
                if is_own_directory(child) {
                    descend(child, parts, found);
                } else if rest.is_empty() {
                    add_file(child, found);
                }
            }
        }
        GlobPart::Pattern(_) => {
            let children = read_dir(at, found);
            let matching = children.iter().filter(|child| part.matches(file_name(child)));
            matching.for_each(|child| descend(child, rest, found));
        }
    }
}

/// Every selected file below `root`, from `directory` on; hidden ones and links to directories are left out.
fn walk(root: &Path, directory: &Path, found: &mut Found<'_>) {
    for child in read_dir(directory, found).iter().filter(|child| !is_hidden(file_name(child))) {
        if is_own_directory(child) {
            walk(root, child, found);
        } else if found.filter.selects(child.strip_prefix(root).unwrap_or(child)) {
            add_file(child, found);
        } else {
            found.skipped.insert(child.clone());
        }
    }
}

/// Whether an argument names a file, by its path without links, or would name it if it were there.
pub(super) fn would_name(argument: &OsStr, file: &Path, filter: &NameFilter) -> bool {
    match kind(argument) {
        Kind::Directory => is_below(file, Path::new(argument), filter),
        Kind::Glob(pattern) => {
            let Ok(parts) = parse_glob(pattern) else { return false };
            let matches =
                |path: &Path| names_below_root(pattern, path).is_some_and(|names| is_match(&parts, &names));
            let mut directories = file.ancestors().skip(1);
            matches(file)
                || directories.any(|directory| matches(directory) && is_below(file, directory, filter))
        }
        Kind::File => false,
    }
}

/// Whether a directory gives the file, or would give it.
fn is_below(file: &Path, directory: &Path, filter: &NameFilter) -> bool {
    let Some(name) = directory.canonicalize().ok().and_then(|root| file.strip_prefix(root).ok()) else {
        return false;
    };
    !name.iter().any(is_hidden) && filter.selects(name)
}

/// Returns the names of an absolute path, below the directory where a glob starts.
fn names_below_root<'a>(pattern: &str, path: &'a Path) -> Option<Vec<&'a OsStr>> {
    let root = if pattern.starts_with('/') { PathBuf::from("/") } else { std::env::current_dir().ok()? };
    let below = path.strip_prefix(root).ok()?;
    below
        .components()
        .map(|part| if let Component::Normal(name) = part { Some(name) } else { None })
        .collect()
}

/// Whether a glob matches these names, one after the other.
fn is_match(parts: &[GlobPart<'_>], names: &[&OsStr]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return names.is_empty() };
    let below = names.split_first();
    match part {
        GlobPart::Directory => names.is_empty(),
        GlobPart::Name(".") => is_match(rest, names),
        GlobPart::Recursive => {
            is_match(rest, names)
                || below.is_some_and(|(name, below)| !is_hidden(name) && is_match(parts, below))
        }
        part => below.is_some_and(|(name, below)| part.matches(name) && is_match(rest, below)),
    }
}

/// Adds a regular file, or a path that cannot be inspected, because opening it will give the error. Reading a named
/// pipe could block forever.
fn add_file(path: &Path, found: &mut Found<'_>) {
    if path.metadata().map_or(true, |meta| meta.is_file()) {
        found.add(path, Ok(()));
    }
}

/// Returns the entries of a directory; none if it is not one.
fn read_dir(directory: &Path, found: &mut Found<'_>) -> Vec<PathBuf> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = here.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries {
        Ok(entries) => entries.into_iter().map(|entry| directory.join(entry.file_name())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {
            Vec::new()
        }
        Err(error) => {
            found.add(here, Err(error));
            Vec::new()
        }
    }
}

fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Returns whether it is a directory and not a link to one, because links could form a loop.
fn is_own_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}
