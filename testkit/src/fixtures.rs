//! The cases in `fixtures/`: files, and members of archives in the txtar format, which holds the bytes of each member
//! below a line `-- NAME --`.

use crate::files::{list_files, root};
use std::path::Path;

/// An input, named by its path below `fixtures/`, such as `constructed/rows/key-type.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Case {
    /// Returns the directory or archive and the name of the case there, such as `constructed/rows` and `key-type.json`.
    pub fn topic(&self) -> (&str, &str) {
        self.name.rsplit_once('/').expect("every case is in a directory or an archive")
    }

    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.name).extension().is_some_and(|found| found == extension)
    }
}

/// Returns the cases in a directory below `fixtures/`, sorted by name; all of them if it is empty.
///
/// # Panics
/// If two cases have the same name, because one would hide the other.
pub fn cases(directory: &str) -> Vec<Case> {
    let fixtures = root().join("fixtures");
    let mut found = Vec::new();
    for extension in ["json", "ndjson", "txtar"] {
        for path in list_files(&fixtures.join(directory), extension) {
            let bytes = std::fs::read(&path).expect("the fixture is readable");
            let name = path.strip_prefix(&fixtures).expect("the fixture is in fixtures");
            if extension == "txtar" {
                found.extend(members(&name.with_extension(""), &bytes));
            } else {
                found.push(Case { name: slashed(name), bytes });
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    for pair in found.windows(2) {
        assert_ne!(pair[0].name, pair[1].name, "two cases have this name");
    }
    found
}

/// Returns the members of an archive. Text before the first is a comment.
pub fn members(archive: &Path, bytes: &[u8]) -> Vec<Case> {
    let mut found: Vec<Case> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = member_name(line) {
            found.push(Case { name: slashed(&archive.join(name)), bytes: Vec::new() });
        } else if let Some(case) = found.last_mut() {
            case.bytes.extend_from_slice(line);
        }
    }
    found
}

fn member_name(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.strip_prefix("-- ")?.strip_suffix(" --\n")
}

/// Returns a path with `/` between its parts.
fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
