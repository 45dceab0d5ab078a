//! Fault cases of `serve --webhook`: faults of storage and of senders.

use super::matrix::{FaultCase, FaultOutcome};
use super::storage::{Fault, FaultPoint, Kind, each};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Shutdown;
use testkit::collect::Gcs;
use testkit::files::gunzip;
use testkit::ingest::program;
use testkit::serve::webhooks::{event, number_of, sign};
use testkit::serve::{Answer, Server};

const SECRET: &str = "q-secret-token-of-zoom";
/// 2023-11-16T00:00:00Z, which the program takes for now.
const NOW: i64 = 1_700_092_800;

const PUT_OBJECT: FaultPoint =
    FaultPoint::new("put an object", "PUT", "zoom-webhooks-", "gs://zoom/zoom/webhooks/");

fn receiver(gcs: &Gcs) -> Server {
    let mut command = program(Some(gcs), &["serve", "--webhook"]);
    command.env("GCS_BUCKET", "zoom").env("ZOOM_WEBHOOK_SECRET_TOKEN", SECRET);
    Server::start(command)
}

type Headers = [(&'static str, String); 2];

fn deliver(server: &Server, headers: &Headers, body: &[u8]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.post("/webhook", &headers, body)
}

fn signed(server: &Server, body: &str) -> Answer {
    deliver(server, &sign(SECRET, NOW, body.as_bytes()), body.as_bytes())
}

/// Returns how often each event is stored.
fn copies(gcs: &Gcs) -> BTreeMap<u64, usize> {
    let mut copies = BTreeMap::new();
    for (_, bytes) in gcs.all("zoom", "") {
        gunzip(&bytes).lines().for_each(|line| *copies.entry(number_of(line)).or_default() += 1);
    }
    copies
}

/// Returns the possible statuses of a delivery. Zoom waits three seconds, so a request that hangs is not repeated, and on a
/// busy machine a retry can be too late.
fn statuses(fault: &Fault, lasting: bool) -> &'static [i32] {
    match (fault.kind, lasting) {
        _ if PUT_OBJECT.ignores(fault) => &[200],
        (Kind::Access, _) => &[500],
        (Kind::Passing, true) => &[503],
        (Kind::Passing, false) if fault.name == "hang" => &[503],
        (Kind::Passing, false) => &[200, 503],
    }
}

fn storage_case(fault: &Fault, lasting: bool) -> FaultOutcome {
    let gcs = Gcs::start();
    let server = receiver(&gcs);
    PUT_OBJECT.inject_fault(&gcs, fault, lasting);
    let answer = signed(&server, &event(1, 100));
    // The log line is written after the response.
    server.wait_for("POST /webhook");
    let told = answer.text();
    let words = [fault.words, &["did not respond"]].concat();
    let seen = FaultOutcome::new(answer.status.into(), format!("{} {told}", server.said()))
        .expect(statuses(fault, lasting))
        .naming(&[&words])
        .and("the fault never struck", gcs.lock().fault_hits > 0)
        .and(&format!("the response reveals a location: {told}"), !told.contains("://"));
    let stored = copies(&gcs).contains_key(&1);
    let seen = seen.and("an event that is not stored was acknowledged", stored || answer.status != 200);
    gcs.lock().faults.refusals.clear();
    // Zoom sends it again.
    let again = signed(&server, &event(1, 100));
    seen.and(&format!("the retry was answered {}", again.status), again.status == 200)
        .and("the event is not stored exactly once", copies(&gcs) == BTreeMap::from([(1, 1)]))
}

struct Sender {
    fault: &'static str,
    /// The HTTP status; 0 if the sender does not wait for a response.
    status: i32,
    /// A word of the response or of the log.
    word: &'static str,
    send: fn(&Server) -> Answer,
}

/// Sends the head of a delivery and the beginning of its body.
fn begin(server: &Server, body: &str) -> std::net::TcpStream {
    let headers = sign(SECRET, NOW, body.as_bytes());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = server.connect();
    stream.write_all(&server.head("POST", "/webhook", &headers, body.len())).unwrap();
    stream.write_all(&body.as_bytes()[..body.len() / 2]).unwrap();
    stream
}

fn senders() -> Vec<Sender> {
    let sender = |fault, status, word, send| Sender { fault, status, word, send };
    vec![
        sender("unsigned", 401, "missing", |server| server.post("/webhook", &[], event(2, 0).as_bytes())),
        sender("secret", 401, "signature", |server| {
            let body = event(2, 0);
            deliver(server, &sign("another", NOW, body.as_bytes()), body.as_bytes())
        }),
        sender("bit", 401, "signature", |server| {
            let (body, other) = (event(2, 0), event(3, 0));
            deliver(server, &sign(SECRET, NOW, body.as_bytes()), other.as_bytes())
        }),
        sender("old", 401, "old", |server| {
            let body = event(2, 0);
            deliver(server, &sign(SECRET, NOW - 301, body.as_bytes()), body.as_bytes())
        }),
        sender("future", 401, "future", |server| {
            let body = event(2, 0);
            deliver(server, &sign(SECRET, NOW + 301, body.as_bytes()), body.as_bytes())
        }),
        sender("html", 400, "JSON", |server| signed(server, "<!doctype html>")),
        sender("list", 400, "object", |server| signed(server, "[]")),
        sender("too large", 413, "exceeds", |server| signed(server, &event(2, 1_500_000))),
        sender("hang", 408, "in time", |server| Answer::read(&mut begin(server, &event(2, 100)))),
        sender("cut", 0, "/webhook", |server| {
            begin(server, &event(2, 100)).shutdown(Shutdown::Both).unwrap();
            Answer::default()
        }),
    ]
}

fn sender_case(sender: &Sender) -> FaultOutcome {
    let gcs = Gcs::start();
    let server = receiver(&gcs);
    let answer = (sender.send)(&server);
    // The log line is written after the response.
    server.wait_for("/webhook");
    let told = format!("{} {}", server.said(), answer.text());
    let seen = FaultOutcome::new(answer.status.into(), told.clone()).expect(&[sender.status]);
    let next = signed(&server, &event(1, 0));
    seen.and(&format!("{:?} is not mentioned: {told}", sender.word), told.contains(sender.word))
        .and("the secret is in the log", !told.contains(SECRET))
        .and("a valid delivery is not stored", next.status == 200 && copies(&gcs) == BTreeMap::from([(1, 1)]))
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let verb = "serve /webhook";
    let mut fault_cases: Vec<_> = each(&[PUT_OBJECT])
        .map(|(place, fault, lasting)| {
            let run = Box::new(move || storage_case(fault, lasting));
            FaultCase { verb, place: place.name, fault: fault.name, lasting, run }
        })
        .collect();
    fault_cases.extend((0..senders().len()).map(|index| {
        let run = Box::new(move || sender_case(&senders()[index]));
        FaultCase { verb, place: "sender", fault: senders()[index].fault, lasting: false, run }
    }));
    fault_cases
}
