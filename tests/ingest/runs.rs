//! Tests of concurrent and stopped runs, of large objects, and of errors of storage and of settings.

use std::fs;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};
use testkit::files::gzip;
use testkit::gcs::{Faults, Gcs, Refusal};
use testkit::ingest::{ingest, outcome, program, records, start};

const FEED: [&str; 3] = ["gs://zoom/logs/", "--to", "gs://udm/out/"];

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < patience, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn run_with_all_segments_leased_exits_5() {
    let server = Gcs::start();
    for number in 0..60 {
        server.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(1, number)));
    }
    server.lock().faults.latency = Some(Duration::from_millis(20));
    let first = start(Some(&server), &[&FEED[..], &["--concurrency", "1"]].concat());
    // Leases are acquired before the listing starts.
    until("the listing", || server.lock().log.iter().any(|line| line.starts_with("GET /zoom?")));
    let second = ingest(Some(&server), &FEED);
    assert_eq!(second.status.code(), Some(5), "{}", said(&second));
    assert!(said(&second).contains(&format!("process {}", first.id())), "{}", said(&second));
    let (code, summary) = outcome(&first.wait_with_output().unwrap());
    assert_eq!((code, &summary["done"]), (0, &60.into()), "{summary}");
    server.lock().faults = Faults::default();
    assert_eq!(ingest(Some(&server), &FEED).status.code(), Some(0));
}

#[test]
fn locked_ledger_directory_exits_5_after_a_timeout() {
    let at = tempfile::tempdir().unwrap();
    let (source, to) = (at.path().join("src"), at.path().join("out").display().to_string());
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("a.json"), records(2, 1)).unwrap();
    let arguments = [source.to_str().unwrap(), "--to", &to, "--max-age", "none"];
    assert_eq!(ingest(None, &arguments).status.code(), Some(0));
    let lock = fs::File::open(at.path().join("out.ledger/.zoom-udm-lock")).unwrap();
    lock.lock().unwrap();
    let held = ingest(None, &[&arguments[..], &["--retry-for", "300ms"]].concat());
    assert_eq!(held.status.code(), Some(5), "{}", said(&held));
    assert!(said(&held).contains("another process holds the lock"), "{}", said(&held));
    lock.unlock().unwrap();
    assert_eq!(ingest(None, &arguments).status.code(), Some(0));
}

#[test]
fn follow_reads_objects_added_later() {
    let server = Gcs::start();
    server.seed("zoom", "logs/1.json", records(1, 1));
    let run = start(Some(&server), &[&FEED[..], &["--follow", "--every", "50ms"]].concat());
    until("the first round is through", || server.all("udm", "out/").len() == 1);
    server.seed("zoom", "logs/2.json", records(2, 2));
    until("the second object is done", || server.all("udm", "out/").len() == 2);
    let ended = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    let rounds: Vec<serde_json::Value> =
        said(&output).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let done: Vec<_> = rounds.iter().filter_map(|round| round["done"].as_u64()).collect();
    assert!(done.len() >= 2 && done.iter().sum::<u64>() == 2, "{done:?}");
    let (code, summary) = outcome(&ingest(Some(&server), &FEED));
    assert_eq!((code, &summary["skipped"]["done"]), (0, &2.into()), "{summary}");
}

#[test]
fn stopped_follow_exits_75_despite_rejects() {
    let server = Gcs::start();
    server.seed("zoom", "logs/1.json", format!("{}no record\n", records(1, 1)));
    let run = start(Some(&server), &[&FEED[..], &["--follow", "--every", "30s"]].concat());
    until("the first round is through", || {
        let leases = server.all("udm", "out.ledger/lease");
        leases.len() == 16 && leases.values().all(|lease| lease == r#"{"holder":null,"until":0}"#)
    });
    std::thread::sleep(Duration::from_millis(200));
    let ended = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let (code, summary) = outcome(&run.wait_with_output().unwrap());
    assert_eq!((code, &summary["rejects"]), (75, &1.into()), "{summary}");
}

#[test]
fn deleted_sources_are_recorded_despite_takeover() {
    let server = Gcs::start();
    for number in 0..150 {
        server.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(1, number)));
    }
    server.lock().faults.latency = Some(Duration::from_millis(10));
    // Finished objects are recorded in memory until the ledger is written, which happens every half second.
    let flags = ["--delete", "transferred", "--lease", "2s", "--checkpoint", "1m", "--concurrency", "2"];
    let run = program(Some(&server), &[&["ingest"], &FEED[..], &flags].concat()).spawn().unwrap();
    until("outputs", || server.all("udm", "out/").len() > 5);
    let holder = r#"{"run":"other","pid":7,"place":"elsewhere 1 2","started":"3"}"#;
    let lease = format!(r#"{{"holder":{holder},"until":9000000000000}}"#);
    for number in 0..16 {
        server.seed("udm", &format!("out.ledger/lease-{number:04}"), lease.clone());
    }
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    server.lock().faults = Faults::default();
    let left = server.all("zoom", "logs/");
    let show = program(Some(&server), &["ledger", "show", "gs://udm/out.ledger/"]).output().unwrap();
    let show = String::from_utf8_lossy(&show.stdout).into_owned();
    let removed: Vec<_> = (0..150)
        .map(|number| format!("logs/{number}.json.gz"))
        .filter(|name| !left.contains_key(name))
        .collect();
    assert!(!removed.is_empty(), "{}", said(&output));
    for name in removed {
        assert!(
            show.contains(&format!("done         gs://zoom/{name} ")),
            "{name} is deleted but not recorded: {show}"
        );
    }
}

#[test]
fn verify_reports_gaps_but_not_skipped_objects() {
    let server = Gcs::start();
    server.seed("zoom", "a.json", format!("{}no record\n", records(2, 1)));
    server.seed("zoom", "bell\u{7}.json", records(1, 2));
    server.seed("zoom", "dir/", "");
    server.seed("zoom", "state.json", r#"{"cursor_date": "2023-11-14"}"#);
    server.seed("zoom", "old.json", records(1, 3));
    server.lock().objects.get_mut(&("zoom".into(), "old.json".into())).unwrap().modified = 1_600_000_000_000;
    // All destinations are below the source.
    let places = ["gs://zoom/", "--to", "gs://zoom/udm/", "--rejects", "gs://zoom/rejects/"];
    let (code, summary) = outcome(&ingest(Some(&server), &places));
    assert_eq!((code, &summary["done"], &summary["events"]), (1, &2.into(), &3.into()), "{summary}");
    // Without a place for rejects, existing rejects are not read as logs either.
    let (code, summary) = outcome(&ingest(Some(&server), &places[..3]));
    assert_eq!((code, &summary["done"]), (0, &0.into()), "{summary}");
    let verify = |more: &[&str]| {
        let output =
            program(Some(&server), &[&["ledger", "verify", "gs://zoom/udm.ledger/"], more].concat()).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
    };
    let (code, told) = verify(&[]);
    assert!(code == Some(0) && told.contains("2 entries, 0 discrepancies"), "{told}");
    for kind in ["collector_state 1", "directory_placeholder 1", "too_old 1", "own_output"] {
        assert!(told.contains(kind), "{kind}: {told}");
    }
    assert_eq!(verify(&["--max-age", "none"]).1.matches("unknown      gs://zoom/old.json").count(), 1);
    server.seed("zoom", "new.json", records(1, 1));
    server.seed("zoom", "a.json", records(7, 1));
    let output = server.all("zoom", "udm/").into_keys().find(|name| name.contains("bell")).unwrap();
    server.lock().objects.remove(&("zoom".into(), output));
    let (code, told) = verify(&[]);
    assert_eq!(code, Some(1));
    for gap in [
        "unknown      gs://zoom/new.json",
        "newer        gs://zoom/a.json",
        "no output    gs://zoom/bell\u{fffd}.json",
        "3 discrepancies",
    ] {
        assert!(told.contains(gap), "{gap}: {told}");
    }
    assert!(verify(&["--exclude", "new.*"]).1.contains("2 discrepancies"));
}

#[test]
fn verify_continues_past_missing_locations() {
    let at = tempfile::tempdir().unwrap();
    let place = |name: &str| at.path().join(name).display().to_string();
    let run = |from: &str, to: &str| {
        let (from, ledger) = (place(from), place("ledger"));
        outcome(&ingest(None, &[&from, "--to", to, "--ledger", &ledger, "--max-age", "none"])).0
    };
    let verify = || {
        let output =
            program(None, &["ledger", "verify", &place("ledger"), "--max-age", "none"]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
    };
    for source in ["one", "two"] {
        fs::create_dir_all(place(source)).unwrap();
    }
    fs::write(at.path().join("one/empty.json"), "\n").unwrap();
    assert_eq!(run("one", &place("out")), 0);
    let (code, told) = verify();
    assert!(
        code == Some(0) && told.contains("1 objects listed, 1 entries, 0 discrepancies"),
        "nothing to put: {told}"
    );
    fs::write(at.path().join("two/a.json"), records(1, 1)).unwrap();
    assert_eq!((run("two", &place("out")), run("one", "-")), (0, 0));
    assert_eq!(verify().0, Some(0));
    fs::remove_dir_all(place("out")).unwrap();
    fs::remove_dir_all(place("one")).unwrap();
    let (code, told) = verify();
    let gaps = [
        format!("no source    file://{}/", place("one")),
        format!("no output    file://{}/a.json", place("two")),
        "2 discrepancies".into(),
    ];
    assert!(code == Some(1) && gaps.iter().all(|gap| told.contains(gap)), "{told}");
    let forgotten = program(None, &["ledger", "forget", &place("ledger"), "file:///[x"]).output().unwrap();
    assert!(
        forgotten.status.code() == Some(2) && said(&forgotten).contains("nor a valid glob"),
        "{}",
        said(&forgotten)
    );
}

/// Returns the peak memory of a process in kB, and its output.
fn peak(mut child: Child) -> (u64, Output) {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    (peak, child.wait_with_output().unwrap())
}

/// 64 MB: the limit for reading and writing two objects of any size at once.
const MOST_MEMORY: u64 = 64 << 10;

#[cfg(target_os = "linux")]
#[test]
fn large_objects_are_streamed() {
    let server = Gcs::start();
    let part = records(100_000, 1);
    let (parts, packed) = (12, gzip(&part));
    let size = part.len() * parts;
    assert!(size > 200 << 20 && packed.len() * parts > 4 << 20, "{size}, {}", packed.len() * parts);
    server.seed("zoom", "logs/large.json.gz", packed.repeat(parts));
    // A repeated letter compresses best.
    let line = records(1, 1).replace("Inspector", &"x".repeat(50_000));
    let dense = gzip(line.repeat((60 << 20) / line.len()));
    assert!((60 << 20) / dense.len() > 300, "{}", dense.len());
    server.seed("zoom", "logs/dense.json.gz", dense);
    let (code, summary) =
        outcome(&ingest(Some(&server), &[&FEED[..], &["--max-object-bytes", "100000000"]].concat()));
    assert_eq!((code, &summary["failed"]), (1, &2.into()), "{summary}");
    for reason in ["raise --max-object-bytes", "raise --max-ratio"] {
        assert!(summary["failures"].to_string().contains(reason), "{summary}");
    }
    assert!(server.all("udm", "out/").is_empty());
    let raised = ["--max-object-bytes", "1000000000", "--max-ratio", "1033"];
    let (peak, output) = peak(start(Some(&server), &[&FEED[..], &raised].concat()));
    let (code, summary) = outcome(&output);
    let lines = 100_000 * parts + (60 << 20) / line.len();
    assert_eq!((code, &summary["events"]), (0, &lines.into()), "{summary}");
    println!("{} MB unpacked, {peak} kB at most", summary["bytes_in"].as_u64().unwrap() >> 20);
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak} kB");
}

#[test]
fn unlistable_entry_is_reported_and_run_continues() {
    use std::os::unix::ffi::OsStrExt as _;
    let at = tempfile::tempdir().unwrap();
    let (source, to) = (at.path().join("src"), at.path().join("out").display().to_string());
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("b.json"), records(2, 1)).unwrap();
    fs::write(source.join(std::ffi::OsStr::from_bytes(b"c\xff.json")), records(2, 2)).unwrap();
    // The error shows the invalid name with this replacement character; the file of that name is separate.
    fs::write(source.join("c\u{fffd}.json"), records(3, 3)).unwrap();
    std::os::unix::fs::symlink("loop", source.join("loop")).unwrap();
    std::os::unix::fs::symlink("nothing", source.join("dangling")).unwrap();
    let arguments = [source.to_str().unwrap(), "--to", &to, "--max-age", "none"];
    for done in [2, 0] {
        let output = ingest(None, &arguments);
        let (code, summary) = outcome(&output);
        assert_eq!((code, &summary["done"], &summary["failed"]), (1, &done.into(), &3.into()), "{summary}");
        let failures = summary["failures"].to_string();
        for told in ["c\u{fffd}.json", "the name is not UTF-8; rename it", "/src/loop", "/src/dangling"] {
            assert!(failures.contains(told), "{told}: {failures}");
        }
    }
    let left_out = ["--exclude", "loop", "--exclude", "dangling", "--exclude", "c*"];
    let (code, summary) = outcome(&ingest(None, &[&arguments[..], &left_out].concat()));
    assert_eq!((code, &summary["skipped"]["excluded"]), (0, &4.into()), "{summary}");
    let (code, told) = outcome(&ingest(None, &["/dev/null", "--to", &to]));
    assert!(code == 3 && told.to_string().contains("not a directory"), "{told}");
}

#[test]
fn invalid_emulator_host_is_a_usage_error() {
    let run = |name: &str, value: &str| {
        let arguments = ["ingest", "gs://zoom/", "--to", "-", "--no-ledger", "--retry-for", "1ms"];
        let output = program(None, &arguments).env(name, value).output().unwrap();
        (output.status.code(), said(&output))
    };
    let emulator = "STORAGE_EMULATOR_HOST";
    for value in ["http://", "://x", "h:99999", "[::1", "a b", "http://u:hush@127.0.0.1:9"] {
        let (code, told) = run(emulator, value);
        assert!(code == Some(2) && told.contains(emulator) && !told.contains("hush"), "{value}: {told}");
    }
    let endpoint = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE";
    let (code, told) = run(endpoint, "https://h:99999");
    assert!(code == Some(2) && told.contains(endpoint), "{told}");
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(2, 1));
    let (code, told) = run(emulator, &format!(" {}\n", server.host()));
    assert_eq!(code, Some(0), "{told}");
}

/// Returns whether the fake received a request with this text in the object name.
fn asked(server: &Gcs, part: &str) -> bool {
    let escaped =
        |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("%{:02X}", c as u8) };
    let escaped: String = part.chars().map(escaped).collect();
    server.lock().log.iter().any(|line| {
        let line = line.replace('-', "%2D").replace('.', "%2E");
        line.contains(&escaped)
    })
}

fn terminate(run: &Child) {
    let ended = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap();
    assert!(ended.success());
}

fn ends(mut run: Child) -> Output {
    until("the run ends", || run.try_wait().unwrap().is_some());
    run.wait_with_output().unwrap()
}

#[test]
fn run_retrying_at_startup_can_be_stopped() {
    let patient = ["--retries", "1000", "--first-pause", "10ms"];
    let ledger = ["gs://zoom/logs/", "--to", "-", "--ledger", "gs://udm/ledger/"];
    for unavailable in ["ledger.json", "lease-", "segment-"] {
        let server = Gcs::start();
        server.lock().faults.always_unavailable = Some(unavailable.into());
        let arguments = [&["ingest", "--summary", "json"], &ledger[..], &patient].concat();
        let run = program(Some(&server), &arguments).spawn().unwrap();
        until("a request", || asked(&server, unavailable));
        terminate(&run);
        if unavailable == "segment-" {
            server.lock().faults = Faults::default();
        }
        let output = ends(run);
        assert_eq!(output.status.code(), Some(75), "{unavailable}: {}", said(&output));
        let leases = server.all("udm", "ledger/lease");
        assert!(leases.values().all(|lease| lease == r#"{"holder":null,"until":0}"#), "{leases:?}");
        assert_eq!(leases.len(), if unavailable == "segment-" { 16 } else { 0 });
    }
}

#[test]
fn stopped_follow_ends_during_a_failing_run() {
    let server = Gcs::start();
    for number in 0..20 {
        server.seed("zoom", &format!("logs/{number}.json"), records(1, number));
    }
    server.lock().faults.latency = Some(Duration::from_millis(30));
    // The ledger is written only at the end.
    let flags =
        ["--follow", "--every", "10m", "--retries", "3", "--first-pause", "1ms", "--checkpoint", "1m"];
    let run = program(Some(&server), &[&["ingest"], &FEED[..], &flags].concat()).spawn().unwrap();
    until("objects are read", || asked(&server, "logs/1"));
    server.lock().faults.always_unavailable = Some("segment-".into());
    terminate(&run);
    let output = ends(run);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
}

#[test]
fn file_changed_while_read_emits_no_events() {
    let at = tempfile::tempdir().unwrap();
    let (file, ledger) = (at.path().join("a.json"), tempfile::tempdir().unwrap());
    let (source, ledger) = (at.path().to_str().unwrap(), ledger.path().to_str().unwrap());
    fs::write(&file, records(200_000, 1)).unwrap();
    let run = start(None, &[source, "--to", "-", "--ledger", ledger, "--max-age", "none"]);
    let open = format!("/proc/{}/fd", run.id());
    until("the file is open", || {
        let mut open = fs::read_dir(&open).unwrap().flatten();
        open.any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == file))
    });
    fs::File::options().append(true).open(&file).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    let output = run.wait_with_output().unwrap();
    let (code, summary) = outcome(&output);
    assert_eq!((code, output.stdout.len(), &summary["failed"]), (1, 0, &1.into()), "{summary}");
    assert!(summary["failures"].to_string().contains("changed while being read"), "{summary}");
    let told = program(None, &["ledger", "show", ledger, "--format", "json"]).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout);
    assert!(
        told.contains("changed while being read") && !told.contains("\"permanent\":true"),
        "the error is transient: {told}"
    );
}

#[test]
fn generation_after_listing_gets_its_own_time() {
    let server = Gcs::start();
    let timeless =
        r#"{"operator":"o@x.com","category_type":"User","action":"Update","operation_detail":"x"}"#;
    server.seed("zoom", "logs/a.json", timeless);
    server.lock().faults.latency = Some(Duration::from_millis(300));
    let feed = [&FEED[..], &["--default-time", "now"]].concat();
    let run = start(Some(&server), &feed);
    until("the download", || asked(&server, "logs/a.json"));
    server.lock().clock += 3_600_000;
    server.seed("zoom", "logs/a.json", timeless);
    server.lock().faults = Faults::default();
    let (code, summary) = outcome(&run.wait_with_output().unwrap());
    assert_eq!((code, &summary["done"]), (0, &1.into()), "{summary}");
    let (code, summary) = outcome(&ingest(Some(&server), &feed));
    assert_eq!((code, &summary["done"], &summary["already_present"]), (0, &1.into(), &1.into()), "{summary}");
}

#[test]
fn unreachable_source_ends_run_and_fails_no_object() {
    let server = Gcs::start();
    for number in 0..100 {
        server.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(1, number)));
    }
    server.lock().faults.refusals.push(Refusal::always("GET", "logs/", 503));
    let brisk = ["--first-pause", "1ms", "--retries", "1", "--summary", "json"];
    let run = program(Some(&server), &[&["ingest"], &FEED[..], &brisk].concat()).output().unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", said(&run));
    assert!(said(&run).contains("run again when storage is reachable"), "{}", said(&run));
    assert!(server.lock().log.len() < 200, "not every object is tried");
    server.lock().faults = Faults::default();
    let (code, summary) = outcome(&ingest(Some(&server), &FEED));
    assert_eq!((code, &summary["done"]), (0, &100.into()), "{summary}");
}

#[test]
fn unstored_rejects_are_logged_with_position() {
    let at = tempfile::tempdir().unwrap();
    let (source, to) = (at.path().join("src"), at.path().join("out").display().to_string());
    fs::create_dir_all(&source).unwrap();
    for number in 0..7 {
        fs::write(source.join(format!("{number}.json")), "{\"time\":\"soon\"}\nno JSON\n").unwrap();
    }
    let source = source.to_str().unwrap();
    let arguments = ["ingest", source, "--to", &to, "--max-age", "none", "--concurrency", "1"];
    let run = program(None, &arguments).env("ZOOM_UDM_LOG", "warn").output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    for part in [
        "rejected: file://",
        "src/3.json, line 2 (byte 16): not_json: ",
        "14 records were rejected",
        "ledger forget",
    ] {
        assert!(said(&run).contains(part), "{part:?} in {}", said(&run));
    }
    assert_eq!(said(&run).matches("rejected: ").count(), 10, "{}", said(&run));
    let (to, rejects) = (format!("{to}2"), format!("{to}-rejects"));
    let arguments = ["ingest", source, "--to", &to, "--max-age", "none", "--rejects", &rejects];
    let run = program(None, &arguments).env("ZOOM_UDM_LOG", "warn").output().unwrap();
    assert!(!said(&run).contains("rejected:") && !said(&run).contains("ledger forget"), "{}", said(&run));
}

#[test]
fn empty_source_is_a_warning() {
    let server = Gcs::start();
    server.seed("zoom", "logs/a.json.gz", gzip(records(1, 1)));
    for source in ["gs://zoom/log/", "gs://zoom/logs/a.json.gz"] {
        let run = program(Some(&server), &["ingest", source, "--to", "gs://udm/out/"])
            .env("ZOOM_UDM_LOG", "warn")
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(0), "{}", said(&run));
        assert!(
            said(&run).contains("contains no objects") && said(&run).contains("--include"),
            "{}",
            said(&run)
        );
    }
}
