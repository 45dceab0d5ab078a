//! Tests of `collect` from the user's perspective: what it writes and prints, and what it must never print.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use testkit::collect::*;

fn world(count: u64) -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, count, now - 2 * DAY..now));
    world
}

#[test]
fn ingest_skips_the_collector_files() {
    let world = World::with_directory(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 40, now - 2 * DAY..now));
    world.collect(&[]).expect(0);
    world.zoom.add(spread(50, 5, now..now + HOUR));
    world.advance(HOUR);
    world.collect(&[]).expect(0);
    world.backfill(&["--from", "2023-10-01", "--until", "2023-10-02"]).expect(0);
    let root = world.directory.as_ref().unwrap().path();
    // A leftover of a killed run.
    fs::write(root.join("state/state.work/staged/00000007-0123456789abcdef"), "what is to be written")
        .unwrap();
    let kept = read_files(&root.join("state"));
    for part in [
        "state.json",
        "state.previous.json",
        "state.lease",
        "backfill.json",
        "manifests/state/",
        ".work/seen/",
    ] {
        assert!(kept.keys().any(|name| name.contains(part)), "{part}: {:?}", kept.keys());
    }
    let other = |name: &&String| !name.ends_with("lock");
    assert_eq!(kept.keys().filter(other).count(), 12, "{:?}", kept.keys());
    let (away, logs) = (tempfile::tempdir().unwrap(), read_files(&root.join("logs")).len());
    let place = |name: &str| away.path().join(name).display().to_string();
    let (from, to, rejects) = (root.display().to_string(), place("events"), place("rejects"));
    let feed =
        ["ingest", &from, "--to", &to, "--rejects", &rejects, "--max-age", "none", "--summary", "json"];
    let dry = world.run_program(&[&feed[..], &["--dry-run"]].concat());
    let dry = summary(&dry);
    let run = world.run_program(&[&feed[..], &["--delete", "transferred"]].concat());
    let run = summary(&run);
    for told in [&dry, &run] {
        // The store's own lock is not even listed.
        assert_eq!(
            (&told["listed"], &told["skipped"]),
            (&16.into(), &json!({"collector_state": 12})),
            "{told}"
        );
    }
    assert_eq!(
        (&dry["would_read"], &run["done"], &run["deleted"]),
        (&logs.into(), &logs.into(), &logs.into())
    );
    assert_eq!(run["rejects"], 0, "{run}");
    assert_eq!(read_files(&root.join("state")), kept);
}

/// Returns the summary of a successful run of `ingest`.
fn summary(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.said);
    let line = run.said.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", run.said))
}

/// Defect 34: the reference's output could not be read back from a directory.
#[test]
fn directory_output_is_ingested_and_traceable() {
    let world = World::with_directory(NOW).with("PAGE_SIZE", "50");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 2 * DAY..now));
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    let (logs, events, rejects) = (world.place("logs/"), world.place("events/"), world.place("rejects/"));
    let arguments =
        ["ingest", &logs, "--to", &events, "--rejects", &rejects, "--max-age", "none", "--event-id"];
    assert_eq!(world.run_program(&arguments).code, 0);
    let root = world.directory.as_ref().unwrap().path();
    let written = read_files(&root.join("events"));
    let text: String = written
        .iter()
        .filter(|(name, _)| name.ends_with(".ndjson.gz"))
        .map(|(_, bytes)| gunzip(bytes))
        .collect();
    assert_eq!(text.lines().count(), 200);
    let ids: BTreeSet<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["metadata"]["productLogId"].to_string())
        .collect();
    assert_eq!(ids.len(), 200, "each record has its own ID");
    // The manifests trace each line of an object to a page: to its window, its number, and Zoom's tracking ID.
    let manifests = world.state().into_iter().filter(|(name, _)| name.contains("manifest"));
    let manifests: Vec<Value> =
        manifests.map(|(_, bytes)| serde_json::from_str(&gunzip(&bytes)).unwrap()).collect();
    for (name, bytes) in world.objects() {
        let told = manifests.iter().flat_map(|manifest| manifest["objects"].as_array().unwrap());
        let told = told.filter(|object| object["name"].as_str() == Some(&name)).collect::<Vec<_>>();
        assert_eq!(told.len(), 1, "{name}");
        let (mut line, pages) = (told[0]["pages"][0]["first_line"].as_u64().unwrap(), &told[0]["pages"]);
        let begin = line;
        for page in pages.as_array().unwrap() {
            assert_eq!(page["first_line"], line, "{name}: {page}");
            line += page["lines"].as_u64().unwrap();
            assert!(page["from"].is_string() && page["to"].is_string() && page["page"].is_u64(), "{page}");
            assert!(page["x_zm_trackingid"].as_str().unwrap().contains("WEB_"), "{page}");
        }
        assert_eq!(line - begin, gunzip(&bytes).lines().count() as u64, "every line of {name}");
    }
}

#[test]
fn secrets_appear_in_no_output() {
    let world = world(120).with("PAGE_SIZE", "20").with("RUST_LOG", "trace").with("ZOOM_UDM_LOG", "trace");
    world.zoom.pages_fail(When::Nth(3), Act::Unauthorized);
    world.zoom.pages_fail(When::Nth(5), Act::Html);
    let well = world.collect(&["--trace-http"]);
    assert_eq!(well.code, 0, "{}", well.said);
    assert!(well.said.contains("operationlogs"), "requests are logged");
    world.zoom.behavior(|behavior| behavior.scope = false);
    let scope = world.collect(&["--trace-http"]);
    world.zoom.behavior(|behavior| behavior.scope = true);
    let status = world.run_program(&["collect", "status"]);
    let check = world.run_program(&["check"]);
    world.zoom.lock().secret = "rotated".into();
    world.zoom.end_tokens();
    let refused = world.collect(&["--trace-http"]);
    let mut all: Vec<(String, String)> = [well, scope, status, check, refused]
        .into_iter()
        .enumerate()
        .map(|(number, run)| (format!("run {number}"), run.said))
        .collect();
    for (name, bytes) in world.gcs.all(BUCKET, "") {
        let text = if bytes.starts_with(&[0x1F, 0x8B]) {
            gunzip(&bytes)
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        all.push((name.clone(), text));
        all.push(("a name".into(), name));
    }
    // The secret, the prefix of access tokens, and the Basic authentication of the client.
    for secret in ["marked-client-secret", "marked-access-token", "Y2xpZW50LW9mLXRoZS10ZXN0", "marked-page"] {
        for (place, text) in &all {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
}

#[test]
fn client_secret_can_be_read_from_a_file() {
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("secret");
    fs::write(&file, format!("{}\n", testkit::zoom::SECRET)).unwrap();
    let world =
        world(20).with("ZOOM_CLIENT_SECRET", "").with("ZOOM_CLIENT_SECRET_FILE", &file.display().to_string());
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    fs::write(&file, "x".repeat(70_000)).unwrap();
    world.collect(&[]).assert_failed_with(2, &["is longer than 65536 bytes"]);
    fs::write(&file, format!("\u{feff}{}", testkit::zoom::SECRET)).unwrap();
    world.collect(&[]).expect(0);
    let world = world.with("ZOOM_CLIENT_SECRET", "another");
    world.collect(&[]).assert_failed_with(2, &["ZOOM_CLIENT_SECRET is set", "unset one of them"]);
    let world = world.with("ZOOM_CLIENT_SECRET", "");
    fs::remove_file(&file).unwrap();
    let run = world.collect(&[]);
    assert!(matches!(run.code, 2 | 3), "{}", run.said);
    assert!(run.said.contains("ZOOM_CLIENT_SECRET_FILE"), "{}", run.said);
}

#[test]
fn state_at_another_location_is_reported_not_adopted() {
    let world = World::with_directory(NOW);
    world.zoom.add(spread(0, 40, world.now() - 2 * DAY..world.now()));
    let to = world.place("logs/");
    let among = ["collect", "--to", &to, "--state", &to, "--state-in-data-prefix"];
    assert_eq!(world.run_program(&among).code, 0);
    let elsewhere = world.run_program(&["collect", "--to", &to]);
    elsewhere.assert_failed_with(
        2,
        &["logs/state.json is a state of zoom-udm", "--state-in-data-prefix", "logs/state.work"],
    );
    let at = world.directory.as_ref().unwrap().path();
    for name in ["state.json", "state.work"] {
        fs::rename(at.join("logs").join(name), at.join("logs.state").join(name)).unwrap();
    }
    let moved = world.run_program(&["collect", "--to", &to, "--summary", "json"]).expect(0);
    assert_eq!(moved.count("records_written"), 0, "{}", moved.said);
}

#[test]
fn reference_collector_state_is_imported_once() {
    // The reference accepts any `STATE_KEY`.
    for key in [STATE_KEY, "collector/cursor"] {
        let world = world(100).with("STATE_KEY", key);
        world.gcs.seed(
            BUCKET,
            key,
            r#"{"cursor_date": "2023-11-15", "next_page_token": null, "updated_at": "2023-11-15T10:00:00"}"#,
        );
        let run = world.collect(&[]).expect(0);
        assert!(
            run.said.contains("imported the state of Google's reference collector"),
            "{key}: {}",
            run.said
        );
        let since = at("2023-11-15T00:00:00Z");
        assert_eq!(world.balance_since(Implementation::Ours, since).missing, 0);
        assert_eq!(world.balance(Implementation::Ours).surplus, 0);
        let objects = world.objects();
        world.advance(15 * MINUTE);
        world.collect(&[]).expect(0);
        assert_eq!(world.objects(), objects);
    }
}

#[test]
fn undated_record_is_written_once() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add([
        Entry::new(
            now - HOUR,
            r#"{"operator":"a@duff.io","action":"Add","category_type":"User","operation_detail":"no time"}"#,
        ),
        Entry::new(now - HOUR, r#"{"time":"soon","operator":"a@duff.io","action":"Add"}"#),
        Entry::new(now - HOUR, r#"{"time":1700131200,"operator":"a@duff.io","action":"Add"}"#),
        Entry::new(now - HOUR, r#"{"time":null}"#),
        Entry::new(now - HOUR, "{}"),
        Entry::new(now - HOUR, r#"{"time":"2031-01-01T00:00:00Z","action":"from the future"}"#),
        Entry::new(now - HOUR, r#"{"time":"2001-01-01T00:00:00Z","action":"from the past"}"#),
        record(1, now - HOUR),
    ]);
    for _ in 0..12 {
        world.collect(&[]).expect(0);
        world.advance(9 * HOUR);
    }
    world.assert_bucket_matches_zoom();
}

#[test]
fn multiline_record_is_written_on_one_line() {
    let world = World::new(NOW);
    let now = world.now();
    let raw = "{\n\"time\":\"2023-11-16T11:00:00Z\",\r\n\"operator\":\"a\\nb\",\n\"action\":\"Add\"\n}";
    world.zoom.add([Entry::new(now - HOUR, raw), record(1, now - HOUR)]);
    world.collect(&[]).expect(0);
    let lines: Vec<Value> =
        world.stored_lines().keys().map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert!(lines.contains(&serde_json::from_str(raw).unwrap()));
    assert_eq!(lines.len(), 2);
}

#[test]
fn empty_day_succeeds_and_writes_nothing() {
    let world = World::new(NOW);
    let run = world.collect(&[]).expect(0);
    assert_eq!((run.count("records_written"), world.objects().len()), (0, 0));
    let now = world.now();
    world.zoom.add(spread(0, 10, now..now + HOUR));
    world.advance(HOUR);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn backfill_has_its_own_cursor() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 600, now - 60 * DAY..now));
    world.collect(&["--since", "2d"]).expect(0);
    let run = world.backfill(&["--from", "2023-09-17", "--until", "2023-11-14", "--max-requests", "12"]);
    assert_eq!(run.code, 75, "{}", run.said);
    // The live collection continues meanwhile.
    world.advance(HOUR);
    world.zoom.add(spread(5000, 10, now..now + HOUR));
    world.collect(&[]).expect(0);
    assert_eq!(world.balance_since(Implementation::Ours, now - DAY).missing, 0);
    let mut rounds = 0;
    while world.backfill(&["--from", "2023-09-17", "--until", "2023-11-14"]).code != 0 {
        rounds += 1;
        assert!(rounds < 5);
    }
    world.assert_bucket_matches_zoom();
    let again = world.backfill(&["--from", "2023-09-17", "--until", "2023-11-14"]).expect(0);
    assert_eq!(again.count("records_written"), 0);
    for wrong in
        [["--from", "2023-11-10", "--until", "2023-11-09"], ["--from", "soon", "--until", "2023-11-09"]]
    {
        assert_eq!(world.backfill(&wrong).code, 2);
    }
}

/// Returns a world with records of the last days.
fn world_of(days: i64) -> World {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, days.unsigned_abs() * 6, now - days * DAY..now));
    world
}

/// A backfill skips the days of the live collection, and reports it. No record is lost or repeated.
#[test]
fn backfill_skips_outage_days_of_the_live_collection() {
    let world = world_of(20);
    world.set(at("2023-11-05T12:00:00Z"));
    world.collect(&["--since", "3d"]).expect(0);
    world.set(at(NOW));
    let run = world.backfill(&["--from", "2023-10-27", "--until", "2023-11-15"]).expect(0);
    let told = run.summary["notes"].to_string();
    assert!(told.contains("ends on 2023-11-01") && told.contains("from 2023-11-02 on"), "{told}");
    assert!(run.said.contains("instead of 2023-11-15"), "{}", run.said);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    let nothing = world.backfill(&["--from", "2023-11-02", "--until", "2023-11-15"]);
    nothing.assert_failed_with(
        2,
        &["--from 2023-11-02", "no days remain", "from 2023-11-02 on", "live collection"],
    );
}

#[test]
fn backfill_skips_days_of_an_unfinished_first_run() {
    let world = world_of(20);
    assert_eq!(world.collect(&["--since", "8d", "--max-requests", "3"]).code, 75);
    world.backfill(&["--from", "2023-10-27", "--until", "2023-11-15"]).expect(0);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn backfill_skips_deferred_days() {
    let world = world_of(20);
    world.zoom.rule(RequestFilter::touching("2023-11-06"), When::Always, Act::Answer(500, "{}".into()));
    assert_eq!(world.collect(&["--since", "14d", "--retries", "1"]).code, 1);
    world.clear_faults();
    world.backfill(&["--from", "2023-10-27", "--until", "2023-11-10"]).expect(0);
    world.advance(3 * HOUR);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn backfill_without_look_back_skips_open_days() {
    let world = world_of(10);
    world.collect(&["--since", "3d"]).expect(0);
    // Late records of a day that the live collection has not finalized.
    let (from, until) = (at("2023-11-15T10:00:00Z"), at("2023-11-15T11:00:00Z"));
    world.zoom.add(spread(900, 5, from..until));
    world.backfill(&["--from", "2023-11-06", "--until", "2023-11-15", "--look-back", "0d"]).expect(0);
    world.advance(6 * HOUR);
    world.collect(&["--full"]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn live_run_skips_existing_backfill_range() {
    let world = world_of(40);
    let days = ["--from", "2023-10-10", "--until", "2023-11-13"];
    let cut = world.backfill(&[&days[..], &["--max-requests", "4"]].concat());
    assert_eq!(cut.code, 75, "{}", cut.said);
    let run = world.collect(&["--since", "20d"]).expect(0);
    assert!(run.summary["notes"].to_string().contains("run collect backfill again"), "{}", run.summary);
    assert!(run.count("lag_seconds") > 3 * 86_400, "the lag includes unread days: {}", run.summary);
    assert_eq!(world.balance(Implementation::Ours).surplus, 0);
    world.backfill(&days).expect(0);
    let run = world.collect(&[]).expect(0);
    assert_eq!((run.summary["notes"].to_string().as_str(), run.count("lag_seconds")), ("[]", 0));
    let held = world.balance_since(Implementation::Ours, at("2023-10-10T00:00:00Z"));
    assert_eq!((held.missing, world.balance(Implementation::Ours).surplus), (0, 0), "{held:?}");
}

#[test]
fn simultaneous_backfill_and_live_run_share_days() {
    let world = world_of(40);
    let days = ["--from", "2023-10-10", "--until", "2023-11-13"];
    // The latency makes both runs read before either has written.
    world.gcs.lock().faults.latency = Some(Duration::from_millis(200));
    let (live, backfill) = std::thread::scope(|scope| {
        let live = scope.spawn(|| world.collect(&["--since", "20d"]));
        let backfill = scope.spawn(|| world.backfill(&days));
        (live.join().unwrap(), backfill.join().unwrap())
    });
    world.gcs.lock().faults.latency = None;
    live.expect(0);
    // A backfill that started slightly later sees the live run at once and skips its days.
    if backfill.code != 0 {
        backfill.assert_failed_with(5, &["started at the same time", "run the backfill again"]);
    }
    world.backfill(&days).expect(0);
    world.collect(&[]).expect(0);
    let held = world.balance_since(Implementation::Ours, at("2023-10-10T00:00:00Z"));
    assert_eq!((held.missing, held.surplus), (0, 0), "{held:?}");
}

#[test]
fn killed_live_run_leaves_backfill_days() {
    type Objects = BTreeMap<(String, String), testkit::gcs::Object>;
    let world = world_of(40);
    world.backfill(&["--from", "2023-10-10", "--until", "2023-11-13"]).expect(0);
    // The live run started before it could see the backfill, and has read nothing.
    let whole = std::mem::take(&mut world.gcs.lock().objects);
    let (hidden, shown): (Objects, Objects) =
        whole.into_iter().partition(|((_, name), _)| name.contains("backfill"));
    world.gcs.lock().objects = shown;
    world.zoom.pages_fail(When::Always, Act::Answer(500, "{}".into()));
    let died = world.collect(&["--since", "20d", "--retries", "1"]);
    assert!(died.code != 0 && world.gcs.get(BUCKET, STATE_KEY).is_some(), "{}", died.said);
    world.gcs.lock().objects.extend(hidden);
    world.zoom.clear_faults();
    world.collect(&["--since", "20d"]).expect(0);
    let held = world.balance_since(Implementation::Ours, at("2023-10-10T00:00:00Z"));
    assert_eq!((held.missing, held.surplus), (0, 0), "{held:?}");
}

#[test]
fn backfill_of_expired_days_exits_1() {
    let world = world_of(5);
    for _ in 0..2 {
        let run = world.backfill(&["--from", "2023-01-01", "--until", "2023-02-01"]).expect(1);
        assert!(run.summary["gaps"].to_string().contains("180 days"), "{}", run.summary);
    }
}

/// Restores the previous copy of the state, as the error about a truncated state recommends.
fn restore_previous_copy(world: &World) {
    let at = world.directory.as_ref().unwrap().path().join("state");
    fs::copy(at.join("state.previous.json"), at.join("state.json")).unwrap();
}

/// Adds records of the next hour, and advances the clock by that hour.
fn add_hour_of_records(world: &World, first: u64, count: u64) {
    let now = world.now();
    world.zoom.add(spread(first, count, now..now + HOUR));
    world.advance(HOUR);
}

#[test]
fn state_restored_from_copy_loses_no_records() {
    for runs in [1, 2, 3] {
        let world = World::with_directory(NOW);
        world.zoom.add(spread(0, 30, world.now() - 2 * DAY..world.now()));
        world.collect(&["--since", "2d"]).expect(0);
        for run in 0..runs {
            add_hour_of_records(&world, 100 + run * 10, 5);
            world.collect(&[]).expect(0);
        }
        restore_previous_copy(&world);
        add_hour_of_records(&world, 500, 5);
        let (to, state) = (world.place("logs/"), world.place("state/"));
        world.run_program(&["check", "--to", &to, "--state", &state]).expect(0);
        for _ in 0..2 {
            world.collect(&[]).expect(0);
        }
        let balance = world.balance(Implementation::Ours);
        assert!(balance.missing == 0 && balance.surplus <= 5, "repeated since the copy: {balance:?}");
    }
}

#[test]
fn truncated_state_error_names_its_own_copy() {
    let world = World::with_directory(NOW);
    world.zoom.add(spread(0, 30, world.now() - 2 * DAY..world.now()));
    let at = world.directory.as_ref().unwrap().path().join("state");
    let tear = |name: &str| {
        let whole = fs::read(at.join(name)).unwrap();
        fs::write(at.join(name), &whole[..whole.len() / 2]).unwrap();
    };
    world.collect(&["--since", "2d"]).expect(0);
    fs::remove_file(at.join("state.previous.json")).ok();
    tear("state.json");
    let run = world.collect(&[]);
    run.assert_failed_with(3, &["state.json", "no usable copy found"]);
    assert!(!run.said.contains("previous"), "{}", run.said);
    fs::remove_file(at.join("state.json")).unwrap();
    world.collect(&["--since", "2d", "--new-state"]).expect(0);
    add_hour_of_records(&world, 100, 5);
    world.collect(&["--since", "2d"]).expect(0);
    add_hour_of_records(&world, 100, 5);
    for from in ["2023-10-01", "2023-10-03"] {
        world.backfill(&["--from", from, "--until", from]).expect(0);
    }
    // A live run with a truncated backfill state.
    tear("backfill.json");
    world
        .collect(&[])
        .assert_failed_with(3, &["backfill.json", "restore the previous copy", "backfill.previous.json"]);
    fs::copy(at.join("backfill.previous.json"), at.join("backfill.json")).unwrap();
    tear("state.json");
    let backfill = world.backfill(&["--from", "2023-10-05", "--until", "2023-10-05"]);
    backfill.assert_failed_with(3, &["state.json", "restore the previous copy", "state.previous.json"]);
    restore_previous_copy(&world);
    world.collect(&[]).expect(0);
    assert_eq!(world.balance(Implementation::Ours).missing, 0);
}

#[test]
fn new_state_starts_over_on_the_same_day() {
    let world = World::with_directory(NOW);
    world.zoom.add(spread(0, 30, world.now() - 2 * DAY..world.now()));
    world.collect(&["--since", "2d"]).expect(0);
    fs::remove_file(world.directory.as_ref().unwrap().path().join("state/state.json")).unwrap();
    add_hour_of_records(&world, 100, 5);
    world.collect(&["--since", "2d", "--new-state"]).expect(0);
    world.collect(&["--since", "2d"]).expect(0);
    assert_eq!(world.balance(Implementation::Ours).missing, 0);
}

#[test]
fn future_first_day_is_rejected() {
    let world = world(10);
    world
        .collect(&["--since", "2023-11-17"])
        .assert_failed_with(2, &["--since 2023-11-17", "2023-11-16", "UTC"]);
    assert!(world.state().is_empty());
    world.collect(&["--since", "2023-11-16"]).expect(0);
}

#[test]
fn state_ahead_of_the_clock_stops_the_run() {
    let world = world(40);
    world.collect(&["--since", "5d"]).expect(0);
    let before = world.now();
    world.advance(5 * DAY);
    world.collect(&[]).expect(0);
    let state = world.state();
    world.set(before + HOUR);
    let words = ["collector/state.json", "ahead of the local clock", "2023-11-21T12", "2023-11-16T13"];
    world.collect(&[]).assert_failed_with(3, &words);
    assert_eq!(world.state()[STATE_KEY], state[STATE_KEY]);
    // The previous copy dates from when the clock was right.
    world.gcs.seed(BUCKET, STATE_KEY, state["collector/state.previous.json"].clone());
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    // Clocks may be set back by up to an hour.
    world.advance(-HOUR);
    world.collect(&[]).expect(0);
}

#[test]
fn future_reference_cursor_stops_the_run() {
    let world = world(10);
    world.gcs.seed(BUCKET, STATE_KEY, r#"{"cursor_date": "2042-01-01", "next_page_token": null}"#);
    world
        .collect(&[])
        .assert_failed_with(3, &["collector/state.json", "ahead of the local clock", "cursor_date"]);
    assert!(world.objects().is_empty());
}

#[test]
fn revoked_tokens_are_renewed_while_pages_arrive() {
    let world = world(200).with("PAGE_SIZE", "20");
    for nth in [3, 4, 5] {
        world.zoom.pages_fail(When::Nth(nth), Act::Unauthorized);
    }
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    // If revocation never ends, the run stops with its progress saved. If no token is ever accepted, the credentials
    // are invalid.
    add_hour_of_records(&world, 500, 100);
    world.zoom.pages_fail(When::After(2), Act::Unauthorized);
    let run = world.collect(&["--retries", "2"]).expect(75);
    assert!(
        run.summary["stopped"].to_string().contains("a new token may invalidate the old one"),
        "{}",
        run.summary
    );
    assert_eq!(run.count("days_deferred"), 0);
    world.zoom.pages_fail(When::Always, Act::Unauthorized);
    world.collect(&[]).expect(4);
    world.clear_faults();
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn unreadable_today_does_not_delay_other_days() {
    let world = world_of(10);
    let today = at("2023-11-16T00:00:00Z");
    world.zoom.rule(RequestFilter::touching("2023-11-16"), When::Always, Act::Answer(500, "{}".into()));
    let run = world.collect(&["--since", "10d", "--retries", "1"]).expect(75);
    assert!(run.summary["stopped"].to_string().contains("HTTP 500"), "{}", run.summary);
    assert_eq!(run.count("days_deferred"), 0, "Zoom as a whole may be failing");
    let held = world.balance(Implementation::Ours);
    let of_today = world.balance_since(Implementation::Ours, today).expected;
    assert!(held.missing == of_today && of_today > 0, "{held:?} {of_today}");
    world.clear_faults();
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn unreadable_day_loses_no_record_of_other_days() {
    let world = world_of(12);
    world.zoom.rule(RequestFilter::touching("2023-11-10"), When::Always, Act::Answer(500, "{}".into()));
    world.collect(&["--since", "11d", "--retries", "1"]).expect(1);
    let held = world.balance_since(Implementation::Ours, at("2023-11-05T00:00:00Z"));
    assert!((1..=8).contains(&held.missing), "only one day is missing: {held:?}");
    world.clear_faults();
    world.advance(2 * HOUR);
    world.collect(&[]).expect(0);
    assert_eq!(world.balance_since(Implementation::Ours, at("2023-11-05T00:00:00Z")).missing, 0);
    assert_eq!(world.balance(Implementation::Ours).surplus, 0);
}

#[test]
fn deferred_day_backs_off_up_to_one_day() {
    let world = world_of(12);
    world.zoom.rule(RequestFilter::touching("2023-11-10"), When::Always, Act::Answer(500, "{}".into()));
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.collect(&["--since", "11d", "--retries", "1"]).expect(1);
        let status = world.run_program(&["collect", "status", "--format", "json"]).expect(0);
        let (_, rest) = status.said.split_once("next after ").expect("the status has a time");
        waits.push((at(&rest[..20]) - world.now()) / HOUR);
        world.advance(25 * HOUR);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24, 24]);
}

#[test]
fn metrics_file_keeps_last_success_after_a_failure() {
    let world = world(30);
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("collect.prom");
    let argument = format!("--metrics={}", file.display());
    let told = || fs::read_to_string(&file).unwrap();
    world.collect(&[&argument]).expect(0);
    let well = told();
    let success = format!("zoom_udm_collect_last_success_timestamp_seconds {}\n", world.now());
    assert!(well.contains(&success) && well.contains("zoom_udm_collect_failed 0\n"), "{well}");
    assert!(well.contains("zoom_udm_collect_records_written 30\n"), "{well}");
    world.advance(DAY);
    world.zoom.behavior(|behavior| behavior.scope = false);
    world.collect(&[&argument]).expect(4);
    let failed = told();
    assert!(failed.contains(&success) && failed.contains("zoom_udm_collect_failed 1\n"), "{failed}");
    assert!(failed.contains("zoom_udm_collect_records_written 0\n"), "{failed}");
    // A run that ends before it has counts keeps those of the previous run.
    world.gcs.seed(BUCKET, STATE_KEY, "torn");
    world.collect(&[&argument]).expect(3);
    assert_eq!(told(), failed);
    assert_eq!(fs::read_dir(at.path()).unwrap().count(), 1);
}

#[test]
fn overlapping_data_and_state_are_rejected() {
    let world = World::with_directory(NOW);
    let root = world.directory.as_ref().unwrap().path();
    fs::create_dir_all(root.join("logs")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("logs"), root.join("link")).unwrap();
    let run = |to: &str, state: &str| {
        let (to, state) = (world.place(to), world.place(state));
        world.run_program(&["collect", "--to", &to, "--state", &state])
    };
    run("logs/", "away/../logs/s.json").assert_failed_with(2, &["inside the data prefix", "logs/s.json"]);
    #[cfg(unix)]
    run("logs/", "link/s.json").assert_failed_with(2, &["inside the data prefix", "logs/s.json"]);
    run("logs/", "state/backfill.json")
        .assert_failed_with(2, &["the state of backfills", "such as state.json"]);
    for within in ["state/state.work/", "state/manifests/a/", "state/backfill.work/"] {
        run(within, "state/state.json").assert_failed_with(2, &["where collect deletes files"]);
    }
    run("logs/manifests/", "logs/state.json").assert_failed_with(2, &["where collect deletes files"]);
    run("state/data/", "state/state.json").expect(0);
}

#[test]
fn look_back_over_90_days_is_rejected() {
    world(10).collect(&["--look-back", "91d"]).assert_failed_with(2, &["--look-back", "at most 90 days"]);
    world(10).collect(&["--look-back", "90d"]).expect(0);
}

#[test]
fn cyclic_page_tokens_end_the_window() {
    let world = world(10);
    let page = |token: &str| {
        let record = r#"{"time":"2023-11-16T11:00:00Z","operator":"a@duff.io","action":"Add"}"#;
        Act::Answer(200, format!(r#"{{"next_page_token":"{token}","operation_logs":[{record}]}}"#))
    };
    for (nth, token) in [(3, "a"), (2, "b"), (1, "c")] {
        world.zoom.rule(RequestFilter::pages(), When::Every(nth), page(token));
    }
    let run = world.collect(&["--since", "2d", "--deadline", "20s"]).expect(3);
    assert!(run.said.contains("pagination does not end"), "{}", run.said);
}

#[test]
fn oversized_response_is_not_buffered() {
    let world = world(10);
    world.zoom.pages_fail(When::Always, Act::Answer(200, format!("[{}]", " ".repeat(70 << 20))));
    let run = world.collect(&["--retries", "1"]).expect(3);
    assert!(run.said.contains("the response exceeds 67108864 bytes"), "{}", run.said);
    world.clear_faults();
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn flags_without_effect_are_rejected() {
    let world = world(10);
    let days = ["backfill", "--from", "2023-10-01", "--until", "2023-10-02"];
    for flag in ["--since=3d", "--full"] {
        let name = flag.split('=').next().unwrap();
        let run = world.run_program(&[&["collect"], &days[..], &[flag]].concat());
        run.assert_failed_with(2, &[name, "collect backfill"]);
        let before = world.run_program(&[&["collect", flag], &days[..]].concat());
        before.assert_failed_with(2, &[name, "'backfill'"]);
    }
    for flag in
        ["--dry-run", "--new-state", "--max-requests=3", "--max-rate=3", "--deadline=3s", "--metrics=x"]
    {
        let run = world.run_program(&["collect", "status", flag]);
        run.assert_failed_with(2, &[flag.split('=').next().unwrap(), "collect status"]);
    }
}

#[test]
fn status_reports_collection_progress() {
    let world = world(100);
    let none = world.run_program(&["collect", "status"]);
    none.assert_failed_with(3, &["nothing collected yet"]);
    world.collect(&[]).expect(0);
    world.advance(15 * MINUTE);
    world.collect(&[]).expect(0);
    let status = world.run_program(&["collect", "status"]);
    assert_eq!(status.code, 0, "{}", status.said);
    for part in ["cursor", "lag", "finalized", "deferred", "gap"] {
        assert!(status.said.to_lowercase().contains(part), "{part}: {}", status.said);
    }
}

#[test]
fn access_token_is_fetched_once_and_not_stored() {
    let world = world(300).with("PAGE_SIZE", "20");
    let run = world.collect(&[]).expect(0);
    assert_eq!((run.count("token_requests"), world.zoom.counts().0), (1, 1));
}

#[test]
fn account_specific_responses_are_accepted() {
    for token_type in ["bearer", "Bearer", "BEARER"] {
        let world = world(100).with("PAGE_SIZE", "30");
        world.zoom.behavior(|behavior| {
            behavior.token_type = token_type;
            behavior.api_url = false;
            behavior.echo = false;
            behavior.last = Some(testkit::zoom::LastPageToken::Null);
        });
        world.collect(&[]).expect(0);
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn unreachable_zoom_is_named_in_the_error() {
    let nobody = "http://127.0.0.1:9";
    let world =
        world(10).with("ZOOM_API_BASE", nobody).with("ZOOM_TOKEN_URL", "http://127.0.0.1:9/oauth/token");
    let run = world.collect(&[]);
    assert!(matches!(run.code, 3 | 75), "{}", run.said);
    assert!(run.said.contains("127.0.0.1:9"), "{}", run.said);
}

/// Runs the pipeline of the README, with the paths of the program and the address of the fake replaced.
#[test]
#[cfg(unix)]
fn readme_pipeline_converts_zoom_logs_to_events() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let line = readme.lines().find(|line| line.contains("zoom-udm collect --to") && line.contains("ingest"));
    let world = world(50);
    let script = line.unwrap().trim().trim_start_matches(". ./try/zoom.env && ");
    let script = script.replace("target/release/zoom-udm", &world.binary.display().to_string());
    let at = tempfile::tempdir().unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(at.path()).args(["-c", &script]).env("ZOOM_UDM_NOW", NOW);
    for (name, value) in [
        ("ZOOM_API_BASE", world.zoom.base()),
        ("ZOOM_TOKEN_URL", world.zoom.token_url()),
        ("ZOOM_ACCOUNT_ID", testkit::zoom::ACCOUNT.into()),
        ("ZOOM_CLIENT_ID", testkit::zoom::CLIENT.into()),
        ("ZOOM_CLIENT_SECRET", testkit::zoom::SECRET.into()),
    ] {
        shell.env(name, value);
    }
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let event: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(event["metadata"]["logType"], "ZOOM_OPERATION_LOGS", "{said}");
}

#[test]
fn memory_locations_are_rejected() {
    let world = world_of(1);
    for place in
        [["--to", "memory://logs/"], ["--state", "memory://state/"], ["--state", "memory://a/s.json"]]
    {
        let run = world.collect(&place);
        assert_eq!(run.code, 2, "{place:?}: {}", run.said);
        assert!(run.said.contains("does not outlive the program"), "{place:?}: {}", run.said);
    }
}
