//! The list of targets.

use super::{fast_paths, gzip, normalize, records, settings, state};
use crate::{collect, serve};

/// A target accepts any bytes, and panics if a property is violated.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("normalize", normalize::normalize),
    ("records", records::records),
    ("detail", fast_paths::detail),
    ("fast", fast_paths::fast),
    ("gzip", gzip::gzip),
    ("state", state::state),
    ("push", serve::invariants::request),
    ("answer", collect::answer),
    ("settings", settings::settings),
];

/// Runs a target by its name.
pub fn run(target: &str, bytes: &[u8]) {
    for (name, check) in TARGETS {
        if name == target {
            check(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(directory: &Path) -> Vec<PathBuf> {
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn fuzz_seeds_and_regressions_pass() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        // The published package does not contain `fuzz/`.
        if !fuzz.exists() {
            return;
        }
        for (name, check) in TARGETS {
            let mut seeds = files(&fuzz.join("seeds").join(name));
            let has_fixtures = ["normalize", "detail", "fast", "gzip"].contains(&name);
            assert!(seeds.len() > 3 || has_fixtures, "{name} has no seeds");
            seeds.extend(files(&fuzz.join("regressions").join(name)));
            for seed in seeds {
                // The panic message names the seed.
                let bytes = fs::read(&seed).unwrap();
                let held = std::panic::catch_unwind(|| check(&bytes));
                assert!(held.is_ok(), "{name} does not hold of {}", seed.display());
            }
        }
    }
}
