//! Tests which crates the project depends on, where they come from, and that builds are reproducible.
#![allow(clippy::panic, reason = "a test that cannot go on fails")]

use regex::Regex;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::process::Command;
use testkit::files::root;
use testkit::normalize::run_cli;

/// Crates that include a runtime, HTTP or TLS.
const HEAVY: [&str; 15] = [
    "aws-lc-rs",
    "axum",
    "futures",
    "h2",
    "hyper",
    "mio",
    "native-tls",
    "object_store",
    "openssl",
    "reqwest",
    "ring",
    "rustls",
    "socket2",
    "tokio",
    "tower",
];

/// Returns the names of the crates that a build with some features links, according to cargo.
fn crates(features: &[&str]) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("valid UTF-8");
    let mut names: Vec<String> =
        tree.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

fn heavy(features: &[&str]) -> Vec<String> {
    crates(features).into_iter().filter(|name| HEAVY.contains(&name.as_str())).collect()
}

fn content(path: &str) -> String {
    read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn library_alone_links_no_runtime_or_tls() {
    assert_eq!(heavy(&["--no-default-features"]), [""; 0]);
}

#[test]
fn cli_feature_alone_links_no_runtime_or_tls() {
    assert_eq!(heavy(&["--no-default-features", "--features", "cli"]), [""; 0]);
}

#[test]
fn dependency_check_finds_heavy_crates() {
    let found = heavy(&[]);
    for name in ["axum", "hyper", "object_store", "reqwest", "ring", "rustls", "tokio"] {
        assert!(found.iter().any(|found| found == name), "{name} in {found:?}");
    }
    assert!(!found.iter().any(|name| name == "aws-lc-rs" || name.contains("openssl")), "{found:?}");
}

#[test]
fn every_crate_has_a_registry_source_and_checksum() {
    let lock = content("Cargo.lock");
    for package in lock.split("[[package]]").skip(1).filter(|package| {
        !["zoom-udm", "testkit", "testdata", "budget"]
            .iter()
            .any(|own| package.contains(&format!("\"{own}\"\nversion")))
    }) {
        assert!(
            package.contains("source = \"registry+https://github.com/rust-lang/crates.io-index\""),
            "{package}"
        );
        assert!(package.contains("checksum = \""), "{package}");
    }
}

/// Returns every text file that may contain a command, except downloaded and built ones.
fn texts() -> Vec<PathBuf> {
    let mut left = vec![root().to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = left.pop() {
        for entry in directory.read_dir().expect("the directory exists") {
            let path = entry.expect("the entry is readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "fixtures", "try"].contains(&name.as_str())
                    && !name.starts_with("mutants.out")
                {
                    left.push(path);
                }
            } else if path != root().join(file!()) && name != ".git" {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_cargo_command_passes_locked() {
    let command =
        Regex::new(r"\bcargo (\+\S+ )?(bench|build|check|clippy|doc|fetch|install|package|run|test|tree) ")
            .expect("the pattern is valid");
    let mut loose = Vec::new();
    for path in texts() {
        let Ok(text) = read_to_string(&path) else { continue };
        for (index, line) in text.lines().enumerate() {
            // A command that prose mentions without its flags is in backquotes.
            let said = line.contains("`cargo ") && !line.contains(" --");
            if command.is_match(line) && !line.contains("--locked") && !said {
                loose.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
        }
    }
    assert!(loose.is_empty(), "commands without --locked: {loose:#?}");
}

/// Returns the text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before:?} is missing"));
    rest.split_once(after).unwrap_or_else(|| panic!("{after:?} is missing after {before:?}")).0
}

#[test]
fn minimum_rust_version_is_consistent() {
    let manifest = content("Cargo.toml");
    let oldest = between(&manifest, "\nrust-version = \"", "\"");
    assert!(content("README.md").contains(&format!("Rust ({oldest} or later")), "the README says {oldest}");
    let minor = |version: &str| {
        version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).expect("the version is valid")
    };
    let image = content("deploy/Dockerfile");
    assert!(
        minor(between(&image, " rust:", "-")) >= minor(oldest),
        "the image's Rust is older than {oldest}"
    );
}

#[test]
fn version_is_printed_and_in_the_changelog() {
    let version = env!("CARGO_PKG_VERSION");
    let told = String::from_utf8(run_cli(&["--version"], b"").out.events).expect("valid UTF-8");
    let pattern = format!(r"^zoom-udm {}( \([0-9a-f]{{12}}(-dirty)?\))?\n$", regex::escape(version));
    assert!(Regex::new(&pattern).expect("the pattern is valid").is_match(&told), "{told:?}");
    assert!(
        content("CHANGELOG.md").contains(&format!("\n## [{version}] - ")),
        "CHANGELOG.md has no {version}"
    );
}

#[test]
fn stages_picture_shows_the_stored_budget() {
    let (stored, picture) = (content("benches/budget.tsv"), content("benches/stages.svg"));
    let of = |stage: &str| between(&stored, &format!("{stage}\t"), "\n").to_owned();
    for count in [of("whole run, realistic"), of("reading records")] {
        let told = format!("{},{}", &count[..count.len() - 3], &count[count.len() - 3..]);
        assert!(picture.contains(&format!(">{told}")), "{told}: see benches/budget for how to draw it");
    }
    let whole = of("whole run, realistic");
    let count = format!("[{},{}", &whole[..1], &whole[1..]);
    for document in ["README.md", "docs/benchmarks.md"] {
        assert!(content(document).contains(&count), "{document} does not mention {count} instructions");
    }
}
