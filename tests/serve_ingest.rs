//! `zoom-udm serve --ingest` and what a bucket notifies it of: each object once, whatever it comes in and how often.
#![cfg(all(feature = "serve", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod collecting;
mod serving;

use collecting::support::{gzip, program, records};
use collecting::{Faults, Gcs, Refusal, gunzip, wait_until};
use serde_json::{Value, json};
use serving::Server;
use serving::pushes::{envelope, notification, resource};
use std::process::Command;
use std::time::Duration;

fn feed(gcs: &Gcs, flags: &str) -> Command {
    let mut command = program(Some(gcs), &["serve", "--ingest", "--run-deadline", "20s"]);
    command
        .env("INGEST_FROM", "gs://zoom/logs/")
        .env("INGEST_TO", "gs://udm/out/")
        .env("INGEST_REJECTS", "gs://udm/rejects/")
        .env("INGEST_FLAGS", format!("--first-pause 1ms --checkpoint 40ms --retries 2 {flags}"));
    command
}

fn events_in(gcs: &Gcs) -> usize {
    gcs.all("udm", "out/").values().map(|bytes| gunzip(bytes).lines().count()).sum()
}

#[test]
fn a_notification_ingests_its_object_once() {
    let gcs = Gcs::start();
    let server = Server::start(feed(&gcs, ""));
    for number in 0..6 {
        gcs.seed("zoom", &format!("logs/2023/11/{number}.json.gz"), gzip(records(10, number)));
    }
    // Neighbours by name: what is asked for is not what a list begins with.
    gcs.seed("zoom", "logs/2023/11/0.json.g", gzip(records(10, 90)));
    gcs.seed("zoom", "logs/2023/11/0.json.gz.part", gzip(records(10, 91)));
    let name = |number: u64| format!("logs/2023/11/{number}.json.gz");
    let answer =
        server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &name(0), 7)).expect(200, "done");
    assert_eq!(answer.json()["events"], 10);
    // Attributes alone, as with payloadFormat NONE.
    let mut bare = notification("OBJECT_FINALIZE", "zoom", &name(1), 7);
    bare["message"]["data"] = Value::Null;
    server.push("/ingest", &bare).expect(200, "done");
    let finalized = "google.cloud.storage.object.v1.finalized";
    let object = resource("zoom", &name(2), 7).to_string();
    let (subject, source) =
        (format!("objects/{}", name(2)), "//storage.googleapis.com/projects/_/buckets/zoom");
    let binary = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "8641571432110"),
        ("ce-type", finalized),
        ("ce-source", source),
        ("ce-subject", &subject),
        ("ce-bucket", "zoom"),
    ];
    server.post("/ingest", &binary, object.as_bytes()).expect(200, "done");
    let structured = json!({
        "specversion": "1.0", "id": "8641571432111", "type": finalized, "source": source,
        "subject": format!("objects/{}", name(3)), "time": "2023-11-15T19:19:00Z",
        "datacontenttype": "application/json", "data": resource("zoom", &name(3), 7),
    });
    let kind = [("Content-Type", "application/cloudevents+json")];
    server.post("/ingest", &kind, structured.to_string().as_bytes()).expect(200, "done");
    // No envelope: attributes are headers.
    let attributes = [
        ("x-goog-pubsub-message-id", "2070443601311544"),
        ("eventType", "OBJECT_FINALIZE"),
        ("bucketId", "zoom"),
        ("objectId", "logs/2023/11/4.json.gz"),
        ("objectGeneration", "7"),
    ];
    server.post("/ingest", &attributes, b"").expect(200, "done");
    // Neither envelope nor metadata.
    let bare = [("Content-Type", "application/json")];
    server.post("/ingest", &bare, resource("zoom", &name(5), 7).to_string().as_bytes()).expect(200, "done");
    assert_eq!((gcs.all("udm", "out/").len(), events_in(&gcs)), (6, 60));
    // Again, and again by a run over everything: nothing is done twice.
    for number in 0..6 {
        server
            .push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &name(number), 7))
            .expect(200, "done");
    }
    let read = |gcs: &Gcs| gcs.lock().log.iter().filter(|line| line.starts_with("GET /zoom/")).count();
    assert_eq!(read(&gcs), 6, "{:?}", gcs.lock().log);
    let answer = server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
    assert_eq!((&answer.json()["done"], read(&gcs)), (&json!(2), 8));
    assert!((server.metric("zoom_udm_events_total") - 80.0).abs() < 0.1);
    assert!(server.metric("zoom_udm_ledger_bytes") > 0.0);
}

#[test]
fn what_asks_for_nothing_is_ignored_and_what_cannot_be_done_is_poison() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(3, 1)));
    gcs.seed("zoom", "elsewhere/a.json.gz", gzip(records(3, 1)));
    let server = Server::start(feed(&gcs, "--exclude **/skip.json"));
    let push =
        |event: &str, bucket: &str, name: &str| server.push("/ingest", &notification(event, bucket, name, 7));
    for event in ["OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE", "SOMETHING_NEW"] {
        push(event, "zoom", "logs/a.json.gz").expect(200, "ignored");
    }
    push("OBJECT_FINALIZE", "zoom", "elsewhere/a.json.gz").expect(200, "ignored");
    push("OBJECT_FINALIZE", "zoom", "logs/").expect(200, "ignored");
    push("OBJECT_FINALIZE", "zoom", "logs/gone.json.gz").expect(200, "ignored");
    gcs.seed("zoom", "logs/b/skip.json", records(1, 1));
    push("OBJECT_FINALIZE", "zoom", "logs/b/skip.json").expect(200, "ignored");
    push("OBJECT_FINALIZE", "other", "logs/a.json.gz").expect(422, "poison");
    server.push("/ingest", &envelope(b"{\"what\":1}", &json!({}))).expect(400, "poison");
    server.push("/ingest", &envelope(b"", &json!({"eventType": "OBJECT_FINALIZE"}))).expect(400, "poison");
    assert_eq!(events_in(&gcs), 0);
    // Damaged for good: poison, and in the ledger.
    let whole = gzip(records(100, 1));
    gcs.seed("zoom", "logs/cut.json.gz", whole[..whole.len() - 9].to_vec());
    let answer = push("OBJECT_FINALIZE", "zoom", "logs/cut.json.gz").expect(422, "poison");
    assert!(!answer.text().contains("logs/cut"), "{}", answer.text());
    assert!(server.said().contains("the gzip data is cut short"));
    // Out of order for now: again.
    gcs.lock().faults.always_unavailable = Some("logs%2Fa.json.gz".into());
    gcs.lock().faults.refusals.push(Refusal::always("GET", "logs/a.json.gz", 503));
    push("OBJECT_FINALIZE", "zoom", "logs/a.json.gz").expect(503, "again");
    gcs.lock().faults = Faults::default();
    push("OBJECT_FINALIZE", "zoom", "logs/a.json.gz").expect(200, "done");
    assert_eq!(events_in(&gcs), 3);
}

#[test]
fn a_flood_of_pushes_does_each_object_once() {
    let gcs = Gcs::start();
    for number in 0..40 {
        gcs.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(5, number)));
    }
    gcs.lock().faults.latency = Some(Duration::from_millis(4));
    let server = Server::start(feed(&gcs, ""));
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let pushes: Vec<_> = (0..160)
            .map(|number| {
                let server = &server;
                let name = format!("logs/{}.json.gz", number % 40);
                scope.spawn(move || {
                    loop {
                        // As Pub/Sub does: what is not taken comes again.
                        let answer =
                            server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &name, 7));
                        if answer.status == 200 {
                            return answer.status;
                        }
                        assert_eq!(answer.status, 503, "{}", answer.text());
                        std::thread::sleep(Duration::from_millis(20));
                    }
                })
            })
            .collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| *status == 200));
    assert_eq!((gcs.all("udm", "out/").len(), events_in(&gcs)), (40, 200));
    let log = gcs.lock().log.clone();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("GET /zoom/")).count(),
        40,
        "no object is read twice"
    );
    assert_eq!(log.iter().filter(|line| line.starts_with("PUT /udm/out%2F")).count(), 40);
    println!("{} requests to storage for 160 pushes of 40 objects", log.len());
}

#[test]
fn a_service_killed_in_the_middle_of_ingest_is_made_good_by_the_next_push() {
    let gcs = Gcs::start();
    for number in 0..4 {
        gcs.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(20, number)));
    }
    let sources = gcs.lock().objects.clone();
    let push = |server: &Server| {
        (0..4)
            .map(|number| {
                let name = format!("logs/{number}.json.gz");
                server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &name, 7))
            })
            .collect::<Vec<_>>()
    };
    let server = Server::start(feed(&gcs, "--delete transferred"));
    push(&server);
    drop(server);
    let expected = gcs.all("udm", "out/");
    let requests = gcs.lock().requests;
    assert_eq!((expected.len(), gcs.all("zoom", "").len()), (4, 0));
    let mut kills = 0;
    for at in (1..requests).step_by(4) {
        {
            let mut state = gcs.lock();
            (state.requests, state.objects) = (0, sources.clone());
            state.faults = Faults { dies_at: Some(at), dies_after_effect: at % 2 == 0, ..Faults::default() };
        }
        let server = Server::start(feed(&gcs, "--delete transferred"));
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| push(&server));
            wait_until("the request", || gcs.lock().requests >= at || pushing.is_finished());
            kills += u32::from(!pushing.is_finished());
            server.signal("-KILL");
        });
        gcs.lock().faults = Faults::default();
        let server = Server::start(feed(&gcs, "--delete transferred"));
        for answer in push(&server) {
            assert_eq!(answer.status, 200, "killed at {at}: {}", answer.text());
        }
        assert_eq!(gcs.all("udm", "out/"), expected, "killed at {at}");
        // What was done before the kill and not removed yet: a run over everything sees to it.
        server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
        assert_eq!(gcs.all("zoom", "").len(), 0, "killed at {at}");
    }
    assert!(kills >= 10, "{kills}");
    println!("{kills} kills at {requests} requests");
}

#[test]
fn a_signal_ends_an_ingest_run_with_what_is_done_kept() {
    let gcs = Gcs::start();
    for number in 0..150 {
        gcs.seed("zoom", &format!("logs/{number:03}.json.gz"), gzip(records(1, number)));
    }
    gcs.lock().faults.latency = Some(Duration::from_millis(20));
    let mut server = Server::start(feed(&gcs, "--concurrency 3"));
    let answer = std::thread::scope(|scope| {
        let push = scope.spawn(|| server.push("/ingest", &envelope(b"", &json!({}))));
        wait_until("outputs", || gcs.all("udm", "out/").len() > 10);
        server.signal("-TERM");
        push.join().unwrap()
    });
    answer.expect(503, "again");
    let (status, took) = server.ended();
    assert!(status.code() == Some(0) && took < Duration::from_secs(10), "{status} {took:?}");
    gcs.lock().faults = Faults::default();
    let done = gcs.all("udm", "out/").len();
    assert!(done < 150, "{done}");
    let server = Server::start(feed(&gcs, ""));
    let answer = server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
    // What was put just before the signal may not have been marked: it is found to stand.
    let json = answer.json();
    let anew = json["done"].as_u64().unwrap() - json["already_there"].as_u64().unwrap();
    assert_eq!(anew, 150 - done as u64, "{json}");
    assert_eq!(events_in(&gcs), 150);
}
