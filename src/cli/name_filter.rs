//! Which files of a directory are read: `--include` and `--exclude`.

use super::error::CliError;
use crate::globs::compile_globs;
use clap::Args;
use globset::GlobSet;
use std::path::Path;

/// The endings of names that are read in a directory unless `--include` is given; also with `.gz`.
const EXTENSIONS: [&str; 5] = ["json", "ndjson", "jsonl", "log", "csv"];

#[derive(Args)]
pub(super) struct NameFilterArgs {
    /// In directories, read only matching names [default: *.json, *.ndjson, *.jsonl, *.log, *.csv, each also .gz]
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// In directories, skip matching names
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

/// Selects files of a directory by their name below it.
#[derive(Debug, Default)]
pub(super) struct NameFilter {
    /// `None` selects by extension.
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl NameFilterArgs {
    pub(super) fn filter(&self) -> Result<NameFilter, CliError> {
        let set = |texts: &[String]| compile_globs(texts).map_err(CliError::Usage);
        let include = if self.include.is_empty() { None } else { Some(set(&self.include)?) };
        Ok(NameFilter { include, exclude: set(&self.exclude)? })
    }
}

impl NameFilter {
    /// Whether the file of this name below a directory is read.
    pub(super) fn selects(&self, name: &Path) -> bool {
        let included = match &self.include {
            Some(globs) => globs.is_match(name),
            None => has_extension(name),
        };
        included && !self.exclude.is_match(name)
    }
}

fn has_extension(name: &Path) -> bool {
    let name = name.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::NameFilterArgs;
    use std::path::Path;

    #[test]
    fn names_are_selected_by_extension_or_globs() {
        let selected = |include: &[&str], exclude: &[&str], name: &str| {
            let [include, exclude] = [include, exclude].map(|globs| globs.iter().map(ToString::to_string));
            let flags = NameFilterArgs { include: include.collect(), exclude: exclude.collect() };
            flags.filter().expect("the globs are valid").selects(Path::new(name))
        };
        for name in ["a.json", "a/b.ndjson", "c.JSONL", "x.log.gz", "x.csv", "2024/01/x.json.GZ", ".json"] {
            assert!(selected(&[], &[], name), "{name}");
        }
        for name in ["a", "json", "a.gz", "a.json.zst", "a.txt", "a.json.bak", "README.md", "gz"] {
            assert!(!selected(&[], &[], name), "{name}");
        }
        assert!(selected(&["*.txt"], &[], "a.txt") && !selected(&["*.txt"], &[], "a.json"));
        assert!(!selected(&["*.txt"], &[], "d/a.txt") && selected(&["**/*.txt"], &[], "d/a.txt"));
        assert!(!selected(&[], &["d/**"], "d/a.json") && selected(&[], &["d/**"], "e/a.json"));
    }
}
