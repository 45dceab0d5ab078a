//! Weeks in the life of a collector, on clocks that the tests turn: polls at several paces, late records, outages, long
//! histories, two at once. At the end the bucket holds each record exactly as often as Zoom has it.

use crate::collecting::*;
use std::time::Duration;

/// Polls from now on, so far apart for so long; each run is well.
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

/// Three days of records from now on, so many a day, each seen up to so many seconds late.
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
fn a_healthy_days_polled_each_5_15_and_60_minutes_are_written_once() {
    for (apart, long) in [(5 * MINUTE, 8 * HOUR), (15 * MINUTE, DAY + 2 * HOUR), (HOUR, 3 * DAY + HOUR)] {
        let world = three_days(600, 0);
        world.advance(20 * HOUR);
        let runs = poll(&world, apart, long);
        world.even();
        let written = total(&runs, "records_written");
        assert_eq!(written, world.balance(By::Ours).expected, "what is said to be written is what is held");
    }
}

#[test]
fn c_records_up_to_four_hours_late_all_come_in() {
    for apart in [15 * MINUTE, 6 * HOUR] {
        let world = three_days(400, 4 * HOUR);
        let long = if apart == HOUR { 3 * DAY + 12 * HOUR } else { DAY + 12 * HOUR };
        let runs = poll(&world, apart, long);
        // What came last is looked for until its day is sealed.
        world.set(at("2023-11-16T06:00:00Z"));
        let rest = poll(&world, 12 * HOUR, 2 * DAY);
        world.even();
        assert!(total(&runs, "late") + total(&rest, "late") > 0);
    }
}

#[test]
fn d_a_history_of_thirty_days_and_one_of_six_months_come_in() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 3000, now - 30 * DAY..now));
    world.collect(&[]).expect(0);
    world.even();

    let world = World::new(NOW);
    world.zoom.add(spread(0, 1800, now - 179 * DAY..now));
    let run = world.collect(&["--since", "180d"]).expect(0);
    world.even();
    for asked in world.zoom.log().iter().filter(|asked| asked.query.contains_key("from")) {
        assert_eq!(asked.status, 200, "{asked:?}");
    }
    assert!(run.count("objects_written") <= 190, "a day is an object: {}", run.summary);
}

#[test]
fn e_an_outage_of_ten_days_is_made_good_by_one_run_which_begins_with_today() {
    let world = World::new("2023-11-06T06:00:00Z").with("PAGE_SIZE", "50");
    let now = world.now();
    world.zoom.add(spread(0, 2000, now - 2 * DAY..now + 10 * DAY + 6 * HOUR));
    world.collect(&[]).expect(0);
    world.advance(10 * DAY + 6 * HOUR);
    let asked = world.zoom.log().len();
    world.collect(&[]).expect(0);
    world.even();
    let log = world.zoom.log();
    let first = log[asked..].iter().find(|asked| asked.query.contains_key("to")).unwrap();
    assert!(first.query["to"].as_str() >= "2023-11-16", "{first:?}");
}

#[test]
fn f_every_token_of_a_page_is_understood() {
    let world = World::new(NOW).with("PAGE_SIZE", "2");
    let now = world.now();
    world.zoom.add(spread(0, 240, now - 5 * HOUR..now));
    world.collect(&["--since", "1d"]).expect(0);
    world.even();
    assert!(world.zoom.log().iter().all(|asked| asked.status == 200));
}

#[test]
fn g_a_state_that_cannot_be_read_is_neither_replaced_nor_stepped_over() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 100, now - DAY..now));
    world.collect(&[]).expect(0);
    world.advance(HOUR);
    world.zoom.add(spread(500, 20, now..now + HOUR));
    let (state, objects) = (world.state(), world.objects());
    for status in [503, 403, 500] {
        world.refuse(Refusal::always("GET", STATE_KEY, status));
        let run = world.collect(&[]);
        assert_eq!(run.code, if status == 403 { 4 } else { 3 }, "{status}: {}", run.said);
        world.heal();
        assert_eq!(
            (&world.state()[STATE_KEY], world.objects()),
            (&state[STATE_KEY], objects.clone()),
            "{status}"
        );
    }
    // One that fails once is asked again.
    world.refuse(Refusal::once("GET", STATE_KEY, 503));
    world.collect(&[]).expect(0);
    world.even();
}

#[test]
fn g_a_state_that_was_tampered_with_stops_the_run() {
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
        world.collect(&[]).failed_saying(3, &["state"]);
        assert_eq!(world.state()[STATE_KEY], odd);
    }
    world.gcs.seed(BUCKET, STATE_KEY, whole);
    world.collect(&[]).expect(0);
    world.even();
}

#[test]
fn h_too_many_requests_at_every_third_call_are_got_through() {
    for wait in [Wait::Seconds(0), Wait::HttpDate(0), Wait::Iso(0)] {
        let world = World::new(NOW).with("PAGE_SIZE", "50");
        let now = world.now();
        world.zoom.add(spread(0, 400, now - 6 * HOUR..now));
        world.zoom.pages_fail(When::Every(3), Act::PerSecond(wait));
        let run = world.collect(&["--since", "1d"]).expect(0);
        world.even();
        assert!(run.count("throttled") > 1, "{}", run.summary);
    }
}

#[test]
fn h_the_daily_limit_ends_the_run_with_its_progress_and_the_time() {
    let world = World::new(NOW).with("PAGE_SIZE", "50");
    let now = world.now();
    world.zoom.add(spread(0, 400, now - 6 * HOUR..now));
    world.zoom.manners(|manners| manners.daily = Some(4));
    let run = world.collect(&["--since", "1d"]);
    assert!(run.summary["stopped"].is_string(), "{}", run.said);
    run.failed_saying(75, &["2023-11-17T00:00:00", "daily"]);
    let asked = world.zoom.log().len();
    // Until then nothing is to be had: not much is asked.
    world.advance(HOUR);
    world.collect(&["--since", "1d"]).failed_saying(75, &["2023-11-17T00:00:00"]);
    assert!(world.zoom.log().len() - asked <= 2);
    world.zoom.manners(|manners| manners.daily = None);
    world.set(at("2023-11-17T00:10:00Z"));
    world.until_done(By::Ours, 2, MINUTE);
    world.even();
}

#[test]
fn i_a_state_that_cannot_be_written_loses_nothing_once_it_can() {
    for status in [403, 412, 503] {
        for after in [0, 1, 2, 3, 5, 8] {
            let world = World::new(NOW);
            let now = world.now();
            world.zoom.add(spread(0, 100, now - DAY..now));
            world.refuse(Refusal { after, ..Refusal::always("PUT", "collector", status) });
            let run = world.collect(&[]);
            let struck = world.gcs.lock().faults.refusals[0].times < u32::MAX;
            assert!(run.code != 0 || !struck, "{status} after {after}: {}", run.said);
            world.heal();
            world.advance(15 * MINUTE);
            world.collect(&[]).expect(0);
            world.even();
        }
    }
}

#[test]
fn j_a_list_that_grows_under_way_is_neither_doubled_nor_skipped() {
    for (size, tick) in [("7", 3), ("10", 20), ("50", 60)] {
        let world = World::new(NOW).with("PAGE_SIZE", size);
        let now = world.now();
        let mut random = fastrand::Rng::with_seed(9);
        // A record each two seconds, some of them up to ten minutes late, and the clock goes on with each request.
        let entries = spread(0, 1400, now - 30 * MINUTE..now + 20 * MINUTE).into_iter();
        world.zoom.add(entries.map(|entry| {
            let delay = if random.u8(..4) == 0 { random.i64(0..600) } else { 0 };
            entry.late(delay)
        }));
        // And twins, of which one comes under way.
        let twin = record(9001, now - 5 * MINUTE);
        world.zoom.add([twin.clone(), twin.clone(), twin.late(5 * MINUTE + 30)]);
        world.zoom.manners(|manners| manners.tick = tick);
        for _ in 0..3 {
            let run = world.collect(&["--since", "1d"]);
            assert!(matches!(run.code, 0 | 75), "{}", run.said);
            let balance = world.balance(By::Ours);
            assert_eq!(balance.surplus, 0, "{size} {tick}: {balance:?}");
        }
        world.zoom.manners(|manners| manners.tick = 0);
        world.set(now + 2 * HOUR);
        world.collect(&[]).expect(0);
        world.advance(6 * HOUR);
        world.collect(&[]).expect(0);
        world.even();
    }
}

#[test]
fn k_a_cursor_that_zoom_has_forgotten_is_a_gap_that_is_told_and_today_goes_on() {
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
    world.balance_since(By::Ours, now - 175 * DAY).even_so_far();
    let gaps = run.summary["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{}", run.summary);
    let told = |name: &str| gaps[0][name].as_str().unwrap_or_default().to_owned();
    assert!(told("from").starts_with("2023-0") && told("until") > told("from") && !told("reason").is_empty());
    world.advance(15 * MINUTE);
    let again = world.collect(&[]);
    let asked = world.zoom.log();
    assert!(asked.iter().all(|asked| asked.status == 200), "no window that Zoom refuses is asked for");
    assert_eq!(again.count("records_written"), 0);
    let status = world.tell(&["collect", "status"]);
    assert!(status.said.contains("gap"), "{}", status.said);
}

#[test]
fn l_of_two_runs_at_once_one_says_that_the_other_is_at_it() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.manners(|manners| manners.latency = Some(Duration::from_millis(60)));
    let first = world.start(&[]);
    wait_until("a page", || world.zoom.counts().1 >= 2);
    let second = world.collect(&[]);
    let first = world.wait(first);
    assert_eq!((first.code, second.code), (0, 5), "{first:?} {second:?}");
    world.even();
}

#[test]
fn l_a_run_that_stood_still_and_was_taken_over_writes_nothing_more() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.manners(|manners| manners.latency = Some(Duration::from_millis(40)));
    let mut first = world.start(&["--since", "1d"]);
    wait_until("a page", || world.zoom.counts().1 >= 3);
    let pause = |signal: &str| {
        let done = std::process::Command::new("kill").args([signal, &first.id().to_string()]).status();
        assert!(done.unwrap().success());
    };
    pause("-STOP");
    world.zoom.manners(|manners| manners.latency = None);
    // An hour later its lease has run out; elsewhere, so that nobody can see whether it still lives.
    world.advance(HOUR);
    let second =
        world.program(&["collect", "--summary", "json"]).env("HOSTNAME", "elsewhere").output().unwrap();
    pause("-CONT");
    let code = first.wait().unwrap().code();
    assert!(matches!(second.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&second.stderr));
    assert_ne!(code, Some(101));
    world.collect(&[]).expect(0);
    world.even();
}

#[test]
fn n_windows_of_every_kind_lose_nothing_at_any_hour() {
    for (inclusive, zone, minutes) in
        [(false, 0, true), (true, 9 * HOUR, true), (false, -8 * HOUR, false), (true, 14 * HOUR, false)]
    {
        let world = World::new("2023-11-13T00:07:00Z").with("PAGE_SIZE", "40");
        world.zoom.manners(|manners| {
            (manners.inclusive, manners.zone, manners.minutes) = (inclusive, zone, minutes);
        });
        let now = world.now();
        let edges = (0..3).flat_map(|day| {
            let midnight = at("2023-11-14T00:00:00Z") + day * DAY;
            [-1, 0, 1].map(|second| midnight + second)
        });
        world.zoom.add((5000..).zip(edges).map(|(number, time)| record(number, time)));
        world.zoom.add(spread(0, 300, now - DAY..now + 3 * DAY));
        poll(&world, 3 * HOUR + 20 * MINUTE, 3 * DAY + 6 * HOUR);
        world.even();
    }
}

#[test]
fn a_page_token_that_died_under_way_begins_the_window_again() {
    let world = World::new(NOW).with("PAGE_SIZE", "20");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 6 * HOUR..now));
    world.zoom.rule(Only::next_pages(), When::Nth(4), Act::PageExpired);
    world.collect(&["--since", "1d"]).expect(0);
    world.even();
    // And one that always dies is no endless loop.
    world.advance(HOUR);
    world.zoom.add(spread(1000, 200, now..now + HOUR));
    world.zoom.rule(Only::next_pages(), When::Always, Act::PageExpired);
    let run = world.collect(&[]);
    assert!(run.code != 0 || world.balance(By::Ours).missing == 0, "{}", run.said);
    world.zoom.heal();
    world.advance(3 * HOUR);
    world.until_done(By::Ours, 3, DAY);
    world.even();
}

#[test]
fn a_run_ends_early_and_well_when_told_to() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 600, now - 6 * DAY..now));
    world.zoom.manners(|manners| manners.latency = Some(Duration::from_millis(20)));
    let child = world.start(&[]);
    wait_until("pages", || world.zoom.counts().1 >= 8);
    let ended = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let run = world.wait(child);
    assert_eq!(run.code, 75, "{}", run.said);
    assert!(run.summary["stopped"].is_string(), "{}", run.said);
    world.zoom.manners(|manners| manners.latency = None);
    world.collect(&[]).expect(0);
    world.even();
}

/// The simulation of `examples/collect_month.rs`, in small.
#[test]
fn days_of_events_up_to_four_hours_late_come_in_once_at_a_fraction_of_the_requests() {
    let world = World::new("2023-11-01T00:00:00Z").with("PAGE_SIZE", "20");
    let scale = month::Scale { days: 3, per_day: 800, every: 15 * MINUTE, latest: 4 * HOUR, page_size: 20 };
    let figures = month::simulate(&world, scale, |_, _| {});
    println!("{figures}");
    figures.balance.even();
    assert_eq!(figures.failed_runs, 0);
    assert!(figures.late > 0 && figures.state_bytes < 200_000, "{figures}");
    let sum = |days: &std::collections::BTreeMap<i64, u64>| days.values().sum::<u64>();
    assert!(sum(&figures.requests) < sum(&figures.reference), "{figures}");
}
