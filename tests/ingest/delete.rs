//! Tests what `ingest --delete` deletes, and what it must not delete.

use serde_json::Value;
use std::fs;
use std::path::Path;
use testkit::files::{gzip, read_files};
use testkit::gcs::Gcs;
use testkit::ingest::{ingest, outcome, program, records};

/// Returns a directory with a source of `count` files.
fn source(count: u64) -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir_all(at.path().join("src")).unwrap();
    for number in 0..count {
        fs::write(at.path().join(format!("src/{number}.json")), records(2, number)).unwrap();
    }
    at
}

/// Runs over `src`. An argument that starts with `@` becomes a path in the same directory.
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
    read_files(&at.join("src")).into_keys().collect()
}

#[test]
fn outputs_within_source_are_excluded_by_any_name() {
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
        assert_eq!(read_files(&at.path().join("src/udm")).len(), 2, "{to}");
    }
}

#[test]
fn destination_equal_to_source_is_rejected() {
    let at = source(1);
    std::os::unix::fs::symlink(at.path().join("src"), at.path().join("link")).unwrap();
    assert_eq!(run(at.path(), &["--to", "@link"]).0, 2);
    assert_eq!(run(at.path(), &["--to", "@src/../src"]).0, 2);
    assert_eq!(run(at.path(), &["--to", "@out", "--rejects", "@link/.."]).0, 2);
    // As a source, the link is equivalent to the directory.
    let place = |name: &str| at.path().join(name).display().to_string();
    let (code, summary) =
        outcome(&ingest(None, &[&place("link"), "--to", &place("out"), "--max-age", "none"]));
    assert_eq!((code, &summary["done"]), (0, &1.into()), "{summary}");
}

/// Returns a directory with two good files and one with an invalid line.
fn with_a_reject() -> tempfile::TempDir {
    let at = source(2);
    fs::write(at.path().join("src/bad.json"), format!("{}no record\n", records(1, 7))).unwrap();
    at
}

#[test]
fn source_with_unstored_rejects_is_kept() {
    let at = with_a_reject();
    let delete = ["--to", "@out", "--delete", "transferred"];
    for deleted in [2, 0] {
        let (code, summary) = run(at.path(), &delete);
        assert_eq!((code, &summary["deleted"]), (1, &deleted.into()), "{summary}");
        assert_eq!(summary["undeleted_without_rejects"], 1, "{summary}");
        assert!(summary["undeleted"].to_string().contains("src/bad.json"), "{summary}");
        assert_eq!(sources(at.path()), ["bad.json"]);
    }
    // A place for rejects does not help if the rejects of the earlier run are not in it.
    let rejects = [&delete[..], &["--rejects", "@rejects"]].concat();
    let (code, summary) = run(at.path(), &rejects);
    assert_eq!((code, &summary["undeleted_without_rejects"]), (1, &1.into()), "{summary}");
    let ledger = at.path().join("out.ledger").display().to_string();
    let forgotten = program(None, &["ledger", "forget", &ledger, "**/bad.json"]).output().unwrap();
    assert_eq!(forgotten.status.code(), Some(0));
    let (code, summary) = run(at.path(), &rejects);
    assert_eq!((code, &summary["deleted"], &summary["rejects"]), (1, &1.into(), &1.into()), "{summary}");
    assert!(sources(at.path()).is_empty());
    assert_eq!(
        (read_files(&at.path().join("out")).len(), read_files(&at.path().join("rejects")).len()),
        (3, 1)
    );
}

#[test]
fn source_without_any_event_is_kept() {
    let at = source(1);
    fs::write(at.path().join("src/other.json"), "no record\nnone either\n").unwrap();
    let places = ["--to", "@out", "--rejects", "@rejects"];
    let delete = [&places[..], &["--delete", "transferred"]].concat();
    // The run that reads them, and a later run that knows them from the ledger.
    for deleted in [1, 0] {
        let (code, summary) = run(at.path(), &delete);
        assert_eq!((code, &summary["deleted"]), (1, &deleted.into()), "{summary}");
        assert_eq!(summary["undeleted_all_rejected"], 1, "{summary}");
        assert_eq!(sources(at.path()), ["other.json"]);
    }
    assert_eq!(read_files(&at.path().join("rejects")).len(), 1);
}

#[test]
fn bucket_sources_of_unknown_records_are_kept() {
    let sign_in = r#"{"time":"2023-11-14T10:00:00Z","type":"Sign in","email":"a@x.io"}"#;
    let webhook = r#"{"event":"user.updated","event_ts":1699956000000,"payload":{"operator":"a@x.io"}}"#;
    for flags in [&["--rejects", "gs://udm/rejects/"][..], &[], &["--default-time", "2023-11-14T00:00:00Z"]] {
        let server = Gcs::start();
        server.seed("zoom", "logs/operations.json.gz", gzip(records(2, 1)));
        server.seed(
            "zoom",
            "logs/sign-ins.json.gz",
            gzip(format!("{{\"activity_logs\":[{sign_in},{sign_in}]}}")),
        );
        server.seed("zoom", "logs/webhooks.ndjson", webhook);
        server.seed("zoom", "logs/error.ndjson", r#"{"code":124,"message":"Invalid access token."}"#);
        server.seed("zoom", "logs/cursor.ndjson", r#"{"cursor_date":"2023-11-14"}"#);
        server.seed(
            "zoom",
            "logs/other.json.gz",
            gzip("{\"timestamp\":1699956000}\n{\"severity\":\"INFO\"}\n"),
        );
        let arguments =
            [&["gs://zoom/logs/", "--to", "gs://udm/out/", "--delete", "transferred"], flags].concat();
        // The run that reads them, and a later one that knows them from the ledger.
        for deleted in [3, 0] {
            let (code, summary) = outcome(&ingest(Some(&server), &arguments));
            assert_eq!((code, &summary["deleted"]), (1, &deleted.into()), "{flags:?}: {summary}");
            assert_eq!(summary["undeleted_all_rejected"], 3, "{flags:?}: {summary}");
            assert!(
                summary["undeleted"].to_string().contains("all of its records were rejected"),
                "{summary}"
            );
            let left: Vec<_> = server.all("zoom", "logs/").into_keys().collect();
            assert_eq!(left, ["logs/cursor.ndjson", "logs/error.ndjson", "logs/other.json.gz"], "{flags:?}");
            if deleted > 0 {
                let kinds = serde_json::json!({"operation": 2, "sign_in": 2, "webhook": 1});
                assert_eq!(summary["events_by_kind"], kinds, "{summary}");
                assert_eq!(
                    summary["rejects_by_reason"],
                    serde_json::json!({"unknown_record": 4}),
                    "{summary}"
                );
            }
        }
    }
}

#[test]
fn done_sources_are_deleted_if_outputs_exist() {
    let at = with_a_reject();
    fs::write(at.path().join("src/empty.json"), "\n").unwrap();
    let places = ["--to", "@out", "--rejects", "@rejects"];
    assert_eq!(run(at.path(), &places).0, 1);
    let (code, summary) = run(at.path(), &[&places[..], &["--delete", "transferred"]].concat());
    assert_eq!((code, &summary["deleted"], &summary["done"]), (0, &4.into(), &0.into()), "{summary}");
    assert!(sources(at.path()).is_empty());
}

#[test]
fn many_done_sources_are_deleted_while_listing() {
    // More than one batch.
    let at = source(4200);
    assert_eq!(run(at.path(), &["--to", "@out"]).0, 0);
    for number in 0..3 {
        fs::write(at.path().join(format!("src/z{number}.json")), records(2, number)).unwrap();
    }
    let delete = ["--to", "@out", "--delete", "transferred"];
    let (code, summary) = run(at.path(), &[&delete[..], &["--dry-run"]].concat());
    assert_eq!((code, &summary["deleted"]), (0, &0.into()), "{summary}");
    let (code, summary) = run(at.path(), &delete);
    assert_eq!((code, &summary["deleted"], &summary["done"]), (0, &4203.into(), &3.into()), "{summary}");
    assert!(sources(at.path()).is_empty());
}

#[test]
fn done_source_without_output_is_kept() {
    let at = source(3);
    fs::write(at.path().join("src/empty.json"), "\n").unwrap();
    assert_eq!(run(at.path(), &["--to", "@out"]).0, 0);
    fs::remove_dir_all(at.path().join("out")).unwrap();
    let (code, summary) = run(at.path(), &["--to", "@out", "--delete", "transferred"]);
    // A source without events has no output.
    assert_eq!(
        (code, &summary["deleted"], &summary["undeleted_without_output"]),
        (1, &1.into(), &3.into()),
        "{summary}"
    );
    assert_eq!(sources(at.path()), ["0.json", "1.json", "2.json"]);
}

#[test]
fn source_done_for_other_destination_is_kept() {
    let at = source(3);
    assert_eq!(run(at.path(), &["--to", "@one", "--ledger", "@ledger"]).0, 0);
    for to in ["@two", "-"] {
        let arguments = ["--to", to, "--ledger", "@ledger", "--delete", "transferred"];
        let (code, summary) = run(at.path(), &arguments);
        assert_eq!(
            (code, &summary["deleted"], &summary["undeleted_without_output"]),
            (1, &0.into(), &3.into()),
            "{summary}"
        );
    }
    let place = |name: &str| at.path().join(name).display().to_string();
    let (source, to, ledger) = (place("src"), place("two"), place("ledger"));
    let arguments = ["ingest", &source, "--to", &to, "--ledger", &ledger, "--max-age", "none"];
    let told = program(None, &arguments).env("ZOOM_UDM_LOG", "warn").output().unwrap();
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains(&format!("with --to file://{}/: objects done", place("one"))), "{told}");
    // Events written to a stream count as transferred for later runs with a stream.
    let again = ["--to", "-", "--ledger", "@of-streams"];
    assert_eq!(run(at.path(), &again).0, 0);
    let (code, summary) = run(at.path(), &[&again[..], &["--delete", "transferred"]].concat());
    assert_eq!((code, &summary["deleted"]), (0, &3.into()), "{summary}");
}

#[test]
fn delete_with_discarded_events_is_rejected() {
    let at = source(2);
    let (from, ledger) = (at.path().join("src"), at.path().join("ledger"));
    let arguments = ["ingest", from.to_str().unwrap(), "--to", "-", "--ledger", ledger.to_str().unwrap()];
    let run = program(None, &[&arguments[..], &["--max-age", "none", "--delete", "transferred"]].concat())
        .stdout(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("standard output is closed or the null device"));
    assert_eq!(sources(at.path()).len(), 2);
}

#[test]
fn closed_output_records_nothing_as_done() {
    let at = source(2);
    let arguments = |sink: &str| {
        let (from, ledger) = (at.path().join("src"), at.path().join("ledger"));
        let arguments = ["ingest", from.to_str().unwrap(), "--to", "-", "--ledger", ledger.to_str().unwrap()];
        let mut shell = std::process::Command::new("sh");
        let run = program(None, &[&arguments[..], &["--max-age", "none"]].concat());
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {sink}")]).arg(run.get_program()).args(run.get_args());
        shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.output().unwrap()
    };
    let closed = arguments(">&-");
    let told = String::from_utf8_lossy(&closed.stderr).into_owned();
    assert!(closed.status.code() == Some(3) && told.contains("standard output is closed"), "{told}");
    assert!(!at.path().join("ledger").exists());
    // Writing to the null device without `--delete` is allowed.
    assert_eq!(arguments(">/dev/null").status.code(), Some(0));
    assert!(at.path().join("ledger").exists());
}
