//! Kills runs at every request to Zoom and to storage and at random times. After one more run, the bucket must contain
//! each record exactly as often as Zoom does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::collect::*;

/// A world in which earlier records are collected, and an hour of new, late and identical records is pending.
pub(crate) struct PreparedWorld {
    pub(crate) world: World,
    start: i64,
    objects: BTreeMap<(String, String), testkit::gcs::Object>,
}

pub(crate) fn prepared_world() -> PreparedWorld {
    let world = World::new("2023-11-15T23:30:00Z").with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 30, now - 6 * HOUR..now));
    let duplicate = record(7000, now - HOUR);
    world.zoom.add([duplicate.clone(), duplicate.clone(), duplicate.late(HOUR + 30 * MINUTE)]);
    world.collect(&["--since", "1d"]).expect(0);
    world.advance(HOUR);
    world.zoom.add(spread(100, 35, now..now + HOUR));
    let objects = world.gcs.lock().objects.clone();
    PreparedWorld { start: world.now(), world, objects }
}

impl PreparedWorld {
    /// Restores the state before the killed run.
    pub(crate) fn rewind(&self) {
        self.world.clear_faults();
        self.world.set(self.start);
        self.world.gcs.lock().objects = self.objects.clone();
    }

    /// Runs again after the lease has expired, and checks the bucket.
    fn check_recovery(&self, killed: &str) -> Run {
        self.world.clear_faults();
        self.world.advance(15 * MINUTE);
        let run = self.world.collect(&[]);
        assert_eq!(run.code, 0, "{killed}: {}", run.said);
        let balance = self.world.balance(Implementation::Ours);
        assert!(balance.missing == 0 && balance.surplus == 0, "{killed}: {balance:?}\n{}", run.said);
        run
    }
}

/// Starts a run and kills it once `reached` returns true. Returns whether it had ended before.
pub(crate) fn kill_when(world: &World, mut reached: impl FnMut() -> bool) -> bool {
    let mut child = world.start(&[]);
    let patience = Instant::now() + Duration::from_secs(20);
    let ended = loop {
        if reached() {
            break false;
        }
        if child.try_wait().unwrap().is_some() {
            break true;
        }
        assert!(Instant::now() < patience, "the request never arrived");
        std::thread::sleep(Duration::from_micros(300));
    };
    std::thread::sleep(Duration::from_millis(2));
    child.kill().unwrap();
    child.wait().unwrap();
    ended
}

#[test]
fn run_killed_at_any_storage_request_is_recovered() {
    let prepared = prepared_world();
    prepared.rewind();
    prepared.world.gcs.lock().requests = 0;
    prepared.world.collect(&[]).expect(0);
    let requests = prepared.world.gcs.lock().requests;
    let mut kills = 0;
    for at in 1..=requests {
        for effect in [false, true] {
            prepared.rewind();
            {
                let mut state = prepared.world.gcs.lock();
                state.requests = 0;
                state.faults = Faults { dies_at: Some(at), dies_after_effect: effect, ..Faults::default() };
            }
            let gcs = &prepared.world.gcs;
            kills += u32::from(!kill_when(&prepared.world, || gcs.lock().requests >= at));
            prepared
                .check_recovery(&format!("killed at request {at} of {requests} to storage, effect {effect}"));
        }
    }
    assert!(kills >= 20, "{kills}");
    println!("{kills} kills at {requests} requests to storage");
}

#[test]
fn run_killed_at_any_zoom_request_is_recovered() {
    let prepared = prepared_world();
    prepared.rewind();
    prepared.world.zoom.lock().requests = 0;
    prepared.world.collect(&[]).expect(0);
    let requests = prepared.world.zoom.lock().requests;
    let mut kills = 0;
    for at in 1..=requests {
        for effect in [false, true] {
            prepared.rewind();
            {
                let mut state = prepared.world.zoom.lock();
                (state.requests, state.dies_at, state.dies_after_effect) = (0, Some(at), effect);
            }
            let zoom = &prepared.world.zoom;
            kills += u32::from(!kill_when(&prepared.world, || zoom.lock().requests >= at));
            prepared
                .check_recovery(&format!("killed at request {at} of {requests} to Zoom, effect {effect}"));
        }
    }
    assert!(kills >= 10, "{kills}");
    println!("{kills} kills at {requests} requests to Zoom");
}

#[test]
fn repeated_random_kills_lose_or_repeat_no_record() {
    let world = World::with_directory("2023-11-15T12:00:00Z").with("PAGE_SIZE", "10");
    let mut random = fastrand::Rng::with_seed(11);
    let start = world.now();
    world.zoom.add(spread(0, 200, start - 12 * HOUR..start));
    let began = Instant::now();
    world.collect(&["--since", "1d"]).expect(0);
    let mut takes = began.elapsed().min(Duration::from_millis(400));
    let mut kills = 0;
    for round in 0..120 {
        let now = world.now();
        world.zoom.add(spread(1000 + round * 100, 12, now..now + 15 * MINUTE).into_iter().map(|entry| {
            let delay = if random.bool() { 0 } else { random.i64(0..2 * HOUR) };
            entry.late(delay)
        }));
        world.advance(15 * MINUTE);
        let mut child = world.start(&[]);
        std::thread::sleep(takes.mul_f64(random.f64() * 0.7));
        let killed = child.try_wait().unwrap().is_none();
        kills += u32::from(killed);
        // The duration of a run depends on the load. The delay adapts so that most runs are killed.
        takes = takes.mul_f64(if killed { 1.05 } else { 0.8 });
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 10 == 9 {
            world.advance(2 * HOUR);
            world.collect(&[]).expect(0);
            let balance = world.balance(Implementation::Ours);
            assert_eq!(balance.surplus, 0, "round {round}: {balance:?}");
        }
    }
    // Late records are read once more before their day is finalized.
    world.advance(6 * HOUR);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
    assert!(kills >= 50, "{kills}");
    println!("{kills} kills at random");
}
