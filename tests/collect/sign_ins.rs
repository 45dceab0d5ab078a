//! Operation logs and sign-ins collected together: each is complete, and trouble of one leaves the other alone.

use serde_json::Value;
use testkit::collect::*;

const BOTH: &str = "operation,sign-in";

/// Both reports, with records of the last days.
fn world() -> World {
    let world = World::new(NOW).with("COLLECT_LOGS", BOTH);
    let now = world.now();
    world.zoom.add(spread(0, 300, now - 2 * DAY..now));
    world.zoom.add_sign_ins(spread_sign_ins(0, 200, now - 2 * DAY..now));
    world
}

/// A lease that another machine holds.
fn foreign_lease(world: &World) -> String {
    let holder = r#"{"run":"ff","pid":1,"place":"afar 1 2","started":"1"}"#;
    format!(r#"{{"holder":{holder},"until":{}}}"#, (world.now() + 60) * 1000)
}

#[test]
fn both_reports_are_collected_with_one_token() {
    let world = world();
    let run = world.collect(&[]).expect(0);
    world.assert_both_match_zoom();
    assert_eq!(world.zoom.counts().0, 1, "one token for both reports");
    assert_eq!(run.summary_of("operation")["records_written"], 300);
    assert_eq!(run.summary_of("sign-in")["records_written"], 200);
    for name in world.sign_in_objects().keys() {
        assert!(name.starts_with("2023/11/1") && name.contains("/zoom-signins-"), "{name}");
    }
    assert!(world.objects().keys().all(|name| name.contains("/zoom-operationlogs-")));
    assert!(world.state().contains_key(STATE_KEY) && world.state().contains_key(SIGN_IN_STATE));

    world.advance(HOUR);
    let again = world.collect(&[]).expect(0);
    for logs in ["operation", "sign-in"] {
        assert_eq!(again.summary_of(logs)["records_written"], 0);
    }
}

#[test]
fn only_operation_logs_are_collected_by_default() {
    let world = world().with("COLLECT_LOGS", "");
    let run = world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    assert!(world.sign_in_objects().is_empty());
    assert!(world.zoom.log().iter().all(|asked| asked.path != Report::SignIns.path()));
    assert_eq!(run.summary["logs"], "operation");
    assert!(!run.said.contains("sign-in"), "{}", run.said);
}

/// Six polls a day. Records appear up to four hours late, some runs are killed, and Zoom limits and refuses requests.
#[test]
fn thirty_days_of_both_reports_are_complete() {
    let world = World::new("2023-11-01T00:00:00Z").with("COLLECT_LOGS", BOTH).with("PAGE_SIZE", "10");
    let (start, mut random) = (world.now(), fastrand::Rng::with_seed(11));
    world.zoom.lock().keeps_log = false;
    let mut late = |entries: Vec<Entry>| -> Vec<Entry> {
        entries.into_iter().map(|entry| entry.late(random.i64(0..4 * HOUR))).collect()
    };
    world.zoom.add(late(spread(0, 1500, start..start + 30 * DAY)));
    world.zoom.add_sign_ins(late(spread_sign_ins(0, 1200, start..start + 30 * DAY)));
    world.zoom.rule(RequestFilter::report(Report::SignIns), When::Every(9), Act::PerSecond(Wait::Seconds(0)));
    world.zoom.rule(RequestFilter::report(Report::Operations), When::Every(11), Act::PerSecond(Wait::Unsaid));
    world.zoom.pages_fail(When::Every(50), Act::Unauthorized);
    let mut killed = 0;
    for poll in 1..=186_u64 {
        world.set(start + i64::try_from(poll).unwrap() * 4 * HOUR);
        if poll.is_multiple_of(5) {
            let page = world.zoom.lock().page_requests + poll % 4 + 1;
            let mut child = world.start(&[]);
            let over = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
            wait_until("a page", || world.zoom.lock().page_requests >= page || over(&mut child));
            killed += u64::from(!over(&mut child));
            let _ = child.kill();
            child.wait().unwrap();
        }
        let run = world.collect(&["--full"]);
        assert!(matches!(run.code, 0 | 75), "{}", run.said);
    }
    world.zoom.clear_faults();
    for days in 1..=3 {
        world.set(start + (31 + days) * DAY);
        world.collect(&["--full"]).expect(0);
    }
    assert!(killed > 10, "{killed} runs were killed");
    world.assert_both_match_zoom();
    for balance in [world.balance(Implementation::Ours), world.sign_in_balance()] {
        println!("{} at Zoom, {} in the bucket, {} missing", balance.expected, balance.held, balance.missing);
    }
}

#[test]
fn missing_scope_of_one_report_spares_the_other() {
    let denied = world();
    denied.zoom.behavior(|behavior| behavior.sign_in_scope = false);
    let run = denied.collect(&[]);
    run.assert_failed_with(4, &["sign-in: sign-ins from", "report:read:user_activities:admin"]);
    assert_eq!(run.summary_of("operation")["records_written"], 300);
    denied.assert_bucket_matches_zoom();
    denied.zoom.behavior(|behavior| behavior.sign_in_scope = true);
    denied.collect(&[]).expect(0);
    denied.assert_both_match_zoom();

    let denied = world();
    denied.zoom.behavior(|behavior| behavior.scope = false);
    denied.collect(&[]).assert_failed_with(4, &["operation: operation logs from", "operation_logs:admin"]);
    denied.sign_in_balance().assert_bucket_matches_zoom();
}

#[test]
fn rate_limit_of_one_report_spares_the_other() {
    for (limited, name) in [(Report::SignIns, "sign-in"), (Report::Operations, "operation")] {
        let world = world();
        world.zoom.rule(RequestFilter::report(limited), When::Always, Act::Daily(Wait::IsoMidnight));
        let run = world.collect(&[]);
        assert_eq!(run.code, 75, "{}", run.said);
        assert!(run.summary_of(name)["stopped"].as_str().unwrap().contains("daily"), "{}", run.said);
        match limited {
            Report::SignIns => world.assert_bucket_matches_zoom(),
            Report::Operations => world.sign_in_balance().assert_bucket_matches_zoom(),
        }
        world.clear_faults();
        world.collect(&[]).expect(0);
        world.assert_both_match_zoom();
    }
}

#[test]
fn lease_held_on_one_report_spares_the_other() {
    let held = world();
    held.gcs.seed(BUCKET, "collector/signins.state/state.lease", foreign_lease(&held));
    held.collect(&[])
        .assert_failed_with(5, &["sign-in: gs://zoom/collector/signins.state/: another run is active"]);
    held.assert_bucket_matches_zoom();
    assert!(held.sign_in_objects().is_empty());

    // The most serious exit code counts.
    let both = world();
    both.gcs.seed(BUCKET, "collector/state.lease", foreign_lease(&both));
    both.zoom.behavior(|behavior| behavior.sign_in_scope = false);
    both.collect(&[]).assert_failed_with(4, &["operation: ", "another run is active", "user_activities"]);
}

#[test]
fn unreadable_state_of_one_report_spares_the_other() {
    let world = world();
    world.collect(&[]).expect(0);
    let whole = world.state()[SIGN_IN_STATE].clone();
    world.gcs.seed(BUCKET, SIGN_IN_STATE, "torn");
    let now = world.now();
    world.advance(HOUR);
    world.zoom.add(spread(900, 20, now..now + HOUR));
    world.zoom.add_sign_ins(spread_sign_ins(900, 20, now..now + HOUR));
    world.collect(&[]).assert_failed_with(3, &["sign-in: ", SIGN_IN_STATE]);
    world.assert_bucket_matches_zoom();
    world.gcs.seed(BUCKET, SIGN_IN_STATE, whole);
    world.collect(&[]).expect(0);
    world.assert_both_match_zoom();
}

#[test]
fn refused_tokens_are_replaced_for_both_reports() {
    let world = world().with("PAGE_SIZE", "20");
    world.zoom.pages_fail(When::Nth(6), Act::Unauthorized);
    world.collect(&[]).expect(0);
    world.assert_both_match_zoom();
    assert_eq!(world.zoom.counts().0, 2, "the refused token is replaced once");
}

#[test]
fn adding_sign_ins_continues_operation_logs() {
    let world = world().with("COLLECT_LOGS", "");
    world.collect(&[]).expect(0);
    let objects = world.objects();
    world.advance(HOUR);
    let run = world.collect(&["--logs", BOTH]).expect(0);
    assert_eq!(run.summary_of("operation")["records_written"], 0);
    assert_eq!(world.objects(), objects);
    world.assert_both_match_zoom();
    // Leaving them out changes nothing, either.
    world.advance(HOUR);
    assert_eq!(world.collect(&[]).expect(0).count("records_written"), 0);
    world.collect(&["--logs", "sign-in"]).expect(0);
    world.assert_both_match_zoom();
}

#[test]
fn budget_is_shared_between_reports() {
    let world = world().with("PAGE_SIZE", "10");
    let run = world.collect(&["--max-requests", "7"]);
    assert_eq!(run.code, 75, "{}", run.said);
    let requests = |logs: &str| run.summary_of(logs)["requests"].as_u64().unwrap();
    assert_eq!((requests("operation"), requests("sign-in")), (4, 3));
    for _ in 0..40 {
        if world.collect(&["--max-requests", "8"]).code == 0 {
            break;
        }
    }
    world.assert_both_match_zoom();
}

#[test]
fn dry_run_of_both_reports_writes_nothing() {
    let world = world();
    let run = world.collect(&["--dry-run"]).expect(0);
    assert_eq!(run.summary_of("sign-in")["records_written"], 200);
    assert!(world.objects().is_empty() && world.sign_in_objects().is_empty() && world.state().is_empty());
    let text = world.run_program(&["collect", "--dry-run"]).expect(0);
    for part in ["operation: ", " 300 new would be written", "sign-in: ", " 200 new would be written"] {
        assert!(text.said.contains(part), "{part:?} in {}", text.said);
    }
}

#[test]
fn backfill_collects_past_days_of_both_reports() {
    let world = world();
    let now = world.now();
    world.zoom.add(spread(1000, 90, now - 30 * DAY..now - 20 * DAY));
    world.zoom.add_sign_ins(spread_sign_ins(1000, 80, now - 30 * DAY..now - 20 * DAY));
    world.collect(&["--since", "3d"]).expect(0);
    let run = world.backfill(&["--from", "2023-10-16", "--until", "2023-10-30"]).expect(0);
    assert_eq!(run.summary_of("operation")["records_written"], 90);
    assert_eq!(run.summary_of("sign-in")["records_written"], 80);
    world.assert_both_match_zoom();
    let status = world.run_program(&["collect", "status"]).expect(0);
    assert_eq!(status.said.matches("backfill.json\n").count(), 2, "{}", status.said);
}

#[test]
fn status_shows_both_reports() {
    let world = world().with("COLLECT_LOGS", "");
    world.collect(&[]).expect(0);
    let before = world.run_program(&["collect", "status", "--logs", BOTH]);
    before
        .assert_failed_with(3, &["  logs        operation\n", "sign-in: gs://zoom/collector/signins.state/"]);
    world.collect(&["--logs", BOTH]).expect(0);
    let text = world.run_program(&["collect", "status", "--logs", BOTH]).expect(0);
    for part in ["logs        operation\n", "logs        sign-in\n", "written     200 records"] {
        assert!(text.said.contains(part), "{part:?} in {}", text.said);
    }
    let json = world.run_program(&["collect", "status", "--logs", BOTH, "--format", "json"]).expect(0);
    let logs: Vec<_> = json.said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    assert_eq!(logs.iter().map(|line| &line["logs"]).collect::<Vec<_>>(), ["operation", "sign-in"]);
    let named =
        world.run_program(&["collect", "status", "--logs=sign-in", "--state=gs://zoom/collector/state.json"]);
    assert!(named.said.starts_with("gs://zoom/collector/signins.state/state.json\n"), "{}", named.said);
}

#[test]
fn check_names_the_missing_scope() {
    let world = world();
    let run = world.run_program(&["check"]).expect(0);
    for name in ["ok token", "ok operation scope", "ok sign-in scope", "ok sign-in page", "ok sign-in state"]
    {
        assert!(run.said.contains(&format!("{name}: ")), "{name}: {}", run.said);
    }
    assert_eq!(run.said.matches("token: ").count(), 1, "{}", run.said);
    assert!(world.sign_in_objects().is_empty() && world.state().is_empty());
    world.zoom.behavior(|behavior| behavior.sign_in_scope = false);
    let run = world.run_program(&["check"]);
    run.assert_failed_with(4, &["FAIL sign-in scope: ", "user_activities:admin", "ok operation scope: "]);
}

#[test]
fn metrics_file_labels_each_report() {
    let world = world();
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("collect.prom");
    let argument = format!("--metrics={}", file.display());
    let has = |lines: &[&str]| {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in lines {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
        assert_eq!(text.matches("# TYPE zoom_udm_collect_failed ").count(), 1, "{text}");
    };
    // A file of a run without sign-ins has no labels; what it says of operation logs is kept.
    world.collect(&[&argument, "--logs", "operation"]).expect(0);
    has(&["zoom_udm_collect_records_written 300", "zoom_udm_collect_failed 0"]);
    let first = world.now();
    world.advance(HOUR);
    world.gcs.seed(BUCKET, "collector/state.lease", foreign_lease(&world));
    world.collect(&[&argument]).expect(5);
    has(&[
        "zoom_udm_collect_records_written{log=\"operation\"} 300",
        "zoom_udm_collect_records_written{log=\"sign_in\"} 200",
        "zoom_udm_collect_failed{log=\"operation\"} 1",
        "zoom_udm_collect_failed{log=\"sign_in\"} 0",
        &format!("zoom_udm_collect_last_success_timestamp_seconds{{log=\"operation\"}} {first}"),
        &format!("zoom_udm_collect_last_success_timestamp_seconds{{log=\"sign_in\"}} {}", world.now()),
    ]);
    world.zoom.behavior(|behavior| behavior.scope = false);
    world.gcs.seed(BUCKET, SIGN_IN_STATE, "torn");
    world.advance(HOUR);
    world.collect(&[&argument]).expect(4);
    has(&[
        "zoom_udm_collect_records_written{log=\"operation\"} 0",
        "zoom_udm_collect_records_written{log=\"sign_in\"} 200",
        &format!("zoom_udm_collect_last_success_timestamp_seconds{{log=\"operation\"}} {first}"),
    ]);
}

/// Runs with directories, which `--to` names.
fn run_to(world: &World, to: &str, arguments: &[&str]) -> Run {
    world.run_program(&[&["collect", "--summary", "json", "--to", &world.place(to)], arguments].concat())
}

fn world_of_directories() -> World {
    let world = World { directory: Some(tempfile::tempdir().unwrap()), ..world() };
    world.with("COLLECT_LOGS", "")
}

#[test]
fn parent_of_the_earlier_destination_continues_it() {
    let world = world_of_directories();
    run_to(&world, "zoom/operationlogs", &[]).expect(0);
    let run = run_to(&world, "zoom", &["--logs", BOTH]).expect(0);
    assert_eq!(run.summary_of("operation")["records_written"], 0);
    assert_eq!(run.summary_of("sign-in")["records_written"], 200);
    let alone = run_to(&world, "zoom/signins", &["--logs", "sign-in"]).expect(0);
    assert_eq!(alone.count("records_written"), 0);
    assert_eq!(run_to(&world, "zoom/operationlogs", &[]).expect(0).count("records_written"), 0);
    // Whoever reads the parent takes the logs, and leaves the states alone.
    let from = world.place("zoom");
    let read =
        world.run_program(&["ingest", &from, "--to", "-", "--no-ledger", "--max-age", "none", "--dry-run"]);
    let read = read.expect(0);
    for line in read.said.lines().filter(|line| line.starts_with("read ")) {
        assert!(line.contains("/zoom-operationlogs-") || line.contains("/zoom-signins-"), "{line}");
    }
    for name in ["operationlogs.state/state.json", "signins.state/state.json", "signins.state/state.lease"] {
        assert!(
            read.said.contains(&format!("{name} (")) || read.said.contains(name),
            "{name}: {}",
            read.said
        );
    }
}

#[test]
fn unclear_destinations_say_what_to_write() {
    let world = world_of_directories();
    let both = ["--logs", BOTH];
    let parent = world.place("zoom/");
    let pass = |what: &str| format!("pass --to {parent}{what}");
    run_to(&world, "zoom/operationlogs", &both).assert_failed_with(2, &["parent", &pass("")]);
    run_to(&world, "zoom/signins", &both).assert_failed_with(2, &["parent", &pass("")]);
    run_to(&world, "zoom/operationlogs", &["--logs", "sign-in"]).assert_failed_with(2, &[&pass("signins/")]);

    // What --to means depends on how many kinds of logs it is for.
    run_to(&world, "alone", &[]).expect(0);
    run_to(&world, "alone", &both).assert_failed_with(
        2,
        &[
            "operation: ",
            "alone.state/state.json",
            "a different --logs",
            "--logs NAME --to URL",
            "--new-state",
        ],
    );
    run_to(&world, "together", &both).expect(0);
    let own = format!("pass --logs {BOTH}, or --to {}", world.place("together/operationlogs/"));
    run_to(&world, "together", &[]).assert_failed_with(2, &[&own]);
    let backfill = ["backfill", "--from", "2023-11-01", "--until", "2023-11-05"];
    let together = world.place("together");
    let arguments = [&["collect"], &backfill[..], &["--to", &together]].concat();
    world.run_program(&arguments).assert_failed_with(2, &[&own]);

    // A state is never used for other logs.
    run_to(&world, "signed", &["--logs", "sign-in"]).expect(0);
    run_to(&world, "signed", &[]).assert_failed_with(2, &["belongs to sign-ins", "--logs sign-in"]);
    let status = ["collect", "status", "--to", &world.place("signed")];
    world.run_program(&status).assert_failed_with(2, &["belongs to sign-ins"]);

    run_to(&world, "x", &["--logs", "signin"]).assert_failed_with(2, &["expected operation, sign-in"]);
    let wrong = world.with("COLLECT_LOGS", "operation,all");
    run_to(&wrong, "x", &[]).assert_failed_with(2, &["COLLECT_LOGS", "expected operation, sign-in"]);
}

#[test]
fn prefixes_inside_each_other_are_rejected() {
    let world = world().with("GCS_PREFIX", "sign");
    world.collect(&[]).assert_failed_with(2, &["the prefix of", "set GCS_PREFIX"]);
    let world = world.with("GCS_PREFIX", "zoom/operationlogs/").with("STATE_KEY", "zoom/signins/state.json");
    world.collect(&[]).assert_failed_with(2, &["inside the data prefix gs://zoom/zoom/signins/"]);
    // Next to the data is fine.
    let world = world.with("STATE_KEY", "zoom/state.json");
    world.collect(&[]).expect(0);
    assert!(world.gcs.all(BUCKET, "zoom/signins/2023/").len() >= 2);
    assert!(world.gcs.all(BUCKET, "zoom/").contains_key("zoom/signins.state/state.json"));
}

#[test]
fn prefixes_in_one_directory_share_no_sign_ins() {
    let world = world().with("GCS_PREFIX", "zoom/emea/").with("STATE_KEY", "");
    world.collect(&[]).expect(0);
    let world = world.with("GCS_PREFIX", "zoom/apac/");
    world.collect(&[]).expect(0);
    let all = world.gcs.all(BUCKET, "zoom/");
    for data in ["zoom/emea-signins/2023/", "zoom/apac-signins/2023/"] {
        assert!(all.keys().any(|name| name.starts_with(data)), "{data}: {:?}", all.keys());
    }
    for state in ["zoom/emea-signins.state/state.json", "zoom/apac-signins.state/state.json"] {
        assert!(all.contains_key(state), "{state}");
    }
}

#[test]
fn logs_stay_in_their_directory_with_a_named_state() {
    let world = world_of_directories();
    let to_state = |state: &str, more: &[&str]| {
        let state = ["--state", &world.place(state)].map(str::to_owned);
        state.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect::<Vec<_>>()
    };
    let run = |to: &str, state: &str, more: &[&str]| {
        let flags = to_state(state, more);
        run_to(&world, to, &flags.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run("alone", "s/state.json", &[]).expect(0);
    run("alone", "s/state.json", &["--logs", BOTH])
        .assert_failed_with(2, &["operation logs are stored in", "--logs NAME --to URL"]);
    run("together", "t/state.json", &["--logs", BOTH]).expect(0);
    run("together", "t/state.json", &[])
        .assert_failed_with(2, &["operation logs are stored in", "together/operationlogs/", "pass --to"]);
    run("together/operationlogs", "t/state.json", &[]).expect(0);
    // A destination that is moved on purpose is accepted.
    run("elsewhere", "s/state.json", &[]).expect(0);
}

#[test]
fn traces_of_an_earlier_run_refuse_another_meaning_of_to() {
    let world = world_of_directories();
    let together = world.place("z");
    let backfill =
        ["collect", "backfill", "--from", "2023-11-01", "--until", "2023-11-05", "--to", &together];
    world.run_program(&backfill).expect(0);
    run_to(&world, "z", &["--logs", BOTH]).assert_failed_with(2, &["a different --logs", "backfill.json"]);
}

#[test]
fn budget_below_the_number_of_kinds_is_rejected() {
    let world = world_of_directories();
    run_to(&world, "b", &["--logs", BOTH, "--max-requests", "1"])
        .assert_failed_with(2, &["--max-requests 1"]);
    run_to(&world, "b", &["--logs", "operation, sign-in", "--max-requests", "9"]).expect(0);
}
