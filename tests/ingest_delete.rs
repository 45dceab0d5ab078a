//! `ingest --delete`: what is removed, and above all what is not.
#![cfg(all(feature = "cli", feature = "gcs", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{files, ingest, outcome, records};

/// A directory with a source of so many files.
fn source(count: u64) -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir_all(at.path().join("src")).unwrap();
    for number in 0..count {
        fs::write(at.path().join(format!("src/{number}.json")), records(2, number)).unwrap();
    }
    at
}

/// Runs over `src` with arguments, of which those that begin with `@` are places beside it.
fn run(at: &Path, arguments: &[&str]) -> (i32, Value) {
    let place = |text: &str| at.join(text).display().to_string();
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument.strip_prefix('@').map_or_else(|| (*argument).to_owned(), place))
        .collect();
    let source = place("src");
    let mut all = vec![&source[..], "--max-age", "none"];
    all.extend(arguments.iter().map(String::as_str));
    outcome(&ingest(None, &all))
}

fn sources(at: &Path) -> Vec<String> {
    files(&at.join("src")).into_keys().collect()
}

#[test]
fn outputs_within_the_source_are_own_by_whatever_name_they_go() {
    for to in ["@other/../src/udm", "@link/udm", "@src/./udm", "@to-udm"] {
        let at = source(2);
        fs::create_dir_all(at.path().join("other")).unwrap();
        fs::create_dir_all(at.path().join("src/udm")).unwrap();
        std::os::unix::fs::symlink(at.path().join("src"), at.path().join("link")).unwrap();
        std::os::unix::fs::symlink(at.path().join("src/udm"), at.path().join("to-udm")).unwrap();
        let places = ["--to", to, "--rejects", "@link/rejects", "--ledger", "@other/../link/ledger"];
        let arguments = [&places[..], &["--delete", "transferred"]].concat();
        let (code, summary) = run(at.path(), &arguments);
        assert_eq!((code, &summary["deleted"]), (0, &2.into()), "{to}: {summary}");
        let (code, summary) = run(at.path(), &arguments);
        assert_eq!(
            (code, &summary["done"], &summary["deleted"]),
            (0, &0.into(), &0.into()),
            "{to}: {summary}"
        );
        assert!(summary["skipped"]["own_output"].as_u64() > Some(2), "{to}: {summary}");
        assert_eq!(files(&at.path().join("src/udm")).len(), 2, "{to}");
    }
}

#[test]
fn the_source_is_no_destination_by_another_name() {
    let at = source(1);
    std::os::unix::fs::symlink(at.path().join("src"), at.path().join("link")).unwrap();
    assert_eq!(run(at.path(), &["--to", "@link"]).0, 2);
    assert_eq!(run(at.path(), &["--to", "@src/../src"]).0, 2);
    assert_eq!(run(at.path(), &["--to", "@out", "--rejects", "@link/.."]).0, 2);
}
