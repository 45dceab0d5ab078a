//! Tests that this version reads the states that version 0.1.0 wrote, and continues without losing or repeating a
//! record.
//!
//! `state-0.1.0` contains the bucket after that version: `interrupted` after a live run and a backfill that ran out of
//! budget, with deferred days; `pending` after a run that could not create its objects; `imported` after a run that
//! imported the state of Google's reference collector.

use testkit::collect::*;
use testkit::files::read_bundle;

/// Returns a world with the records and the bucket of the time when the states were written.
fn world(name: &str) -> World {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 120, now - 12 * DAY..now));
    let identical = record(7000, now - HOUR);
    let undated = Entry::new(now - HOUR, r#"{"time":"soon","action":"Add"}"#);
    world.zoom.add([identical.clone(), identical, undated]);
    for (object, bytes) in read_bundle(&format!("tests/collect/state-0.1.0/{name}.json")) {
        world.gcs.seed(BUCKET, &object, bytes);
    }
    world
}

/// Returns a state as text.
fn state(world: &World, name: &str) -> String {
    String::from_utf8(world.state()[name].to_vec()).unwrap()
}

#[test]
fn interrupted_runs_of_0_1_0_continue() {
    let world = world("interrupted");
    let now = world.now();
    world.zoom.add(spread(500, 100, now..now + HOUR));
    // The deferred days are due now.
    world.set(now + 3 * HOUR);
    let status = world.run_program(&["collect", "status"]).expect(0);
    assert!(status.said.contains("deferred    2023-11-12: "), "{}", status.said);
    world.collect(&[]).expect(0);
    world.backfill(&["--from", "2023-11-04", "--until", "2023-11-06"]).expect(0);
    world.assert_bucket_matches_zoom();
    let text = state(&world, STATE_KEY);
    for member in ["\"collection_id\":\"70d3f3c2852e6ac9590f07a264d66ff4\"", "\"first_day\":\"2023-11-10\""] {
        assert!(text.contains(member), "{member} in {text}");
    }
    assert!(!text.contains("\"began\":\"2023-11-10\"") && !text.contains("\"floor\""), "{text}");
}

#[test]
fn states_of_0_1_0_continue_next_to_sign_ins() {
    for name in ["interrupted", "pending"] {
        let world = world(name).with("COLLECT_LOGS", "operation,sign-in");
        let now = world.now();
        world.zoom.add(spread(500, 100, now..now + HOUR));
        world.zoom.add_sign_ins(spread_sign_ins(0, 60, now - DAY..now + HOUR));
        world.set(now + 3 * HOUR);
        world.collect(&[]).expect(0);
        if name == "interrupted" {
            world
                .backfill(&["--logs", "operation", "--from", "2023-11-04", "--until", "2023-11-06"])
                .expect(0);
        }
        world.assert_both_match_zoom();
        // An older version can still read it.
        assert!(!state(&world, STATE_KEY).contains("\"logs\""));
        assert!(state(&world, SIGN_IN_STATE).contains("\"logs\":\"sign-in\""));
    }
}

#[test]
fn pending_writes_of_0_1_0_are_completed() {
    let world = world("pending");
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    assert!(state(&world, STATE_KEY).contains("\"pending\":[]"));
}

#[test]
fn state_imported_by_0_1_0_keeps_its_note() {
    let world = world("imported");
    world.advance(HOUR);
    world.collect(&[]).expect(0);
    let since = at("2023-11-15T00:00:00Z");
    assert_eq!(world.balance_since(Implementation::Ours, since).missing, 0);
    assert_eq!(world.balance(Implementation::Ours).surplus, 0);
    let status = world.run_program(&["collect", "status"]).expect(0);
    assert!(status.said.contains("imported the state of Google's reference collector"), "{}", status.said);
}
