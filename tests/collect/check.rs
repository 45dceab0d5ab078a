//! Tests that `check` distinguishes everything that can be missing, by name and by exit code.

use testkit::collect::*;

fn world() -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 20, now - DAY..now));
    world
}

/// Returns the lines that start with a word, without that word.
fn lines<'a>(run: &'a Run, word: &str) -> Vec<&'a str> {
    run.said.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim_start).collect()
}

/// Runs `check` and asserts that it fails with a code, that its failures contain all `parts`, and that each failure
/// names a remedy.
fn fails(world: &World, code: i32, parts: &[&str]) -> Run {
    let run = world.run_program(&["check"]);
    assert_eq!(run.code, code, "{}", run.said);
    let failures = lines(&run, "FAIL");
    assert!(!failures.is_empty(), "{}", run.said);
    assert!(failures.iter().all(|line| line.contains("->")), "each failure names a remedy: {}", run.said);
    for part in parts {
        assert!(failures.iter().any(|line| line.contains(part)), "{part:?} in {failures:?}");
    }
    assert!(!run.said.contains("marked-"), "{}", run.said);
    run
}

#[test]
fn passing_check_reports_each_item_and_leaves_nothing() {
    let world = world();
    let run = world.run_program(&["check"]).expect(0);
    assert!(lines(&run, "FAIL").is_empty() && lines(&run, "ok").len() >= 7, "{}", run.said);
    for name in ["settings", "token", "scope", "bucket", "state"] {
        assert!(run.said.contains(name), "{name}: {}", run.said);
    }
    assert!(
        world.objects().is_empty(),
        "the object of the write test is deleted: {:?}",
        world.objects().keys()
    );
    assert!(world.state().is_empty(), "{:?}", world.state().keys());
    world.collect(&[]).expect(0);
    world.run_program(&["check"]).expect(0);
}

#[test]
fn check_works_for_directories() {
    let world = World::with_directory(NOW);
    let (to, state) = (world.place("logs/"), world.place("state/"));
    let run = world.run_program(&["check", "--to", &to, "--state", &state]).expect(0);
    assert!(lines(&run, "FAIL").is_empty(), "{}", run.said);
}

#[test]
fn check_distinguishes_six_causes() {
    let mut said = Vec::new();

    let wrong_secret = world().with("ZOOM_CLIENT_SECRET", "marked-other");
    said.push(fails(&wrong_secret, 4, &["token", "ZOOM_CLIENT_SECRET"]));

    let scope = world();
    scope.zoom.behavior(|behavior| behavior.scope = false);
    said.push(fails(&scope, 4, &["scope", "report:read:operation_logs:admin"]));

    let role = world();
    role.zoom.behavior(|behavior| behavior.role = false);
    said.push(fails(&role, 4, &["role"]));

    let bucket = world();
    bucket.gcs.lock().buckets = Some(vec!["another".into()]);
    said.push(fails(&bucket, 3, &["bucket", "zoom"]));

    let write = world();
    write.add_refusal(Refusal::always("PUT", "", 403));
    said.push(fails(&write, 4, &["write", "roles/storage.object"]));

    let network = world()
        .with("ZOOM_API_BASE", "http://127.0.0.1:9")
        .with("ZOOM_TOKEN_URL", "http://127.0.0.1:9/oauth/token");
    said.push(fails(&network, 3, &["127.0.0.1:9"]));

    let texts: std::collections::BTreeSet<_> = said.iter().map(|run| lines(run, "FAIL").join("\n")).collect();
    assert_eq!(texts.len(), 6);
}

#[test]
fn check_names_all_missing_settings() {
    let world = world().with("ZOOM_CLIENT_ID", "").with("ZOOM_CLIENT_SECRET", "").with("GCS_BUCKET", "");
    let run = world.run_program(&["check"]);
    assert_eq!(run.code, 2, "{}", run.said);
    for name in ["ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "GCS_BUCKET"] {
        assert!(run.said.contains(name), "{name}: {}", run.said);
    }
}

#[test]
fn check_reports_disabled_app_and_unknown_account() {
    let disabled = world();
    let body = r#"{"code":4717,"message":"The app has been disabled.","reason":"The app has been disabled.","error":"invalid_request"}"#;
    disabled.zoom.behavior(|behavior| behavior.token_refused = Some((400, body.into())));
    fails(&disabled, 4, &["disabled"]);
    let account = world().with("ZOOM_ACCOUNT_ID", "another");
    fails(&account, 4, &["ZOOM_ACCOUNT_ID"]);
}

/// `check` reports what would make a run fail.
#[test]
fn check_inspects_objects_named_by_both_states() {
    let world = world();
    world.collect(&["--since", "2d"]).expect(0);
    world.backfill(&["--from", "2023-11-01", "--until", "2023-11-10"]).expect(0);
    let well = world.run_program(&["check"]).expect(0);
    assert!(well.said.contains("ok backfill state: "), "{}", well.said);
    let whole = world.state();
    let spoilt = |name: &str, part: &[&str]| {
        world.gcs.seed(BUCKET, name, "torn");
        fails(&world, 3, part);
        world.gcs.seed(BUCKET, name, whole[name].clone());
    };
    spoilt("collector/backfill.json", &["backfill state", "collector/backfill.json"]);
    spoilt("collector/state.lease", &["state: ", "collector/state.lease"]);
    let list = whole.keys().find(|name| name.contains("state.work/seen/")).unwrap();
    spoilt(list, &["state: ", list]);
    let holder = r#"{"run":"ff","pid":1,"place":"afar 1 2","started":"1"}"#;
    let lease = format!(r#"{{"holder":{holder},"until":{}}}"#, (world.now() + 60) * 1000);
    world.gcs.seed(BUCKET, "collector/state.lease", lease);
    let held = world.run_program(&["check"]).expect(0);
    assert!(held.said.contains("another run is active: process 1 on afar"), "{}", held.said);
    world.gcs.seed(BUCKET, "collector/state.lease", whole["collector/state.lease"].clone());
    world.advance(-3 * DAY);
    fails(&world, 3, &["ahead of the local clock"]);
}

#[test]
fn check_reports_truncated_or_misplaced_state() {
    let among = world().with("STATE_KEY", "logs/state.json");
    let run = among.run_program(&["check"]);
    assert!(run.code == 2 && run.said.contains("feed"), "{}", run.said);
    let torn = world();
    torn.collect(&[]).expect(0);
    let whole = torn.state()[STATE_KEY].clone();
    torn.gcs.seed(BUCKET, STATE_KEY, whole.slice(..whole.len() / 2));
    fails(&torn, 3, &["state"]);
}
