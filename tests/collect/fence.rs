//! Tests of runs that stall while others take over, of runs with a wrong clock, and of states with missing parts.

use crate::crash::{PreparedWorld, kill_when, prepared_world};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::process::Output;
use testkit::collect::*;
use testkit::stall::{Stalled, cases, seed, stall};

const LEASE: [&str; 2] = ["--lease", "1m"];
/// The pause between two runs: longer than the lease, and far less than the tolerated clock difference.
const PAUSE: i64 = 3 * MINUTE;
const BACKFILL: [&str; 7] = ["backfill", "--from", "2023-11-01", "--until", "2023-11-06", LEASE[0], LEASE[1]];

/// Returns a world in which new records appear while runs stall.
fn prepared() -> PreparedWorld {
    let prepared = prepared_world();
    let now = prepared.world.now();
    prepared.world.zoom.add(spread(300, 16, now..now + 20 * MINUTE));
    prepared
}

/// Asserts that the state, everything that it refers to, and its previous copy are usable.
fn assert_state_usable(world: &World, case: &str) {
    let check = world.run_program(&["check"]);
    assert_eq!(check.code, 0, "{case}: {}", check.said);
    for (state, previous) in [
        (STATE_KEY, "collector/state.previous.json"),
        ("collector/backfill.json", "collector/backfill.previous.json"),
    ] {
        let Some(copy) = world.gcs.get(BUCKET, previous) else { continue };
        let whole = world.gcs.get(BUCKET, state).unwrap();
        world.gcs.seed(BUCKET, state, copy);
        let check = world.run_program(&["check"]);
        assert_eq!(check.code, 0, "{case}, {previous}: {}", check.said);
        world.gcs.seed(BUCKET, state, whole);
    }
}

/// Asserts that a stalled run succeeded, or reported that another run took over.
fn assert_ended_or_taken_over(output: &Output, case: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{case}: {:?} {said}", output.status);
}

/// Returns the number of storage requests of a run without faults.
fn requests(prepared: &PreparedWorld, arguments: &[&str]) -> u64 {
    prepared.rewind();
    let before = prepared.world.gcs.lock().requests;
    prepared.world.collect(arguments).expect(0);
    prepared.world.gcs.lock().requests - before
}

#[test]
fn stalled_run_cannot_harm_the_run_that_took_over() {
    let prepared = prepared();
    let world = &prepared.world;
    let requests = requests(&prepared, &LEASE);
    let mut stalls = 0;
    for nth in 1..=requests {
        let case = format!("stalled before request {nth} of {requests}");
        prepared.rewind();
        let Ok(stalled) = stall(&world.gcs, nth, || world.start(&LEASE)) else { continue };
        stalls += 1;
        world.advance(PAUSE);
        let taken_over = world.collect(&LEASE);
        assert_eq!(taken_over.code, 0, "{case}: {}", taken_over.said);
        assert_ended_or_taken_over(&stalled.resume(), &case);
        assert_state_usable(world, &case);
        world.advance(PAUSE);
        let later = world.collect(&LEASE);
        assert_eq!(later.code, 0, "{case}: {}", later.said);
        let balance = world.balance(Implementation::Ours);
        assert!(balance.missing == 0 && balance.surplus == 0, "{case}: {balance:?}");
        assert_state_usable(world, &case);
    }
    assert!(stalls >= 15, "{stalls} of {requests}");
}

/// Stalls two runs (live or backfill), and resumes them in either order, before or after a third run.
#[test]
fn two_stalled_runs_cannot_harm_a_later_run() {
    let mut random = fastrand::Rng::with_seed(seed());
    let prepared = prepared();
    let world = &prepared.world;
    world.zoom.add(spread(900, 40, at("2023-11-01T00:00:00Z")..at("2023-11-07T00:00:00Z")));
    let kinds: [&[&str]; 2] = [&LEASE, &BACKFILL];
    let most = kinds.map(|kind| requests(&prepared, kind));
    for number in 0..cases(12) {
        let mut draw = || {
            let kind = random.usize(..2);
            (kind, random.u64(1..=most[kind]))
        };
        let (first, second) = (draw(), draw());
        let (third, late, swapped) = (random.usize(..2), random.bool(), random.bool());
        let case = format!("case {number}: {first:?} {second:?} {third} late {late} swapped {swapped}");
        prepared.rewind();
        let mut stalled: Vec<Stalled> = Vec::new();
        for (kind, nth) in [first, second] {
            match stall(&world.gcs, nth, || world.start(kinds[kind])) {
                Ok(run) => stalled.push(run),
                Err(output) => assert_ended_or_taken_over(&output, &case),
            }
            world.advance(PAUSE);
        }
        if swapped {
            stalled.reverse();
        }
        let mut resume = |count: usize| {
            stalled
                .drain(..count.min(stalled.len()))
                .for_each(|run| assert_ended_or_taken_over(&run.resume(), &case));
        };
        resume(usize::from(!late));
        let run = world.collect(kinds[third]);
        assert!(matches!(run.code, 0 | 5), "{case}: {}", run.said);
        resume(2);
        assert_state_usable(world, &case);
        world.advance(PAUSE);
        for kind in kinds {
            let run = world.collect(kind);
            assert_eq!(run.code, 0, "{case}: {}", run.said);
        }
        let balance = world.balance(Implementation::Ours);
        assert!(balance.missing == 0 && balance.surplus == 0, "{case}: {balance:?}");
        assert_state_usable(world, &case);
    }
}

/// The feed deletes each object after reading it. Only an object that was written but not yet saved in the state when
/// the run was killed may be repeated.
#[test]
fn kill_repeats_only_the_object_just_written() {
    let prepared = prepared_world();
    let world = &prepared.world;
    let requests = requests(&prepared, &[]);
    let mut repeated = 0;
    for at in 1..=requests {
        for effect in [false, true] {
            prepared.rewind();
            {
                let mut state = world.gcs.lock();
                state.requests = 0;
                state.log.clear();
                state.faults = Faults { dies_at: Some(at), dies_after_effect: effect, ..Faults::default() };
            }
            kill_when(world, || world.gcs.lock().requests >= at);
            let done = usize::try_from(at).unwrap() - usize::from(!effect);
            let last = world.gcs.lock().log[..done].last().cloned().unwrap_or_default();
            world.clear_faults();
            let objects: Vec<String> = world.objects().values().map(|bytes| gunzip(bytes)).collect();
            let mut fed = feed(world);
            world.advance(15 * MINUTE);
            world.collect(&[]).expect(0);
            feed(world).into_iter().for_each(|(line, count)| *fed.entry(line).or_default() += count);
            let now = world.now();
            let expected = world.zoom.lock().log_store.expected(i64::MIN, now);
            assert!(expected.keys().all(|line| fed.contains_key(line)), "{at} {effect}: lost");
            let again: Vec<&Bytes> = fed
                .iter()
                .filter(|(line, count)| expected.get(*line) < Some(*count))
                .map(|(line, _)| line)
                .collect();
            if !again.is_empty() {
                let holds = |object: &String| {
                    again.iter().all(|again| object.lines().any(|line| line.as_bytes() == *again))
                };
                assert!(
                    objects.iter().any(holds),
                    "request {at}, effect {effect}: lines of two objects are repeated"
                );
                let wrote = format!("PUT /{BUCKET}/{}", PREFIX.trim_end_matches('/'));
                assert!(last.starts_with(&wrote), "request {at}, effect {effect}: repeated after {last}");
                repeated += 1;
            }
        }
    }
    // Two requests for each of two objects.
    assert!((1..=4).contains(&repeated), "{repeated}");
}

/// Deletes all objects, as a feed does. Returns their lines, each with its count.
fn feed(world: &World) -> HashMap<Bytes, u64> {
    let held = world.stored_lines();
    world.gcs.lock().objects.retain(|(_, name), _| !name.starts_with(PREFIX));
    held
}

fn world(count: u64) -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, count, now - 2 * DAY..now));
    world
}

/// Returns a world after two runs, so that the state has a previous copy.
fn world_after_runs() -> World {
    let world = world(60);
    world.collect(&["--since", "3d"]).expect(0);
    world.advance(HOUR);
    world.zoom.add(spread(100, 10, world.now() - HOUR..world.now()));
    world.collect(&[]).expect(0);
    world
}

#[test]
fn missing_counts_error_names_the_recovery_command() {
    let world = world_after_runs();
    let whole = world.state();
    let named = |state: &str| String::from_utf8_lossy(&whole[state]).into_owned();
    let (now, before) = (named(STATE_KEY), named("collector/state.previous.json"));
    let mut lists = whole.keys().filter_map(|name| name.strip_prefix("collector/state.work/"));
    let list = lists.find(|list| now.contains(list) && !before.contains(list)).unwrap();
    world.gcs.lock().objects.retain(|(_, name), _| !name.ends_with(list));
    let command =
        format!("gcloud storage cp gs://{BUCKET}/collector/state.previous.json gs://{BUCKET}/{STATE_KEY}");
    world.collect(&[]).assert_failed_with(3, &[list, "it is missing", &command]);
    world.run_program(&["check"]).assert_failed_with(3, &[list, &command]);
    world.gcs.seed(BUCKET, STATE_KEY, whole["collector/state.previous.json"].clone());
    world.collect(&[]).expect(0);
    assert_eq!(world.balance(Implementation::Ours).missing, 0);
    // The copy is not recommended if it is unusable, too.
    world.gcs.lock().objects.retain(|(_, name), _| !name.contains("state.work/seen/"));
    let run = world.collect(&[]);
    run.assert_failed_with(3, &["it is missing", "--new-state"]);
    assert!(!run.said.contains("gcloud storage cp"), "{}", run.said);
}

#[test]
fn missing_state_with_leftovers_is_an_error() {
    let world = world_after_runs();
    let (whole, objects) = (world.state(), world.objects());
    let forget = |part: &str| world.gcs.lock().objects.retain(|(_, name), _| !name.contains(part));
    forget("state.json");
    let command = format!("collector/state.previous.json gs://{BUCKET}/{STATE_KEY}");
    let words = [STATE_KEY, "state not found", &command, "--new-state"];
    world.collect(&[]).assert_failed_with(3, &words);
    world.run_program(&["check"]).assert_failed_with(3, &words);
    world.run_program(&["collect", "status"]).assert_failed_with(3, &words);
    world.backfill(&["--from", "2023-11-01", "--until", "2023-11-02"]).assert_failed_with(3, &words);
    // Counts alone, or manifests alone, are leftovers, too.
    forget("state.previous.json");
    world.collect(&[]).assert_failed_with(3, &["state.work/", "restore a backup", "--new-state"]);
    forget("state.work/");
    world.collect(&[]).assert_failed_with(3, &["manifests/state/", "restore a backup"]);
    assert_eq!(world.objects(), objects, "nothing is written");
    for (name, bytes) in &whole {
        world.gcs.seed(BUCKET, name, bytes.clone());
    }
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn missing_backfill_state_stops_only_affected_runs() {
    let world = world(60);
    world.zoom.add(spread(200, 30, world.now() - 20 * DAY..world.now() - 10 * DAY));
    world.collect(&["--since", "2d"]).expect(0);
    world.backfill(&["--from", "2023-11-01", "--until", "2023-11-04"]).expect(0);
    world.gcs.lock().objects.retain(|(_, name), _| !name.ends_with("backfill.json"));
    let words = ["collector/backfill.json", "state not found", "--new-state"];
    world.run_program(&["check"]).assert_failed_with(3, &words);
    world.run_program(&["collect", "status"]).assert_failed_with(3, &words);
    world.backfill(&["--from", "2023-11-01", "--until", "2023-11-04"]).assert_failed_with(3, &words);
    // The live collection has not left any days to it.
    world.collect(&[]).expect(0);
    world.backfill(&["--from", "2023-11-05", "--until", "2023-11-06", "--new-state"]).expect(0);
    world.run_program(&["check"]).expect(0);
}

#[test]
fn new_state_starts_over_and_removes_leftovers() {
    let world = world_after_runs();
    world.collect(&["--new-state"]).assert_failed_with(2, &["--new-state", STATE_KEY, "exists"]);
    let lost = world.state();
    world.gcs.lock().objects.retain(|(_, name), _| !name.ends_with("state.json"));
    world.collect(&["--new-state", "--since", "3d"]).expect(0);
    world.advance(HOUR);
    world.zoom.add(spread(500, 5, world.now() - HOUR..world.now()));
    for _ in 0..2 {
        world.collect(&[]).expect(0);
        world.advance(HOUR);
    }
    let left: Vec<_> = world.state().into_keys().filter(|name| name.contains(".work/")).collect();
    assert!(left.iter().all(|name| !lost.contains_key(name)), "{left:?}");
    assert_eq!(world.balance(Implementation::Ours).missing, 0);
    world.run_program(&["check"]).expect(0);
}

#[test]
fn wrong_clock_stops_a_run_before_it_writes() {
    for days in [400, -400] {
        let world = world(40);
        let wrong = world.now() + days * DAY;
        let away = iso(wrong);
        let world = world.with("ZOOM_UDM_NOW", &away);
        let words = ["the local clock is wrong", &away, NOW, "Date"];
        world.collect(&[]).assert_failed_with(3, &words);
        world.run_program(&["check"]).assert_failed_with(3, &words);
        assert!(world.objects().is_empty(), "{:?}", world.objects().keys());
        let kept = world.state().into_keys().filter(|name| !name.contains(".lease"));
        assert_eq!(kept.count(), 0, "{:?}", world.state().keys());
        let world = World { environment: BTreeMap::new(), ..world };
        world.collect(&[]).expect(0);
        world.assert_bucket_matches_zoom();
        let before = world.state();
        let world = world.with("ZOOM_UDM_NOW", &away);
        world.collect(&[]).assert_failed_with(3, &["clock"]);
        assert_eq!(world.state()[STATE_KEY], before[STATE_KEY]);
        let world = World { environment: BTreeMap::new(), ..world };
        world.collect(&[]).expect(0);
    }
}

#[test]
fn small_clock_skew_or_missing_date_is_accepted() {
    for (seconds, date) in [(9 * MINUTE, true), (-9 * MINUTE, true), (2 * HOUR, false)] {
        let world = world(40);
        world.zoom.behavior(|behavior| behavior.date = date);
        let now = iso(world.now() + seconds);
        let world = world.with("ZOOM_UDM_NOW", &now);
        world.collect(&[]).expect(0);
        world.run_program(&["check"]).expect(0);
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn temp_files_of_killed_runs_are_removed_by_the_next() {
    let world = World::with_directory(NOW);
    world.zoom.add(spread(0, 20, world.now() - DAY..world.now()));
    world.collect(&[]).expect(0);
    let root = world.directory.as_ref().unwrap().path();
    let part = |place: &str| root.join(place).join(".zoom-udm-put-killed.part");
    let places = ["logs", "logs/2023/11/16", "state", "state/state.work/seen"].map(part);
    for place in &places {
        fs::write(place, "half of an object").unwrap();
    }
    // An active writer of any process locks its file.
    let busy = root.join("logs/.zoom-udm-put-busy.part");
    fs::write(&busy, "half").unwrap();
    let lock = fs::File::options().write(true).open(&busy).unwrap();
    lock.lock().unwrap();
    world.collect(&[]).expect(0);
    assert!(places.iter().all(|place| !place.exists()) && busy.exists());
    drop(lock);
    world.collect(&["--dry-run"]).expect(0);
    assert!(busy.exists(), "a dry run removes nothing");
    world.collect(&[]).expect(0);
    assert!(!busy.exists());
    world.assert_bucket_matches_zoom();
}

/// Starts a live run and a backfill together, and blocks one at a storage request while the other continues.
#[test]
fn undated_record_is_written_by_one_kind_of_run() {
    let mut random = fastrand::Rng::with_seed(seed());
    let backfill = ["backfill", "--from", "2023-11-10", "--until", "2023-11-13"];
    let kinds: [&[&str]; 2] = [&backfill, &["--since", "2d"]];
    for number in 0..cases(16) {
        let (held, nth) = (random.usize(..2), random.u64(1..40));
        let case = format!("case {number}: {:?} held before request {nth}", kinds[held]);
        let world = World::new(NOW).with("PAGE_SIZE", "5");
        let now = world.now();
        world.zoom.add(spread(0, 30, now - 6 * DAY..now));
        let undated = |number: i64| {
            Entry::new(
                now - 2 * DAY + number * HOUR,
                format!("{{\"action\":\"Add\",\"operator\":\"{number}\"}}"),
            )
        };
        world.zoom.add((0..3).map(undated));
        let gate = world.gcs.hold_request(nth);
        let mut first = world.start(kinds[held]);
        wait_until("the request", || gate.is_reached() || first.try_wait().unwrap().is_some());
        let mut second = world.start(kinds[1 - held]);
        let patience = std::time::Instant::now() + std::time::Duration::from_millis(600);
        // It may wait for the blocked run.
        while second.try_wait().unwrap().is_none() && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        gate.open();
        for run in [first, second] {
            let run = world.wait(run);
            assert!(matches!(run.code, 0 | 5), "{case}: {}", run.said);
        }
        for kind in kinds {
            let run = world.collect(kind);
            assert_eq!(run.code, 0, "{case}: {}", run.said);
        }
        let balance = world.balance(Implementation::Ours);
        assert!(balance.missing == 0 && balance.surplus == 0, "{case}: {balance:?}");
    }
}
