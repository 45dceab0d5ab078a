//! Tests of `zoom-udm serve --ingest` and of bucket notifications: each object is ingested once, in every message
//! format and for every number of pushes.

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::collect::{Faults, Gcs, Refusal, wait_until};
use testkit::files::gunzip;
use testkit::files::gzip;
use testkit::gcs::Act;
use testkit::ingest::{ingest, outcome, program, records, start};
use testkit::serve::pushes::{envelope, notification, resource};
use testkit::serve::{Answer, Server};

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
fn flags_variable_is_split_like_a_shell() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json", records(3, 1));
    let server = Server::start(feed(&gcs, r#"--namespace 'head office' --label env="prod""#));
    server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
    let events: String = gcs.all("udm", "out/").values().map(|bytes| gunzip(bytes)).collect();
    for event in events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        assert_eq!(event["principal"]["namespace"], "head office", "{event}");
        assert_eq!(event["metadata"]["ingestionLabels"], json!([{"key": "env", "value": "prod"}]), "{event}");
    }
    assert_eq!(events.lines().count(), 3);
    let output = feed(&gcs, "--namespace 'open").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("INGEST_FLAGS: unclosed quote"), "{said}");
}

#[test]
fn event_flags_are_rejected_without_normalize() {
    let gcs = Gcs::start();
    for flags in [&["--namespace", "zoom"][..], &["--label", "a=b"], &["--format", "import"], &["--clip"]] {
        let output = feed(&gcs, "").args(flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("INGEST_FLAGS"), "{flags:?}: {said}");
    }
    let mut both = feed(&gcs, "");
    both.args(["--normalize", "--namespace", "zoom"]);
    assert_eq!(Server::start(both).get("/healthz").status, 200);
}

#[test]
fn notification_ingests_its_object_once() {
    let gcs = Gcs::start();
    let server = Server::start(feed(&gcs, ""));
    for number in 0..6 {
        gcs.seed("zoom", &format!("logs/2023/11/{number}.json.gz"), gzip(records(10, number)));
    }
    // Objects whose names start with the requested name, or with a part of it.
    gcs.seed("zoom", "logs/2023/11/0.json.g", gzip(records(10, 90)));
    gcs.seed("zoom", "logs/2023/11/0.json.gz.part", gzip(records(10, 91)));
    let name = |number: u64| format!("logs/2023/11/{number}.json.gz");
    let answer =
        server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &name(0), 7)).expect(200, "done");
    assert_eq!(answer.json()["events"], 10);
    // Attributes only, as with `payloadFormat` NONE.
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
    // No envelope; attributes are headers.
    let attributes = [
        ("x-goog-pubsub-message-id", "2070443601311544"),
        ("eventType", "OBJECT_FINALIZE"),
        ("bucketId", "zoom"),
        ("objectId", "logs/2023/11/4.json.gz"),
        ("objectGeneration", "7"),
    ];
    server.post("/ingest", &attributes, b"").expect(200, "done");
    // Neither an envelope nor metadata.
    let bare = [("Content-Type", "application/json")];
    server.post("/ingest", &bare, resource("zoom", &name(5), 7).to_string().as_bytes()).expect(200, "done");
    assert_eq!((gcs.all("udm", "out/").len(), events_in(&gcs)), (6, 60));
    // Repeated pushes and a full run read nothing again.
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
    wait_until("the ledger's weight", || server.metric("zoom_udm_ledger_bytes") > 0.0);
}

#[test]
fn ledger_measurement_does_not_delay_responses() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(2, 1)));
    gcs.lock().faults.refusals.push(Refusal::acting("LIST", "out.ledger", Act::Hang));
    let server = Server::start(feed(&gcs, ""));
    let began = std::time::Instant::now();
    server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", "logs/a.json.gz", 7)).expect(200, "done");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    wait_until("the list", || gcs.lock().fault_hits > 0);
}

#[test]
fn normalize_uploads_do_not_delay_pushes() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(2, 1)));
    let mut command = feed(&gcs, "");
    command.arg("--normalize");
    let server = Server::start(command);
    let line = records(4000, 1);
    let body = line.repeat((31 << 20) / line.len());
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // More bodies than fit into memory, and no client reads its response.
        for _ in 0..6 {
            let (mut stream, head) = (server.connect(), server.head("POST", "/normalize", &[], body.len()));
            stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let (body, enough) = (&body, &enough);
            scope.spawn(move || {
                let mut rest = &[&head, body.as_bytes()].concat()[..];
                while !enough.load(Ordering::Relaxed) {
                    rest = &rest[stream.write(rest).unwrap_or(0)..];
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        // The service accepts no data of another body.
        let full = || {
            let mut stream = server.connect();
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let few = records(2, 1);
            let head = server.head("POST", "/normalize", &[], few.len());
            stream.write_all(&[&head, few.as_bytes()].concat()).unwrap();
            Answer::read(&mut stream).status == 0
        };
        wait_until("no room", full);
        let began = std::time::Instant::now();
        let push = notification("OBJECT_FINALIZE", "zoom", "logs/a.json.gz", 7);
        let answer = server.push("/ingest", &push);
        enough.store(true, Ordering::Relaxed);
        answer.expect(200, "done");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

#[test]
fn irrelevant_pushes_are_ignored_and_bad_ones_invalid() {
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
    push("OBJECT_FINALIZE", "other", "logs/a.json.gz").expect(422, "invalid");
    server.push("/ingest", &envelope(b"{\"what\":1}", &json!({}))).expect(400, "invalid");
    server.push("/ingest", &envelope(b"", &json!({"eventType": "OBJECT_FINALIZE"}))).expect(400, "invalid");
    assert_eq!(events_in(&gcs), 0);
    // Permanently corrupt: the response is final, and the ledger records it.
    let whole = gzip(records(100, 1));
    gcs.seed("zoom", "logs/cut.json.gz", whole[..whole.len() - 9].to_vec());
    let answer = push("OBJECT_FINALIZE", "zoom", "logs/cut.json.gz").expect(422, "invalid");
    assert!(!answer.text().contains("logs/cut"), "{}", answer.text());
    server.wait_for("the gzip data is truncated");
    // Temporarily unavailable: the push is retried.
    gcs.lock().faults.always_unavailable = Some("logs%2Fa.json.gz".into());
    gcs.lock().faults.refusals.push(Refusal::always("GET", "logs/a.json.gz", 503));
    push("OBJECT_FINALIZE", "zoom", "logs/a.json.gz").expect(503, "retry");
    gcs.lock().faults = Faults::default();
    push("OBJECT_FINALIZE", "zoom", "logs/a.json.gz").expect(200, "done");
    assert_eq!(events_in(&gcs), 3);
}

/// Returns invalid or unusual object names, with the status of the response to each.
fn bad_names() -> Vec<(String, u16)> {
    let of_bytes = |length: usize| format!("logs/{}", "x".repeat(length - 5));
    vec![
        (format!("logs/{}", "\u{e9}".repeat(15_000)), 400),
        (of_bytes(1025), 400),
        (of_bytes(1024), 200),
        ("logs/a\nb.json".into(), 400),
        ("logs/a\r.json".into(), 400),
        (".".into(), 400),
        ("..".into(), 400),
        (String::new(), 400),
        ("logs/".into(), 200),
        ("logs/..".into(), 200),
        ("logs/../../a.json".into(), 200),
        ("logs//a/./b.json".into(), 200),
        ("logs/a\u{0}\u{1b}\u{7f}.json".into(), 200),
        ("logs/a?b#c%zz%2F&d=e [x].json".into(), 200),
        ("logs/\u{202e}\u{fffe}\u{10ffff}.json".into(), 200),
        (format!("logs/{}", "\u{1}".repeat(1019)), 200),
    ]
}

#[test]
fn invalid_names_do_not_fail_other_pushes() {
    let gcs = Gcs::start();
    for number in 0..30 {
        gcs.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(2, number)));
    }
    gcs.seed("zoom", "logs/\t\u{e9} ?#.json", records(2, 99));
    gcs.seed("zoom", "logs/forbidden.json", records(2, 98));
    gcs.seed("zoom", "logs/unavailable.json", records(2, 97));
    let status = |part: &str, status| Refusal::always("", part, status);
    gcs.lock().faults.refusals = vec![status("forbidden", 403), status("unavailable", 503)];
    // The first run is slow, so all pushes that arrive meanwhile share the next run.
    gcs.lock().faults.latency = Some(Duration::from_millis(20));
    let server = Server::start(feed(&gcs, ""));
    let mut pushes: Vec<_> = (0..30).map(|number| (format!("logs/{number}.json.gz"), 200)).collect();
    pushes.push(("logs/\t\u{e9} ?#.json".into(), 200));
    pushes.extend([("logs/forbidden.json".into(), 503), ("logs/unavailable.json".into(), 503)]);
    pushes.extend(bad_names());
    std::thread::scope(|scope| {
        for (name, expected) in &pushes {
            let server = &server;
            scope.spawn(move || {
                let answer = server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", name, 7));
                let name: String = name.chars().take(40).collect();
                assert_eq!(answer.status, *expected, "{name:?}: {}", answer.text());
            });
        }
    });
    assert_eq!(events_in(&gcs), 62);
    assert!(!server.said().contains("panicked"), "{}", server.said());
    let mut odd = notification("OBJECT_FINALIZE", "zoom", "logs/0.json.gz", 7);
    odd["message"]["attributes"]["objectGeneration"] = json!("7/../8");
    server.push("/ingest", &odd).expect(400, "invalid");
}

#[test]
fn overlong_output_name_is_shortened() {
    let gcs = Gcs::start();
    // The generation and the extension make the output's name longer than the object's, so it is truncated and a hash
    // is added.
    let long = format!("logs/{}xyz", "abc/".repeat(253));
    gcs.seed("zoom", &long, records(2, 1));
    gcs.seed("zoom", "logs/good.json", records(2, 2));
    let server = Server::start(feed(&gcs, ""));
    server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", &long, 7)).expect(200, "done");
    let answer = server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
    assert_eq!((answer.json()["done"].as_u64(), events_in(&gcs)), (Some(1), 4));
}

#[test]
fn many_pushes_ingest_each_object_once() {
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
                        // Retries like Pub/Sub.
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
fn killed_ingest_is_recovered_by_the_next_push() {
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
        // A full run deletes the sources of objects that were done before the kill.
        server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
        assert_eq!(gcs.all("zoom", "").len(), 0, "killed at {at}");
    }
    assert!(kills >= 10, "{kills}");
    println!("{kills} kills at {requests} requests");
}

/// Pushes a message without an object, which requests a full run.
fn push_full_run(server: &Server) -> Answer {
    server.push("/ingest", &envelope(b"", &json!({})))
}

#[test]
fn full_run_push_includes_earlier_objects() {
    let gcs = Gcs::start();
    for number in 0..80 {
        gcs.seed("zoom", &format!("logs/{number:02}.json.gz"), gzip(records(2, number)));
    }
    gcs.lock().faults.latency = Some(Duration::from_millis(15));
    let server = Server::start(feed(&gcs, "--concurrency 2"));
    let later: Vec<_> = std::thread::scope(|scope| {
        let first = scope.spawn(|| push_full_run(&server));
        wait_until("outputs", || gcs.all("udm", "out/").len() > 10);
        // The run has its listing now.
        gcs.seed("zoom", "logs/zzz.json.gz", gzip(records(2, 99)));
        let more: Vec<_> = (0..4).map(|_| scope.spawn(|| push_full_run(&server))).collect();
        let more = more.into_iter().map(|push| push.join().unwrap()).collect();
        assert_eq!(first.join().unwrap().expect(200, "done").json()["listed"], 80);
        more
    });
    for answer in later {
        assert_eq!(answer.expect(200, "done").json()["listed"], 81);
    }
    assert_eq!((gcs.all("udm", "out/").len(), events_in(&gcs)), (81, 162));
    let runs = server.metric("zoom_udm_runs_total{verb=\"ingest\",outcome=\"done\"}");
    assert!((runs - 2.0).abs() < 0.1, "pushes during a run share one more run: {runs}");
}

#[test]
fn incomplete_full_run_asks_for_a_retry() {
    let gcs = Gcs::start();
    for number in 0..6 {
        gcs.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(2, number)));
    }
    let server = Server::start(feed(&gcs, ""));
    // A transient error of one object.
    gcs.lock().faults.refusals.push(Refusal::always("GET", "logs/3.json.gz", 503));
    push_full_run(&server).expect(503, "retry");
    assert_eq!(gcs.all("udm", "out/").len(), 5);
    gcs.lock().faults = Faults::default();
    push_full_run(&server).expect(200, "done");
    // Corruption is permanent. It is recorded in the ledger, and a retry is useless.
    gcs.seed("zoom", "logs/cut.json.gz", gzip(records(100, 1))[..40].to_vec());
    assert_eq!(push_full_run(&server).expect(200, "done").json()["failed"], 1);
    drop(server);
    // Another process holds a segment, and may never finish.
    for number in 10..40 {
        gcs.seed("zoom", &format!("logs/{number}.json.gz"), gzip(records(2, number)));
    }
    gcs.lock().log.clear();
    gcs.lock().faults.latency = Some(Duration::from_millis(50));
    let places = ["gs://zoom/logs/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/"];
    let mut other = start(Some(&gcs), &[&places[..], &["--shard", "0/4", "--concurrency", "1"]].concat());
    // The other process reads the ledger after it has acquired its lease.
    let reads = |line: &String| line.starts_with("GET ") && line.contains("segment");
    wait_until("a segment", || gcs.lock().log.iter().any(reads));
    let signal = |name: &str| Command::new("kill").args([name, &other.id().to_string()]).status().unwrap();
    assert!(signal("-STOP").success());
    gcs.lock().faults = Faults::default();
    let answer = push_full_run(&Server::start(feed(&gcs, "")));
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(answer.expect(409, "retry").header("retry-after"), Some("60"));
}

#[test]
fn corrupt_object_is_invalid_on_every_push() {
    let gcs = Gcs::start();
    let whole = gzip(records(100, 1));
    gcs.seed("zoom", "logs/cut.json.gz", whole[..whole.len() - 9].to_vec());
    gcs.seed("zoom", "logs/late.json.gz", whole);
    gcs.lock().faults.refusals.push(Refusal::always("GET", "logs/late.json.gz", 503));
    let server = Server::start(feed(&gcs, ""));
    let push = |name: &str| server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", name, 7));
    for _ in 0..4 {
        push("logs/cut.json.gz").expect(422, "invalid");
        push("logs/late.json.gz").expect(503, "retry");
    }
    // From the third push on, the objects are in quarantine and in backoff, and the log has the reason.
    server.wait_for("quarantined: ");
    server.wait_for("in backoff: ");
}

#[test]
fn object_push_does_not_wait_for_a_full_run() {
    let gcs = Gcs::start();
    for number in 0..150 {
        gcs.seed("zoom", &format!("logs/{number:03}.json.gz"), gzip(records(1, number)));
    }
    gcs.lock().faults.latency = Some(Duration::from_millis(30));
    let mut command = program(Some(&gcs), &["serve", "--ingest", "--run-deadline", "9s"]);
    command.env("INGEST_FROM", "gs://zoom/logs/").env("INGEST_TO", "gs://udm/out/");
    let server = Server::start({
        command.env("INGEST_FLAGS", "--first-pause 1ms --checkpoint 40ms --concurrency 1");
        command
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| push_full_run(&server));
        wait_until("outputs", || gcs.all("udm", "out/").len() > 2);
        let began = std::time::Instant::now();
        let name = "logs/149.json.gz";
        server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", name, 7)).expect(200, "done");
        assert!(began.elapsed() < Duration::from_millis(7500), "{:?}", began.elapsed());
        run.join().unwrap().expect(503, "retry");
    });
}

#[test]
fn signal_ends_the_service_while_storage_hangs() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(2, 1)));
    let mut server = Server::start(feed(&gcs, ""));
    gcs.lock().faults.latency = Some(Duration::from_secs(60));
    std::thread::scope(|scope| {
        scope.spawn(|| push_full_run(&server));
        wait_until("a request", || gcs.lock().in_flight > 0);
        server.signal("-TERM");
    });
    let (status, took) = server.ended();
    assert!(status.code() == Some(0) && took < Duration::from_secs(10), "{status} {took:?}");
}

#[test]
fn slow_or_huge_pushes_do_not_block_others() {
    let gcs = Gcs::start();
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(2, 1)));
    let mut command = feed(&gcs, "");
    command.args(["--normalize", "--concurrency", "4", "--request-timeout", "6s"]);
    let server = Server::start(command);
    let mut slow: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for stream in &mut slow {
        let head = server.head("POST", "/ingest", &[("Content-Type", "application/json")], 1000);
        stream.write_all(&head).and_then(|()| stream.write_all(b"{\"message\":")).unwrap();
    }
    wait_until("all of them", || server.metric("zoom_udm_http_requests_in_flight") >= 40.0);
    let name = "logs/a.json.gz";
    server.push("/ingest", &notification("OBJECT_FINALIZE", "zoom", name, 7)).expect(200, "done");
    assert_eq!(server.post("/normalize", &[], records(3, 1).as_bytes()).status, 200);
    for mut stream in slow {
        assert_eq!(Answer::read(&mut stream).expect(408, "retry").header("retry-after"), None);
    }
    // A body larger than any documented push, and one that would need much memory to parse.
    let json = [("Content-Type", "application/json")];
    assert_eq!(server.post("/ingest", &json, &vec![b' '; 300 << 10]).status, 413);
    let before = server.peak();
    let heavy = format!("{{\"message\":1,\"x\":[0{}]}}", ",0".repeat(120_000));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let pushes: Vec<_> =
            (0..16).map(|_| scope.spawn(|| server.post("/ingest", &json, heavy.as_bytes()).status)).collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| matches!(status, 400 | 503)), "{answers:?}");
    println!("{before} KB before, {} KB at most", server.peak());
    assert!(server.peak() < before + 20_000, "{before} {}", server.peak());
}

#[test]
fn signal_ends_an_ingest_run_with_progress_saved() {
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
    answer.expect(503, "retry");
    let (status, took) = server.ended();
    assert!(status.code() == Some(0) && took < Duration::from_secs(10), "{status} {took:?}");
    gcs.lock().faults = Faults::default();
    let done = gcs.all("udm", "out/").len();
    assert!(done < 150, "{done}");
    let server = Server::start(feed(&gcs, ""));
    let answer = server.push("/ingest", &envelope(b"", &json!({}))).expect(200, "done");
    // Outputs written just before the signal may be missing from the ledger; they are found to exist.
    let json = answer.json();
    let anew = json["done"].as_u64().unwrap() - json["already_present"].as_u64().unwrap();
    assert_eq!(anew, 150 - done as u64, "{json}");
    assert_eq!(events_in(&gcs), 150);
}

#[test]
fn signal_ends_an_ingest_run_after_caller_disconnect() {
    let gcs = Gcs::start();
    for number in 0..150 {
        gcs.seed("zoom", &format!("logs/{number:03}.json.gz"), gzip(records(1, number)));
    }
    gcs.lock().faults.latency = Some(Duration::from_millis(20));
    let mut server = Server::start(feed(&gcs, "--concurrency 3"));
    let push = server.begin("POST", "/ingest", envelope(b"", &json!({})).to_string().as_bytes());
    wait_until("outputs", || gcs.all("udm", "out/").len() > 10);
    drop(push);
    server.signal("-TERM");
    let (status, took) = server.ended();
    assert!(status.code() == Some(0) && took < Duration::from_secs(10), "{status} {took:?}");
    gcs.lock().faults = Faults::default();
    let done = gcs.all("udm", "out/").len() as u64;
    assert!(done < 150, "{done}");
    let leases = gcs.all("udm", "out.ledger/lease");
    assert!(
        leases.len() == 16 && leases.values().all(|lease| lease == r#"{"holder":null,"until":0}"#),
        "{leases:?}"
    );
    let output =
        ingest(Some(&gcs), &["gs://zoom/logs/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/"]);
    let (code, summary) = outcome(&output);
    assert_eq!(code, 0, "{summary}");
    let anew = summary["done"].as_u64().unwrap() - summary["already_present"].as_u64().unwrap();
    assert_eq!(anew, 150 - done, "{summary}");
    assert_eq!(events_in(&gcs), 150);
}
