//! Tests that this version reads what version 0.1.0 wrote. `ledger-0.1.0` contains the destination of two runs of that
//! version with the ledger, outputs and rejects, the lease of a killed run, and the ledger of a directory with a file
//! that grew.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use testkit::files::{directory, gunzip, read_bundle};
use testkit::gcs::Gcs;
use testkit::ingest::{FAST_RETRIES, ingest, outcome, program, records};

const ARGUMENTS: [&str; 5] = ["gs://zoom/logs/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/"];

/// An hour later than the other tests, when backoff and leases have expired.
const LATER: &str = "2023-11-16T01:00:00Z";

/// Returns the files that version 0.1.0 wrote, by path.
fn stored() -> BTreeMap<String, Vec<u8>> {
    read_bundle("tests/ingest/ledger-0.1.0.json")
}

/// Returns the buckets after those runs, with the given lease on every segment.
fn buckets(lease: &str) -> Gcs {
    let server = Gcs::start();
    // The generations of objects depend on the order of their creation.
    server.seed("zoom", "logs/good.json", records(3, 1));
    let bad = &b"5\n{\"time\":\"\xff\"}\n[1,[2]]\n{\"a\":1}\n"[..];
    server.seed(
        "zoom",
        "logs/rejects.json",
        [records(1, 2).as_bytes(), bad, records(1, 3).as_bytes()].concat(),
    );
    server.seed("zoom", "logs/truncated.json.gz", &b"\x1f\x8b\x08\x00\x00\x00\x00\x00"[..]);
    let stored = stored();
    for (name, bytes) in &stored {
        if ["out.ledger/", "out/", "rejects/"].iter().any(|folder| name.starts_with(folder)) {
            server.seed("udm", name, bytes.clone());
        }
    }
    for number in 0..16 {
        let name = format!("out.ledger/lease-{number:04}");
        server.seed("udm", &name, stored[lease].clone());
    }
    server
}

/// Returns a function that looks up the entry of a ledger by the last part of its object's URL.
fn entries(server: Option<&Gcs>, ledger: &str) -> impl Fn(&str) -> Value + use<> {
    let shown = program(server, &["ledger", "show", ledger, "--format", "json"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let all: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    move |name| {
        let its = all.iter().filter(|entry| entry["object"].as_str().unwrap().ends_with(name));
        let its: Vec<_> = its.collect();
        assert_eq!(its.len(), 1, "{name}: {all:?}");
        its[0].clone()
    }
}

#[test]
fn objects_in_an_old_ledger_are_done() {
    let server = buckets("lease-released");
    let outputs = server.all("udm", "out/");
    let (code, summary) = outcome(&ingest(Some(&server), &ARGUMENTS));
    assert_eq!((code, &summary["done"], &summary["listed"]), (0, &0.into(), &3.into()), "{summary}");
    assert_eq!((&summary["skipped"]["done"], &summary["skipped"]["waiting"]), (&2.into(), &1.into()));
    assert_eq!(server.all("udm", "out/"), outputs);
    let entry = entries(Some(&server), "gs://udm/out.ledger/");
    assert_eq!((&entry("rejects.json")["events"], &entry("rejects.json")["rejects"]), (&2.into(), &4.into()));
    let failed = entry("truncated.json.gz");
    assert_eq!((&failed["permanent"], &failed["attempts"]), (&true.into(), &2.into()), "{failed}");
    assert_eq!(failed["retry_at"], 1_700_093_700_029_u64);
}

#[test]
fn run_continues_with_an_old_ledger() {
    let server = buckets("lease-released");
    server.seed("zoom", "logs/new.json", records(2, 9));
    let arguments = [&["ingest"], &FAST_RETRIES[..], &ARGUMENTS].concat();
    let later = program(Some(&server), &arguments).env("ZOOM_UDM_NOW", LATER).output().unwrap();
    let (code, summary) = outcome(&later);
    assert_eq!((code, &summary["done"], &summary["failed"]), (1, &1.into(), &1.into()), "{summary}");
    let entry = entries(Some(&server), "gs://udm/out.ledger/");
    assert_eq!(entry("new.json")["events"], 2);
    let failed = entry("truncated.json.gz");
    assert_eq!((&failed["attempts"], &failed["permanent"]), (&3.into(), &true.into()), "{failed}");
    assert_eq!(entry("good.json")["events"], 3);
    let verify = program(Some(&server), &["ledger", "verify", "gs://udm/out.ledger/"]).output().unwrap();
    let verified = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert!(verified.ends_with("4 entries, 1 discrepancies\n"), "{verified}");
}

#[test]
fn sources_that_0_1_0_processed_are_not_deleted() {
    let server = buckets("lease-released");
    let arguments = [&ARGUMENTS[..], &["--delete", "transferred"]].concat();
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!(
        (code, &summary["deleted"], &summary["undeleted_old_rules"]),
        (1, &0.into(), &2.into()),
        "{summary}"
    );
    assert_eq!(server.all("zoom", "logs/").len(), 3);
    // Read again by this version, a source is deleted as usual.
    let forget = ["ledger", "forget", "gs://udm/out.ledger/", "**/good.json"];
    assert!(program(Some(&server), &forget).output().unwrap().status.success());
    let (_, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!((&summary["done"], &summary["deleted"]), (&1.into(), &1.into()), "{summary}");
}

#[test]
fn lease_of_an_old_run_counts_until_it_expires() {
    let server = buckets("lease-of-killed-run");
    let arguments = [&["ingest"], &FAST_RETRIES[..], &ARGUMENTS].concat();
    let now = program(Some(&server), &arguments).output().unwrap();
    let message = String::from_utf8_lossy(&now.stderr).into_owned();
    assert_eq!(now.status.code(), Some(5), "{message}");
    assert!(message.contains("another run is active: process 22934 on collector-1"), "{message}");
    let later = program(Some(&server), &arguments).env("ZOOM_UDM_NOW", LATER).output().unwrap();
    assert_eq!(outcome(&later).1["skipped"]["done"], 2);
}

#[test]
fn old_entries_of_local_files_keep_their_parts() {
    let stored = stored();
    let files: Vec<_> = stored.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let at = directory(&files);
    let entry = entries(None, at.path().join("local.ledger").to_str().unwrap());
    let grown = entry("grows.json");
    assert_eq!((&grown["events"], &grown["content"]["length"]), (&5.into(), &910.into()), "{grown}");
    let events: Vec<_> = grown["parts"].as_array().unwrap().iter().map(|part| &part["events"]).collect();
    assert_eq!(events, [2, 3]);
    assert_eq!(entry("other.json")["parts"][0]["events"], 2);
}

#[test]
fn old_rejects_read_back_are_the_same() {
    let name = "rejects/rejects-1700000000000002.rejects.ndjson.gz";
    let stored = stored();
    let at = directory(&[(name, &stored[name][..])]);
    let (from, again) = (at.path().join(name), at.path().join("again.ndjson"));
    let arguments =
        ["normalize", "--from-rejects", from.to_str().unwrap(), "--rejects", again.to_str().unwrap()];
    let run = program(None, &arguments).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.stdout.is_empty());
    // The reason is stable; the message uses the words of this version.
    let without_messages = |rejects: &str| -> Vec<Value> {
        let reject = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        rejects.lines().map(reject).map(|mut reject| (reject["message"].take(), reject).1).collect()
    };
    let again = fs::read_to_string(again).unwrap();
    // What 0.1.0 rejected for its missing time, this version recognizes as something that is not a Zoom record.
    let stored = gunzip(&fs::read(from).unwrap()).replace("\"no_time\"", "\"unknown_record\"");
    assert_eq!(without_messages(&again), without_messages(&stored));
}
