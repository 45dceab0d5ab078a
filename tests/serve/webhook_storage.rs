//! `zoom-udm serve --webhook` and its storage: duplicates, faults, kills, shutdown and load. An event that was answered
//! with 200 is in the bucket; one that was not may be, and Zoom sends it again.

use crate::webhook::{NOW, SECRET, counted, receiver, signed, stored};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use testkit::collect::{Gcs, Refusal};
use testkit::files::{gunzip, read_files};
use testkit::gcs::Act;
use testkit::ingest::{ingest, outcome};
use testkit::serve::webhooks::{Load, event, number_of, sign};
use testkit::serve::{Answer, Server};

/// How long Zoom waits for an answer.
const ZOOM_WAITS: Duration = Duration::from_secs(3);

/// How often each event is in the bucket.
fn copies(gcs: &Gcs) -> BTreeMap<u64, usize> {
    let mut copies = BTreeMap::new();
    for (_, lines) in stored(gcs) {
        lines.iter().for_each(|line| *copies.entry(number_of(line)).or_default() += 1);
    }
    copies
}

/// Delivers events at once, each on a thread.
fn deliver_all(server: &Server, events: &[String]) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let senders: Vec<_> = events.iter().map(|body| scope.spawn(move || signed(server, body))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

#[test]
fn events_of_a_second_share_an_object() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let events: Vec<_> = (0..40).map(|number| event(number, 100)).collect();
    let began = Instant::now();
    for answer in deliver_all(&server, &events) {
        answer.expect(200, "done");
    }
    assert!(began.elapsed() < ZOOM_WAITS);
    let objects = stored(&gcs);
    assert!(objects.len() <= 2, "{} objects", objects.len());
    let mut lines: Vec<_> = objects.into_iter().flat_map(|(_, lines)| lines).collect();
    lines.sort_by_key(|line| number_of(line));
    assert_eq!(lines, events, "byte for byte");
}

#[test]
fn duplicates_are_stored_once() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    // While the first is written, twice, and afterwards.
    let events = [event(1, 0), event(2, 0), event(1, 0), event(1, 0)];
    deliver_all(&server, &events).into_iter().for_each(|answer| drop(answer.expect(200, "done")));
    let began = Instant::now();
    signed(&server, &event(2, 0)).expect(200, "done");
    assert!(began.elapsed() < Duration::from_millis(500), "it is known at once");
    assert_eq!(copies(&gcs), BTreeMap::from([(1, 1), (2, 1)]));
    assert_eq!((counted(&server, "accepted_total"), counted(&server, "duplicates_total")), (2, 3));
    // Another process does not know them: they are stored again.
    let server = Server::start(receiver(&gcs, SECRET));
    signed(&server, &event(2, 0)).expect(200, "done");
    assert_eq!(copies(&gcs), BTreeMap::from([(1, 1), (2, 2)]));
}

#[test]
fn unreachable_storage_acknowledges_nothing() {
    for act in [Act::Status(503), Act::Hang, Act::Reset, Act::Status(429)] {
        let gcs = Gcs::start();
        let server = Server::start(receiver(&gcs, SECRET));
        gcs.lock().faults.refusals.push(Refusal::acting("PUT", "", act.clone()));
        let events: Vec<_> = (0..10).map(|number| event(number % 8, 100)).collect();
        let began = Instant::now();
        for answer in deliver_all(&server, &events) {
            answer.expect(503, "retry");
        }
        assert!(began.elapsed() < ZOOM_WAITS, "{act:?}: {:?}", began.elapsed());
        assert_eq!(stored(&gcs), []);
        assert_eq!(counted(&server, "refused_total{reason=\"storage\"}"), 10, "{act:?}");
        gcs.lock().faults.refusals.clear();
        // Zoom sends them again.
        for answer in deliver_all(&server, &events) {
            answer.expect(200, "done");
        }
        assert_eq!(copies(&gcs), (0..8).map(|number| (number, 1)).collect(), "{act:?}");
        assert_eq!((counted(&server, "accepted_total"), counted(&server, "duplicates_total")), (8, 2));
        assert_eq!(counted(&server, "received_total"), 20);
    }
}

#[test]
fn denied_storage_is_an_error_and_recovers() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.push(Refusal::always("PUT", "", 403));
    let answer = signed(&server, &event(1, 0)).expect(500, "error");
    assert!(!answer.text().contains("gs://"), "{}", answer.text());
    let events: Vec<_> = (1..5).map(|number| event(number, 0)).collect();
    for answer in deliver_all(&server, &events) {
        answer.expect(500, "error");
    }
    // One line for each object, not for each of its deliveries. Events may be gathered in more than one.
    server.wait_for("gs://zoom/zoom/webhooks/2023/11/16/zoom-webhooks-");
    let named: Vec<_> =
        server.said().lines().filter(|line| line.contains("/zoom-webhooks-")).map(str::to_owned).collect();
    let objects: std::collections::BTreeSet<_> = named
        .iter()
        .filter_map(|line| Some(line.split_once("/zoom-webhooks-")?.1.get(..36)?.to_owned()))
        .collect();
    assert!(named.len() == objects.len() && named.len() < 5, "{named:#?}");
    gcs.lock().faults.refusals.clear();
    signed(&server, &event(1, 0)).expect(200, "done");
}

#[test]
fn lost_storage_response_makes_no_copy() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.extend(written_unanswered());
    signed(&server, &event(1, 0)).expect(503, "retry");
    assert_eq!(copies(&gcs), BTreeMap::from([(1, 1)]), "it is there, unknown to the sender");
    gcs.lock().faults.refusals.clear();
    signed(&server, &event(1, 0)).expect(200, "done");
    assert_eq!(copies(&gcs), BTreeMap::from([(1, 1)]), "the same content has the same name");
}

#[test]
fn regrouped_retry_stores_copies() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.extend(written_unanswered());
    let events = [event(1, 0), event(2, 0)];
    for answer in deliver_all(&server, &events) {
        answer.expect(503, "retry");
    }
    let first = copies(&gcs);
    assert!(!first.is_empty(), "stored, unknown to the sender");
    gcs.lock().faults.refusals.clear();
    // Zoom sends each of them again, but not together.
    for body in &events {
        signed(&server, body).expect(200, "done");
    }
    let expected = if first.len() == 2 { [(1, 2), (2, 2)] } else { [(1, 1), (2, 1)] };
    assert_eq!(copies(&gcs), BTreeMap::from(expected), "nothing is lost, and each copy is known");
}

/// An object is written, but the response is lost, and storage does not respond again.
fn written_unanswered() -> [Refusal; 2] {
    let lost = Refusal { times: 1, ..Refusal::acting("PUT", "", Act::ResetAfter) };
    [lost, Refusal::acting("", "", Act::Hang)]
}

#[test]
fn kill_between_object_and_answer_loses_nothing() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.extend(written_unanswered());
    let events: Vec<_> = (0..5).map(|number| event(number, 0)).collect();
    let answers = std::thread::scope(|scope| {
        let delivered = scope.spawn(|| deliver_all(&server, &events));
        let until = Instant::now() + ZOOM_WAITS;
        while gcs.all("zoom", "").is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.signal("-KILL");
        delivered.join().unwrap()
    });
    assert!(answers.iter().all(|answer| answer.status == 0), "{answers:?}");
    let killed = copies(&gcs);
    assert!(!killed.is_empty());
    gcs.lock().faults.refusals.clear();
    // Zoom sends those that it got no answer to, in another order.
    let server = Server::start(receiver(&gcs, SECRET));
    let again: Vec<_> = events.iter().rev().cloned().collect();
    deliver_all(&server, &again).into_iter().for_each(|answer| drop(answer.expect(200, "done")));
    let copies = copies(&gcs);
    assert_eq!(copies.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4], "nothing is lost");
    let surplus: usize = copies.values().map(|count| count - 1).sum();
    assert!(surplus <= killed.len(), "{copies:?}");
}

#[test]
fn shutdown_flushes_what_was_gathered() {
    let gcs = Gcs::start();
    let mut server = Server::start(receiver(&gcs, SECRET));
    let events: Vec<_> = (0..5).map(|number| event(number, 0)).collect();
    let began = Instant::now();
    let answers = std::thread::scope(|scope| {
        let delivered = scope.spawn(|| deliver_all(&server, &events));
        while counted(&server, "received_total") < 5 {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.signal("-TERM");
        delivered.join().unwrap()
    });
    answers.into_iter().for_each(|answer| drop(answer.expect(200, "done")));
    assert!(began.elapsed() < Duration::from_millis(900), "it does not gather on: {:?}", began.elapsed());
    assert_eq!(server.ended().0.code(), Some(0));
    assert_eq!(copies(&gcs), (0..5).map(|number| (number, 1)).collect());
}

#[test]
fn shutdown_writes_events_of_senders_that_left() {
    let gcs = Gcs::start();
    let mut server = Server::start(receiver(&gcs, SECRET));
    let body = event(1, 0);
    let headers = sign(SECRET, NOW, body.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = server.connect();
    let head = server.head("POST", "/webhook", &headers, body.len());
    std::io::Write::write_all(&mut stream, &[head, body.into_bytes()].concat()).unwrap();
    while counted(&server, "received_total") < 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(stream);
    server.signal("-TERM");
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(copies(&gcs).values().all(|count| *count == 1));
}

#[test]
fn start_succeeds_while_storage_is_unreachable() {
    let gcs = Gcs::start();
    gcs.lock().faults.always_unavailable = Some("zoom-webhooks".into());
    let server = Server::start(receiver(&gcs, SECRET));
    signed(&server, &event(1, 0)).expect(503, "retry");
    gcs.lock().faults.always_unavailable = None;
    signed(&server, &event(1, 0)).expect(200, "done");
}

#[test]
fn memory_is_bounded_while_storage_hangs() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.push(Refusal::acting("PUT", "", Act::Hang));
    let events: Vec<_> = (0..100).map(|number| event(number, 1_000_000)).collect();
    for answer in deliver_all(&server, &events) {
        // A body may run out of time while others arrive. A response without the body read may be lost in a reset.
        assert!([0, 408, 503].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(stored(&gcs), []);
    // Events are counted when writing them has failed, which can be after their answers.
    let until = Instant::now() + Duration::from_secs(20);
    while counted(&server, "refused_total") < 100 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (refused, received) = (counted(&server, "refused_total"), counted(&server, "received_total"));
    assert_eq!((refused, received), (100, 100));
    // Bodies in the budget, once more while they are copied, and once compressed.
    #[cfg(target_os = "linux")]
    assert!(server.peak() < 200_000, "{} kB", server.peak());
}

/// Sends a body in two parts with a pause between them; returns the answer and its time since the head.
fn deliver_slowly(server: &Server, body: &str, pause: Duration) -> (Answer, Duration) {
    let headers = sign(SECRET, NOW, body.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (start, rest) = body.as_bytes().split_at(body.len() / 2);
    let mut stream = server.connect();
    let began = Instant::now();
    let head = server.head("POST", "/webhook", &headers, body.len());
    std::io::Write::write_all(&mut stream, &[&head, start].concat()).unwrap();
    std::thread::sleep(pause);
    // The server may have answered already.
    let _ = std::io::Write::write_all(&mut stream, rest);
    (Answer::read(&mut stream), began.elapsed())
}

/// How long an answer may take here: as long as Zoom waits, and some time because tests run at the same time.
fn longest_answer() -> Duration {
    ZOOM_WAITS + Duration::from_millis(800)
}

#[test]
fn every_answer_comes_before_zoom_gives_up() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    gcs.lock().faults.refusals.push(Refusal::acting("PUT", "", Act::Hang));
    // Body, gathering and storage take 1.5, 1 and 1.3 seconds, but share one deadline.
    let (answer, took) = deliver_slowly(&server, &event(0, 100), Duration::from_millis(1500));
    answer.expect(503, "retry");
    assert!(took < longest_answer(), "{took:?}");
    // Unfinished bodies use up the memory; others do not wait for it.
    let large = event(1, 1_000_000);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| deliver_slowly(&server, &large, Duration::from_millis(100))))
            .collect();
        for sender in senders {
            let (answer, took) = sender.join().unwrap();
            assert!([0, 408, 503].contains(&answer.status), "{answer:?}");
            assert!(took < longest_answer(), "{took:?}: {answer:?}");
        }
    });
    assert_eq!(stored(&gcs), []);
}

#[test]
fn directory_that_cannot_be_created_stops_the_start() {
    let (gcs, directory) = (Gcs::start(), tempfile::tempdir().unwrap());
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let mut command = receiver(&gcs, SECRET);
    command.args(["--listen", "127.0.0.1:0", "--webhook-to"]).arg(blocked.join("events"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("--webhook-to: cannot create the directory"),
        "{output:?}"
    );
}

#[test]
fn webhook_objects_are_input_of_ingest() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let events: Vec<_> = (0..3).map(|number| event(number, 0)).collect();
    deliver_all(&server, &events).into_iter().for_each(|answer| drop(answer.expect(200, "done")));
    let arguments = ["gs://zoom/zoom/", "--to", "gs://zoom/zoom/udm/", "--max-age", "none"];
    let output = ingest(Some(&gcs), &arguments);
    let (_, summary) = outcome(&output);
    assert_eq!((&summary["events"], &summary["rejects"]), (&3.into(), &0.into()), "{summary}");
}

#[test]
fn directory_can_hold_webhook_objects() {
    let (gcs, directory) = (Gcs::start(), tempfile::tempdir().unwrap());
    let mut command = receiver(&gcs, SECRET);
    command.env_remove("GCS_BUCKET").arg("--webhook-to").arg(directory.path().join("events"));
    let server = Server::start(command);
    signed(&server, &event(1, 0)).expect(200, "done");
    let files = read_files(directory.path());
    let objects: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(".json.gz")).collect();
    assert_eq!(objects.len(), 1, "{:?}", files.keys());
    assert!(objects[0].0.starts_with("events/2023/11/16/zoom-webhooks-"));
    assert_eq!(gunzip(objects[0].1), event(1, 0) + "\n");
}

#[test]
fn thousand_deliveries_a_second_reconcile() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let load = Load {
        address: server.address,
        secret: SECRET.into(),
        now: NOW,
        per_second: 1000,
        seconds: 4,
        connections: 900,
        size: 2500,
        repeat_every: 20,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(load.run());
    assert_eq!(report.statuses, BTreeMap::from([(200, 4000)]), "{:?}", report.percentile(99));
    let copies = copies(&gcs);
    assert_eq!(copies.len() as u64, report.events);
    assert!(copies.values().all(|count| *count == 1));
    assert_eq!(counted(&server, "received_total"), 4000);
    assert_eq!(counted(&server, "accepted_total"), report.events);
    assert_eq!(counted(&server, "duplicates_total"), report.repeated);
    assert_eq!(counted(&server, "objects_written_total"), stored(&gcs).len() as u64);
    println!("p50 {:?}, p99 {:?}", report.percentile(50), report.percentile(99));
}
