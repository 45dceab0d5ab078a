//! The files that an argument names: itself, those that match it as a glob, or those below a directory.

use glob::{Pattern, PatternError};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Files by path, so that each is there once and in order; an error where one, or a directory, cannot be looked at.
type Found = BTreeMap<PathBuf, io::Result<()>>;

/// The files that an argument names, each once, sorted by path.
///
/// # Errors
/// A glob that is none, or that no file matches.
pub(super) fn named(argument: &OsStr) -> io::Result<Vec<(PathBuf, io::Result<()>)>> {
    let path = Path::new(argument);
    let mut found = Found::new();
    match argument.to_str().filter(|text| text.contains(['*', '?', '['])) {
        _ if path.is_dir() => below(path, &mut found),
        Some(pattern) if !path.exists() => matching(pattern, &mut found)?,
        _ => drop(found.insert(path.to_owned(), Ok(()))),
    }
    Ok(found.into_iter().collect())
}

/// One component of a glob.
#[derive(PartialEq, Eq)]
enum Part<'p> {
    /// A name as it is.
    Name(&'p str),
    /// Names that match. Hidden ones only where the pattern begins with the dot, too.
    Like(Pattern),
    /// `**`: this directory and all below it.
    Below,
}

impl<'p> Part<'p> {
    fn new(text: &'p str) -> Result<Self, PatternError> {
        match text {
            "**" => Ok(Self::Below),
            text if text.contains(['*', '?', '[']) => Pattern::new(text).map(Self::Like),
            text => Ok(Self::Name(text)),
        }
    }
}

fn matching(pattern: &str, found: &mut Found) -> io::Result<()> {
    let parts: Result<Vec<_>, _> =
        pattern.split('/').filter(|text| !text.is_empty()).map(Part::new).collect();
    let mut parts =
        parts.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("no glob: {error}")))?;
    // Only a directory has a slash behind it.
    parts.extend(pattern.ends_with('/').then_some(Part::Below));
    parts.dedup_by(|one, other| *one == Part::Below && *other == Part::Below);
    let root = if pattern.starts_with('/') { "/" } else { "" };
    descend(Path::new(root), &parts, found);
    if found.is_empty() {
        let message = "no file matches; quote the glob, or check the path";
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(())
}

/// Finds what matches the rest of a glob at a place that its start has led to.
fn descend(at: &Path, parts: &[Part<'_>], found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else {
        return if at.is_dir() { below(at, found) } else { take(at, found) };
    };
    match part {
        Part::Name(name) => {
            let next = at.join(name);
            if next.symlink_metadata().is_ok() {
                descend(&next, rest, found);
            }
        }
        Part::Below if rest.is_empty() => below(at, found),
        Part::Below => {
            descend(at, rest, found);
            for child in
                children(at, found).iter().filter(|child| !is_hidden(child) && is_own_directory(child))
            {
                descend(child, parts, found);
            }
        }
        Part::Like(pattern) => {
            let likes = |child: &PathBuf| {
                let name = child.file_name().unwrap_or_default().to_string_lossy();
                (!is_hidden(child) || pattern.as_str().starts_with('.')) && pattern.matches(&name)
            };
            children(at, found)
                .iter()
                .filter(|child| likes(child))
                .for_each(|child| descend(child, rest, found));
        }
    }
}

/// Every file below a directory; hidden ones and links to directories are left out.
fn below(directory: &Path, found: &mut Found) {
    for child in children(directory, found).iter().filter(|child| !is_hidden(child)) {
        if is_own_directory(child) {
            below(child, found);
        } else {
            take(child, found);
        }
    }
}

/// Takes what is a regular file, or cannot be looked at: opening it will say why. To read from a pipe could take for ever.
fn take(path: &Path, found: &mut Found) {
    if path.metadata().map_or(true, |meta| meta.is_file()) {
        found.insert(path.to_owned(), Ok(()));
    }
}

/// What is in a directory; nothing where it is none.
fn children(directory: &Path, found: &mut Found) -> Vec<PathBuf> {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = here.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
    match entries {
        Ok(entries) => entries.into_iter().map(|entry| directory.join(entry.file_name())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {
            Vec::new()
        }
        Err(error) => {
            found.insert(here.to_owned(), Err(error));
            Vec::new()
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether it is a directory, and no link to one: links could lead round in circles.
fn is_own_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}
