//! `zoom-udm serve --webhook`: signatures, the replay window, URL validation, limits, settings and what is served.

use serde_json::json;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::collect::Gcs;
use testkit::files::gunzip;
use testkit::ingest::program;
use testkit::serve::webhooks::{SIGNATURE, TIMESTAMP, event, hmac, sign};
use testkit::serve::{Answer, Server};

pub(crate) const SECRET: &str = "q-secret-token-of-zoom";
/// 2023-11-16T00:00:00Z, which the program takes for now.
pub(crate) const NOW: i64 = 1_700_092_800;

/// The program with a secret token, and the bucket `zoom`.
pub(crate) fn receiver(gcs: &Gcs, secret: &str) -> Command {
    let mut command = program(Some(gcs), &["serve", "--webhook"]);
    command.env("GCS_BUCKET", "zoom").env("ZOOM_WEBHOOK_SECRET_TOKEN", secret);
    command
}

/// Delivers a body with headers.
pub(crate) fn deliver(server: &Server, headers: &[(&'static str, String)], body: &[u8]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.post("/webhook", &headers, body)
}

/// Delivers a body as Zoom does.
pub(crate) fn signed(server: &Server, body: &str) -> Answer {
    deliver(server, &sign(SECRET, NOW, body.as_bytes()), body.as_bytes())
}

/// The names and lines of all objects.
pub(crate) fn stored(gcs: &Gcs) -> Vec<(String, Vec<String>)> {
    let objects = gcs.all("zoom", "");
    let lines = |bytes: &[u8]| gunzip(bytes).lines().map(str::to_owned).collect();
    objects.into_iter().map(|(name, bytes)| (name, lines(&bytes))).collect()
}

pub(crate) fn counted(server: &Server, name: &str) -> u64 {
    // A whole number is formatted without decimals.
    server.metric(&format!("zoom_udm_webhook_{name}")).to_string().parse().unwrap()
}

#[test]
fn documented_url_validation_is_answered() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, "secretValueTest"));
    // The body of Zoom's documentation; the secret and the answer are published in Elastic's tests.
    let body = "{\n  \"payload\": {\n    \"plainToken\": \"qgg8vlvZRS6UYooatFL8Aw\"\n  },\n  \"event_ts\": 1654503849680,\n  \
                \"event\": \"endpoint.url_validation\"\n}";
    let answer = deliver(&server, &sign("secretValueTest", NOW, body.as_bytes()), body.as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = json!({
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": "70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff",
    });
    assert_eq!(answer.json(), expected);
    let unsigned = [(TIMESTAMP, NOW.to_string())];
    deliver(&server, &unsigned, body.as_bytes()).expect(401, "denied");
    let empty = r#"{"event":"endpoint.url_validation","payload":{}}"#;
    deliver(&server, &sign("secretValueTest", NOW, empty.as_bytes()), empty.as_bytes())
        .expect(400, "invalid");
    assert_eq!((counted(&server, "validations_total"), stored(&gcs)), (1, vec![]));
}

#[test]
fn signed_event_is_stored_as_one_line() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let pretty = "{\r\n  \"event\": \"user.updated\",\n  \"event_ts\": 1626230691572,\n  \"payload\": { \"object\": { \"last_name\": \"O\\n\\u00e9\" } }\n}\n";
    signed(&server, pretty).expect(200, "done");
    let objects = stored(&gcs);
    let [(name, lines)] = &objects[..] else { panic!("{objects:?}") };
    let uuid = name.strip_prefix("zoom/webhooks/2023/11/16/zoom-webhooks-").unwrap();
    assert!(uuid.strip_suffix(".json.gz").is_some_and(|uuid| uuid.len() == 36), "{name}");
    let line = "{  \"event\": \"user.updated\",  \"event_ts\": 1626230691572,  \"payload\": { \"object\": { \"last_name\": \"O\\n\\u00e9\" } }}";
    assert_eq!(lines, &[line]);
    assert_eq!(counted(&server, "received_total"), 1);
    assert_eq!((counted(&server, "accepted_total"), counted(&server, "objects_written_total")), (1, 1));
    assert_eq!(counted(&server, "written_bytes_total"), gcs.get("zoom", name).unwrap().len() as u64);
}

#[test]
fn wrong_signatures_and_times_are_refused() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let body = event(1, 100).replace("admin@", "confidential@");
    let sign = |secret: &str, seconds| sign(secret, seconds, body.as_bytes()).to_vec();
    let good = sign(SECRET, NOW);
    let with = |at: usize, value: &str| {
        let mut headers = good.clone();
        headers[at].1 = value.into();
        headers
    };
    let signature = good[1].1.clone();
    let cases: Vec<(&str, Vec<(&'static str, String)>)> = vec![
        ("signature", sign("another secret token", NOW)),
        ("signature", sign(&SECRET[1..], NOW)),
        ("signature", with(0, &(NOW + 1).to_string())),
        ("signature", with(0, &format!("0{NOW}"))),
        ("signature", with(1, &format!("v0={}", "0".repeat(64)))),
        ("timestamp", sign(SECRET, NOW - 301)),
        ("timestamp", sign(SECRET, NOW + 330)),
        ("timestamp", sign(SECRET, NOW * 1000)),
        ("unsigned", vec![]),
        ("unsigned", good[..1].to_vec()),
        ("unsigned", good[1..].to_vec()),
        ("unsigned", [&good[..], &good[1..]].concat()),
        ("unsigned", with(1, &signature[3..])),
        ("unsigned", with(1, &signature.replace("v0", "v1"))),
        ("unsigned", with(1, &signature[..60])),
        ("unsigned", with(0, "")),
        ("unsigned", with(0, &format!("{NOW}:{{}}"))),
    ];
    for (reason, headers) in &cases {
        let refused = format!("refused_total{{reason=\"{reason}\"}}");
        let before = counted(&server, &refused);
        let answer = deliver(&server, headers, body.as_bytes()).expect(401, "denied");
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(counted(&server, &refused), before + 1, "{headers:?}");
    }
    // Within the window, on both sides.
    for seconds in [NOW - 290, NOW + 290] {
        deliver(&server, &sign(SECRET, seconds), body.as_bytes()).expect(200, "done");
    }
    assert_eq!(counted(&server, "received_total"), cases.len() as u64 + 2);
    assert_eq!(stored(&gcs).len(), 1, "both are one event");
    let said = server.said();
    assert!(said.contains("x-zm-signature is not the signature of the body"), "{said}");
    assert!(!said.contains("confidential"), "{said}");
    // Only what a scanner cannot cause by chance is a warning.
    for (part, severity) in [
        ("is not the signature of the body", "WARNING"),
        ("in the future; check the clock", "WARNING"),
        ("more than five minutes old", "INFO"),
        ("x-zm-signature is missing", "INFO"),
        ("x-zm-request-timestamp is not a number", "INFO"),
    ] {
        assert_eq!(server.wait_for(part)["severity"], severity, "{part}");
    }
}

#[test]
fn body_changed_by_one_byte_is_refused() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let body = event(1, 30).into_bytes();
    let headers = sign(SECRET, NOW, &body);
    for at in (0..body.len()).step_by(7) {
        let mut changed = body.clone();
        changed[at] ^= 1;
        deliver(&server, &headers, &changed).expect(401, "denied");
    }
    deliver(&server, &headers, &body[1..]).expect(401, "denied");
    deliver(&server, &headers, &[&body[..], b"\n"].concat()).expect(401, "denied");
    assert_eq!(stored(&gcs), []);
}

#[test]
fn secret_with_odd_characters_is_read_from_a_file() {
    let odd = "pä$$ \"w\\ö%rd' {}&=+/#\u{1F511}";
    let gcs = Gcs::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{odd}\r\n")).unwrap();
    let mut from_file = receiver(&gcs, "");
    from_file.env_remove("ZOOM_WEBHOOK_SECRET_TOKEN").env("ZOOM_WEBHOOK_SECRET_TOKEN_FILE", &file);
    for (number, command) in [receiver(&gcs, odd), from_file].into_iter().enumerate() {
        let server = Server::start(command);
        let body = event(number as u64, 0);
        deliver(&server, &sign(odd, NOW, body.as_bytes()), body.as_bytes()).expect(200, "done");
        assert!(!server.said().contains("w\\ö%rd"));
    }
    assert_eq!(stored(&gcs).len(), 2);
}

#[test]
fn signature_is_checked_before_the_content() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    for body in ["", "[]", "{", "{}{}", "{\"a\":1}\n{\"b\":2}", "x"] {
        signed(&server, body).expect(400, "invalid");
        deliver(&server, &sign("wrong", NOW, body.as_bytes()), body.as_bytes()).expect(401, "denied");
    }
    assert_eq!(counted(&server, "refused_total{reason=\"malformed\"}"), 6);
    assert_eq!(stored(&gcs), []);
}

#[test]
fn body_of_one_mebibyte_is_the_largest() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let body = |size: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
    signed(&server, &body(1 << 20)).expect(200, "done");
    // Refused from Content-Length alone, before a byte of the body.
    let large = body((1 << 20) + 1);
    let headers = sign(SECRET, NOW, large.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/webhook", &headers, large.len())).unwrap();
    let began = Instant::now();
    Answer::read(&mut stream).expect(413, "invalid");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(counted(&server, "refused_total{reason=\"too_large\"}"), 1);
    // Brackets nested as deeply as fits.
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    signed(&server, &deep).expect(200, "done");
    assert_eq!(stored(&gcs).len(), 2);
}

#[test]
fn incomplete_body_is_refused() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    let body = event(1, 0);
    let headers = sign(SECRET, NOW, body.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/webhook", &headers, body.len())).unwrap();
    stream.write_all(&body.as_bytes()[..20]).unwrap();
    Answer::read(&mut stream).expect(408, "retry");
    assert_eq!(counted(&server, "refused_total{reason=\"incomplete\"}"), 1);
}

#[test]
fn missing_secret_disables_the_route() {
    let gcs = Gcs::start();
    let mut command = receiver(&gcs, "");
    command.env_remove("ZOOM_WEBHOOK_SECRET_TOKEN");
    let server = Server::start(command);
    let line = server.wait_for("POST /webhook is not served: ZOOM_WEBHOOK_SECRET_TOKEN is not set");
    assert_eq!(line["severity"], "ERROR");
    // Neither without a secret nor with an empty one.
    assert_eq!(signed(&server, "{}").status, 404);
    assert_eq!(deliver(&server, &sign("", NOW, b"{}"), b"{}").status, 404);
}

#[test]
fn unclear_webhook_settings_are_usage_errors() {
    let run = |settings: &[(&str, &str)], flags: &[&str]| {
        let mut command = program(None, &[&["serve"], flags].concat());
        let output =
            command.args(["--listen", "127.0.0.1:0"]).envs(settings.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{settings:?} {flags:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let (name, file) = ("ZOOM_WEBHOOK_SECRET_TOKEN", "ZOOM_WEBHOOK_SECRET_TOKEN_FILE");
    let said = run(&[(name, "a-token"), (file, "/no/such")], &["--webhook"]);
    assert!(
        said.contains("unset one of them") && said.contains("--webhook-to is not given (nor GCS_BUCKET set)"),
        "{said}"
    );
    assert!(!said.contains("a-token"), "{said}");
    let to = ["--webhook", "--webhook-to", "gs://bucket/w/"];
    assert!(run(&[(file, "/no/such")], &to).contains("_FILE /no/such cannot be read"));
    assert!(run(&[(file, empty.to_str().unwrap())], &to).contains("is empty"));
    assert!(run(&[(file, "/dev/zero")], &to).contains("is not a Zoom secret token"));
    assert!(run(&[(name, "a-token"), ("GCS_BUCKET", "X")], &["--webhook"]).contains("GCS_BUCKET: "));
    assert!(run(&[(name, "a-token")], &["--webhook-to", "gs://bucket/w/"]).contains("--webhook"));
    assert!(run(&[(name, "a-token")], &["--webhook", "--webhook-to", "s3://x/"]).contains("--webhook-to"));
    assert!(run(&[(name, "a-token")], &[&to[..], &["--namespace", "n"]].concat()).contains("/normalize"));
}

#[test]
fn webhook_alone_serves_nothing_else() {
    let gcs = Gcs::start();
    let server = Server::start(receiver(&gcs, SECRET));
    for path in ["/", "/explain", "/normalize", "/collect", "/ingest"] {
        assert_eq!((server.get(path).status, server.post(path, &[], b"").status), (404, 404), "{path}");
    }
    assert_eq!(server.get("/webhook").status, 405);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    // On a public address it needs no flag, because every event is authenticated; metrics are not public.
    let mut public = receiver(&gcs, SECRET);
    public.args(["--listen", "0.0.0.0:0"]);
    let server = Server::start(public);
    assert_eq!((server.get("/healthz").status, server.get("/readyz").status), (200, 200));
    for path in ["/metrics", "/", "/normalize"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    signed(&server, &event(1, 0)).expect(200, "done");
    let mut mixed = receiver(&gcs, SECRET);
    let output = mixed.args(["--normalize", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn webhooks_outside_the_source_of_ingest_are_warned() {
    let gcs = Gcs::start();
    for (from, is_warned) in [("gs://zoom/zoom/", false), ("gs://zoom/zoom/operationlogs/", true)] {
        let mut command = receiver(&gcs, SECRET);
        command.arg("--ingest").env("INGEST_FROM", from).env("INGEST_TO", "gs://zoom/udm/");
        let server = Server::start(command);
        let warned = format!("--webhook-to gs://zoom/zoom/webhooks/ is not below its source, {from}");
        assert_eq!(server.said().contains(&warned), is_warned, "{}", server.said());
    }
}

#[test]
fn oidc_guards_other_routes_but_not_webhooks() {
    let gcs = Gcs::start();
    let mut command = receiver(&gcs, SECRET);
    command
        .args(["--normalize", "--require-oidc", "https://zoom.example.com", "--allow", "a@example.com"])
        .env("ZOOM_UDM_JWKS_URL", format!("http://{}/certs", gcs.host()));
    let server = Server::start(command);
    for path in ["/normalize", "/explain", "/unknown"] {
        let answer = server.post(path, &[], b"{}").expect(401, "denied");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
    }
    assert_eq!(server.get("/metrics").status, 401);
    signed(&server, &event(1, 0)).expect(200, "done");
    // Sent through a tunnel: with a public name, which other routes refuse on loopback.
    let body = event(2, 0);
    let headers = sign(SECRET, NOW, body.as_bytes());
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: zoom.example.com\r\nConnection: close\r\n{}: {}\r\n{}: {}\r\nContent-Length: {}\r\n\r\n{body}",
        headers[0].0,
        headers[0].1,
        headers[1].0,
        headers[1].1,
        body.len()
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    Answer::read(&mut stream).expect(200, "done");
}

#[test]
fn sender_signs_as_zoom_documents() {
    // RFC 4231, test cases 2 and 6: the second has a key of 131 bytes.
    assert_eq!(
        hmac(b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        hmac(&[0xAA; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
    let [time, signature] = sign("Jefe", 7, b"{}");
    assert_eq!((time, signature.0), ((TIMESTAMP, "7".into()), SIGNATURE));
    assert_eq!(signature.1, format!("v0={}", hmac(b"Jefe", b"v0:7:{}")));
}
