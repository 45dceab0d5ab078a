//! Simulates weeks of collection: several polling intervals, late records, outages, long histories and concurrent runs.
//! At the end, the bucket must contain each record exactly as often as Zoom does.

use std::time::Duration;
use testkit::collect::*;

/// Polls every `apart` seconds for `long` seconds. Each run must succeed.
fn poll(world: &World, apart: i64, long: i64) -> Vec<Run> {
    let until = world.now() + long;
    let mut runs = Vec::new();
    loop {
        runs.push(world.collect(&[]).expect(0));
        if world.now() + apart > until {
            return runs;
        }
        world.advance(apart);
    }
}

fn total(runs: &[Run], name: &str) -> u64 {
    runs.iter().map(|run| run.count(name)).sum()
}

/// Returns a world with three days of records, which appear up to `latest` seconds late.
fn three_days(per_day: u64, latest: i64) -> World {
    let world = World::new("2023-11-13T00:00:00Z").with("PAGE_SIZE", "100");
    let now = world.now();
    let mut random = fastrand::Rng::with_seed(3);
    let late = |entry: Entry| {
        let delay = if latest > 0 { random.i64(0..=latest) } else { 0 };
        entry.late(delay)
    };
    world.zoom.add(spread(0, 3 * per_day, now..now + 3 * DAY).into_iter().map(late));
    world
}

#[test]
fn polling_at_5_15_60_minutes_writes_records_once() {
    for (apart, long) in [(5 * MINUTE, 8 * HOUR), (15 * MINUTE, DAY + 2 * HOUR), (HOUR, 3 * DAY + HOUR)] {
        let world = three_days(600, 0);
        world.advance(20 * HOUR);
        let runs = poll(&world, apart, long);
        world.assert_bucket_matches_zoom();
        let written = total(&runs, "records_written");
        assert_eq!(
            written,
            world.balance(Implementation::Ours).expected,
            "the summaries count the stored records"
        );
    }
}

#[test]
fn records_up_to_four_hours_late_are_collected() {
    for apart in [15 * MINUTE, 6 * HOUR] {
        let world = three_days(400, 4 * HOUR);
        let long = if apart == HOUR { 3 * DAY + 12 * HOUR } else { DAY + 12 * HOUR };
        let runs = poll(&world, apart, long);
        // Late records are collected until their day is finalized.
        world.set(at("2023-11-16T06:00:00Z"));
        let rest = poll(&world, 12 * HOUR, 2 * DAY);
        world.assert_bucket_matches_zoom();
        assert!(total(&runs, "late") + total(&rest, "late") > 0);
    }
}

#[test]
fn history_of_30_days_and_six_months_is_collected() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 3000, now - 30 * DAY..now));
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();

    let world = World::new(NOW);
    world.zoom.add(spread(0, 1800, now - 179 * DAY..now));
    let run = world.collect(&["--since", "180d"]).expect(0);
    world.assert_bucket_matches_zoom();
    for asked in world.zoom.log().iter().filter(|asked| asked.query.contains_key("from")) {
        assert_eq!(asked.status, 200, "{asked:?}");
    }
    assert!(run.count("objects_written") <= 190, "one object per day: {}", run.summary);
}

#[test]
fn one_run_recovers_ten_days_starting_with_today() {
    let world = World::new("2023-11-06T06:00:00Z").with("PAGE_SIZE", "50");
    let now = world.now();
    world.zoom.add(spread(0, 2000, now - 2 * DAY..now + 10 * DAY + 6 * HOUR));
    world.collect(&[]).expect(0);
    world.advance(10 * DAY + 6 * HOUR);
    let asked = world.zoom.log().len();
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    let log = world.zoom.log();
    let first = log[asked..].iter().find(|asked| asked.query.contains_key("to")).unwrap();
    assert!(first.query["to"].as_str() >= "2023-11-16", "{first:?}");
}

#[test]
fn page_tokens_with_any_character_are_accepted() {
    let world = World::new(NOW).with("PAGE_SIZE", "2");
    let now = world.now();
    world.zoom.add(spread(0, 240, now - 5 * HOUR..now));
    world.collect(&["--since", "1d"]).expect(0);
    world.assert_bucket_matches_zoom();
    assert!(world.zoom.log().iter().all(|asked| asked.status == 200));
}

#[test]
fn unreadable_state_is_not_replaced_or_skipped() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 100, now - DAY..now));
    world.collect(&[]).expect(0);
    world.advance(HOUR);
    world.zoom.add(spread(500, 20, now..now + HOUR));
    let (state, objects) = (world.state(), world.objects());
    for status in [503, 403, 500] {
        world.add_refusal(Refusal::always("GET", STATE_KEY, status));
        let run = world.collect(&[]);
        assert_eq!(run.code, if status == 403 { 4 } else { 3 }, "{status}: {}", run.said);
        world.clear_faults();
        assert_eq!(
            (&world.state()[STATE_KEY], world.objects()),
            (&state[STATE_KEY], objects.clone()),
            "{status}"
        );
    }
    // A single failure is retried.
    world.add_refusal(Refusal::once("GET", STATE_KEY, 503));
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn modified_state_stops_the_run() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 100, now - DAY..now));
    world.collect(&[]).expect(0);
    let whole = String::from_utf8(world.state()[STATE_KEY].to_vec()).unwrap();
    for odd in [
        String::new(),
        "{}".into(),
        "null".into(),
        whole.replace("2023-11-1", "2023-11-0"),
        whole.trim_end().trim_end_matches('}').into(),
        "{\"cursor_date\": 7}".into(),
        "{\"cursor_date\": \"soon\"}".into(),
    ] {
        assert_ne!(odd, whole);
        world.gcs.seed(BUCKET, STATE_KEY, odd.clone());
        world.collect(&[]).assert_failed_with(3, &["state"]);
        assert_eq!(world.state()[STATE_KEY], odd);
    }
    world.gcs.seed(BUCKET, STATE_KEY, whole);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn http_429_on_every_third_call_is_retried() {
    for wait in [Wait::Seconds(0), Wait::HttpDate(0), Wait::Iso(0)] {
        let world = World::new(NOW).with("PAGE_SIZE", "50");
        let now = world.now();
        world.zoom.add(spread(0, 400, now - 6 * HOUR..now));
        world.zoom.pages_fail(When::Every(3), Act::PerSecond(wait));
        let run = world.collect(&["--since", "1d"]).expect(0);
        world.assert_bucket_matches_zoom();
        assert!(run.count("throttled") > 1, "{}", run.summary);
    }
}

#[test]
fn daily_limit_ends_the_run_with_progress_saved() {
    let world = World::new(NOW).with("PAGE_SIZE", "50");
    let now = world.now();
    world.zoom.add(spread(0, 400, now - 6 * HOUR..now));
    world.zoom.behavior(|behavior| behavior.daily = Some(4));
    let run = world.collect(&["--since", "1d"]);
    assert!(run.summary["stopped"].is_string(), "{}", run.said);
    run.assert_failed_with(75, &["2023-11-17T00:00:00", "daily"]);
    let asked = world.zoom.log().len();
    // Until then nothing can be collected, so a run makes few requests.
    world.advance(HOUR);
    world.collect(&["--since", "1d"]).assert_failed_with(75, &["2023-11-17T00:00:00"]);
    assert!(world.zoom.log().len() - asked <= 2);
    world.zoom.behavior(|behavior| behavior.daily = None);
    world.set(at("2023-11-17T00:10:00Z"));
    world.until_done(Implementation::Ours, 2, MINUTE);
    world.assert_bucket_matches_zoom();
}

#[test]
fn failed_state_writes_lose_no_records() {
    for status in [403, 412, 503] {
        for after in [0, 1, 2, 3, 5, 8] {
            let world = World::new(NOW);
            let now = world.now();
            world.zoom.add(spread(0, 100, now - DAY..now));
            world.add_refusal(Refusal { after, ..Refusal::always("PUT", "collector", status) });
            let run = world.collect(&[]);
            let struck = world.gcs.lock().faults.refusals[0].times < u32::MAX;
            assert!(run.code != 0 || !struck, "{status} after {after}: {}", run.said);
            world.clear_faults();
            world.advance(15 * MINUTE);
            world.collect(&[]).expect(0);
            world.assert_bucket_matches_zoom();
        }
    }
}

#[test]
fn records_arriving_mid_scan_are_written_once() {
    for (size, tick) in [("7", 3), ("10", 20), ("50", 60)] {
        let world = World::new(NOW).with("PAGE_SIZE", size);
        let now = world.now();
        let mut random = fastrand::Rng::with_seed(9);
        // A record every two seconds, a quarter of them up to ten minutes late. The clock advances with each request.
        let entries = spread(0, 1400, now - 30 * MINUTE..now + 20 * MINUTE).into_iter();
        world.zoom.add(entries.map(|entry| {
            let delay = if random.u8(..4) == 0 { random.i64(0..600) } else { 0 };
            entry.late(delay)
        }));
        // Identical records, one of which appears during the run.
        let duplicate = record(9001, now - 5 * MINUTE);
        world.zoom.add([duplicate.clone(), duplicate.clone(), duplicate.late(5 * MINUTE + 30)]);
        world.zoom.behavior(|behavior| behavior.tick = tick);
        for _ in 0..3 {
            let run = world.collect(&["--since", "1d"]);
            assert!(matches!(run.code, 0 | 75), "{}", run.said);
            let balance = world.balance(Implementation::Ours);
            assert_eq!(balance.surplus, 0, "{size} {tick}: {balance:?}");
        }
        world.zoom.behavior(|behavior| behavior.tick = 0);
        world.set(now + 2 * HOUR);
        world.collect(&[]).expect(0);
        world.advance(6 * HOUR);
        world.collect(&[]).expect(0);
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn expired_cursor_is_a_reported_gap() {
    let world = World::new("2023-05-01T12:00:00Z");
    let start = world.now();
    world.zoom.add(spread(0, 20, start - 5 * HOUR..start));
    world.collect(&["--since", "1d"]).expect(0);
    world.advance(200 * DAY);
    let now = world.now();
    world.zoom.add(spread(100, 20, start + DAY..start + 10 * DAY));
    world.zoom.add(spread(200, 700, now - 175 * DAY..now));
    let run = world.collect(&[]);
    assert!(matches!(run.code, 0 | 1), "{}", run.said);
    world.balance_since(Implementation::Ours, now - 175 * DAY).assert_nothing_missing();
    let gaps = run.summary["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{}", run.summary);
    let told = |name: &str| gaps[0][name].as_str().unwrap_or_default().to_owned();
    assert!(told("from").starts_with("2023-0") && told("until") > told("from") && !told("reason").is_empty());
    world.advance(15 * MINUTE);
    let again = world.collect(&[]);
    let asked = world.zoom.log();
    assert!(asked.iter().all(|asked| asked.status == 200), "Zoom accepts every requested window");
    assert_eq!(again.count("records_written"), 0);
    let status = world.run_program(&["collect", "status"]);
    assert!(status.said.contains("gap"), "{}", status.said);
}

#[test]
fn concurrent_run_reports_the_active_run() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.behavior(|behavior| behavior.latency = Some(Duration::from_millis(60)));
    let first = world.start(&[]);
    wait_until("a page", || world.zoom.counts().1 >= 2);
    let second = world.collect(&[]);
    let first = world.wait(first);
    assert_eq!((first.code, second.code), (0, 5), "{first:?} {second:?}");
    world.assert_bucket_matches_zoom();
}

#[test]
fn stalled_run_writes_nothing_after_takeover() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.behavior(|behavior| behavior.latency = Some(Duration::from_millis(40)));
    let mut first = world.start(&["--since", "1d"]);
    wait_until("a page", || world.zoom.counts().1 >= 3);
    let pause = |signal: &str| {
        let done = std::process::Command::new("kill").args([signal, &first.id().to_string()]).status();
        assert!(done.unwrap().success());
    };
    pause("-STOP");
    world.zoom.behavior(|behavior| behavior.latency = None);
    // The lease expires after an hour. On another host, the second run cannot see whether the first one is alive.
    world.advance(HOUR);
    let second =
        world.program(&["collect", "--summary", "json"]).env("HOSTNAME", "elsewhere").output().unwrap();
    pause("-CONT");
    let code = first.wait().unwrap().code();
    assert!(matches!(second.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&second.stderr));
    assert_ne!(code, Some(101));
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn every_window_semantics_loses_no_records() {
    for (inclusive, zone, minutes) in
        [(false, 0, true), (true, 9 * HOUR, true), (false, -8 * HOUR, false), (true, 14 * HOUR, false)]
    {
        let world = World::new("2023-11-13T00:07:00Z").with("PAGE_SIZE", "40");
        world.zoom.behavior(|behavior| {
            (behavior.inclusive, behavior.zone, behavior.minutes) = (inclusive, zone, minutes);
        });
        let now = world.now();
        let edges = (0..3).flat_map(|day| {
            let midnight = at("2023-11-14T00:00:00Z") + day * DAY;
            [-1, 0, 1].map(|second| midnight + second)
        });
        world.zoom.add((5000..).zip(edges).map(|(number, time)| record(number, time)));
        world.zoom.add(spread(0, 300, now - DAY..now + 3 * DAY));
        poll(&world, 3 * HOUR + 20 * MINUTE, 3 * DAY + 6 * HOUR);
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn expired_page_token_restarts_the_window() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.rule(RequestFilter::next_pages(), When::Nth(4), Act::PageExpired);
    world.collect(&["--since", "1d"]).expect(0);
    world.assert_bucket_matches_zoom();
    // A page token that always expires must not cause an endless loop.
    world.advance(HOUR);
    world.zoom.add(spread(1000, 200, now..now + HOUR));
    world.zoom.rule(RequestFilter::next_pages(), When::Always, Act::PageExpired);
    let run = world.collect(&[]);
    assert!(run.code != 0 || world.balance(Implementation::Ours).missing == 0, "{}", run.said);
    world.zoom.clear_faults();
    world.advance(3 * HOUR);
    world.until_done(Implementation::Ours, 3, DAY);
    world.assert_bucket_matches_zoom();
}

#[test]
fn signal_ends_the_run_with_progress_saved() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 600, now - 6 * DAY..now));
    world.zoom.behavior(|behavior| behavior.latency = Some(Duration::from_millis(20)));
    let child = world.start(&[]);
    wait_until("pages", || world.zoom.counts().1 >= 8);
    let ended = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let run = world.wait(child);
    assert_eq!(run.code, 75, "{}", run.said);
    assert!(run.summary["stopped"].is_string(), "{}", run.said);
    world.zoom.behavior(|behavior| behavior.latency = None);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

/// Runs the simulation of `examples/collect_month.rs` on a small scale.
#[test]
fn late_records_are_collected_with_few_requests() {
    let world = World::new("2023-11-01T00:00:00Z").with("PAGE_SIZE", "20");
    let scale = month::Scale { days: 3, per_day: 800, every: 15 * MINUTE, latest: 4 * HOUR, page_size: 20 };
    let figures = month::simulate(&world, scale, |_, _| {});
    println!("{figures}");
    figures.balance.assert_bucket_matches_zoom();
    assert_eq!(figures.failed_runs, 0);
    assert!(figures.late > 0 && figures.state_bytes < 200_000, "{figures}");
    let sum = |days: &std::collections::BTreeMap<i64, u64>| days.values().sum::<u64>();
    assert!(sum(&figures.requests) < sum(&figures.reference), "{figures}");
}
