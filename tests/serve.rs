//! `zoom-udm serve` and who pushes to it: Pub/Sub, Eventarc and Cloud Scheduler as they are documented; duplicates,
//! faults, kills and signals.
#![cfg(all(feature = "serve", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod collecting;
mod serving;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use collecting::support::{gzip, program, records};
use collecting::*;
use serde_json::{Value, json};
use serving::Server;
use std::process::Command;
use std::time::Duration;

/// As Pub/Sub pushes a message: names of fields twice, and what a dead-letter policy adds.
fn envelope(data: &[u8], attributes: &Value) -> Value {
    json!({
        "deliveryAttempt": 1,
        "message": {
            "attributes": attributes,
            "data": BASE64_STANDARD.encode(data),
            "messageId": "2070443601311540",
            "message_id": "2070443601311540",
            "publishTime": "2023-11-16T11:59:30.137Z",
            "publish_time": "2023-11-16T11:59:30.137Z",
        },
        "subscription": "projects/myproject/subscriptions/mysubscription",
    })
}

/// The resource of an object, as notifications with `JSON_API_V1` hold it.
fn resource(bucket: &str, name: &str, generation: u64) -> Value {
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "selfLink": format!("https://www.googleapis.com/storage/v1/b/{bucket}/o/x"),
        "name": name, "bucket": bucket, "generation": generation.to_string(), "metageneration": "1",
        "contentType": "application/gzip", "timeCreated": "2023-11-15T19:19:00.000Z", "size": "352",
        "md5Hash": "QVSqKXmGbtNLtGZBV0NVGA==", "storageClass": "STANDARD", "etag": "CJ3f5rqn1YIDEAE=",
    })
}

fn notification(event: &str, bucket: &str, name: &str, generation: u64) -> Value {
    let attributes = json!({
        "bucketId": bucket, "objectId": name, "objectGeneration": generation.to_string(), "eventType": event,
        "eventTime": "2023-11-15T19:19:00.123456Z", "payloadFormat": "JSON_API_V1",
        "notificationConfig": format!("projects/_/buckets/{bucket}/notificationConfigs/3"),
    });
    envelope(resource(bucket, name, generation).to_string().as_bytes(), &attributes)
}

fn feed(gcs: &Gcs, flags: &str) -> Command {
    let mut command = program(Some(gcs), &["serve", "--ingest", "--run-deadline", "20s"]);
    command
        .env("INGEST_FROM", "gs://zoom/logs/")
        .env("INGEST_TO", "gs://udm/out/")
        .env("INGEST_REJECTS", "gs://udm/rejects/")
        .env("INGEST_FLAGS", format!("--first-pause 1ms --checkpoint 40ms --retries 2 {flags}"));
    command
}

fn collector(world: &World, flags: &str) -> Server {
    let mut command = world.program(&["serve", "--collect", "--run-deadline", "20s"]);
    command.env("COLLECT_FLAGS", format!("--first-pause 1ms --since 2d {flags}"));
    Server::start(command)
}

fn events_in(gcs: &Gcs) -> usize {
    gcs.all("udm", "out/").values().map(|bytes| gunzip(bytes).lines().count()).sum()
}

#[test]
fn a_schedule_collects_whatever_it_comes_in() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 25, now - 20 * HOUR..now - HOUR));
    let server = collector(&world, "");
    let json = ("Content-Type", "application/json");
    // The message of a schedule, in an envelope.
    let answer = server.push("/collect", &envelope(b"run", &json!({}))).expect(200, "done");
    assert_eq!(answer.json()["records_written"], 25);
    world.even();
    let structured = json!({
        "specversion": "1.0", "id": "2070443601311541", "time": "2023-11-16T11:59:30.137Z",
        "source": "//pubsub.googleapis.com/projects/myproject/topics/mytopic",
        "type": "google.cloud.pubsub.topic.v1.messagePublished", "datacontenttype": "application/json",
        "data": envelope(b"", &json!({})),
    });
    let binary = [
        json,
        ("ce-specversion", "1.0"),
        ("ce-id", "2070443601311542"),
        ("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"),
        ("ce-source", "//pubsub.googleapis.com/projects/myproject/topics/mytopic"),
    ];
    let message = envelope(b"{}", &json!({})).to_string();
    let unwrapped = [
        ("x-goog-pubsub-subscription-name", "projects/myproject/subscriptions/mysubscription"),
        ("x-goog-pubsub-message-id", "2070443601311543"),
        ("x-goog-pubsub-publish-time", "2023-11-16T11:59:30.137Z"),
    ];
    let scheduler = [
        ("User-Agent", "Google-Cloud-Scheduler"),
        ("X-CloudScheduler", "true"),
        ("X-CloudScheduler-JobName", "zoom-collect"),
        ("X-CloudScheduler-ScheduleTime", "2023-11-16T12:00:00Z"),
        ("Content-Type", "application/octet-stream"),
    ];
    let cases: [(&[(&str, &str)], Vec<u8>); 6] = [
        (&[("Content-Type", "application/cloudevents+json; charset=utf-8")], structured.to_string().into()),
        (&binary, message.into()),
        (&unwrapped, b"run now".to_vec()),
        (&scheduler, b"whatever".to_vec()),
        (&[json], Vec::new()),
        (&[], Vec::new()),
    ];
    for (number, (headers, body)) in cases.iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        world.zoom.add([record(u64::try_from(500 + number).unwrap(), now - 30 * MINUTE + number)]);
        let answer = server.post("/collect", headers, body).expect(200, "done");
        assert_eq!(answer.json()["records_written"], 1, "{headers:?}: {}", answer.text());
    }
    world.even();
    assert!(server.metric("zoom_udm_collect_records_written_total") > 30.0);
    assert!(server.metric("zoom_udm_zoom_requests_total") > 6.0);
    assert!(server.metric("zoom_udm_collect_duplicates_suppressed_total") > 6.0);
    assert!(!server.said().contains(collecting::zoom::SECRET));
    assert!(!server.said().contains(collecting::zoom::TOKEN_MARK));
}

#[test]
fn what_makes_no_sense_is_poison_and_collects_nothing() {
    let world = World::new(NOW);
    let server = collector(&world, "");
    let json = [("Content-Type", "application/json")];
    let bad = |headers: &[(&str, &str)], body: &str| {
        server.post("/collect", headers, body.as_bytes()).expect(400, "poison")
    };
    bad(&json, "{\"message\":");
    bad(&json, "{\"message\":null}");
    bad(&json, "{\"message\":{\"data\":\"no base64!\"}}");
    bad(&json, "{\"message\":{\"attributes\":[]}}");
    bad(&json, &"[".repeat(100_000));
    bad(&[("Content-Type", "application/cloudevents+json")], "{\"specversion\":\"0.3\"}");
    bad(&[("Content-Type", "application/cloudevents-batch+json")], "[]");
    bad(&[("ce-type", "x"), ("ce-id", "1"), ("ce-specversion", "1.0")], "");
    // A loop: collect writes objects, which notify, which collects.
    server.push("/collect", &notification("OBJECT_FINALIZE", "zoom", "logs/a", 1)).expect(422, "poison");
    assert_eq!(server.get("/collect").status, 405);
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.post("/ingest", &[], b"").status, 404);
    assert_eq!(world.zoom.lock().requests, 0);
    let huge = server.post("/collect", &json, &vec![b' '; 17 << 20]);
    assert_eq!(huge.status, 413);
}

#[test]
fn pushes_while_a_run_goes_on_get_its_answer() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 60, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().manners.latency = Some(Duration::from_millis(60));
    let server = collector(&world, "");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let pushes: Vec<_> =
            (0..12).map(|_| scope.spawn(|| server.push("/collect", &envelope(b"", &json!({}))))).collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    for answer in answers {
        assert_eq!(answer.expect(200, "done").json()["records_written"], 60);
    }
    assert!((server.metric("zoom_udm_runs_total{verb=\"collect\",outcome=\"done\"}") - 1.0).abs() < 0.1);
    world.even();
}

#[test]
fn passing_trouble_is_told_from_lasting_trouble() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 5, now - 20 * HOUR..now - HOUR));
    let server = collector(&world, "--retries 1");
    let push = envelope(b"", &json!({}));
    world.gcs.lock().faults.always_unavailable = Some("collector".into());
    let answer = server.push("/collect", &push).expect(503, "again");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text().contains("gs:") && !answer.text().contains("collector"), "{}", answer.text());
    world.heal();
    world.zoom.lock().manners.scope = false;
    server.push("/collect", &push).expect(500, "broken");
    let line = server.wait_for("POST /collect 500");
    assert_eq!(line["severity"], "ERROR");
    world.zoom.lock().manners.scope = true;
    assert_eq!(server.push("/collect", &push).expect(200, "done").json()["records_written"], 5);
    // Another process is at work, and is not waited for.
    world.zoom.lock().manners.latency = Some(Duration::from_millis(300));
    let mut other = world.start(&["--full"]);
    wait_until("a lease", || {
        world.zoom.lock().requests > 12 || world.gcs.all(BUCKET, "").keys().any(|name| name.contains("lease"))
    });
    let answer = server.push("/collect", &push);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(answer.expect(409, "again").header("retry-after"), Some("60"));
}

#[test]
fn a_signal_saves_what_a_run_has_and_has_it_repeated() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().manners.latency = Some(Duration::from_millis(100));
    let mut server = collector(&world, "");
    let answer = std::thread::scope(|scope| {
        let push = scope.spawn(|| server.push("/collect", &envelope(b"", &json!({}))));
        wait_until("a page", || world.zoom.lock().page_requests > 3);
        server.signal("-TERM");
        push.join().unwrap()
    });
    answer.expect(503, "again");
    let (status, took) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(took < Duration::from_secs(10), "{took:?}");
    let saved: u64 = world.held().values().sum();
    assert!(saved > 0 && saved < 200, "{saved}");
    world.heal();
    world.zoom.lock().manners.latency = None;
    let server = collector(&world, "");
    server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
    world.even();
}

#[test]
fn a_service_killed_in_the_middle_of_a_collect_run_is_made_good_by_the_next() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 80, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().manners.latency = Some(Duration::from_millis(15));
    for pages in [1, 3, 6, 9] {
        let server = collector(&world, "");
        world.zoom.lock().page_requests = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| server.push("/collect", &envelope(b"", &json!({}))));
            wait_until("a page", || world.zoom.lock().page_requests >= pages);
            server.signal("-KILL");
        });
    }
    let server = collector(&world, "");
    server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
    world.even();
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
    for at in (1..requests).step_by(7) {
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
    assert_eq!(anew as usize, 150 - done, "{json}");
    assert_eq!(events_in(&gcs), 150);
}

#[test]
fn health_metrics_and_log_are_as_their_readers_expect_them() {
    let world = World::new(NOW).with("GOOGLE_CLOUD_PROJECT", "my-project");
    let mut command = world.program(&["serve", "--collect"]);
    command.env("COLLECT_FLAGS", "--first-pause 1ms");
    let mut server = Server::start(command);
    assert_eq!((server.get("/healthz").text().as_str(), server.get("/readyz").status), ("ok\n", 200));
    let trace =
        [("X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/1;o=1"), ("User-Agent", "APIs-Google")];
    server.post("/collect", &trace, b"").expect(200, "done");
    let line = server.wait_for("POST /collect 200");
    assert_eq!(line["severity"], "INFO");
    assert!(line["time"].as_str().unwrap().starts_with("2023-11-16T12:00:0"), "{line}");
    assert_eq!(
        line["logging.googleapis.com/trace"],
        "projects/my-project/traces/105445aa7843bc8bf206b12000100000"
    );
    let request = &line["httpRequest"];
    assert_eq!((&request["requestMethod"], &request["status"]), (&json!("POST"), &json!(200)));
    assert_eq!((&request["userAgent"], &request["remoteIp"]), (&json!("APIs-Google"), &json!("127.0.0.1")));
    assert!(request["latency"].as_str().unwrap().ends_with('s'));
    assert_eq!(
        server.log().iter().filter(|line| !line["httpRequest"].is_null()).count(),
        1,
        "one line a request"
    );
    let metrics = server.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for part in [
        "zoom_udm_collect_lag_seconds ",
        "zoom_udm_collect_duplicates_suppressed_total ",
        "zoom_udm_zoom_requests_total ",
        "zoom_udm_zoom_throttled_total ",
        "zoom_udm_ledger_bytes ",
        "zoom_udm_run_duration_seconds_bucket{le=",
        "zoom_udm_http_requests_total{route=\"/collect\",status=\"200\"} 1",
        "zoom_udm_http_request_duration_seconds_count{route=\"/healthz\"} 1",
        "zoom_udm_build_info{version=\"",
        "# EOF\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    server.signal("-TERM");
    assert_eq!(server.ended().0.code(), Some(0));
}

#[test]
fn all_settings_that_are_missing_are_named_at_once() {
    let mut command = program(None, &["serve", "--collect", "--ingest"]);
    let output = command.env("PORT", "0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for name in [
        "--require-oidc",
        "ZOOM_ACCOUNT_ID",
        "ZOOM_CLIENT_ID",
        "ZOOM_CLIENT_SECRET",
        "GCS_BUCKET",
        "INGEST_TO",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
    for (name, value) in
        [("INGEST_FLAGS", "--follow"), ("INGEST_FLAGS", "--nonsense"), ("INGEST_TO", "s3://x")]
    {
        let mut command = feed(&Gcs::start(), "");
        let output = command.env(name, value).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {value}");
    }
}
