//! The defects of Google's reference collector, one test each. Each test passes for the program.
//! `reference_fails_each_scenario` checks that each fails for the reference, which proves that it detects the defect.

use std::time::Duration;
use testkit::collect::*;
use testkit::proxy::Proxy;

/// Defines the tests as functions of the collector under test.
macro_rules! defects {
    ($($(#[$doc:meta])* fn $name:ident($by:ident) $body:block)*) => {
        mod scenarios {
            use super::*;
            $($(#[$doc])* pub(super) fn $name($by: Implementation) $body)*
        }
        $(#[test] fn $name() { scenarios::$name(Implementation::Ours) })*

        #[test]
        fn reference_fails_each_scenario() {
            let scenarios: &[(&str, fn(Implementation))] = &[$((stringify!($name), scenarios::$name)),*];
            // Shown only with `--nocapture`.
            std::panic::set_hook(Box::new(|why| println!("{why}\n")));
            let passed: Vec<_> = scenarios
                .iter()
                .filter(|(_, scenario)| std::panic::catch_unwind(|| scenario(Implementation::Reference)).is_ok())
                .map(|(name, _)| *name)
                .collect();
            let _ = std::panic::take_hook();
            assert!(passed.is_empty(), "these scenarios detect nothing: {passed:?}");
        }
    };
}

fn day(text: &str) -> i64 {
    at(&format!("{text}T00:00:00Z"))
}

/// Returns a world with records of the last days. The last of them is from just now.
fn world_of_days(days: i64, per_day: u64) -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, per_day * days.unsigned_abs(), now - days * DAY..now));
    world
}

/// Stores a state as the reference writes it.
fn cursor_at(world: &World, date: &str) {
    let state = format!(
        "{{\"cursor_date\": \"{date}\", \"next_page_token\": null, \"updated_at\": \"2023-11-01T00:00:00\"}}"
    );
    world.gcs.seed(BUCKET, STATE_KEY, state);
}

/// The reference passes without faults, so the other tests fail because of the defect, not because of a mistake in the
/// reference.
#[test]
fn reference_passes_without_faults() {
    let world = World::new(NOW);
    world.zoom.add(spread(0, 700, day("2023-11-15")..day("2023-11-16")));
    cursor_at(&world, "2023-11-15");
    world.run(Implementation::Reference).expect(0);
    world.balance(Implementation::Reference).assert_bucket_matches_zoom();
    assert_eq!(world.objects().len(), 3);
    let state = &world.state()[STATE_KEY];
    assert!(String::from_utf8_lossy(state).contains("2023-11-16"));
}

defects! {
    fn defect_01_unreadable_state_stops_the_run(by) {
        let world = world_of_days(2, 40);
        world.run(by).expect(0);
        // After five days without a run, storage fails to return the state.
        let from = world.now();
        world.advance(5 * DAY);
        world.zoom.add(spread(1000, 200, from..world.now()));
        let before = world.state();
        world.add_refusal(Refusal::always("GET", "collector", 503));
        let run = world.run(by);
        world.clear_faults();
        assert_eq!(world.state(), before, "{}", run.said);
        assert!(run.code != 0, "{}", run.said);
        world.until_done(by, 8, 15 * MINUTE);
        assert_eq!(world.balance_since(by, from).missing, 0);
    }

    fn defect_01_truncated_state_stops_the_run(by) {
        let world = world_of_days(2, 40);
        world.run(by).expect(0);
        let from = world.now();
        world.advance(3 * DAY);
        world.zoom.add(spread(1000, 200, from..world.now()));
        let whole = world.state();
        let torn = whole[STATE_KEY].slice(..whole[STATE_KEY].len() / 2);
        world.gcs.seed(BUCKET, STATE_KEY, torn.clone());
        let objects = world.objects();
        let run = world.run(by);
        assert_eq!((world.state().get(STATE_KEY), run.code), (Some(&torn), 3), "{}", run.said);
        assert_eq!(world.objects(), objects, "nothing is written");
        world.gcs.seed(BUCKET, STATE_KEY, whole[STATE_KEY].clone());
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_02_day_polled_repeatedly_is_written_once(by) {
        let world = World::new("2023-11-16T00:30:00Z");
        for hour in 0..24 {
            let now = world.now();
            world.zoom.add(spread(hour * 100, 30, now - HOUR / 2..now));
            world.run(by).expect(0);
            world.advance(HOUR);
        }
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_03_records_after_their_day_are_collected(by) {
        let world = World::new("2023-11-16T23:30:00Z");
        world.zoom.add(spread(0, 20, day("2023-11-16")..world.now()));
        let late = spread(500, 10, at("2023-11-16T23:40:00Z")..at("2023-11-16T23:59:59Z"));
        world.zoom.add(late.into_iter().map(|entry| entry.late(3 * HOUR)));
        let mut late = 0;
        for _ in 0..12 {
            let run = world.run(by).expect(0);
            late += run.summary["late"].as_u64().unwrap_or(0);
            world.advance(HOUR);
        }
        assert_eq!(world.balance(by).missing, 0);
        world.balance(by).assert_bucket_matches_zoom();
        assert_eq!(late, 10);
    }

    fn defect_04_first_run_collects_past_days(by) {
        let world = world_of_days(29, 20);
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_05_tokens_with_any_character_are_encoded(by) {
        let mut world = World::new(NOW).with("PAGE_SIZE", "10");
        world.hostile = true;
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 95, day("2023-11-15")..day("2023-11-16")));
        let run = world.run(by);
        assert_eq!((run.code, world.balance(by).missing), (0, 0), "{}", run.said);
    }

    fn defect_06_transient_error_is_retried(by) {
        for act in [
            Act::Answer(500, "{}".into()),
            Act::Answer(502, "<html>".into()),
            Act::Answer(503, String::new()),
            Act::PerSecond(Wait::Seconds(0)),
            Act::Reset,
            Act::Cut,
        ] {
            let world = World::new(NOW).with("PAGE_SIZE", "10");
            cursor_at(&world, "2023-11-15");
            world.zoom.add(spread(0, 55, day("2023-11-15")..day("2023-11-16")));
            world.zoom.pages_fail(When::Every(3), act.clone());
            let run = world.run(by);
            assert_eq!((run.code, world.balance(by).missing), (0, 0), "{act:?}: {}", run.said);
        }
    }

    fn defect_07_long_day_is_completed_over_several_runs(by) {
        let mut world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 195, day("2023-11-15")..day("2023-11-16")));
        world.request_budget = Some(8);
        let mut stopped = 0;
        for round in 0.. {
            assert!(round < 14, "the day is never complete: {:?}", world.balance(by));
            let run = match by {
                Implementation::Ours => world.collect(&["--max-requests", "9"]),
                Implementation::Reference => world.run(by),
            };
            if run.code == 0 {
                break;
            }
            stopped += u32::from(run.code == 75);
            println!("{}", run.said);
            world.advance(5 * MINUTE);
        }
        assert!(stopped > 0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_08_failing_day_is_deferred_alone(by) {
        let world = world_of_days(25, 10);
        cursor_at(&world, "2023-10-25");
        world.zoom.rule(RequestFilter::touching("2023-10-26"), When::Always, Act::Answer(500, "{}".into()));
        let mut deferred = 0;
        for _ in 0..3 {
            let run = world.run(by);
            assert!(matches!(run.code, 1 | 75), "{}", run.said);
            deferred = deferred.max(run.summary["days_deferred"].as_u64().unwrap_or(0));
            world.advance(15 * MINUTE);
        }
        let recent = world.now() - 2 * DAY;
        assert_eq!(world.balance_since(by, recent).missing, 0, "recent records are still collected");
        assert!(deferred > 0);
        world.zoom.clear_faults();
        world.advance(DAY);
        world.until_done(by, 4, DAY);
        assert_eq!(world.balance_since(by, day("2023-10-25")).missing, 0, "deferred days are collected after the fault");
        assert_eq!(world.balance(by).surplus, 0);
    }

    fn defect_09_failed_state_write_fails_the_run(by) {
        for (status, code) in [(503, 3), (403, 4)] {
            let world = world_of_days(1, 20);
            world.add_refusal(Refusal::always("PUT", "collector", status));
            let run = world.run(by);
            assert_eq!(run.code, code, "{status}: {}", run.said);
            world.clear_faults();
            world.run(by).expect(0);
            world.balance(by).assert_bucket_matches_zoom();
        }
    }

    fn defect_10_concurrent_runs_write_records_once(by) {
        let world = world_of_days(1, 40).with("PAGE_SIZE", "10");
        world.zoom.behavior(|behavior| {
            behavior.latency = Some(Duration::from_millis(40));
        });
        let runs: Vec<_> = std::thread::scope(|scope| {
            let runs = [0, 1, 2].map(|_| scope.spawn(|| world.run(by)));
            runs.map(|run| run.join().unwrap()).into()
        });
        let codes: Vec<_> = runs.iter().map(|run| run.code).collect();
        assert!(codes.contains(&5) && codes.contains(&0) && codes.iter().all(|code| [0, 5].contains(code)), "{runs:?}");
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_10_revoked_access_token_is_renewed(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 55, day("2023-11-15")..day("2023-11-16")));
        world.zoom.pages_fail(When::Nth(4), Act::Unauthorized);
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
        assert_eq!(world.zoom.counts().0, 2, "the token is renewed once");
    }

    fn defect_11_page_without_operation_logs_is_an_error(by) {
        for act in [Act::NoKey, Act::IllTyped, Act::ErrorObject] {
            let world = World::new(NOW);
            cursor_at(&world, "2023-11-15");
            world.zoom.add(spread(0, 20, day("2023-11-15")..world.now()));
            world.zoom.pages_fail(When::Always, act.clone());
            let run = world.run(by);
            assert!(run.code != 0, "{act:?}: {}", run.said);
            assert!(world.objects().is_empty(), "{act:?}");
            world.zoom.clear_faults();
            world.advance(HOUR);
            world.until_done(by, 4, DAY);
            assert_eq!(world.balance(by).missing, 0, "{act:?}");
        }
    }

    fn defect_11_unknown_page_members_are_reported(by) {
        let world = world_of_days(1, 20);
        world.zoom.pages_fail(When::First(2), Act::NewMember);
        let run = world.run(by).expect(0);
        assert_eq!(run.count("unknown_members"), 2, "{}", run.summary);
        let told = run.summary["notes"].to_string();
        assert!(told.contains("archived_logs") && !told.contains(&"x".repeat(100)), "{told}");
        world.balance(by).assert_bucket_matches_zoom();
        world.zoom.clear_faults();
        let run = world.run(by).expect(0);
        assert_eq!((run.count("unknown_members"), &run.summary["notes"]), (0, &serde_json::json!([])));
    }

    fn defect_12_state_within_the_data_is_rejected(by) {
        let world = world_of_days(1, 20).with("STATE_KEY", "logs/state.json");
        let run = world.run(by);
        assert!(world.objects().keys().all(|name| name.ends_with(".json.gz")), "the feed would read {:?}", world.objects().keys());
        run.assert_failed_with(2, &["STATE_KEY", "logs/state.json", "feed"]);
    }

    fn defect_13_one_run_recovers_an_outage(by) {
        let world = world_of_days(1, 40);
        world.run(by).expect(0);
        let from = world.now();
        world.advance(10 * DAY + 6 * HOUR);
        world.zoom.add(spread(1000, 400, from..world.now()));
        world.run(by).expect(0);
        assert_eq!(world.balance_since(by, from).missing, 0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_14_all_missing_settings_are_reported(by) {
        let world = World::new(NOW).with("GCS_BUCKET", "").with("ZOOM_ACCOUNT_ID", "").with("ZOOM_CLIENT_ID", "");
        world.run(by).assert_failed_with(2, &["GCS_BUCKET", "ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID"]);
    }

    fn defect_15_unsaved_state_causes_no_second_write(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        // All writes of the state fail, from the first, the second and so on.
        for after in 0..6 {
            world.add_refusal(Refusal { after, ..Refusal::always("PUT", "collector", 503) });
            world.run(by);
            world.clear_faults();
            world.advance(15 * MINUTE);
        }
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_16_failed_upload_is_retried(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        world.add_refusal(Refusal::once("PUT", PREFIX, 503));
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_16_corrupted_upload_is_retried(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        world.add_refusal(Refusal { times: 1, ..Refusal::acting("PUT", PREFIX, testkit::gcs::Act::Garbled) });
        world.run(by).expect(0);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_17_shifting_pages_lose_or_repeat_no_record(by) {
        for (newest_first, paging) in
            [(true, Paging::Offset), (true, Paging::Anchor), (false, Paging::Offset), (false, Paging::Anchor)]
        {
            let world = World::new(NOW).with("PAGE_SIZE", "10");
            world.zoom.behavior(|behavior| {
                behavior.newest_first = newest_first;
                behavior.paging = paging;
            });
            world.zoom.add(spread(0, 60, day("2023-11-16")..world.now()));
            let live = spread(1000, 7, world.now() - HOUR..world.now());
            world.zoom.rule(RequestFilter::next_pages(), When::Nth(2), Act::Insert(live));
            let late = spread(2000, 3, day("2023-11-16")..world.now());
            world.zoom.rule(RequestFilter::next_pages(), When::Nth(4), Act::Insert(late));
            let run = world.run(by).expect(0);
            assert_eq!(world.balance(by).surplus, 0, "{newest_first} {paging:?}: {}", run.said);
            world.advance(15 * MINUTE);
            world.run(by).expect(0);
            world.advance(2 * HOUR);
            world.run(by).expect(0);
            assert_eq!(world.balance(by).missing, 0, "{newest_first} {paging:?}: {}", run.said);
            world.balance(by).assert_bucket_matches_zoom();
        }
    }

    fn defect_18_day_of_polls_uses_few_requests(by) {
        let world = World::new("2023-11-16T00:15:00Z").with("PAGE_SIZE", "10");
        // 96 runs of the reference would make more than 4,600 requests.
        for poll in 0..96 {
            world.zoom.add(spread(poll * 100, 10, world.now() - 15 * MINUTE..world.now()));
            world.run(by).expect(0);
            world.advance(15 * MINUTE);
        }
        let (_, pages) = world.zoom.counts();
        println!("{pages} requests for pages in a day");
        assert!(pages < 3_000, "{pages}");
    }

    fn defect_18_request_rate_stays_within_the_limit(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 200, day("2023-11-15")..day("2023-11-16")));
        let began = std::time::Instant::now();
        let run = match by {
            Implementation::Ours => world.collect(&["--max-rate", "40"]),
            Implementation::Reference => world.run(by),
        };
        let took = began.elapsed();
        let (tokens, pages) = world.zoom.counts();
        assert!(pages >= 20, "{pages}");
        // Consecutive requests are at least 25 ms apart.
        assert!(took >= std::time::Duration::from_millis(25) * u32::try_from(tokens + pages - 1).unwrap(), "{took:?} {}", run.said);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_19_no_window_semantics_loses_a_record(by) {
        for (inclusive, zone) in [(true, 0), (false, 0), (true, 11 * HOUR), (true, -11 * HOUR), (false, -8 * HOUR)] {
            let world = World::new("2023-11-14T01:00:00Z");
            world.zoom.behavior(|behavior| (behavior.inclusive, behavior.zone) = (inclusive, zone));
            let now = world.now();
            world.zoom.add(spread(0, 60, now..now + 3 * DAY));
            for _ in 0..40 {
                world.run(by).expect(0);
                world.advance(2 * HOUR);
            }
            assert_eq!(world.balance(by).missing, 0, "{inclusive} {zone}");
            world.balance(by).assert_bucket_matches_zoom();
        }
    }

    fn defect_20_days_are_utc_in_any_local_zone(by) {
        let zone = (13 * HOUR).to_string();
        let world = World::new(NOW).with("TZ", "Pacific/Auckland").with("ZONE_OF_THE_REFERENCE", &zone);
        world.zoom.add(spread(0, 20, world.now() - HOUR..world.now()));
        world.run(by).expect(0);
        assert_eq!(world.balance(by).missing, 0);
        assert!(world.objects().keys().all(|name| name.starts_with("2023/11/16/")), "{:?}", world.objects().keys());
    }

    fn defect_21_deadline_ends_run_with_progress_saved(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        world.zoom.behavior(|behavior| behavior.latency = Some(Duration::from_millis(40)));
        world.zoom.add(spread(0, 400, day("2023-11-10")..world.now()));
        let run = match by {
            Implementation::Ours => world.collect(&["--deadline", "1s"]),
            Implementation::Reference => world.run(by),
        };
        assert_eq!(run.code, 75, "{}", run.said);
        assert!(run.summary["stopped"].is_string(), "{}", run.summary);
        world.zoom.behavior(|behavior| behavior.latency = None);
        world.until_done(by, 3, MINUTE);
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_22_records_are_kept_byte_for_byte(by) {
        let world = World::new(NOW);
        world.zoom.add(spread(0, 40, day("2023-11-16")..world.now()));
        world.run(by).expect(0);
        let expected = { let now = world.now(); world.zoom.lock().log_store.expected(0, now) };
        assert_eq!(world.stored_lines(), expected);
    }

    fn defect_23_objects_are_named_by_event_day(by) {
        let world = world_of_days(6, 10);
        cursor_at(&world, "2023-11-11");
        world.until_done(by, 8, 15 * MINUTE);
        for (name, bytes) in world.objects() {
            let day = name[..10].replace('/', "-");
            let text = gunzip(&bytes);
            let times: Vec<_> = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].clone()).collect();
            assert!(times.iter().all(|time| time.as_str().unwrap().starts_with(&day)), "{name}: {times:?}");
            let (id, ending) = name[11..].strip_prefix("zoom-operationlogs-").unwrap().split_once('.').unwrap();
            assert!(id.len() == 36 && id.matches('-').count() == 4 && ending == "json.gz", "{name}");
        }
        assert!(world.objects().len() > 4);
    }

    fn defect_24_pages_are_merged_without_empty_writes(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        world.zoom.add(spread(0, 120, day("2023-11-16")..world.now()));
        world.run(by).expect(0);
        assert_eq!(world.objects().len(), 1);
        for _ in 0..3 {
            world.advance(15 * MINUTE);
            world.run(by).expect(0);
        }
        assert_eq!(world.objects().len(), 1);
    }

    fn defect_25_identical_records_keep_their_count(by) {
        let world = World::new(NOW);
        let now = world.now();
        let duplicate = record(7, now - HOUR);
        world.zoom.add([duplicate.clone(), duplicate.clone(), duplicate.clone(), record(8, now - HOUR), record(9, now - HOUR)]);
        for _ in 0..3 {
            world.run(by).expect(0);
            world.advance(15 * MINUTE);
        }
        world.balance(by).assert_bucket_matches_zoom();
        // One more identical record, late.
        world.zoom.add([duplicate.late(HOUR + 50 * MINUTE)]);
        for _ in 0..8 {
            world.run(by).expect(0);
            world.advance(HOUR);
        }
        world.balance(by).assert_bucket_matches_zoom();
    }

    fn defect_26_invalid_json_is_retried_and_not_shown(by) {
        for act in [Act::Html, Act::Cut, Act::Answer(200, "marked-page {\"operation_logs\":[".into())] {
            let world = World::new(NOW);
            cursor_at(&world, "2023-11-16");
            world.zoom.add(spread(0, 20, day("2023-11-16")..world.now()));
            world.zoom.pages_fail(When::First(1), act.clone());
            world.run(by).expect(0);
            world.balance(by).assert_bucket_matches_zoom();
            world.zoom.pages_fail(When::Always, act.clone());
            let run = world.run(by);
            assert!(run.code != 0 && !run.said.contains("marked-page"), "{act:?}: {}", run.said);
        }
    }

    fn defect_27_token_error_shows_no_secret(by) {
        let world = world_of_days(1, 5).with("ZOOM_CLIENT_SECRET", "marked-wrong-secret");
        world.zoom.lock().secret = "another".into();
        let run = world.run(by);
        let coded = ["marked", "bWFya2Vk", "Basic ", "Y2xpZW50LW9mLXRoZS10ZXN0"];
        assert!(coded.iter().all(|part| !run.said.contains(part)), "{}", run.said);
        run.assert_failed_with(4, &["ZOOM_CLIENT_SECRET"]);
    }

    fn defect_29_timeout_is_validated_and_enforced(by) {
        let world = world_of_days(1, 5).with("TIMEOUT", "soon");
        world.run(by).assert_failed_with(2, &["TIMEOUT", "soon"]);
        let world = world_of_days(1, 5).with("TIMEOUT", "1");
        world.zoom.pages_fail(When::First(1), Act::Hang(Duration::from_secs(20)));
        let began = std::time::Instant::now();
        world.run(by).expect(0);
        assert!(began.elapsed() < Duration::from_secs(15));
        world.assert_bucket_matches_zoom();
    }

    fn defect_30_summary_counts_what_the_run_did(by) {
        let world = world_of_days(1, 20);
        let run = world.run(by).expect(0);
        for name in [
            "records_written", "records_read", "duplicates_suppressed", "late", "objects_written", "requests",
            "token_requests", "throttled", "days_deferred", "state_bytes", "lag_seconds",
        ] {
            assert!(run.summary[name].is_u64(), "{name}: {}", run.summary);
        }
        assert!(run.summary["gaps"].is_array() && run.summary["stopped"].is_null(), "{}", run.summary);
        assert_eq!((run.count("records_written"), run.count("token_requests")), (20, 1));
        let (tokens, pages) = world.zoom.counts();
        assert_eq!((run.count("token_requests"), run.count("requests")), (tokens, pages));
    }

    fn defect_31_missing_scope_is_named_with_a_hint(by) {
        let world = world_of_days(1, 5);
        world.zoom.behavior(|behavior| behavior.scope = false);
        let run = world.run(by);
        assert!(run.said.contains("WEB_"), "the error has the tracking ID: {}", run.said);
        run.assert_failed_with(4, &["report:read:operation_logs:admin", "4711"]);
    }

    fn defect_33_page_size_is_validated(by) {
        for size in ["0", "301", "many"] {
            let world = world_of_days(1, 5).with("PAGE_SIZE", size);
            world.run(by).assert_failed_with(2, &["PAGE_SIZE", "300"]);
        }
    }
}

/// The reference has fixed hosts, so a test cannot run it.
#[test]
fn defect_28_hosts_and_proxies_are_configurable() {
    let proxy = Proxy::start();
    let proxied = |world: World| {
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"]
            .into_iter()
            .fold(world, |world, name| world.with(name, &proxy.url()))
    };
    // Loopback hosts bypass the proxy: the fakes of Zoom and of Cloud Storage.
    let near = proxied(world_of_days(1, 20));
    near.collect(&[]).expect(0);
    near.assert_bucket_matches_zoom();
    // The metadata server bypasses it, too.
    let nobody = proxied(World::new(NOW))
        .with("GCE_METADATA_HOST", "metadata.invalid")
        .with("GCE_METADATA_IP", "127.0.0.1:9");
    let nobody = nobody.with("STORAGE_EMULATOR_HOST", "");
    nobody.run_program(&["collect", "status", "--retries", "0"]).expect(4);
    assert_eq!(proxy.request_heads(), [""; 0]);
    // Zoom is reached through a tunnel of the proxy.
    let far = proxied(world_of_days(1, 5))
        .with("ZOOM_API_BASE", "https://api.zoom.invalid")
        .with("ZOOM_TOKEN_URL", "https://zoom.invalid/oauth/token");
    let run = far.collect(&["--retries", "1", "--trace-http"]).expect(75);
    assert!(run.said.contains("zoom.invalid/oauth/token") && !run.said.contains("marked-"), "{}", run.said);
    let heard = proxy.request_heads();
    assert!(
        !heard.is_empty() && heard.iter().all(|head| head.starts_with("CONNECT zoom.invalid:443 ")),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|head| !head.contains("marked-client-secret") && !head.contains("Y2xpZW50")),
        "{heard:?}"
    );
    assert!(heard[0].to_lowercase().contains("proxy-authorization: basic"), "{heard:?}");
    // Plain HTTP is accepted for loopback hosts only.
    let clear = world_of_days(1, 5).with("ZOOM_API_BASE", "http://api.zoom.us");
    clear.collect(&[]).assert_failed_with(2, &["ZOOM_API_BASE", "https://"]);
}

/// The reference has neither a backfill nor a dry run.
#[test]
fn defect_32_backfill_and_dry_run_work() {
    let world = world_of_days(20, 10);
    let run = world.collect(&["--dry-run"]).expect(0);
    assert!(world.objects().is_empty() && world.state().is_empty(), "{}", run.said);
    world.collect(&["--since", "3d"]).expect(0);
    let held = world.balance(Implementation::Ours);
    assert!(held.missing > 100 && held.surplus == 0, "{held:?}");
    // A backfill up to the days of the live collection, and a second one that overlaps it.
    world.backfill(&["--from", "2023-10-20", "--until", "2023-11-16"]).expect(0);
    let over = world.backfill(&["--from", "2023-11-10", "--until", "2023-11-16"]).expect(0);
    assert_eq!(over.count("records_written"), 0, "{}", over.said);
    world.assert_bucket_matches_zoom();
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}
