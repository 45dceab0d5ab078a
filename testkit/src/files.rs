//! Files: compression, directories, and files of the repository.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

pub fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// Returns the names and contents of all files below a directory.
pub fn read_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries =
        walkdir::WalkDir::new(directory).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let named = entries.map(|entry| {
        let name = entry.path().strip_prefix(directory).unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.collect()
}

/// Returns the root directory of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit is in the project")
}

/// Returns the files below a directory that have an extension, sorted.
pub fn list_files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().expect("the directory exists") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            found.extend(list_files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns a temporary directory with the given files.
pub fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("it can be created");
        std::fs::write(path, content).expect("the file is writable");
    }
    directory
}

/// Returns the number of line ends.
pub fn line_ends(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Returns a path as UTF-8.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// Returns the files in a bundle: a JSON file of the repository that maps paths to base64.
pub fn read_bundle(path: &str) -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(root().join(path)).expect("the bundle can be read");
    let files: BTreeMap<String, String> = serde_json::from_str(&text).expect("it maps paths to base64");
    files.into_iter().map(|(name, bytes)| (name, STANDARD.decode(bytes).expect("valid base64"))).collect()
}
