//! Fault cases of `ingest`, `serve --ingest` and `ledger`.

use super::matrix::{FaultCase, FaultOutcome};
use super::storage::{Fault, FaultPoint, Kind, SERVICE_FAULTS, each};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::OnceLock;
use testkit::files::gzip;
use testkit::gcs::{Act, Gcs, Refusal};
use testkit::ingest::{program, records};
use testkit::serve::Server;

const PLACES: [FaultPoint; 12] = [
    FaultPoint::new("list the source", "LIST", "zoom?", "gs://zoom/logs/"),
    FaultPoint::new("get an object", "GET", "logs/", "gs://zoom/logs/"),
    FaultPoint::new("get the rest", "GET", "logs/c", "gs://zoom/logs/c"),
    FaultPoint::new("put events", "PUT", "out/", "gs://udm/out/"),
    FaultPoint::new("put rejects", "PUT", "rejects/", "gs://udm/rejects/"),
    FaultPoint::new("read the charter", "GET", "out.ledger/ledger.json", "gs://udm/out.ledger/"),
    FaultPoint::new("read a lease", "GET", "out.ledger/lease", "gs://udm/out.ledger/lease"),
    FaultPoint::new("write a lease", "PUT", "out.ledger/lease", "gs://udm/out.ledger/lease"),
    FaultPoint::new("read the ledger", "GET", "out.ledger/segment", "gs://udm/out.ledger/segment"),
    FaultPoint::new("write the ledger", "PUT", "out.ledger/segment", "gs://udm/out.ledger/segment"),
    FaultPoint::new("look before delete", "HEAD", "logs/", "gs://zoom/logs/"),
    FaultPoint::new("delete", "DELETE", "logs/", "gs://zoom/logs/"),
];

const FEED: [&str; 7] =
    ["gs://zoom/logs/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/", "--delete", "transferred"];
const FAST_RETRIES: [&str; 8] =
    ["--first-pause", "1ms", "--checkpoint", "40ms", "--retries", "1", "--retry-for", "2s"];

type Objects = BTreeMap<String, Bytes>;

/// Returns a bucket with several objects. An earlier run has ingested the first one.
fn world() -> Gcs {
    static FIRST: OnceLock<Gcs> = OnceLock::new();
    FIRST.get_or_init(after_first_run).duplicate()
}

fn after_first_run() -> Gcs {
    let gcs = Gcs::start();
    let broken = |number| format!("{}no record\n", records(20, number));
    gcs.seed("zoom", "logs/a.json.gz", gzip(records(10, 1)));
    gcs.seed("zoom", "logs/b.json", broken(2));
    gcs.seed("zoom", "logs/c.json.gz", gzip(records(600, 3)));
    gcs.seed("zoom", "logs/d.json.gz", gzip(broken(4)));
    let first = ingest(&gcs, &["--include", "a*"]);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    gcs
}

fn command(gcs: &Gcs, arguments: &[&str]) -> Command {
    let mut command = program(Some(gcs), arguments);
    command.env("TIMEOUT", "1");
    command
}

fn ingest(gcs: &Gcs, more: &[&str]) -> Output {
    let summary = ["--summary", "json"];
    command(gcs, &[&["ingest"], &FEED[..], &FAST_RETRIES, &summary, more].concat()).output().unwrap()
}

/// Returns everything that a run leaves, except the ledger.
fn left(gcs: &Gcs) -> (Objects, Objects, Objects) {
    (gcs.all("udm", "out/"), gcs.all("udm", "rejects/"), gcs.all("zoom", ""))
}

/// Returns what a run without faults leaves.
fn fault_free_result() -> &'static (Objects, Objects, Objects) {
    static LEFT: OnceLock<(Objects, Objects, Objects)> = OnceLock::new();
    LEFT.get_or_init(|| {
        let gcs = world();
        assert_eq!(ingest(&gcs, &[]).status.code(), Some(1), "two lines are not records");
        let left = left(&gcs);
        assert_eq!((left.0.len(), left.1.len(), left.2.len()), (4, 2, 0));
        left
    })
}

/// Removes the fault, runs again, and checks the result.
fn check_recovery(seen: FaultOutcome, gcs: &Gcs) -> FaultOutcome {
    let struck = gcs.lock().fault_hits;
    gcs.lock().faults.refusals.clear();
    let again = ingest(gcs, &[]);
    let code = again.status.code();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    let verified = command(gcs, &["ledger", "verify", "gs://udm/out.ledger/"]).output().unwrap();
    seen.and("the fault never struck", struck > 0)
        .and(&format!("the clean run ended with {code:?}: {said}"), matches!(code, Some(0 | 1)))
        .and("a clean run does not produce the expected objects", left(gcs) == *fault_free_result())
        .and("the ledger has gaps", verified.status.code() == Some(0))
}

/// Returns the documented exit codes. 1 also stands for the two rejected records.
fn codes(place: &FaultPoint, fault: &Fault, lasting: bool) -> &'static [i32] {
    match (place.name, fault.kind, lasting) {
        _ if place.ignores(fault) => &[1],
        ("delete" | "look before delete", Kind::Access, _) => &[1],
        ("get an object" | "get the rest", Kind::Access, _) if fault.name == "403" => &[1],
        (_, Kind::Access, _) => &[4],
        (_, _, false) => &[1],
        ("get an object" | "get the rest" | "put events" | "put rejects", ..) => &[1],
        ("delete" | "look before delete", ..) => &[1],
        _ => &[3],
    }
}

fn inject_fault(gcs: &Gcs, place: &FaultPoint, fault: &Fault, lasting: bool) {
    if place.name == "get the rest" {
        let cut = Refusal { times: 1, ..Refusal::acting("GET", place.part, Act::Cut) };
        gcs.lock().faults.refusals.push(cut);
    }
    place.inject_fault(gcs, fault, lasting);
}

fn names<'a>(place: &'a FaultPoint, fault: &'a Fault) -> [&'a [&'a str]; 2] {
    [fault.words, std::slice::from_ref(&place.at)]
}

/// Checks that the message names the fault, unless the program retries or ignores it.
fn tells(seen: FaultOutcome, place: &FaultPoint, fault: &Fault, lasting: bool) -> FaultOutcome {
    let access = fault.kind == Kind::Access;
    if (lasting || access) && !place.ignores(fault) { seen.naming(&names(place, fault)) } else { seen }
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let mut fault_cases = Vec::new();
    for (place, fault, lasting) in each(&PLACES) {
        let run = Box::new(move || {
            let gcs = world();
            inject_fault(&gcs, &place, fault, lasting);
            let seen = FaultOutcome::of(&ingest(&gcs, &[])).expect(codes(&place, fault, lasting));
            check_recovery(tells(seen, &place, fault, lasting), &gcs)
        });
        fault_cases.push(FaultCase { verb: "ingest", place: place.name, fault: fault.name, lasting, run });
        if !place.name.contains("delete") && SERVICE_FAULTS.contains(&fault.name) {
            let run = Box::new(move || run_service_case(&place, fault, lasting));
            fault_cases.push(FaultCase {
                verb: "serve /ingest",
                place: place.name,
                fault: fault.name,
                lasting,
                run,
            });
        }
    }
    for lasting in [false, true] {
        let run = Box::new(move || slow(lasting));
        fault_cases.push(FaultCase { verb: "ingest", place: "get an object", fault: "slow", lasting, run });
    }
    let run = Box::new(missing_bucket);
    fault_cases.push(FaultCase {
        verb: "ingest",
        place: "write the charter",
        fault: "no bucket",
        lasting: true,
        run,
    });
    let run = Box::new(unreachable_storage);
    fault_cases.push(FaultCase {
        verb: "ingest",
        place: "read the charter",
        fault: "refused",
        lasting: true,
        run,
    });
    fault_cases.extend(ledgers());
    fault_cases.extend(tokens());
    fault_cases
}

/// Tests a download that lasts longer than the timeout but always makes progress.
fn slow(lasting: bool) -> FaultOutcome {
    let gcs = world();
    let pieces = std::time::Duration::from_millis(400);
    let times = if lasting { u32::MAX } else { 1 };
    let trickle = Refusal::acting("GET", "logs/c", Act::Trickle(8, pieces));
    gcs.lock().faults.refusals.push(Refusal { times, ..trickle });
    let seen = FaultOutcome::of(&ingest(&gcs, &[])).expect(&[1]);
    let well = left(&gcs) == *fault_free_result();
    seen.and("a slow but steady download failed", well)
}

/// Tests a missing bucket, for which every request gets a 404.
fn missing_bucket() -> FaultOutcome {
    let gcs = world();
    gcs.lock().buckets = Some(vec!["zoom".into()]);
    let seen = FaultOutcome::of(&ingest(&gcs, &[])).expect(&[3]);
    let seen = seen.naming(&[&["bucket not found"], &["gs://udm/out.ledger/"]]);
    let mut state = gcs.lock();
    (state.buckets, state.fault_hits) = (None, 1);
    drop(state);
    check_recovery(seen, &gcs)
}

fn unreachable_storage() -> FaultOutcome {
    let gcs = world();
    let mut nobody = command(&gcs, &[&["ingest"], &FEED[..], &FAST_RETRIES].concat());
    let output = nobody.env("STORAGE_EMULATOR_HOST", "127.0.0.1:9").output().unwrap();
    let seen = FaultOutcome::of(&output).expect(&[3]).naming(&[&["onnect"], &["gs://udm/out.ledger/"]]);
    // No request reached the fake, so its counter is set here.
    gcs.lock().fault_hits = 1;
    check_recovery(seen, &gcs)
}

fn run_service_case(place: &FaultPoint, fault: &Fault, lasting: bool) -> FaultOutcome {
    let gcs = world();
    inject_fault(&gcs, place, fault, lasting);
    let mut service = command(&gcs, &["serve", "--ingest"]);
    service
        .env("INGEST_FROM", "gs://zoom/logs/")
        .env("INGEST_TO", "gs://udm/out/")
        .env("INGEST_REJECTS", "gs://udm/rejects/")
        .env("INGEST_FLAGS", format!("--delete transferred {}", FAST_RETRIES.join(" ")));
    let server = Server::start(service);
    let answer = server.post("/ingest", &[], b"");
    let expected: &[i32] = match codes(place, fault, lasting) {
        [3] => &[503],
        [4] => &[500],
        _ => &[200, 503],
    };
    server.wait_for("POST /ingest");
    let seen = FaultOutcome::new(answer.status.into(), server.said()).expect(expected);
    // Failures call for a repetition; a run without failures must not be repeated.
    let repeated = answer.status == 503 || answer.status == 500;
    let left_some = !server.said().contains(r#"\"failed\":0"#);
    let seen =
        seen.and(&format!("{} despite the outcome: {}", answer.status, server.said()), repeated == left_some);
    let seen = tells(seen, place, fault, lasting)
        .and("the response reveals a location", !String::from_utf8_lossy(&answer.body).contains("gs://"));
    gcs.lock().faults.refusals.clear();
    // The same process must have released its leases.
    let again = server.post("/ingest", &[], b"");
    let well = again.status == 200;
    let seen = seen.and(&format!("the clean run got {}: {}", again.status, server.said()), well);
    drop(server);
    seen.and("a clean run does not produce the expected objects", left(&gcs) == *fault_free_result())
}

fn ledgers() -> Vec<FaultCase> {
    let verbs: [(&str, &[&str], &[&str]); 3] = [
        ("ledger show", &["show", "gs://udm/out.ledger/"], &["read the charter", "read the ledger"]),
        (
            "ledger verify",
            &["verify", "gs://udm/out.ledger/"],
            &["read the charter", "read the ledger", "list the source", "look for outputs"],
        ),
        (
            "ledger forget",
            &["forget", "gs://udm/out.ledger/", "**/a.json.gz"],
            &["read the charter", "read the ledger", "write the ledger"],
        ),
    ];
    let mut fault_cases = Vec::new();
    for (verb, arguments, places) in verbs {
        let outputs = FaultPoint::new("look for outputs", "", "udm", "gs://udm/out/");
        let places: Vec<_> =
            PLACES.iter().copied().chain([outputs]).filter(|place| places.contains(&place.name)).collect();
        for (place, fault, lasting) in each(&places) {
            let run = Box::new(move || run_ledger_case(arguments, &place, fault, lasting));
            fault_cases.push(FaultCase { verb, place: place.name, fault: fault.name, lasting, run });
        }
    }
    fault_cases
}

fn run_ledger_case(arguments: &[&str], place: &FaultPoint, fault: &Fault, lasting: bool) -> FaultOutcome {
    let ledger = |gcs: &Gcs| {
        let brisk = ["--retries", "1", "--first-pause", "1ms"];
        command(gcs, &[&["ledger"], arguments, &brisk].concat()).output().unwrap()
    };
    let (whole, gcs) = (world(), world());
    let right = ledger(&whole);
    place.inject_fault(&gcs, fault, lasting);
    let output = ledger(&gcs);
    let expected: &[i32] = match (fault.kind, lasting) {
        (Kind::Access, _) => &[4],
        (_, true) => &[3],
        (_, false) => &[right.status.code().unwrap_or(-1)],
    };
    let seen = tells(FaultOutcome::of(&output).expect(expected), place, fault, lasting);
    gcs.lock().faults.refusals.clear();
    let again = ledger(&gcs);
    // An entry can be forgotten only once.
    let done = arguments[0] == "forget" && (!lasting || fault.name == "lost");
    seen.and(
        &format!("the clean run: {} instead of {}", text(&again), text(&right)),
        done || (again.stdout == right.stdout && again.status == right.status),
    )
}

fn text(output: &Output) -> String {
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stdout))
}

/// Faults of Google's token endpoints: of a user login, and of the service account of a machine.
fn tokens() -> Vec<FaultCase> {
    // The fake takes the first part of the path for a bucket.
    let places = [
        FaultPoint::new("token of a login", "POST", "oauth2/token", "token"),
        FaultPoint::new("token of the machine", "GET", "service-accounts", "token"),
    ];
    let mut fault_cases = Vec::new();
    for (place, fault, lasting) in each(&places) {
        let run = Box::new(move || token(&place, fault, lasting));
        fault_cases.push(FaultCase { verb: "ingest", place: place.name, fault: fault.name, lasting, run });
    }
    fault_cases
}

fn token(place: &FaultPoint, fault: &Fault, lasting: bool) -> FaultOutcome {
    let gcs = world();
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("credentials.json");
    let login = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"refresh"}"#;
    std::fs::write(&file, login).unwrap();
    {
        let mut state = gcs.lock();
        (state.bearer, state.refresh) = (Some("good".into()), Some("refresh".into()));
    }
    place.inject_fault(&gcs, fault, lasting);
    let host = gcs.host();
    let run = || {
        let mut command = program(None, &[&["ingest"], &FEED[..], &FAST_RETRIES].concat());
        command
            .env("TIMEOUT", "1")
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("http://{host}/"))
            .env("CLOUDSDK_AUTH_TOKEN_HOST", format!("http://{host}/o/oauth2/token"))
            .env("GCE_METADATA_HOST", &host)
            .env("GCE_METADATA_IP", &host);
        if place.method == "POST" {
            command.env("GOOGLE_APPLICATION_CREDENTIALS", &file);
        }
        command.output().unwrap()
    };
    // Without a metadata server there are no credentials; a login exists even if its token endpoint fails.
    let expected: &[i32] = match (fault.kind, lasting, place.method) {
        // The metadata server has two addresses, so the second one answers.
        (_, false, "GET") => &[1],
        (Kind::Access, ..) => &[4],
        (_, true, "GET") => &[4],
        (_, true, _) => &[3],
        _ => &[1],
    };
    let seen = FaultOutcome::of(&run()).expect(expected);
    let seen = if lasting { seen.naming(&[fault.words, &["token"]]) } else { seen };
    gcs.lock().faults.refusals.clear();
    let _ = run();
    seen.and("a clean run does not produce the expected objects", left(&gcs) == *fault_free_result())
}
