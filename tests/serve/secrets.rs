//! Puts marked secrets into every input of every command, with and without faults and with all logs enabled. The mark
//! must not appear in any output, file, object or metric.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use testkit::collect::*;
use testkit::files::{gzip, read_files};
use testkit::gcs::Act as GcsAct;
use testkit::ingest::{program, records};
use testkit::serve::Server;
use testkit::serve::webhooks::sign;

/// A part of every secret.
const MARK: &str = "marked-";

/// Everything that was written, and where.
#[derive(Default)]
struct OutputCollector(Vec<(String, Vec<u8>)>);

impl OutputCollector {
    fn add(&mut self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.0.push((place.into(), bytes.as_ref().to_vec()));
    }

    fn run(&mut self, mut command: Command) -> Option<i32> {
        let output = command.output().unwrap();
        self.add(format!("{command:?}, stdout").replace(MARK, ""), &output.stdout);
        self.add(format!("{command:?}, stderr").replace(MARK, ""), &output.stderr);
        output.status.code()
    }

    fn bucket(&mut self, gcs: &Gcs) {
        let all: Vec<_> =
            gcs.lock().objects.iter().map(|(key, object)| (key.clone(), object.bytes.clone())).collect();
        for ((bucket, name), bytes) in all {
            self.add(format!("gs://{bucket}/{name}"), &bytes);
            self.add("a name", name);
        }
    }

    fn directory(&mut self, at: &std::path::Path) {
        for (name, bytes) in read_files(at) {
            self.add(format!("{}/{name}", at.display()), bytes);
            self.add("a name", name);
        }
    }

    /// Asserts that nothing contains the mark or one of these secrets, in plain text, compressed or as Base64.
    fn assert_no_secret(&self, more: &[&str]) {
        assert!(!self.0.is_empty());
        let mut signs = vec![MARK.as_bytes().to_vec()];
        for skip in 0..3 {
            let shifted = [&b"   "[..skip], MARK.as_bytes()].concat();
            let encoded = BASE64_STANDARD.encode(shifted);
            // The first and last characters depend on the adjacent bytes, because each character encodes six bits.
            let sure = (8 * skip).div_ceil(6)..8 * (skip + MARK.len()) / 6;
            signs.push(encoded.as_bytes()[sure].to_vec());
        }
        signs.extend(more.iter().map(|sign| sign.as_bytes().to_vec()));
        for (place, bytes) in &self.0 {
            let plain =
                if bytes.starts_with(&[0x1F, 0x8B]) { gunzip(bytes).into_bytes() } else { bytes.clone() };
            for sign in &signs {
                let found = memchr::memmem::find(&plain, sign);
                let at = found.map(|at| {
                    String::from_utf8_lossy(&plain[at.saturating_sub(300)..plain.len().min(at + 100)])
                        .into_owned()
                });
                assert!(found.is_none(), "{:?} in {place}: …{}…", String::from_utf8_lossy(sign), at.unwrap());
            }
        }
    }
}

fn enable_trace_logs(command: &mut Command) {
    command.env("ZOOM_UDM_LOG", "trace").env("RUST_LOG", "trace").env("TIMEOUT", "1");
}

/// Returns faults that may make an error message reveal a secret.
fn echoing_faults() -> Vec<Act> {
    vec![
        Act::Echo(400),
        Act::Echo(401),
        Act::Echo(403),
        Act::Echo(429),
        Act::Echo(500),
        Act::EchoAfter(400, 290),
        Act::EchoAfter(403, 95),
        Act::EchoAfter(429, 35),
        Act::EchoAfter(200, 285),
        Act::EchoMember(0),
        Act::EchoMember(85),
        Act::Html,
        Act::Cut,
        Act::Reset,
        Act::Hang(Duration::from_secs(3)),
        Act::Unauthorized,
        Act::Scope,
        Act::IllTyped,
        Act::Answer(
            200,
            "{\"access_token\":\"marked-odd\",\"token_type\":\"marked-kind\",\"expires_in\":3600}".into(),
        ),
    ]
}

#[test]
fn collector_secrets_appear_in_no_output() {
    let mut heap = OutputCollector::default();
    for (number, act) in [None].into_iter().chain(echoing_faults().into_iter().map(Some)).enumerate() {
        let world = World::new(NOW).with("PAGE_SIZE", "20");
        world.zoom.add(spread(0, 50, world.now() - DAY..world.now()));
        let scratch = tempfile::tempdir().unwrap();
        let metrics = scratch.path().join("metrics");
        let flags = ["--retries", "1", "--first-pause", "1ms"];
        let run = |heap: &mut OutputCollector, arguments: &[&str], metered: bool| {
            let mut command = world.program(&[arguments, &flags].concat());
            enable_trace_logs(&mut command);
            command.env("TMPDIR", scratch.path());
            if arguments != ["collect", "status"] {
                command.arg("--trace-http");
            }
            if metered {
                command.arg("--metrics").arg(&metrics);
            }
            heap.run(command)
        };
        let places = if number % 2 == 0 { RequestFilter::all() } else { RequestFilter::pages() };
        if let Some(act) = act {
            world.zoom.rule(places, When::Always, act);
        }
        let codes = [
            run(&mut heap, &["collect"], true),
            run(&mut heap, &["check"], false),
            run(&mut heap, &["collect", "backfill", "--from", "2023-10-01", "--until", "2023-10-02"], true),
            run(&mut heap, &["collect", "status"], false),
        ];
        assert!(number > 0 || codes == [Some(0); 4], "{codes:?}");
        // Also with the wrong secret.
        world.zoom.lock().secret = "another".into();
        run(&mut heap, &["collect"], true);
        heap.bucket(&world.gcs);
        heap.directory(scratch.path());
    }
    heap.assert_no_secret(&["account-of-the-test"]);
}

/// Runs with each kind of Google credentials, and with faults of storage and of the token endpoint.
#[test]
fn google_credentials_appear_in_no_output() {
    let key = RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let middle = pem.lines().nth(8).unwrap().to_owned();
    let login = |refresh: &str| {
        json!({
            "type": "authorized_user", "client_id": "marked-id", "client_secret": "marked-secret",
            "refresh_token": refresh, "quota_project_id": "p",
        })
    };
    let account = |pem: &str| {
        json!({
            "type": "service_account", "project_id": "p", "private_key_id": "a-key", "private_key": pem,
            "client_email": "feed@p.iam.gserviceaccount.com", "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        })
    };
    let kinds = [
        login("marked-refresh"),
        login("marked-revoked"),
        account(&pem),
        account(&pem.replacen('M', "marked-", 2)),
        json!({"type": "marked-type", "private_key": pem}),
        json!({"type": "external_account", "credential_source": {"headers": "marked-header"}}),
    ];
    let echo =
        "{\"error\":\"invalid_grant\",\"sent\":\"client_secret=marked-secret&refresh_token=marked-refresh\"}";
    let moods = [
        None,
        Some(("POST", "token", GcsAct::Body(400, echo))),
        Some(("POST", "token", GcsAct::Body(503, echo))),
        Some(("POST", "token", GcsAct::Body(200, echo))),
        Some(("POST", "token", GcsAct::Cut)),
        Some(("", "logs/", GcsAct::Status(401))),
        Some(("", "logs/", GcsAct::Reset)),
        Some(("PUT", "", GcsAct::Status(403))),
        Some((
            "",
            "logs/",
            GcsAct::Body(403, "<Error><Details>sent: marked-bearer bWFya2VkLWJlYXJlcg==</Details></Error>"),
        )),
        Some(("", "logs/", GcsAct::Body(400, "{\"sent\":\"%6darked-bearer%22, marked%2dbearer\"}"))),
        Some(("", "logs/", GcsAct::Body(500, "Authorization: Bearer marked-bearer"))),
    ];
    let mut heap = OutputCollector::default();
    for (kind, credentials) in kinds.iter().enumerate() {
        for mood in &moods {
            // The faults repeat the token of a user login only.
            if kind == 2 && matches!(mood, Some(("", _, GcsAct::Body(..)))) {
                continue;
            }
            let gcs = Gcs::start();
            gcs.seed("zoom", "logs/a.json", records(2, 1));
            {
                let mut state = gcs.lock();
                state.refresh = Some("marked-refresh".into());
                state.bearer = Some("marked-bearer".into());
                if kind == 2 {
                    state.bearer = None;
                    state.allows = Some(Box::new(|_| true));
                }
                state
                    .faults
                    .refusals
                    .extend(mood.clone().map(|(method, part, act)| Refusal::acting(method, part, act)));
            }
            let at = tempfile::tempdir().unwrap();
            let scratch = tempfile::tempdir().unwrap();
            let file = at.path().join("credentials.json");
            std::fs::write(&file, credentials.to_string()).unwrap();
            let host = gcs.host();
            let run = |heap: &mut OutputCollector, arguments: &[&str]| {
                let mut command = program(None, arguments);
                enable_trace_logs(&mut command);
                command
                    .env("GOOGLE_APPLICATION_CREDENTIALS", &file)
                    .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("http://{host}/"))
                    .env("CLOUDSDK_AUTH_TOKEN_HOST", format!("http://{host}/o/oauth2/token"))
                    .env("TMPDIR", scratch.path());
                heap.run(command)
            };
            let brisk = ["--first-pause", "1ms", "--retries", "1"];
            let ingest = ["ingest", "gs://zoom/logs/", "--to", "gs://udm/out/"];
            let code = run(&mut heap, &[&ingest[..], &brisk].concat());
            assert!(mood.is_some() || (code == Some(0)) == matches!(kind, 0 | 2), "{kind}: {code:?}");
            run(&mut heap, &[&["ledger", "show", "gs://udm/out.ledger/"], &brisk[..]].concat());
            run(&mut heap, &[&["collect", "status", "--state", "gs://udm/state/"], &brisk[..]].concat());
            heap.bucket(&gcs);
            heap.directory(scratch.path());
        }
    }
    heap.assert_no_secret(&[&middle, "eyJ"]);
}

#[test]
fn caller_tokens_appear_in_no_output() {
    let mut heap = OutputCollector::default();
    let world = World::new(NOW);
    world.zoom.add(spread(0, 20, world.now() - DAY..world.now()));
    let scratch = tempfile::tempdir().unwrap();
    for guarded in [false, true] {
        let mut arguments = vec!["serve", "--collect", "--ingest", "--normalize"];
        if guarded {
            arguments.extend(["--require-oidc", "https://zoom.example.com", "--allow", "a@example.com"]);
        }
        let mut command = world.program(&arguments);
        command
            .env("ZOOM_UDM_JWKS_URL", format!("http://{}/certs", world.gcs.host()))
            .env("INGEST_TO", "gs://udm/out/")
            .env("COLLECT_FLAGS", "--first-pause 1ms --retries 1")
            .env("TMPDIR", scratch.path());
        enable_trace_logs(&mut command);
        let server = Server::start_logging(command, "trace");
        let head = BASE64_STANDARD.encode(r#"{"alg":"RS256","kid":"marked-kid"}"#);
        let bearers = [
            "Bearer marked-token".to_owned(),
            format!(
                "Bearer {head}.{}.marked-signature",
                BASE64_STANDARD.encode(r#"{"email":"marked-email"}"#)
            ),
            "Basic bWFya2VkLXVzZXI6bWFya2VkLXBhc3M=".into(),
        ];
        let query = "?X-Goog-Signature=marked-signature&access_token=marked-query&rejects=omit";
        for bearer in &bearers {
            let headers = [
                ("Authorization", bearer.as_str()),
                ("X-Serverless-Authorization", bearer),
                ("Cookie", "session=marked-cookie"),
                ("Proxy-Authorization", bearer),
            ];
            for path in ["/normalize", "/collect", "/ingest", "/explain", "/no-such"] {
                let answer = server.post(&format!("{path}{query}"), &headers, records(2, 1).as_bytes());
                heap.add(format!("the answer of {path}"), answer.body);
            }
            for path in ["/metrics", "/", "/readyz"] {
                heap.add(path, server.send("GET", &format!("{path}{query}"), &headers, b"").body);
            }
        }
        // An incomplete head.
        let mut stream = server.connect();
        std::io::Write::write_all(
            &mut stream,
            b"POST /ingest?marked-query HTTP/1.1\r\nAuthorization: Bearer marked-\r\n",
        )
        .unwrap();
        drop(stream);
        heap.add("the command line", std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap());
        let children = format!("/proc/{0}/task/{0}/children", server.pid());
        assert_eq!(std::fs::read_to_string(children).unwrap(), "", "the server starts no child process");
        heap.add("the log", server.said());
    }
    heap.bucket(&world.gcs);
    heap.directory(scratch.path());
    heap.assert_no_secret(&[]);
}

/// Tests the secret token of webhooks with valid and invalid deliveries and with storage faults.
#[test]
fn webhook_secret_token_appears_in_no_output() {
    let mut heap = OutputCollector::default();
    let secret = "marked-secret \"token\" \u{e9}";
    let faults =
        [None, Some(GcsAct::Status(403)), Some(GcsAct::Body(400, "sent: marked-secret")), Some(GcsAct::Hang)];
    for fault in faults {
        let gcs = Gcs::start();
        gcs.lock().faults.refusals.extend(fault.map(|act| Refusal::acting("PUT", "", act)));
        let scratch = tempfile::tempdir().unwrap();
        let mut command = crate::webhook::receiver(&gcs, secret);
        enable_trace_logs(&mut command);
        command.env("TMPDIR", scratch.path()).arg("--normalize");
        let server = Server::start_logging(command, "trace");
        let deliver = |secret: &str, body: &str| {
            let headers = sign(secret, crate::webhook::NOW, body.as_bytes());
            crate::webhook::deliver(&server, &headers, body.as_bytes())
        };
        let bodies = [
            (secret, r#"{"event":"user.updated","payload":{}}"#),
            (secret, r#"{"event":"endpoint.url_validation","payload":{"plainToken":"P"}}"#),
            (secret, r#"{"event":"endpoint.url_validation","payload":{"marked-member":1}}"#),
            (secret, "[\"marked-list\"]"),
            (secret, "marked-text"),
            ("another", r#"{"event":"marked-event","payload":{}}"#),
        ];
        for (secret, body) in bodies {
            let answer = deliver(secret, body);
            assert_ne!(answer.status, 0, "{body}");
            heap.add(format!("the answer to {}", body.replace(MARK, "")), answer.body);
        }
        heap.add("/metrics", server.get("/metrics").body);
        heap.add("the command line", std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap());
        server.signal("-TERM");
        let mut server = server;
        server.ended();
        heap.add("the log", server.said());
        heap.bucket(&gcs);
        heap.directory(scratch.path());
    }
    heap.assert_no_secret(&[]);
}

/// Tests passwords in the URLs of proxies and of services.
#[test]
fn url_passwords_appear_in_no_output() {
    let mut heap = OutputCollector::default();
    let world = World::new(NOW);
    world.zoom.add(spread(0, 20, world.now() - DAY..world.now()));
    let (zoom, gcs) = (world.zoom.address, world.gcs.host());
    let closed = "http://marked-user:marked-pass@127.0.0.1:9";
    // The fake accepts any request, like a proxy, and responds with 404.
    let open = format!("http://marked-user:marked-pass@{zoom}");
    let settings: [(&str, String, bool); 12] = [
        ("HTTP_PROXY", closed.into(), false),
        ("HTTP_PROXY", open.clone(), false),
        ("http_proxy", "http://marked-user:marked-pass@[no".into(), false),
        ("ALL_PROXY", closed.into(), false),
        ("ALL_PROXY", "marked-user:marked-pass@".into(), false),
        ("ZOOM_API_BASE", open.clone(), true),
        ("ZOOM_API_BASE", "marked-user:marked-pass@zoom".into(), true),
        ("ZOOM_TOKEN_URL", format!("{open}/oauth/token?account_id=marked-query"), true),
        ("ZOOM_TOKEN_URL", "http://example.com/oauth/token?account_id=marked-query".into(), true),
        ("ZOOM_TOKEN_URL", format!("http://{zoom}/no-token?account_id=marked-query"), false),
        ("STORAGE_EMULATOR_HOST", format!("http://marked-user:marked-pass@{gcs}"), false),
        ("GCS_BUCKET", "gs://zoom?X-Goog-Signature=x".into(), false),
    ];
    for (name, value, usage) in settings {
        for verb in [
            &["collect"][..],
            &["check"],
            &["collect", "status"],
            &["ingest", "gs://zoom/logs/", "--to", "gs://udm/out/"],
        ] {
            let more: &[&str] = match verb[..] {
                ["ingest", ..] => &["--retry-for", "1s"],
                ["collect", "status"] => &[],
                _ => &["--trace-http"],
            };
            let mut command =
                world.program(&[verb, more, &["--retries", "1", "--first-pause", "1ms"]].concat());
            enable_trace_logs(&mut command);
            command.env("NO_PROXY", "").env(name, &value);
            let code = heap.run(command);
            assert!(code.is_some() && code != Some(101), "{name}: {code:?}");
            assert!(!usage || verb[0] == "ingest" || verb.len() > 1 || code == Some(2), "{name}: {code:?}");
        }
    }
    heap.bucket(&world.gcs);
    heap.assert_no_secret(&[]);
}

#[test]
fn secret_marker_is_found_in_every_encoding() {
    let texts = [
        "a marked-secret",
        "bWFya2VkLXNlY3JldA==",
        &BASE64_STANDARD.encode("xmarked-secret"),
        &BASE64_STANDARD.encode("xymarked-secret"),
    ];
    for text in texts {
        for bytes in [text.as_bytes().to_vec(), gzip(text)] {
            let mut heap = OutputCollector::default();
            heap.add("somewhere", bytes);
            assert!(std::panic::catch_unwind(|| heap.assert_no_secret(&[])).is_err(), "{text}");
        }
    }
}
