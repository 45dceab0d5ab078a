//! Tests of `POST /normalize`: the events equal those of the command line, rejects are never lost silently, and slow,
//! large, many or disconnected clients are handled.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::files::{gzip, line_ends};
use testkit::ingest::{program, records as record_lines};
use testkit::normalize::run_cli;
use testkit::serve::{Answer, Headers, Server};

fn server(flags: &[&str]) -> Server {
    Server::start(program(None, &[&["serve"], flags].concat()))
}

/// Returns at least this many megabytes of records, ending with a complete line.
fn megabytes(count: usize) -> Vec<u8> {
    let one = record_lines(4000, 3);
    one.repeat((count << 20).div_ceil(one.len())).into_bytes()
}

/// Returns the parts of a multipart response: events, rejects and the summary.
fn parts(answer: &Answer) -> [Vec<u8>; 3] {
    let content = answer.header("content-type").unwrap();
    let boundary = content.strip_prefix("multipart/mixed; boundary=").unwrap();
    let mut all: [Vec<u8>; 3] = Default::default();
    let marker = format!("--{boundary}");
    let mut places: Vec<_> = memchr::memmem::find_iter(&answer.body, &marker).collect();
    assert!(answer.body.ends_with(format!("{marker}--\r\n").as_bytes()));
    places.dedup();
    for pair in places.windows(2) {
        let part = &answer.body[pair[0] + marker.len() + 2..pair[1] - 2];
        let end = memchr::memmem::find(part, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&part[..end]).unwrap();
        let at = ["events", "rejects", "summary"].iter().position(|name| head.contains(name)).unwrap();
        all[at].extend_from_slice(&part[end + 4..]);
    }
    all
}

#[test]
fn events_match_the_command_line() {
    let server = server(&[]);
    let input = record_lines(500, 1);
    let expected = run_cli(&["normalize"], input.as_bytes());
    let packed = gzip(input.as_bytes());
    let pretty = serde_json::to_vec_pretty(&serde_json::json!({
        "operation_logs": input.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>(),
    }))
    .unwrap();
    let bodies: [(Headers<'_>, &[u8]); 5] = [
        (&[], input.as_bytes()),
        (&[("Content-Encoding", "gzip")], &packed),
        (&[("Content-Type", "application/gzip")], &packed),
        (&[("Content-Encoding", "identity"), ("TE", "trailers")], input.as_bytes()),
        (&[], &pretty),
    ];
    for (headers, body) in bodies {
        let answer = server.post("/normalize", headers, body);
        assert!((answer.status, answer.whole) == (200, true), "{headers:?}");
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        assert!(answer.body == expected.out.events, "{headers:?}");
        assert_eq!(answer.summary()["events"], 500);
    }
    assert_eq!(server.post("/normalize", &[], b"").summary()["records"], 0);
    assert_eq!(server.post("/normalize", &[("Content-Encoding", "br")], b"x").status, 415);
    assert_eq!(server.post("/normalize?rejects=maybe", &[], b"").status, 400);
    assert_eq!(server.get("/normalize").status, 405);
    let mut old = server.connect();
    old.write_all(b"POST /normalize HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut old).status, 400);
}

#[test]
fn query_decides_whether_events_are_enriched() {
    let input = record_lines(50, 1);
    let [plain, enriched] = [&["normalize"][..], &["normalize", "--enrich"]]
        .map(|arguments| run_cli(arguments, input.as_bytes()).out.events);
    assert!(plain != enriched);
    let services = [server(&[]), server(&["--enrich"])];
    for (query, expected) in [
        ("", [&plain, &enriched]),
        ("?enrich=1", [&enriched, &enriched]),
        ("?enrich=0&rejects=omit", [&plain, &plain]),
    ] {
        for (service, expected) in services.iter().zip(expected) {
            let answer = service.post(&format!("/normalize{query}"), &[], input.as_bytes());
            assert!(answer.status == 200 && answer.body == *expected, "{query}");
        }
    }
    assert_eq!(services[0].post("/normalize?enrich=yes", &[], b"").status, 400);
}

#[test]
fn mapping_flags_apply_to_the_service() {
    let flags = ["--namespace", "corp", "--label", "env=prod", "--format", "import", "--request-events", "7"];
    let server = server(&flags);
    let input = record_lines(50, 1);
    let expected = run_cli(&[&["normalize"], &flags[..]].concat(), input.as_bytes());
    assert!(server.post("/normalize", &[], input.as_bytes()).body == expected.out.events);
}

#[test]
fn default_time_now_is_the_request_time() {
    let server = server(&["--default-time", "now"]);
    let time = || {
        let answer = server.post("/normalize", &[], br#"{"operator":"a@b.com","action":"Add"}"#);
        answer.json()["metadata"]["eventTimestamp"].as_str().unwrap().to_owned()
    };
    let first = time();
    std::thread::sleep(Duration::from_millis(1100));
    let second = time();
    assert!(first.as_str() >= "2023-11-16T00:00:00" && second > first, "{first} {second}");
}

#[test]
fn rejects_are_never_lost_silently() {
    let server = server(&[]);
    for (records, long) in [(20, false), (20_000, true)] {
        let mut input = String::new();
        for (number, line) in record_lines(records, 2).lines().enumerate() {
            input += line;
            input += if number % 10 == 3 { "\nno \"record\" <é>\n" } else { "\n" };
        }
        let expected = run_cli(&["normalize", "--rejects", "REJECTS"], input.as_bytes());
        let rejects = line_ends(&expected.out.rejects);
        assert_eq!(rejects as u64, records / 10);
        // Multipart: the rejects follow the events.
        let answer = server.post(
            "/normalize",
            &[("Accept", "application/json, multipart/mixed;q=0.9")],
            input.as_bytes(),
        );
        let [events, found, summary] = parts(&answer);
        assert!(answer.whole && events == expected.out.events);
        let own = String::from_utf8(expected.out.rejects)
            .unwrap()
            .replace("\"input\":\"-\"", "\"input\":\"request\"");
        let own = own.replace("\"input\":\"standard input\"", "\"input\":\"request\"");
        assert_eq!(String::from_utf8(found).unwrap(), own);
        let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
        assert_eq!(
            (&summary["rejects"], &summary["rejects_by_reason"]["not_json"]),
            (&rejects.into(), &rejects.into())
        );
        // Trailers: the rejects are counted after the events.
        let answer = server.post("/normalize", &[("TE", "gzip, trailers")], input.as_bytes());
        assert!(answer.whole && answer.body == expected.out.events);
        assert_eq!(answer.summary()["rejects"], rejects, "{:?}", answer.trailers);
        assert_eq!(answer.header("trailer").is_some(), long);
        // Without either, a long response is aborted after its last event.
        for headers in [&[][..], &[("Accept", "multipart/mixed; q=0, */*")]] {
            let answer = server.post("/normalize", headers, input.as_bytes());
            assert!(answer.whole != long && answer.body == expected.out.events);
            assert_eq!(answer.summary().is_null(), long);
        }
        // `rejects=omit` accepts losing them.
        let answer = server.post("/normalize?rejects=omit", &[], input.as_bytes());
        assert!(answer.whole && answer.body == expected.out.events);
    }
    assert!(server.metric("zoom_udm_rejects_total{reason=\"not_json\"}") > 8000.0);
}

#[test]
fn corrupt_body_gets_no_complete_response() {
    let server = server(&[]);
    let small = gzip(record_lines(50, 1).as_bytes());
    let answer = server.post("/normalize", &[], &small[..small.len() - 9]);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("truncated"), "{}", answer.text());
    let large = gzip(megabytes(6));
    let answer = server.post("/normalize", &[], &large[..large.len() - 9]);
    assert_eq!((answer.status, answer.whole), (200, false), "it is too late for another status");
    assert!(!answer.body.is_empty());
    // A body that is shorter than its `Content-Length`.
    let mut stream = server.connect();
    let head = server.head("POST", "/normalize", &[], 1000);
    stream.write_all(&[&head[..], record_lines(2, 1).as_bytes()].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = Answer::read(&mut stream);
    assert!(answer.status == 400 || answer.status == 0, "{answer:?}");
    server.wait_for("/normalize 4");
}

#[test]
fn body_limits_are_enforced() {
    let server = server(&["--max-body", "1000000", "--max-unpacked", "3000000"]);
    let body = megabytes(2);
    let answer = server.post("/normalize", &[], &body);
    assert_eq!(answer.status, 413);
    // The length is not announced.
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/normalize", &[("Transfer-Encoding", "chunked")], 0)).unwrap();
    for piece in body.chunks(10_000) {
        if stream
            .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
            .and_then(|()| stream.write_all(piece))
            .and_then(|()| stream.write_all(b"\r\n"))
            .is_err()
        {
            break;
        }
    }
    let answer = Answer::read(&mut stream);
    assert!(!answer.whole || answer.status == 413, "{}", answer.status);
    // Small when compressed, too large when decompressed: by size, and by ratio.
    let answer = server.post("/normalize", &[], &gzip(body.repeat(2)));
    assert!(answer.status == 413 || !answer.whole, "{}", answer.status);
    let bomb = gzip(vec![b'\n'; 60 << 20]);
    assert!(bomb.len() < 1_000_000);
    let answer = server.post("/normalize", &[], &bomb);
    assert_eq!(answer.status, 413);
    // The message names flags of `serve`, and no others.
    assert!(answer.text().contains("--max-unpacked"), "{}", answer.text());
    assert!(!(answer.text() + &server.said()).contains("raise --max-"), "{}", server.said());
    assert!(server.peak() < 150_000, "{} KB", server.peak());
}

#[test]
fn memory_is_bounded_for_any_body() {
    let server = server(&[]);
    let body = gzip(megabytes(120));
    let before = server.peak();
    let took: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                let (server, body) = (&server, &body);
                scope.spawn(move || {
                    let mut stream = server.connect();
                    let mut reader = stream.try_clone().unwrap();
                    let reading =
                        scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()).unwrap());
                    stream.write_all(&server.head("POST", "/normalize", &[], body.len())).unwrap();
                    stream.write_all(body).unwrap();
                    reading.join().unwrap()
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(took.iter().all(|bytes| *bytes > 200 << 20), "{took:?}");
    println!("{} KB before, {} KB at most", before, server.peak());
    assert!(server.peak() < 160_000, "{} KB", server.peak());
}

#[test]
fn client_that_sends_all_first_gets_every_event() {
    let server = server(&[]);
    let body = megabytes(20);
    let answer = server.post("/normalize", &[], &body);
    assert!(answer.whole && answer.status == 200);
    assert_eq!(line_ends(&answer.body), line_ends(&body));
}

#[test]
fn slow_clients_time_out_without_blocking_others() {
    let server = server(&[
        "--header-timeout",
        "300ms",
        "--idle-timeout",
        "400ms",
        "--request-timeout",
        "20s",
        "--max-connections",
        "40",
    ]);
    let ended = |stream: &mut TcpStream| {
        let began = Instant::now();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        (Answer::parse(&bytes).status, began.elapsed())
    };
    // Incomplete heads occupy all connections.
    let mut slow: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"POST /normalize HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
    }
    let began = Instant::now();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for mut stream in slow {
        let (status, took) = ended(&mut stream);
        assert!(matches!(status, 0 | 408) && took < Duration::from_secs(2), "{status} {took:?}");
    }
    // One byte at a time does not extend the timeout.
    let mut stream = server.connect();
    let began = Instant::now();
    while stream.write_all(b"G").is_ok() && began.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    // A body that stalls.
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/normalize", &[], 1000)).unwrap();
    stream.write_all(b"{\"time\":").unwrap();
    let (status, took) = ended(&mut stream);
    assert!(status == 408 && took < Duration::from_secs(2), "{status} {took:?}");
    // A body that trickles is rejected long before the total timeout.
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/normalize", &[], 1000)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || Answer::read(&mut reader).status);
    let began = Instant::now();
    while stream.write_all(b" ").is_ok() && !reading.is_finished() && began.elapsed() < Duration::from_secs(6)
    {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(reading.join().unwrap(), 408);
    assert!(began.elapsed() < Duration::from_secs(5));
    // A response that the client does not read.
    let mut stream = server.connect();
    let body = megabytes(30);
    stream.write_all(&server.head("POST", "/normalize", &[], body.len())).unwrap();
    // The service may close the connection before it has read everything.
    let _ = stream.write_all(&body);
    server.wait_for("the response was not sent completely");
    drop(stream);
    assert!(server.metric("zoom_udm_http_requests_in_flight") <= 1.0);
}

#[test]
fn unread_response_is_logged_as_a_timeout() {
    let server = server(&["--request-timeout", "2s"]);
    let body = megabytes(16);
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/normalize", &[], body.len())).unwrap();
    stream.write_all(&body).unwrap();
    // The client is never idle, but too slow.
    let (began, mut some) = (Instant::now(), [0; 16 << 10]);
    while began.elapsed() < Duration::from_secs(3) {
        stream.read_exact(&mut some).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = stream.read_to_end(&mut Vec::new());
    server.wait_for("the client did not read the response in time");
}

/// Sends a byte on each stream now and then, until `enough` is set.
fn trickle<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    mut streams: Vec<TcpStream>,
    enough: &'s AtomicBool,
) -> std::thread::ScopedJoinHandle<'s, ()> {
    scope.spawn(move || {
        while !enough.load(Ordering::Relaxed) {
            streams.retain_mut(|stream| stream.write_all(b" ").is_ok());
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

#[test]
fn slow_reader_gets_every_event_of_aborted_response() {
    let server = server(&[]);
    // The last records yield a small piece of a different size each time, written while all buffers are full.
    for records in (20_000..21_000).step_by(100) {
        let input = record_lines(records, 7) + "no record\n";
        let expected = run_cli(&["normalize"], input.as_bytes()).out.events;
        let mut stream = server.connect();
        stream.write_all(&server.head("POST", "/normalize", &[], input.len())).unwrap();
        stream.write_all(input.as_bytes()).unwrap();
        let (mut bytes, mut piece) = (Vec::new(), vec![0; 256 << 10]);
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            bytes.extend_from_slice(&piece[..read]);
            std::thread::sleep(Duration::from_millis(2));
        }
        let answer = Answer::parse(&bytes);
        assert!(!answer.whole && answer.body == expected, "{} of {}", answer.body.len(), expected.len());
    }
}

#[test]
fn slow_bodies_do_not_block_other_requests() {
    let server = server(&[]);
    let mut slow: Vec<_> = (0..40).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(&server.head("POST", "/normalize", &[], 100_000)).unwrap();
    }
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let trickling = trickle(scope, slow, &enough);
        let until = Instant::now() + Duration::from_secs(10);
        while server.metric("zoom_udm_http_requests_in_flight") < 40.0 {
            assert!(Instant::now() < until);
        }
        let body = megabytes(1);
        for _ in 0..5 {
            let began = Instant::now();
            let answer = server.post("/normalize", &[], &body);
            assert!(answer.status == 200 && answer.whole, "{}", answer.text());
            assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        }
        enough.store(true, Ordering::Relaxed);
        trickling.join().unwrap();
    });
}

#[test]
fn slow_explain_readers_do_not_block_others() {
    let server = server(&["--request-timeout", "3s"]);
    let body = record_lines(15_000, 1);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut stream = server.connect();
            stream.write_all(&server.head("POST", "/explain", &[], body.len())).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            let enough = &enough;
            scope.spawn(move || {
                let mut some = [0; 16 << 10];
                while !enough.load(Ordering::Relaxed) && stream.read(&mut some).is_ok_and(|read| read > 0) {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        let mut statuses = Vec::new();
        while statuses.last() != Some(&200) && began.elapsed() < Duration::from_secs(15) {
            statuses.push(server.post("/explain", &[], record_lines(1, 1).as_bytes()).status);
        }
        enough.store(true, Ordering::Relaxed);
        assert!(statuses.last() == Some(&200) && statuses.len() <= 3, "{statuses:?}");
    });
}

#[test]
fn head_response_is_complete() {
    let server = server(&[]);
    for (path, status) in [("/", 200), ("/healthz", 200), ("/metrics", 200), ("/nothing", 404)] {
        let answer = server.send("HEAD", path, &[], b"");
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{path}");
    }
    server.wait_for("HEAD /nothing 404");
    let log = server.log();
    let lines = log.iter().filter(|line| line["httpRequest"]["requestMethod"] == "HEAD");
    let text = |line: &Value, name| line[name].as_str().unwrap().to_owned();
    let said: Vec<_> = lines.map(|line| text(line, "severity") + " " + &text(line, "message")).collect();
    assert_eq!(said, ["INFO HEAD / 200", "INFO HEAD /nothing 404"]);
}

#[test]
fn each_request_writes_one_log_line() {
    let server = server(&[]);
    let mut input = record_lines(20_000, 2);
    input += "no record\n";
    let large = gzip(megabytes(6));
    let trace = ("X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/1;o=1");
    // Rejects that are not reported to the client, rejects that are, and a single one; a corrupt body, and a malformed
    // one.
    server.post("/normalize", &[trace], input.as_bytes());
    server.post("/normalize", &[trace, ("TE", "trailers")], input.as_bytes());
    server.post("/normalize", &[trace], b"no record\n");
    server.post("/normalize", &[trace], &large[..large.len() - 9]);
    server.post("/normalize", &[trace], &large[..20]);
    server.wait_for("/normalize 400");
    let lines: Vec<_> =
        server.log().into_iter().filter(|line| line["message"].as_str() != Some("listening")).collect();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line["message"].as_str().unwrap().starts_with("serving /normalize"))
        .collect();
    assert_eq!(lines.len(), 5, "{}", server.said());
    for (line, part) in lines.iter().zip([
        "1 of 20001 records were rejected; the response is aborted",
        "1 of 20001 records were rejected",
        "1 of 1 records were rejected",
        "the response is aborted: the gzip data is truncated",
        "invalid: ",
    ]) {
        assert!(line["message"].as_str().unwrap().contains(part), "{part}: {line}");
        assert_eq!(line["severity"], "WARNING", "{line}");
        assert!(line["httpRequest"]["status"].is_u64(), "{line}");
        assert!(line["logging.googleapis.com/trace"].as_str().unwrap().starts_with("105445aa"), "{line}");
    }
}

#[test]
fn killed_service_leaves_a_detectably_cut_response() {
    let killed = server(&[]);
    let body = megabytes(20);
    let mut stream = killed.connect();
    stream.write_all(&killed.head("POST", "/normalize", &[("TE", "trailers")], body.len())).unwrap();
    stream.write_all(&body).unwrap();
    let mut first = vec![0; 1000];
    stream.read_exact(&mut first).unwrap();
    killed.signal("-KILL");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let answer = Answer::parse(&[first, rest].concat());
    assert_eq!((answer.status, answer.whole, answer.summary().is_null()), (200, false, true));
    assert!(line_ends(&answer.body) < line_ends(&body));
    let again = server(&[]).post("/normalize", &[], &body);
    assert!(again.whole && line_ends(&again.body) == line_ends(&body));
}

#[test]
fn header_limits_are_enforced() {
    let server = server(&[]);
    let mut stream = server.connect();
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(100_000));
    let _ = stream.write_all(long.as_bytes());
    assert_eq!(Answer::read(&mut stream).status, 431);
    let many = "X-Many: 1\r\n".repeat(200);
    let mut stream = server.connect();
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 431);
    for nonsense in ["\x16\x03\x01\x02\0\x01\0", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n\r\n\r\n"]
    {
        let mut stream = server.connect();
        stream.write_all(nonsense.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(matches!(Answer::read(&mut stream).status, 0 | 400 | 505), "{nonsense:?}");
    }
    // With two lengths, a proxy could disagree about where the request ends.
    let mut stream = server.connect();
    stream.write_all(b"POST /normalize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef").unwrap();
    assert_eq!(Answer::read(&mut stream).status, 400);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn requests_over_the_concurrency_limit_get_503() {
    let server = server(&["--concurrency", "4"]);
    let mut held: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(&server.head("POST", "/normalize", &[], 1000)).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(5);
    while server.metric("zoom_udm_http_requests_in_flight") < 5.0 {
        assert!(Instant::now() < until, "the four requests do not start");
    }
    let refused = server.post("/normalize", &[], b"");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!((server.get("/healthz").status, server.get("/metrics").status), (200, 200));
    drop(held);
    let until = Instant::now() + Duration::from_secs(5);
    while server.post("/normalize", &[], b"").status != 200 {
        assert!(Instant::now() < until, "no slot is released");
    }
}

#[test]
fn disconnected_client_stops_its_work() {
    let server = server(&[]);
    let body = gzip(megabytes(100));
    for _ in 0..6 {
        let mut stream = server.connect();
        stream.write_all(&server.head("POST", "/normalize", &[], body.len())).unwrap();
        stream.write_all(&body).unwrap();
        let mut first = [0; 1000];
        stream.read_exact(&mut first).unwrap();
        drop(stream);
    }
    let until = Instant::now() + Duration::from_secs(5);
    while server.metric("zoom_udm_http_requests_in_flight") > 1.0 {
        assert!(Instant::now() < until, "{}", server.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = Instant::now();
    assert_eq!(server.post("/normalize", &[], record_lines(10, 1).as_bytes()).status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn signal_waits_for_requests_up_to_the_grace_period() {
    let mut server = server(&["--grace", "700ms"]);
    let mut stream = server.connect();
    let body = record_lines(100, 1);
    stream.write_all(&server.head("POST", "/normalize", &[], body.len())).unwrap();
    stream.write_all(&body.as_bytes()[..500]).unwrap();
    let mut idle = server.connect();
    idle.write_all(&server.head("POST", "/normalize", &[], 1000)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.signal("-TERM");
    std::thread::sleep(Duration::from_millis(100));
    assert!(TcpStream::connect(server.address).is_err(), "new connections are refused");
    stream.write_all(&body.as_bytes()[500..]).unwrap();
    let answer = Answer::read(&mut stream);
    assert!(answer.status == 200 && answer.whole && line_ends(&answer.body) == 100);
    let (status, took) = server.ended();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}
