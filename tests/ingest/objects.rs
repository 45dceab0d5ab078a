//! Tests of `ingest` from the user's perspective, with directories and a fake Cloud Storage.

use std::collections::BTreeMap;
use std::fs;
use testkit::files::{gunzip, gzip, read_files};
use testkit::gcs::Gcs;
use testkit::ingest::{FAST_RETRIES, NOW, ingest, outcome, program, records};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The tests' clock is in 2023, so files may have any age.
const ANY_AGE: [&str; 2] = ["--max-age", "none"];

#[test]
fn every_log_format_is_read_and_others_are_skipped() {
    let at = directory();
    let path = |name: &str| at.path().join(name);
    fs::create_dir_all(path("src/2023/11")).unwrap();
    let members = [gzip(records(3, 1)), gzip(records(4, 2))].concat();
    for (name, bytes) in [
        ("src/2023/11/gzip.json.gz", gzip(records(2, 3))),
        ("src/2023/11/members.json.gz", members),
        ("src/plain.json", records(5, 4).into_bytes()),
        ("src/plain-named.gz", records(6, 5).into_bytes()),
        ("src/gzip-named.txt", gzip(records(7, 6).trim_end())),
        ("src/twice.json.gz", gzip(gzip(records(8, 7)))),
        ("src/empty.json.gz", Vec::new()),
        ("src/state.json", br#"{"cursor_date": "2023-11-14"}"#.to_vec()),
    ] {
        fs::write(path(name), bytes).unwrap();
    }
    let (source, to) = (path("src").display().to_string(), path("src/udm").display().to_string());
    let ledger = path("src/ledger").display().to_string();
    let arguments = [&source[..], "--to", &to, "--ledger", &ledger];
    let (code, summary) = outcome(&ingest(None, &[&arguments[..], &ANY_AGE].concat()));
    assert_eq!((code, &summary["done"], &summary["events"]), (0, &7.into(), &35.into()), "{summary}");
    assert_eq!(summary["skipped"]["collector_state"], 1);
    let lines: usize = read_files(&path("src/udm")).values().map(|bytes| gunzip(bytes).lines().count()).sum();
    assert_eq!(lines, 35);
    // Outputs and the ledger are below the source now, but are not read as logs.
    let (code, summary) = outcome(&ingest(None, &[&arguments[..], &ANY_AGE].concat()));
    assert_eq!((code, &summary["done"], &summary["skipped"]["done"]), (0, &0.into(), &7.into()), "{summary}");
    assert!(summary["skipped"]["own_output"].as_u64() > Some(6), "{summary}");
}

#[test]
fn only_new_generations_are_ingested() {
    let server = Gcs::start();
    server.seed("zoom", "logs/a.json.gz", gzip(records(2, 1)));
    server.seed("zoom", "logs/dir/", "");
    server.seed("zoom", "logs/odd//name.json", records(1, 2));
    let arguments = ["gs://zoom/logs/", "--to", "gs://udm/out/"];
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!(
        (code, &summary["done"], &summary["skipped"]["directory_placeholder"]),
        (0, &2.into(), &1.into()),
        "{summary}"
    );
    server.seed("zoom", "logs/a.json.gz", gzip(records(9, 3)));
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!((code, &summary["done"], &summary["events"]), (0, &1.into(), &9.into()), "{summary}");
    // Each generation has its own output.
    assert_eq!(server.all("udm", "out/").len(), 3);
    let verify = program(Some(&server), &["ledger", "verify", "gs://udm/out.ledger/"]).output().unwrap();
    assert_eq!(verify.status.code(), Some(0));
    let forget = program(Some(&server), &["ledger", "forget", "gs://udm/out.ledger/", "gs://zoom/logs/a*"])
        .output()
        .unwrap();
    assert_eq!(forget.status.code(), Some(0));
    // The object is read again, and its output already exists.
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!((code, &summary["done"], &summary["already_present"]), (0, &1.into(), &1.into()), "{summary}");
}

#[test]
fn objects_with_content_encoding_are_read_as_stored() {
    let server = Gcs::start();
    server.seed_encoded("zoom", "logs/a.json", gzip(records(5, 1)), Some("gzip"));
    let large: String = (0..10).map(|seed| records(2000, seed)).collect();
    server.seed_encoded("zoom", "logs/b.json.gz", gzip(gzip(&large)), Some("gzip"));
    server.lock().faults.cut = 0.3;
    let (code, summary) = outcome(&ingest(Some(&server), &["gs://zoom/logs/", "--to", "gs://udm/out/"]));
    assert_eq!((code, &summary["events"]), (0, &20_005.into()), "{summary}");
}

#[test]
fn corrupt_objects_are_quarantined_and_others_done() {
    let server = Gcs::start();
    server.seed("zoom", "a-bomb.json.gz", gzip(vec![b'\n'; 6 << 20]));
    let cut = gzip(records(500, 1));
    server.seed("zoom", "b-cut.json.gz", cut[..cut.len() - 9].to_vec());
    let mut damaged = gzip(records(500, 2));
    let end = damaged.len() - 6;
    damaged[end] ^= 1;
    server.seed("zoom", "c-damaged.json.gz", damaged);
    server.seed("zoom", "d-good.json.gz", gzip(records(3, 3)));
    server.seed("zoom", "e-large.json", records(25_000, 3));
    let arguments = ["gs://zoom/", "--to", "gs://udm/out/", "--max-object-bytes", "9000000"];
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!((code, &summary["failed"], &summary["done"]), (1, &3.into(), &2.into()), "{summary}");
    let reasons = summary["failures"].to_string();
    for part in ["300 times its size", "truncated", "damaged"] {
        assert!(reasons.contains(part), "{reasons}");
    }
    assert_eq!(server.all("udm", "out/").len(), 2);
    // The next run retries, and the one after it waits.
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!(
        (code, &summary["failed"], &summary["skipped"]["done"]),
        (1, &3.into(), &2.into()),
        "{summary}"
    );
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!(
        (code, &summary["failed"], &summary["skipped"]["waiting"]),
        (0, &0.into(), &3.into()),
        "{summary}"
    );
    // A new generation is read at once.
    server.seed("zoom", "b-cut.json.gz", cut);
    let (code, summary) = outcome(&ingest(Some(&server), &arguments));
    assert_eq!((code, &summary["events"]), (0, &500.into()), "{summary}");
}

#[test]
fn bytes_after_gzip_data_do_not_fail_an_object() {
    let server = Gcs::start();
    server.seed("zoom", "a.json.gz", [&gzip(records(3, 1))[..], b"garbage trailing"].concat());
    server.seed("zoom", "b.json.gz", gzip([&gzip(records(4, 2))[..], b"garbage"].concat()));
    server.seed("zoom", "c.json.gz", [&gzip(records(5, 3))[..], b"\x1f\x8bgarbage"].concat());
    let arguments = [&["ingest"], &FAST_RETRIES[..], &["gs://zoom/", "--to", "gs://udm/out/"]].concat();
    let output = program(Some(&server), &arguments).env("ZOOM_UDM_LOG", "warn").output().unwrap();
    let (code, summary) = outcome(&output);
    assert_eq!((code, &summary["events"], &summary["failed"]), (1, &7.into(), &1.into()), "{summary}");
    let said = String::from_utf8_lossy(&output.stderr);
    for warning in ["gs://zoom/a.json.gz: 16 bytes after", "gs://zoom/b.json.gz: 7 bytes after"] {
        assert!(said.contains(warning), "{warning}: {said}");
    }
    assert!(summary["failures"].to_string().contains("corrupt"), "{summary}");
}

#[test]
fn object_over_max_object_bytes_fails() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(100, 1));
    let (code, summary) = outcome(&ingest(
        Some(&server),
        &["gs://zoom/", "--to", "gs://udm/out/", "--max-object-bytes", "1000"],
    ));
    assert_eq!((code, &summary["failed"]), (1, &1.into()));
    assert!(summary["failures"].to_string().contains("--max-object-bytes"));
}

#[test]
fn uncompressed_object_passes_any_ratio_limit() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(25_000, 1));
    let (code, summary) =
        outcome(&ingest(Some(&server), &["gs://zoom/", "--to", "gs://udm/out/", "--max-ratio", "1"]));
    assert_eq!((code, &summary["events"]), (0, &25_000.into()), "{summary}");
}

#[test]
fn only_done_sources_and_empty_parents_are_deleted() {
    let (at, server) = (directory(), Gcs::start());
    let source = at.path().join("src");
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::create_dir_all(source.join("c")).unwrap();
    fs::write(source.join("a/b/good.json"), records(1, 1)).unwrap();
    fs::write(source.join("c/bad.json.gz"), &gzip(records(90, 1))[..40]).unwrap();
    let to = at.path().join("out").display().to_string();
    let delete = ["--delete", "transferred-and-empty-dirs"];
    let (code, summary) =
        outcome(&ingest(None, &[&[source.to_str().unwrap(), "--to", &to], &delete[..], &ANY_AGE].concat()));
    assert_eq!((code, &summary["deleted"]), (1, &1.into()), "{summary}");
    assert_eq!(read_files(&source).keys().collect::<Vec<_>>(), ["c/bad.json.gz"]);
    assert!(!source.join("a").exists());

    server.seed("zoom", "a/", "");
    server.seed("zoom", "a/good.json", records(1, 1));
    server.seed("zoom", "b/", "");
    server.seed("zoom", "b/bad.json.gz", gzip(records(90, 1))[..40].to_vec());
    let (code, summary) =
        outcome(&ingest(Some(&server), &[&["gs://zoom/", "--to", "gs://udm/o/"], &delete[..]].concat()));
    assert_eq!((code, &summary["deleted"]), (1, &1.into()), "{summary}");
    assert_eq!(server.all("zoom", "").keys().collect::<Vec<_>>(), ["b/", "b/bad.json.gz"]);
}

#[test]
fn age_globs_and_shards_select_objects() {
    let server = Gcs::start();
    for number in 0..40 {
        server.seed("zoom", &format!("2023/{number}.json"), records(1, number));
    }
    server.seed("zoom", "2022/old.json", records(1, 1));
    server.lock().objects.get_mut(&("zoom".into(), "2022/old.json".into())).unwrap().modified =
        1_600_000_000_000;
    let base = ["gs://zoom/", "--to", "gs://udm/o/"];
    let (_, summary) = outcome(&ingest(
        Some(&server),
        &[&base[..], &["--include", "*/1*.json", "--exclude", "**/11.json"]].concat(),
    ));
    let skipped = &summary["skipped"];
    assert_eq!(
        (&summary["done"], &skipped["excluded"], &skipped["not_included"]),
        (&10.into(), &1.into(), &30.into()),
        "{summary}"
    );
    let mut done = 0;
    for index in 0..3 {
        let mut command = program(Some(&server), &[&["ingest"], &FAST_RETRIES[..], &base].concat());
        command.env("CLOUD_RUN_TASK_INDEX", index.to_string()).env("CLOUD_RUN_TASK_COUNT", "3");
        let (code, summary) = outcome(&command.output().unwrap());
        assert_eq!((code, &summary["failed"]), (0, &0.into()), "{summary}");
        done += summary["done"].as_u64().unwrap();
    }
    assert_eq!(done, 30);
    assert_eq!(server.all("udm", "o/").len(), 40);
    let (_, summary) = outcome(&ingest(Some(&server), &base));
    assert_eq!(
        (&summary["skipped"]["too_old"], &summary["skipped"]["done"]),
        (&1.into(), &40.into()),
        "{summary}"
    );
}

#[test]
fn dry_run_lists_objects_and_writes_nothing() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(1, 1));
    server.seed("zoom", "dir/", "");
    server.seed("zoom", "state.json", r#"{"cursor_date": "2023-11-14"}"#);
    server.seed("zoom", "estate.json", records(1, 2));
    let output = ingest(Some(&server), &["gs://zoom/", "--to", "gs://udm/o/", "--dry-run"]);
    let (code, summary) = outcome(&output);
    assert_eq!(
        (code, &summary["would_read"], &summary["skipped"]["collector_state"]),
        (0, &2.into(), &1.into())
    );
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.starts_with("read gs://zoom/a.json (")
            && told.contains("skip gs://zoom/dir/ (directory_placeholder)"),
        "{told}"
    );
    assert_eq!(server.all("udm", "").len(), 0);
    assert!(server.lock().log.iter().all(|line| line.starts_with("GET")));
    assert_eq!(ingest(Some(&server), &["gs://zoom/", "--to", "gs://udm/o/"]).status.code(), Some(0));
    let shards = ["gs://zoom/", "--to", "gs://udm/o/", "--dry-run", "--shard", "3/20"];
    assert_eq!(ingest(Some(&server), &shards).status.code(), Some(2));
}

#[test]
fn events_go_to_stdout_and_rejects_to_a_bucket() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", format!("{}not json\n", records(3, 1)));
    let output = ingest(
        Some(&server),
        &["gs://zoom/", "--to", "-", "--no-ledger", "--rejects", "gs://udm/rejects/", "--namespace", "corp"],
    );
    let (code, summary) = outcome(&output);
    assert_eq!((code, &summary["rejects"]), (1, &1.into()), "{summary}");
    let events = String::from_utf8_lossy(&output.stdout);
    assert_eq!((events.lines().count(), events.matches("\"namespace\":\"corp\"").count() > 2), (3, true));
    let rejects: Vec<_> = server.all("udm", "rejects/").into_iter().collect();
    assert!(rejects[0].0.starts_with("rejects/a-") && gunzip(&rejects[0].1).contains("\"raw\":\"not json\""));
}

#[test]
fn conflicting_settings_are_rejected() {
    let usage = |arguments: &[&str]| ingest(None, arguments).status.code();
    assert_eq!(usage(&["/data/src", "--to", "-"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "/data/out", "--no-ledger"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "/data/src"]), Some(2));
    assert_eq!(usage(&["/data/src/a", "--to", "/data/src"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "-", "--no-ledger", "--delete", "transferred"]), Some(2));
    assert_eq!(usage(&["s3://x/", "--to", "/data/out"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "/data/out", "--shard", "3/3"]), Some(2));
    assert_eq!(usage(&["memory://a", "--to", "/data/out"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "memory://out"]), Some(2));
    assert_eq!(usage(&["gs:/bucket/x", "--to", "/data/out"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "/data/out", "--rejects", "-"]), Some(2));
    assert_eq!(usage(&["/data/src", "--to", "/data/out", "--lease", "2d"]), Some(2));
    assert_eq!(ingest(None, &["/nonexistent/src", "--to", "-", "--no-ledger"]).status.code(), Some(3));
}

#[test]
fn missing_or_unsupported_credentials_exit_4() {
    let server = Gcs::start();
    server.lock().bearer = Some("a-secret-token".into());
    server.seed("zoom", "a.json", records(2, 1));
    let run = |metadata: &str, key: Option<&str>| {
        let mut command = program(
            None,
            &[&["ingest"], &FAST_RETRIES[..], &["gs://zoom/", "--to", "-", "--no-ledger"]].concat(),
        );
        command.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("http://{}/", server.host()));
        command
            .env("GCE_METADATA_HOST", metadata)
            .env("GCE_METADATA_IP", metadata)
            .env("ZOOM_UDM_LOG", "trace");
        key.map(|key| command.env("GOOGLE_APPLICATION_CREDENTIALS", key));
        command.output().unwrap()
    };
    let good = run(&server.host(), None);
    assert_eq!((good.status.code(), good.stdout.iter().filter(|&&byte| byte == b'\n').count()), (Some(0), 2));
    assert!(!String::from_utf8_lossy(&good.stderr).contains("a-secret-token"));
    let none = run("127.0.0.1:1", None);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        none.status.code() == Some(4) && said.contains("gcloud auth application-default login"),
        "{said}"
    );
    let at = directory();
    let key = at.path().join("key.json");
    fs::write(&key, r#"{"type":"external_account","secret":"hush"}"#).unwrap();
    let external = run(&server.host(), key.to_str());
    let said = String::from_utf8_lossy(&external.stderr).into_owned();
    assert!(
        external.status.code() == Some(4) && said.contains("not supported yet") && !said.contains("hush"),
        "{said}"
    );
    // The emulator needs no credentials, but this one rejects requests without them.
    let refused = ingest(Some(&server), &["gs://zoom/", "--to", "-", "--no-ledger"]);
    assert_eq!(refused.status.code(), Some(4));
}

#[test]
fn corrupt_ledger_stops_the_run_and_is_unchanged() {
    let at = directory();
    let source = at.path().join("src");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("a.json"), records(2, 1)).unwrap();
    let to = at.path().join("out").display().to_string();
    let arguments = [&[source.to_str().unwrap(), "--to", &to], &ANY_AGE[..]].concat();
    assert_eq!(ingest(None, &arguments).status.code(), Some(0));
    let ledger = at.path().join("out.ledger");
    let name = read_files(&ledger).into_keys().find(|name| name.starts_with("segment-")).unwrap();
    let good = fs::read(ledger.join(&name)).unwrap();
    for damage in 0..good.len() {
        if damage % 7 != 0 {
            continue;
        }
        let mut bad = good.clone();
        if damage % 2 == 0 {
            bad.truncate(damage)
        } else {
            bad[damage] ^= 0x10
        }
        fs::write(ledger.join(&name), &bad).unwrap();
        let output = ingest(None, &arguments);
        assert_eq!(output.status.code(), Some(3), "{damage}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&name));
        assert_eq!(fs::read(ledger.join(&name)).unwrap(), bad);
        // The failed run has released its leases.
    }
    fs::write(ledger.join(&name), &good).unwrap();
    assert_eq!(ingest(None, &arguments).status.code(), Some(0));
}

#[test]
fn old_entries_are_removed_from_the_ledger() {
    let server = Gcs::start();
    for number in 0..20 {
        server.seed("zoom", &format!("{number}.json"), records(1, number));
    }
    let arguments = ["gs://zoom/", "--to", "gs://udm/o/", "--max-age", "30d"];
    assert_eq!(outcome(&ingest(Some(&server), &arguments)).0, 0);
    let entries = || {
        let show = program(Some(&server), &["ledger", "show", "gs://udm/o.ledger/", "--format", "json"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&show.stdout).lines().count()
    };
    assert_eq!(entries(), 20);
    let mut later = program(Some(&server), &[&["ingest"], &FAST_RETRIES[..], &arguments].concat());
    let (code, summary) = outcome(&later.env("ZOOM_UDM_NOW", "2024-02-01T00:00:00Z").output().unwrap());
    assert_eq!((code, &summary["skipped"]["too_old"], entries()), (0, &20.into(), 0), "{summary}");
}

#[test]
fn conflicting_output_is_kept_and_reported() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(1, 1));
    assert_eq!(ingest(Some(&server), &["gs://zoom/", "--to", "gs://udm/o/"]).status.code(), Some(0));
    let before = server.all("udm", "o/");
    let output = ingest(
        Some(&server),
        &["gs://zoom/", "--to", "gs://udm/o/", "--ledger", "gs://udm/other/", "--case", "snake"],
    );
    let (code, summary) = outcome(&output);
    assert!(code == 1 && summary["failures"].to_string().contains("different content"), "{summary}");
    assert_eq!(server.all("udm", "o/"), before);
}

#[test]
fn ten_thousand_objects_survive_every_kind_of_fault() {
    let server = Gcs::start();
    let kinds = ["good", "cut-off", "damaged", "bomb", "forbidden", "unreachable"];
    let bomb = gzip(vec![b'\n'; 300_000]);
    for number in 0..10_000_usize {
        let kind = kinds.get(number % 100).filter(|_| number % 100 > 0).copied().unwrap_or("good");
        let mut bytes = gzip(records(2, number as u64));
        match kind {
            "cut-off" => bytes.truncate(bytes.len() / 2),
            "damaged" => bytes[12] ^= 0xff,
            "bomb" => bytes.clone_from(&bomb),
            _ => {}
        }
        server.seed("zoom", &format!("{:02}/{number:05}-{kind}.json.gz", number % 24), bytes);
    }
    {
        let faults = &mut server.lock().faults;
        (faults.too_many, faults.unavailable, faults.reset, faults.cut) = (0.01, 0.01, 0.01, 0.01);
        (faults.latency, faults.slow) = (Some(std::time::Duration::from_millis(20)), 0.01);
        (faults.forbidden, faults.always_unavailable) =
            (Some("-forbidden.".into()), Some("-unreachable.".into()));
    }
    let brisk = ["ingest", "--first-pause", "1ms", "--retries", "6", "--summary", "json"];
    let arguments =
        ["gs://zoom/", "--to", "gs://udm/o/", "--concurrency", "32", "--max-object-bytes", "100000"];
    let (code, summary) =
        outcome(&program(Some(&server), &[&brisk[..], &arguments].concat()).output().unwrap());
    assert_eq!(
        (code, &summary["done"], &summary["failed"], &summary["events"]),
        (1, &9500.into(), &500.into(), &19_000.into()),
        "{summary}"
    );
    let outputs = server.all("udm", "o/");
    assert_eq!(outputs.len(), 9500);
    assert!(outputs.keys().all(|name| name.contains("-good-")));
    let show = program(
        Some(&server),
        &["ledger", "show", "gs://udm/o.ledger/", "--state", "quarantined", "--format", "json"],
    );
    let show = { show }.output().unwrap();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in String::from_utf8(show.stdout).unwrap().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let (object, reason) = (entry["object"].as_str().unwrap(), entry["reason"].as_str().unwrap());
        let (kind, part) = [
            ("cut-off", "truncated"),
            ("damaged", "corrupt"),
            ("bomb", "--max-object-bytes"),
            ("forbidden", "permission denied"),
            // The last attempt may have met another fault.
            ("unreachable", ""),
        ]
        .into_iter()
        .find(|(kind, _)| object.contains(kind))
        .unwrap_or(("good", "never"));
        assert!(!reason.is_empty() && reason.contains(part) && entry["attempts"] == 1, "{line}");
        assert_eq!(entry["permanent"] == true, ["cut-off", "damaged", "bomb"].contains(&kind), "{line}");
        *reasons.entry(kind).or_default() += 1;
    }
    assert!(reasons.len() == 5 && reasons.values().all(|&count| count == 100), "{reasons:?}");
}

/// Uses a real bucket with real credentials: `ZOOM_UDM_TEST_BUCKET=gs://…/prefix/`.
#[test]
#[ignore = "needs a bucket and credentials"]
fn real_bucket_is_read_and_written() {
    let bucket = std::env::var("ZOOM_UDM_TEST_BUCKET").expect("ZOOM_UDM_TEST_BUCKET=gs://BUCKET/PREFIX/");
    let at = directory();
    fs::write(at.path().join("a.json"), records(3, 1)).unwrap();
    let run = |from: &str, to: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
        outcome(
            &command
                .args(["ingest", from, "--to", to, "--summary", "json", "--input-format", "ndjson"])
                .output()
                .unwrap(),
        )
    };
    let to = format!("{}/{NOW}-{}/", bucket.trim_end_matches('/'), std::process::id());
    assert_eq!(run(at.path().to_str().unwrap(), &to).0, 0);
    let (code, summary) = run(&to, at.path().join("out").to_str().unwrap());
    assert_eq!((code, &summary["listed"]), (1, &1.into()), "events are not records: {summary}");
}
