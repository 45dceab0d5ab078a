//! Tests of `zoom-udm serve --collect` and its callers: Pub/Sub, Eventarc and Cloud Scheduler as documented;
//! duplicates, faults, kills and signals; responses, metrics and logs.

use serde_json::json;
use std::io::Write as _;
use std::time::{Duration, Instant};
use testkit::collect::*;
use testkit::ingest::program;
use testkit::serve::pushes::{envelope, notification, resource};
use testkit::serve::{Answer, Headers, Server};

fn collector(world: &World, flags: &str) -> Server {
    let mut command = world.program(&["serve", "--collect", "--run-deadline", "20s"]);
    command.env("COLLECT_FLAGS", format!("--first-pause 1ms --since 2d {flags}"));
    Server::start(command)
}

#[test]
fn scheduled_push_collects_in_every_message_format() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 25, now - 20 * HOUR..now - HOUR));
    let server = collector(&world, "");
    let json = ("Content-Type", "application/json");
    // A scheduled message in an envelope.
    let answer = server.push("/collect", &envelope(b"run", &json!({}))).expect(200, "done");
    assert_eq!(answer.json()["records_written"], 25);
    world.assert_bucket_matches_zoom();
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
    let cases: [(Headers<'_>, Vec<u8>); 6] = [
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
    world.assert_bucket_matches_zoom();
    assert!(server.metric("zoom_udm_collect_records_written_total") > 30.0);
    assert!(server.metric("zoom_udm_zoom_requests_total") > 6.0);
    assert!(server.metric("zoom_udm_collect_duplicates_suppressed_total") > 6.0);
    assert!(!server.said().contains(testkit::zoom::SECRET));
    assert!(!server.said().contains(testkit::zoom::TOKEN_MARK));
}

#[test]
fn malformed_push_is_invalid_and_collects_nothing() {
    let world = World::new(NOW);
    let server = collector(&world, "");
    let json = [("Content-Type", "application/json")];
    let bad = |headers: &[(&str, &str)], body: &str| {
        server.post("/collect", headers, body.as_bytes()).expect(400, "invalid")
    };
    bad(&json, "{\"message\":");
    bad(&json, "{\"message\":null}");
    bad(&json, "{\"message\":{\"data\":\"no base64!\"}}");
    bad(&json, "{\"message\":{\"attributes\":[]}}");
    bad(&json, &"[".repeat(100_000));
    bad(&[("Content-Type", "application/cloudevents+json")], "{\"specversion\":\"0.3\"}");
    bad(&[("Content-Type", "application/cloudevents-batch+json")], "[]");
    bad(&[("ce-type", "x"), ("ce-id", "1"), ("ce-specversion", "1.0")], "");
    // This would be a loop: `collect` writes an object, its notification starts `collect`, and so on.
    server.push("/collect", &notification("OBJECT_FINALIZE", "zoom", "logs/a", 1)).expect(422, "invalid");
    server.push("/collect", &resource("zoom", "logs/a", 1)).expect(422, "invalid");
    assert_eq!(server.get("/collect").status, 405);
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.post("/ingest", &[], b"").status, 404);
    assert_eq!(world.zoom.lock().requests, 0);
    let huge = server.post("/collect", &json, &vec![b' '; 300 << 10]);
    assert_eq!(huge.status, 413);
    assert!(huge.text().contains("262144 bytes") && !huge.text().contains("--max-body"), "{}", huge.text());
}

#[test]
fn pushes_during_a_run_get_its_response() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 60, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(60));
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
    world.assert_bucket_matches_zoom();
}

#[test]
fn push_after_an_abandoned_run_starts_its_own_run() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 20, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(50));
    let server = collector(&world, "");
    let mut stream = server.connect();
    let body = envelope(b"", &json!({})).to_string();
    let head = server.head("POST", "/collect", &[("Content-Type", "application/json")], body.len());
    stream.write_all(&head).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
    wait_until("a request", || world.zoom.lock().requests > 0);
    drop(stream);
    let runs = || server.metric("zoom_udm_runs_total{verb=\"collect\",outcome=\"done\"}");
    wait_until("the end of the run", || runs() > 0.5);
    std::thread::sleep(Duration::from_millis(100));
    world.zoom.add(spread(20, 5, now - 20 * HOUR..now - HOUR));
    let answer = server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
    assert_eq!(answer.json()["records_written"], 5, "the new run requests records again");
    assert!((runs() - 2.0).abs() < 0.1, "{}", runs());
    world.assert_bucket_matches_zoom();
}

#[test]
fn many_pushes_share_one_run() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 60, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(500));
    let server = collector(&world, "");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let pushes: Vec<_> =
            (0..130).map(|_| scope.spawn(|| server.push("/collect", &envelope(b"", &json!({}))))).collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(done.len() >= 60, "{}", done.len());
    for answer in done {
        assert_eq!(answer.expect(200, "done").json()["records_written"], 60);
    }
    for answer in refused {
        assert_eq!(answer.expect(503, "retry").header("retry-after"), Some("1"));
    }
    assert!((server.metric("zoom_udm_runs_total{verb=\"collect\"") - 1.0).abs() < 0.1);
    world.assert_bucket_matches_zoom();
}

#[test]
fn slow_pushes_time_out() {
    let world = World::new(NOW);
    let mut command = world.program(&["serve", "--collect", "--request-timeout", "1s"]);
    let server = Server::start({
        command.env("COLLECT_FLAGS", "--first-pause 1ms");
        command
    });
    // One client stalls, and one trickles.
    let mut streams = [server.connect(), server.connect()];
    for stream in &mut streams {
        let head = server.head("POST", "/collect", &[("Content-Type", "application/json")], 1000);
        stream.write_all(&head).and_then(|()| stream.write_all(b"{\"message\":")).unwrap();
    }
    let [mut stopped, mut trickling] = streams;
    let mut writer = trickling.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        while writer.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let began = Instant::now();
    for stream in [&mut stopped, &mut trickling] {
        Answer::read(stream).expect(408, "retry");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop((stopped, trickling));
    writing.join().unwrap();
    server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
}

#[test]
fn unknown_page_members_are_logged() {
    let world = World::new(NOW);
    world.zoom.add(spread(0, 20, world.now() - HOUR..world.now()));
    world.zoom.pages_fail(When::First(1), Act::NewMember);
    let server = collector(&world, "");
    server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
    assert_eq!(server.wait_for("archived_logs")["severity"], "INFO");
}

#[test]
fn exhausted_budget_or_quota_asks_for_no_retry() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 100, now - 20 * HOUR..now - HOUR));
    let push = envelope(b"", &json!({}));
    let server = collector(&world, "--max-requests 4");
    let answer = server.push("/collect", &push).expect(200, "done");
    assert_eq!(answer.json()["stopped_early"], true);
    assert!((server.metric("zoom_udm_zoom_requests_total") - 4.0).abs() < 0.1);
    let line = server.wait_for("POST /collect 200");
    assert_eq!(line["severity"], "WARNING");
    assert!(line["message"].as_str().unwrap().contains("--max-requests"), "{line}");
    drop(server);
    world.zoom.pages_fail(When::Always, Act::Daily(Wait::IsoMidnight));
    let server = collector(&world, "");
    assert_eq!(server.push("/collect", &push).expect(200, "done").json()["stopped_early"], true);
    assert!(server.metric("zoom_udm_zoom_throttled_total") > 0.0, "the daily limit is counted, too");
    drop(server);
    world.clear_faults();
    // A `Retry-After` from Zoom is a transient error.
    world.zoom.pages_fail(When::Always, Act::Busy(120));
    let server = collector(&world, "");
    server.push("/collect", &push).expect(503, "retry");
    drop(server);
    world.clear_faults();
    // After a deadline, a retry may have enough time.
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(100));
    let server = collector(&world, "--deadline 300ms");
    server.push("/collect", &push).expect(503, "retry");
    drop(server);
    world.zoom.lock().behavior.latency = None;
    collector(&world, "").push("/collect", &push).expect(200, "done");
    world.assert_bucket_matches_zoom();
}

#[test]
fn metrics_count_failed_runs() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 50, now - 20 * HOUR..now - HOUR));
    // All requests after the second page fail.
    world.zoom.pages_fail(When::After(2), Act::Answer(403, r#"{"code":4711,"message":"scopes"}"#.into()));
    let server = collector(&world, "");
    server.push("/collect", &envelope(b"", &json!({}))).expect(500, "error");
    assert!(server.metric("zoom_udm_zoom_requests_total") > 2.0);
    assert!(server.metric("zoom_udm_collect_records_written_total") > 0.0);
    // The run recorded no progress, so the lag grows although no run is active.
    let lag = server.metric("zoom_udm_collect_lag_seconds");
    std::thread::sleep(Duration::from_millis(1100));
    assert!(lag > 3600.0 && server.metric("zoom_udm_collect_lag_seconds") > lag, "{lag}");
    // Storage is unreachable, so even the state is unknown.
    world.gcs.lock().faults.always_unavailable = Some("collector".into());
    let server = collector(&world, "--retries 1");
    server.push("/collect", &envelope(b"", &json!({}))).expect(503, "retry");
    std::thread::sleep(Duration::from_millis(1100));
    assert!(server.metric("zoom_udm_collect_lag_seconds") >= 1.0);
}

#[test]
fn transient_and_permanent_errors_are_distinguished() {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 5, now - 20 * HOUR..now - HOUR));
    let server = collector(&world, "--retries 1");
    let push = envelope(b"", &json!({}));
    world.gcs.lock().faults.always_unavailable = Some("collector".into());
    let answer = server.push("/collect", &push).expect(503, "retry");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text().contains("gs:") && !answer.text().contains("collector"), "{}", answer.text());
    world.clear_faults();
    world.zoom.lock().behavior.scope = false;
    server.push("/collect", &push).expect(500, "error");
    let line = server.wait_for("POST /collect 500");
    assert_eq!(line["severity"], "ERROR");
    world.zoom.lock().behavior.scope = true;
    assert_eq!(server.push("/collect", &push).expect(200, "done").json()["records_written"], 5);
    // Another process is active, and the service does not wait for it.
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(300));
    let before = world.zoom.lock().requests;
    let mut other = world.start(&["--full"]);
    wait_until("a request", || world.zoom.lock().requests > before);
    let answer = server.push("/collect", &push);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(answer.expect(409, "retry").header("retry-after"), Some("60"));
}

#[test]
fn signal_saves_progress_and_asks_for_a_retry() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(100));
    let mut server = collector(&world, "");
    let answer = std::thread::scope(|scope| {
        let push = scope.spawn(|| server.push("/collect", &envelope(b"", &json!({}))));
        wait_until("a page", || world.zoom.lock().page_requests > 3);
        server.signal("-TERM");
        push.join().unwrap()
    });
    answer.expect(503, "retry");
    let (status, took) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(took < Duration::from_secs(10), "{took:?}");
    let saved: u64 = world.stored_lines().values().sum();
    assert!(saved > 0 && saved < 200, "{saved}");
    world.clear_faults();
    world.zoom.lock().behavior.latency = None;
    let server = collector(&world, "");
    server.push("/collect", &envelope(b"", &json!({}))).expect(200, "done");
    world.assert_bucket_matches_zoom();
}

#[test]
fn signal_saves_progress_after_caller_disconnect() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 200, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(100));
    let mut server = collector(&world, "");
    let push = server.begin("POST", "/collect", envelope(b"", &json!({})).to_string().as_bytes());
    wait_until("a page", || world.zoom.lock().page_requests > 3);
    drop(push);
    server.signal("-TERM");
    let (status, took) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(took < Duration::from_secs(10), "{took:?}");
    let saved: u64 = world.stored_lines().values().sum();
    assert!(saved > 0 && saved < 200, "{saved}");
    // The next run need not wait for the lease.
    world.clear_faults();
    world.zoom.lock().behavior.latency = None;
    assert_eq!(world.collect(&[]).code, 0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn killed_collect_run_is_recovered_by_the_next() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    let now = world.now();
    world.zoom.add(spread(0, 80, now - 20 * HOUR..now - HOUR));
    world.zoom.lock().behavior.latency = Some(Duration::from_millis(15));
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
    world.assert_bucket_matches_zoom();
}

#[test]
fn health_metrics_and_log_have_the_expected_format() {
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
        "one line per request"
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
fn all_missing_settings_are_reported() {
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
        let mut command = program(None, &["serve", "--ingest"]);
        command.env("INGEST_FROM", "gs://zoom/logs/").env("INGEST_TO", "gs://udm/out/");
        let output = command.env(name, value).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {value}");
    }
    // Flags that only make sense on the command line are rejected.
    for flag in ["--summary json", "--metrics=counts.prom", "--trace-http"] {
        let mut command = World::new(NOW).program(&["serve", "--collect", "--listen", "127.0.0.1:0"]);
        let output = command.env("COLLECT_FLAGS", format!("--look-back 3d {flag}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let name = flag.split([' ', '=']).next().unwrap();
        assert!(output.status.code() == Some(2) && said.contains(name), "{flag}: {said}");
    }
}

#[test]
fn ingest_prefix_without_slash_is_a_usage_error() {
    let run = |variables: &[(&str, &str)]| {
        let mut command = program(None, &["serve", "--ingest", "--listen", "127.0.0.1:0"]);
        let output = command.env("GCS_BUCKET", "zoom").envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // Without the slash, objects of 2023 would be named `zoom/logs2023/…`.
    let (code, said) = run(&[("GCS_PREFIX", "zoom/logs")]);
    assert_eq!(code, Some(2), "{said}");
    for part in ["GCS_PREFIX \"zoom/logs\" does not end in /", "set INGEST_FROM", "INGEST_TO is not set"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said) = run(&[("GCS_PREFIX", "zoom/logs"), ("INGEST_FROM", "gs://zoom/zoom/")]);
    assert!(!said.contains("GCS_PREFIX") && said.contains("INGEST_TO is not set"), "{said}");
    let (_, said) = run(&[("GCS_PREFIX", "zoom/logs/")]);
    assert!(!said.contains("GCS_PREFIX") && said.contains("INGEST_TO is not set"), "{said}");
}
