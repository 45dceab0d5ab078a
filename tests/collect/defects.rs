//! What the recipe's function does wrong, row by row: each test holds for the program, and each fails on the function's
//! logic (`the_reference_fails_each`), so that it is known to see what it is about.

use crate::collecting::support::proxy::Proxy;
use crate::collecting::*;
use std::time::Duration;

/// Tests, each as a function of who collects.
macro_rules! defects {
    ($($(#[$doc:meta])* fn $name:ident($by:ident) $body:block)*) => {
        mod scenarios {
            use super::*;
            $($(#[$doc])* pub(super) fn $name($by: By) $body)*
        }
        $(#[test] fn $name() { scenarios::$name(By::Ours) })*

        #[test]
        fn the_reference_fails_each() {
            let scenarios: &[(&str, fn(By))] = &[$((stringify!($name), scenarios::$name)),*];
            // Said only to who asks with --nocapture.
            std::panic::set_hook(Box::new(|why| println!("{why}\n")));
            let passed: Vec<_> = scenarios
                .iter()
                .filter(|(_, scenario)| std::panic::catch_unwind(|| scenario(By::Reference)).is_ok())
                .map(|(name, _)| *name)
                .collect();
            let _ = std::panic::take_hook();
            assert!(passed.is_empty(), "these see nothing: {passed:?}");
        }
    };
}

fn day(text: &str) -> i64 {
    at(&format!("{text}T00:00:00Z"))
}

/// A world with so many records in each of the last days, the last of them of the moment.
fn world_of_days(days: i64, per_day: u64) -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, per_day * days.unsigned_abs(), now - days * DAY..now));
    world
}

/// What the function leaves behind: its cursor.
fn cursor_at(world: &World, date: &str) {
    let state = format!(
        "{{\"cursor_date\": \"{date}\", \"next_page_token\": null, \"updated_at\": \"2023-11-01T00:00:00\"}}"
    );
    world.gcs.seed(BUCKET, STATE_KEY, state);
}

/// The reference where all is well for it: so the other tests fail on what they are about and not on a slip in it.
#[test]
fn the_reference_is_well_where_nothing_is_wrong() {
    let world = World::new(NOW);
    world.zoom.add(spread(0, 700, day("2023-11-15")..day("2023-11-16")));
    cursor_at(&world, "2023-11-15");
    world.run(By::Reference).expect(0);
    world.balance(By::Reference).even();
    assert_eq!(world.objects().len(), 3);
    let state = &world.state()[STATE_KEY];
    assert!(String::from_utf8_lossy(state).contains("2023-11-16"));
}

defects! {
    fn defect_01_a_state_that_cannot_be_read_stops_the_run_and_stays(by) {
        let world = world_of_days(2, 40);
        world.run(by).expect(0);
        // Five days without a run, then a state that storage does not give.
        let from = world.now();
        world.advance(5 * DAY);
        world.zoom.add(spread(1000, 200, from..world.now()));
        let before = world.state();
        world.refuse(Refusal::always("GET", "collector", 503));
        let run = world.run(by);
        world.heal();
        assert_eq!(world.state(), before, "{}", run.said);
        assert!(run.code != 0, "{}", run.said);
        world.until_done(by, 8, 15 * MINUTE);
        assert_eq!(world.balance_since(by, from).missing, 0);
    }

    fn defect_01_a_torn_state_stops_the_run_and_stays(by) {
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
        world.balance(by).even();
    }

    fn defect_02_a_day_polled_many_times_is_written_once(by) {
        let world = World::new("2023-11-16T00:30:00Z");
        for hour in 0..24 {
            let now = world.now();
            world.zoom.add(spread(hour * 100, 30, now - HOUR / 2..now));
            world.run(by).expect(0);
            world.advance(HOUR);
        }
        world.balance(by).even();
    }

    fn defect_03_records_that_appear_after_their_day_come_in(by) {
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
        world.balance(by).even();
        assert_eq!(late, 10);
    }

    fn defect_04_a_first_run_takes_what_lies_behind(by) {
        let world = world_of_days(29, 20);
        world.run(by).expect(0);
        world.balance(by).even();
    }

    fn defect_05_tokens_with_any_character_are_sent_encoded(by) {
        let mut world = World::new(NOW).with("PAGE_SIZE", "10");
        world.hostile = true;
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 95, day("2023-11-15")..day("2023-11-16")));
        let run = world.run(by);
        assert_eq!((run.code, world.balance(by).missing), (0, 0), "{}", run.said);
    }

    fn defect_06_a_passing_fault_is_overcome(by) {
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

    fn defect_07_a_day_longer_than_a_run_is_finished_over_several(by) {
        let mut world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 195, day("2023-11-15")..day("2023-11-16")));
        world.stamina = Some(8);
        let mut stopped = 0;
        for round in 0.. {
            assert!(round < 14, "it never ends: {:?}", world.balance(by));
            let run = match by {
                By::Ours => world.collect(&["--max-requests", "9"]),
                By::Reference => world.run(by),
            };
            if run.code == 0 {
                break;
            }
            stopped += u32::from(run.code == 75);
            println!("{}", run.said);
            world.advance(5 * MINUTE);
        }
        assert!(stopped > 0);
        world.balance(by).even();
    }

    fn defect_08_a_day_that_always_fails_is_parked_and_the_rest_goes_on(by) {
        let world = world_of_days(25, 10);
        cursor_at(&world, "2023-10-25");
        world.zoom.rule(Only::touching("2023-10-26"), When::Always, Act::Answer(500, "{}".into()));
        let mut parked = 0;
        for _ in 0..3 {
            let run = world.run(by);
            assert!(matches!(run.code, 1 | 75), "{}", run.said);
            parked = parked.max(run.summary["windows_parked"].as_u64().unwrap_or(0));
            world.advance(15 * MINUTE);
        }
        let recent = world.now() - 2 * DAY;
        assert_eq!(world.balance_since(by, recent).missing, 0, "the live tail goes on");
        assert!(parked > 0);
        world.zoom.heal();
        world.advance(DAY);
        world.until_done(by, 4, DAY);
        assert_eq!(world.balance_since(by, day("2023-10-25")).missing, 0, "what was parked comes in once it can");
        assert_eq!(world.balance(by).surplus, 0);
    }

    fn defect_09_a_state_that_cannot_be_written_fails_the_run(by) {
        for (status, code) in [(503, 3), (403, 4)] {
            let world = world_of_days(1, 20);
            world.refuse(Refusal::always("PUT", "collector", status));
            let run = world.run(by);
            assert_eq!(run.code, code, "{status}: {}", run.said);
            world.heal();
            world.run(by).expect(0);
            world.balance(by).even();
        }
    }

    fn defect_10_two_runs_at_once_write_each_record_once(by) {
        let world = world_of_days(1, 40).with("PAGE_SIZE", "10");
        world.zoom.manners(|manners| {
            manners.latency = Some(Duration::from_millis(40));
        });
        let runs: Vec<_> = std::thread::scope(|scope| {
            let runs = [0, 1, 2].map(|_| scope.spawn(|| world.run(by)));
            runs.map(|run| run.join().unwrap()).into()
        });
        let codes: Vec<_> = runs.iter().map(|run| run.code).collect();
        assert!(codes.contains(&5) && codes.contains(&0) && codes.iter().all(|code| [0, 5].contains(code)), "{runs:?}");
        world.balance(by).even();
    }

    fn defect_10_a_token_that_another_program_ended_is_renewed(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 55, day("2023-11-15")..day("2023-11-16")));
        world.zoom.pages_fail(When::Nth(4), Act::Unauthorized);
        world.run(by).expect(0);
        world.balance(by).even();
        assert_eq!(world.zoom.counts().0, 2, "renewed once");
    }

    fn defect_11_a_page_without_its_list_is_an_error(by) {
        for act in [Act::NoKey, Act::IllTyped, Act::ErrorObject] {
            let world = World::new(NOW);
            cursor_at(&world, "2023-11-15");
            world.zoom.add(spread(0, 20, day("2023-11-15")..world.now()));
            world.zoom.pages_fail(When::Always, act.clone());
            let run = world.run(by);
            assert!(run.code != 0, "{act:?}: {}", run.said);
            assert!(world.objects().is_empty(), "{act:?}");
            world.zoom.heal();
            world.advance(HOUR);
            world.until_done(by, 4, DAY);
            assert_eq!(world.balance(by).missing, 0, "{act:?}");
        }
    }

    fn defect_11_what_is_new_on_a_page_is_counted_and_told(by) {
        let world = world_of_days(1, 20);
        world.zoom.pages_fail(When::First(2), Act::NewMember);
        let run = world.run(by).expect(0);
        assert_eq!(run.count("unknown_members"), 2, "{}", run.summary);
        let told = run.summary["notes"].to_string();
        assert!(told.contains("archived_logs") && !told.contains(&"x".repeat(100)), "{told}");
        world.balance(by).even();
        world.zoom.heal();
        let run = world.run(by).expect(0);
        assert_eq!((run.count("unknown_members"), &run.summary["notes"]), (0, &serde_json::json!([])));
    }

    fn defect_12_a_state_among_the_data_is_refused(by) {
        let world = world_of_days(1, 20).with("STATE_KEY", "logs/state.json");
        let run = world.run(by);
        assert!(world.objects().keys().all(|name| name.ends_with(".json.gz")), "the feed would read {:?}", world.objects().keys());
        run.failed_saying(2, &["STATE_KEY", "logs/state.json", "feed"]);
    }

    fn defect_13_an_outage_is_made_good_in_one_run(by) {
        let world = world_of_days(1, 40);
        world.run(by).expect(0);
        let from = world.now();
        world.advance(10 * DAY + 6 * HOUR);
        world.zoom.add(spread(1000, 400, from..world.now()));
        world.run(by).expect(0);
        assert_eq!(world.balance_since(by, from).missing, 0);
        world.balance(by).even();
    }

    fn defect_14_missing_settings_are_named_at_once(by) {
        let world = World::new(NOW).with("GCS_BUCKET", "").with("ZOOM_ACCOUNT_ID", "").with("ZOOM_CLIENT_ID", "");
        world.run(by).failed_saying(2, &["GCS_BUCKET", "ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID"]);
    }

    fn defect_15_what_is_written_but_not_remembered_is_not_written_again(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        // Every write of the state from the first, the second, ... on fails.
        for after in 0..6 {
            world.refuse(Refusal { after, ..Refusal::always("PUT", "collector", 503) });
            world.run(by);
            world.heal();
            world.advance(15 * MINUTE);
        }
        world.run(by).expect(0);
        world.balance(by).even();
    }

    fn defect_16_an_upload_is_tried_again(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        world.refuse(Refusal::once("PUT", PREFIX, 503));
        world.run(by).expect(0);
        world.balance(by).even();
    }

    fn defect_16_an_upload_that_is_damaged_on_the_way_is_sent_again(by) {
        let world = World::new(NOW);
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 250, day("2023-11-15")..day("2023-11-16")));
        world.refuse(Refusal { times: 1, ..Refusal::acting("PUT", PREFIX, support::gcs::Act::Garbled) });
        world.run(by).expect(0);
        world.balance(by).even();
    }

    fn defect_17_pages_that_shift_under_way_double_and_lose_nothing(by) {
        for (newest_first, paging) in
            [(true, Paging::Offset), (true, Paging::Anchor), (false, Paging::Offset), (false, Paging::Anchor)]
        {
            let world = World::new(NOW).with("PAGE_SIZE", "10");
            world.zoom.manners(|manners| {
                manners.newest_first = newest_first;
                manners.paging = paging;
            });
            world.zoom.add(spread(0, 60, day("2023-11-16")..world.now()));
            let live = spread(1000, 7, world.now() - HOUR..world.now());
            world.zoom.rule(Only::next_pages(), When::Nth(2), Act::Insert(live));
            let late = spread(2000, 3, day("2023-11-16")..world.now());
            world.zoom.rule(Only::next_pages(), When::Nth(4), Act::Insert(late));
            let run = world.run(by).expect(0);
            assert_eq!(world.balance(by).surplus, 0, "{newest_first} {paging:?}: {}", run.said);
            world.advance(15 * MINUTE);
            world.run(by).expect(0);
            world.advance(2 * HOUR);
            world.run(by).expect(0);
            assert_eq!(world.balance(by).missing, 0, "{newest_first} {paging:?}: {}", run.said);
            world.balance(by).even();
        }
    }

    fn defect_18_a_day_of_polls_asks_for_a_fraction(by) {
        let world = World::new("2023-11-16T00:15:00Z").with("PAGE_SIZE", "10");
        // 96 pages a day: the function's 96 runs ask for more than 4,600.
        for poll in 0..96 {
            world.zoom.add(spread(poll * 100, 10, world.now() - 15 * MINUTE..world.now()));
            world.run(by).expect(0);
            world.advance(15 * MINUTE);
        }
        let (_, pages) = world.zoom.counts();
        println!("{pages} requests for pages in a day");
        assert!(pages < 3_000, "{pages}");
    }

    fn defect_18_no_more_requests_in_a_second_than_are_allowed(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        cursor_at(&world, "2023-11-15");
        world.zoom.add(spread(0, 200, day("2023-11-15")..day("2023-11-16")));
        let began = std::time::Instant::now();
        let run = match by {
            By::Ours => world.collect(&["--max-rate", "40"]),
            By::Reference => world.run(by),
        };
        let took = began.elapsed();
        let (tokens, pages) = world.zoom.counts();
        assert!(pages >= 20, "{pages}");
        // So many spaces of 25 ms are between them.
        assert!(took >= std::time::Duration::from_millis(25) * u32::try_from(tokens + pages - 1).unwrap(), "{took:?} {}", run.said);
        world.balance(by).even();
    }

    fn defect_19_no_kind_of_window_loses_a_record(by) {
        for (inclusive, zone) in [(true, 0), (false, 0), (true, 11 * HOUR), (true, -11 * HOUR), (false, -8 * HOUR)] {
            let world = World::new("2023-11-14T01:00:00Z");
            world.zoom.manners(|manners| (manners.inclusive, manners.zone) = (inclusive, zone));
            let now = world.now();
            world.zoom.add(spread(0, 60, now..now + 3 * DAY));
            for _ in 0..40 {
                world.run(by).expect(0);
                world.advance(2 * HOUR);
            }
            assert_eq!(world.balance(by).missing, 0, "{inclusive} {zone}");
            world.balance(by).even();
        }
    }

    fn defect_20_days_are_those_of_utc_wherever_it_runs(by) {
        let zone = (13 * HOUR).to_string();
        let world = World::new(NOW).with("TZ", "Pacific/Auckland").with("ZONE_OF_THE_REFERENCE", &zone);
        world.zoom.add(spread(0, 20, world.now() - HOUR..world.now()));
        world.run(by).expect(0);
        assert_eq!(world.balance(by).missing, 0);
        assert!(world.objects().keys().all(|name| name.starts_with("2023/11/16/")), "{:?}", world.objects().keys());
    }

    fn defect_21_a_deadline_ends_a_run_with_its_progress_saved(by) {
        let world = World::new(NOW).with("PAGE_SIZE", "10");
        world.zoom.manners(|manners| manners.latency = Some(Duration::from_millis(40)));
        world.zoom.add(spread(0, 400, day("2023-11-10")..world.now()));
        let run = match by {
            By::Ours => world.collect(&["--deadline", "1s"]),
            By::Reference => world.run(by),
        };
        assert_eq!(run.code, 75, "{}", run.said);
        assert!(run.summary["stopped"].is_string(), "{}", run.summary);
        world.zoom.manners(|manners| manners.latency = None);
        world.until_done(by, 3, MINUTE);
        world.balance(by).even();
    }

    fn defect_22_records_keep_their_bytes(by) {
        let world = World::new(NOW);
        world.zoom.add(spread(0, 40, day("2023-11-16")..world.now()));
        world.run(by).expect(0);
        let expected = { let now = world.now(); world.zoom.lock().book.expected(0, now) };
        assert_eq!(world.held(), expected);
    }

    fn defect_23_objects_lie_under_the_day_of_their_events(by) {
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

    fn defect_24_pages_are_put_together_and_nothing_is_written_for_nothing(by) {
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

    fn defect_25_twins_stay_as_many_as_they_are(by) {
        let world = World::new(NOW);
        let now = world.now();
        let twin = record(7, now - HOUR);
        world.zoom.add([twin.clone(), twin.clone(), twin.clone(), record(8, now - HOUR), record(9, now - HOUR)]);
        for _ in 0..3 {
            world.run(by).expect(0);
            world.advance(15 * MINUTE);
        }
        world.balance(by).even();
        // One more of them, late.
        world.zoom.add([twin.late(HOUR + 50 * MINUTE)]);
        for _ in 0..8 {
            world.run(by).expect(0);
            world.advance(HOUR);
        }
        world.balance(by).even();
    }

    fn defect_26_a_body_that_is_no_json_is_tried_again_and_never_shown(by) {
        for act in [Act::Html, Act::Cut, Act::Answer(200, "marked-page {\"operation_logs\":[".into())] {
            let world = World::new(NOW);
            cursor_at(&world, "2023-11-16");
            world.zoom.add(spread(0, 20, day("2023-11-16")..world.now()));
            world.zoom.pages_fail(When::First(1), act.clone());
            world.run(by).expect(0);
            world.balance(by).even();
            world.zoom.pages_fail(When::Always, act.clone());
            let run = world.run(by);
            assert!(run.code != 0 && !run.said.contains("marked-page"), "{act:?}: {}", run.said);
        }
    }

    fn defect_27_an_error_of_the_token_shows_no_secret(by) {
        let world = world_of_days(1, 5).with("ZOOM_CLIENT_SECRET", "marked-wrong-secret");
        world.zoom.lock().secret = "another".into();
        let run = world.run(by);
        let coded = ["marked", "bWFya2Vk", "Basic ", "Y2xpZW50LW9mLXRoZS10ZXN0"];
        assert!(coded.iter().all(|part| !run.said.contains(part)), "{}", run.said);
        run.failed_saying(4, &["ZOOM_CLIENT_SECRET"]);
    }

    fn defect_29_a_timeout_is_checked_and_kept(by) {
        let world = world_of_days(1, 5).with("TIMEOUT", "soon");
        world.run(by).failed_saying(2, &["TIMEOUT", "soon"]);
        let world = world_of_days(1, 5).with("TIMEOUT", "1");
        world.zoom.pages_fail(When::First(1), Act::Hang(Duration::from_secs(20)));
        let began = std::time::Instant::now();
        world.run(by).expect(0);
        assert!(began.elapsed() < Duration::from_secs(15));
        world.even();
    }

    fn defect_30_a_run_says_what_it_did_in_figures(by) {
        let world = world_of_days(1, 20);
        let run = world.run(by).expect(0);
        for name in [
            "records_written", "records_read", "duplicates_suppressed", "late", "objects_written", "requests",
            "token_requests", "throttled", "windows_parked", "state_bytes", "lag_seconds",
        ] {
            assert!(run.summary[name].is_u64(), "{name}: {}", run.summary);
        }
        assert!(run.summary["gaps"].is_array() && run.summary["stopped"].is_null(), "{}", run.summary);
        assert_eq!((run.count("records_written"), run.count("token_requests")), (20, 1));
        let (tokens, pages) = world.zoom.counts();
        assert_eq!((run.count("token_requests"), run.count("requests")), (tokens, pages));
    }

    fn defect_31_a_missing_scope_is_named_with_its_cure(by) {
        let world = world_of_days(1, 5);
        world.zoom.manners(|manners| manners.scope = false);
        let run = world.run(by);
        assert!(run.said.contains("WEB_"), "the tracking id is told: {}", run.said);
        run.failed_saying(4, &["report:read:operation_logs:admin", "4711"]);
    }

    fn defect_33_a_page_size_is_checked(by) {
        for size in ["0", "301", "many"] {
            let world = world_of_days(1, 5).with("PAGE_SIZE", size);
            world.run(by).failed_saying(2, &["PAGE_SIZE", "300"]);
        }
    }
}

/// The reference has its hosts in its code: no test could reach it.
#[test]
fn defect_28_hosts_and_proxies_are_settings() {
    let proxy = Proxy::start();
    let proxied = |world: World| {
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"]
            .into_iter()
            .fold(world, |world, name| world.with(name, &proxy.url()))
    };
    // What stays on this machine goes past a proxy: Zoom's stand-in, and the bucket's.
    let near = proxied(world_of_days(1, 20));
    near.collect(&[]).expect(0);
    near.even();
    // So does the question to the metadata server for who this is.
    let nobody = proxied(World::new(NOW))
        .with("GCE_METADATA_HOST", "metadata.invalid")
        .with("GCE_METADATA_IP", "127.0.0.1:9");
    let nobody = nobody.with("STORAGE_EMULATOR_HOST", "");
    nobody.tell(&["collect", "status", "--retries", "0"]).expect(4);
    assert_eq!(proxy.heard(), [""; 0]);
    // Zoom itself is asked through it, in a tunnel.
    let far = proxied(world_of_days(1, 5))
        .with("ZOOM_API_BASE", "https://api.zoom.invalid")
        .with("ZOOM_TOKEN_URL", "https://zoom.invalid/oauth/token");
    let run = far.collect(&["--retries", "1", "--trace-http"]).expect(75);
    assert!(run.said.contains("zoom.invalid/oauth/token") && !run.said.contains("marked-"), "{}", run.said);
    let heard = proxy.heard();
    assert!(
        !heard.is_empty() && heard.iter().all(|head| head.starts_with("CONNECT zoom.invalid:443 ")),
        "{heard:?}"
    );
    assert!(
        heard.iter().all(|head| !head.contains("marked-client-secret") && !head.contains("Y2xpZW50")),
        "{heard:?}"
    );
    assert!(heard[0].to_lowercase().contains("proxy-authorization: basic"), "{heard:?}");
    // In clear nothing goes but to this machine.
    let clear = world_of_days(1, 5).with("ZOOM_API_BASE", "http://api.zoom.us");
    clear.collect(&[]).failed_saying(2, &["ZOOM_API_BASE", "https://"]);
}

/// The reference has neither a backfill nor a dry run.
#[test]
fn defect_32_there_is_a_backfill_and_a_dry_run() {
    let world = world_of_days(20, 10);
    let run = world.collect(&["--dry-run"]).expect(0);
    assert!(world.objects().is_empty() && world.state().is_empty(), "{}", run.said);
    world.collect(&["--since", "3d"]).expect(0);
    let held = world.balance(By::Ours);
    assert!(held.missing > 100 && held.surplus == 0, "{held:?}");
    // Up to the days of the live collection, and once more over them.
    world.backfill(&["--from", "2023-10-20", "--until", "2023-11-16"]).expect(0);
    let over = world.backfill(&["--from", "2023-11-10", "--until", "2023-11-16"]).expect(0);
    assert_eq!(over.count("records_written"), 0, "{}", over.said);
    world.even();
    world.collect(&[]).expect(0);
    world.even();
}
