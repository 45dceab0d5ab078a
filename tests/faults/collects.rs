//! Fault cases of `collect`, `serve --collect` and `check`: faults of Zoom and of the bucket.

use super::matrix::{FaultCase, FaultOutcome};
use super::storage::{Fault, FaultPoint, Kind, SERVICE_FAULTS, each};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;
use testkit::collect::{
    Act, BUCKET, DAY, Gcs, HOUR, NOW, PREFIX, RequestFilter, Run, Wait, When, World, at, spread,
};
use testkit::files::gunzip;
use testkit::serve::Server;

pub(crate) const PLACES: [FaultPoint; 11] = [
    FaultPoint::new("read the lease", "GET", "state.lease", "collector/state.lease"),
    FaultPoint::new("write the lease", "PUT", "state.lease", "collector/state.lease"),
    FaultPoint::new("read the state", "GET", "state.json", "collector/state.json"),
    FaultPoint::new("write the state", "PUT", "state.json", "collector/state.json"),
    FaultPoint::new("keep the old state", "PUT", "state.previous", "collector/state.previous"),
    FaultPoint::new("read what was seen", "GET", "state.work/seen", "collector/state.work/"),
    FaultPoint::new("write what was seen", "PUT", "state.work/seen", "collector/state.work/"),
    FaultPoint::new("stage an object", "PUT", "state.work/staged", "collector/state.work/"),
    FaultPoint::new("put an object", "PUT", PREFIX, "gs://zoom/logs/"),
    FaultPoint::new("put a manifest", "PUT", "manifests/", "collector/manifests/"),
    FaultPoint::new("tidy up", "DELETE", "state.work/", "collector/state.work/"),
];

pub(crate) struct ZoomFault {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    /// The possible exit codes if the fault persists.
    pub(crate) lasting: &'static [i32],
    pub(crate) words: &'static [&'static str],
}

const SCOPE: &str = "report:read:operation_logs:admin";

/// Returns the faults of Zoom. Exit code 75 means stopped with progress saved; 1 means that some days are deferred.
pub(crate) fn zoom_faults() -> Vec<ZoomFault> {
    let zoom_fault = |name, act, lasting, words| ZoomFault { name, act, lasting, words };
    let answer = |status| Act::Answer(status, "{}".into());
    let zooms = |status| Act::Answer(status, r#"{"code":1001,"message":"Not allowed."}"#.into());
    let html = |status| Act::Answer(status, "<html>Access denied</html>".into());
    vec![
        zoom_fault("reset", Act::Reset, &[75, 1], &["connection"]),
        zoom_fault("hang", Act::Hang(Duration::from_secs(9)), &[75, 1], &["TIMEOUT"]),
        zoom_fault("cut", Act::Cut, &[75, 1], &["connection closed"]),
        zoom_fault("429", Act::PerSecond(Wait::Seconds(0)), &[75, 1], &["429"]),
        zoom_fault("daily", Act::Daily(Wait::IsoMidnight), &[75], &["daily limit"]),
        zoom_fault("500", answer(500), &[75, 1], &["500"]),
        zoom_fault("503", answer(503), &[75, 1], &["503"]),
        zoom_fault("html", Act::Html, &[75, 3, 1], &["no JSON", "JSON"]),
        zoom_fault("no list", Act::NoKey, &[3, 1], &["operation_logs", "access token"]),
        zoom_fault("ill typed", Act::IllTyped, &[3, 1], &["operation_logs", "access token"]),
        zoom_fault("error", Act::ErrorObject, &[3, 1], &["operation_logs", "access token", "5010"]),
        zoom_fault("401", zooms(401), &[4], &["401", "token"]),
        zoom_fault("403", zooms(403), &[4], &["403"]),
        zoom_fault("401 html", html(401), &[75, 1], &["not from Zoom"]),
        zoom_fault("403 html", html(403), &[75, 1], &["not from Zoom"]),
        zoom_fault(
            "error with list",
            Act::Answer(200, r#"{"code":3001,"message":"Internal error.","operation_logs":[]}"#.into()),
            &[3, 1],
            &["3001"],
        ),
        zoom_fault("scope", Act::Scope, &[4], &[SCOPE, "check ZOOM_ACCOUNT_ID"]),
        zoom_fault("role", Act::Role, &[4], &["Role Management", "check ZOOM_ACCOUNT_ID"]),
        zoom_fault(
            "expired",
            Act::PageExpired,
            // 0, because windows shrink until each fits on one page.
            &[0, 1, 3, 4],
            &["expired", "restarting", "check ZOOM_ACCOUNT_ID", "PAGE_SIZE"],
        ),
    ]
}

fn asked() -> [(&'static str, RequestFilter); 3] {
    [
        ("token", RequestFilter::tokens()),
        ("page", RequestFilter::pages()),
        ("further page", RequestFilter::next_pages()),
    ]
}

/// Returns a world after a successful run and six more hours of records.
fn world() -> World {
    static FIRST: OnceLock<Gcs> = OnceLock::new();
    let fill = |world: &World, now: i64| {
        world.zoom.add(spread(0, 60, now - 2 * DAY..now));
        world.zoom.add(spread(100, 60, now..now + 6 * HOUR));
    };
    let now = at(NOW);
    let settings = |world: World| world.with("PAGE_SIZE", "20").with("TIMEOUT", "1");
    let first = FIRST.get_or_init(|| {
        let world = settings(World::new(NOW));
        fill(&world, now);
        world.collect(&["--since", "2d"]).expect(0);
        world.gcs.clone()
    });
    let world = settings(World { gcs: first.duplicate(), ..World::new(NOW) });
    fill(&world, now);
    world.advance(6 * HOUR);
    world
}

const FAST_RETRIES: [&str; 2] = ["--retries", "1"];

pub(crate) type Days = BTreeMap<String, Vec<String>>;

/// Returns the sorted lines of each day. Their distribution over objects depends on where a run was stopped.
pub(crate) fn lines(world: &World) -> Days {
    let mut days: Days = BTreeMap::new();
    for (name, bytes) in world.objects() {
        let day = name.rsplit_once('/').map_or("", |(day, _)| day).to_owned();
        days.entry(day).or_default().extend(gunzip(&bytes).lines().map(str::to_owned));
    }
    days.values_mut().for_each(|lines| lines.sort());
    days
}

fn fault_free_result() -> &'static Days {
    static LINES: OnceLock<Days> = OnceLock::new();
    LINES.get_or_init(|| {
        let world = world();
        world.collect(&FAST_RETRIES).expect(0);
        world.assert_bucket_matches_zoom();
        lines(&world)
    })
}

fn outcome(run: Run) -> FaultOutcome {
    FaultOutcome::new(run.code, run.said)
}

/// Removes the fault, runs again, and checks the result. Deferred days are due after two hours.
fn check_recovery(seen: FaultOutcome, world: &World) -> FaultOutcome {
    let struck = world.gcs.lock().fault_hits + world.zoom.lock().fault_hits();
    world.clear_faults();
    let deferred = seen.code == 1;
    if deferred {
        world.advance(2 * HOUR);
    }
    let again = world.collect(&FAST_RETRIES);
    let well = again.code == 0;
    seen.and("the fault never struck", struck > 0)
        .and(&format!("the clean run ended with {}: {}", again.code, again.said), well)
        .and("a clean run does not write each record once", lines(world) == *fault_free_result())
}

fn storage_codes(place: &FaultPoint, fault: &Fault, lasting: bool) -> &'static [i32] {
    match (fault.kind, lasting) {
        // The fault spoils a part of the response that the program does not use.
        _ if place.ignores(fault) => &[0],
        (Kind::Access, _) => &[4],
        (_, true) => &[3],
        (_, false) => &[0],
    }
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let mut fault_cases = Vec::new();
    for (place, fault, lasting) in each(&PLACES) {
        let run = Box::new(move || {
            let world = world();
            place.inject_fault(&world.gcs, fault, lasting);
            let run = outcome(world.collect(&FAST_RETRIES)).expect(storage_codes(&place, fault, lasting));
            check_recovery(run.naming(&[fault.words, &[place.at]]), &world)
        });
        fault_cases.push(FaultCase { verb: "collect", place: place.name, fault: fault.name, lasting, run });
        let served = ["write the lease", "read the state", "write the state", "put an object"];
        if served.contains(&place.name) && SERVICE_FAULTS.contains(&fault.name) {
            let inject_fault = move |world: &World| place.inject_fault(&world.gcs, fault, lasting);
            let codes = statuses(storage_codes(&place, fault, lasting));
            let run = Box::new(move || serve(inject_fault, codes, &[fault.words, &[place.at]]));
            fault_cases.push(FaultCase {
                verb: "serve /collect",
                place: place.name,
                fault: fault.name,
                lasting,
                run,
            });
        }
    }
    for (number, (place, _)) in asked().into_iter().enumerate() {
        for (index, ZoomFault { name: fault, .. }) in zoom_faults().into_iter().enumerate() {
            if (fault == "expired") != (place == "further page") && fault == "expired" {
                continue;
            }
            for lasting in [false, true] {
                let run = Box::new(move || zoom(number, index, lasting));
                fault_cases.push(FaultCase { verb: "collect", place, fault, lasting, run });
                let run = Box::new(move || zoom_served(number, index, lasting));
                fault_cases.push(FaultCase { verb: "serve /collect", place, fault, lasting, run });
                if place != "further page" {
                    let run = Box::new(move || zoom_checked(number, index, lasting));
                    fault_cases.push(FaultCase { verb: "check", place, fault, lasting, run });
                }
            }
        }
    }
    fault_cases.extend(checks());
    fault_cases.extend(states());
    let run = Box::new(missing_bucket);
    fault_cases.push(FaultCase {
        verb: "collect",
        place: "write the lease",
        fault: "no bucket",
        lasting: true,
        run,
    });
    fault_cases.extend(refusals());
    fault_cases
}

fn inject_fault(world: &World, place: usize, zoom_fault: &ZoomFault, lasting: bool) {
    let [token, page, further] = asked().map(|(_, only)| only);
    let only = [token, page, further].into_iter().nth(place).unwrap();
    world.zoom.rule(only, if lasting { When::Always } else { When::Nth(1) }, zoom_fault.act.clone());
}

/// Returns the possible exit codes. A single fault is normally retried, so the run succeeds.
fn codes(place: usize, zoom_fault: &ZoomFault, lasting: bool) -> &'static [i32] {
    match (place, zoom_fault.name, lasting) {
        // With any of these bodies, a token response lacks the access token.
        (0, "no list" | "ill typed" | "error" | "html", true) => &[3],
        (0, "scope" | "role" | "expired" | "401" | "403", _) => &[4],
        (_, "401" | "expired", false) => &[0],
        // The token was accepted for the first page, so the credentials are not at fault.
        (2, "401", true) => &[75],
        (_, "daily" | "scope" | "role" | "403", _) | (.., true) => zoom_fault.lasting,
        _ => &[0],
    }
}

fn zoom(place: usize, zoom_fault: usize, lasting: bool) -> FaultOutcome {
    let (world, zoom_fault) = (world(), zoom_faults().swap_remove(zoom_fault));
    inject_fault(&world, place, &zoom_fault, lasting);
    let run = world.collect(&FAST_RETRIES);
    let told = format!("{} {}", run.summary["stopped"], run.said);
    let run = FaultOutcome::new(run.code, told).expect(codes(place, &zoom_fault, lasting));
    let at: &[&str] =
        if place == 0 { &["token"] } else { &["operation logs from", "/v2/report/operationlogs"] };
    check_recovery(run.naming(&[zoom_fault.words, at]), &world)
}

fn statuses(codes: &[i32]) -> &'static [i32] {
    match codes {
        [0] => &[200],
        [4] => &[500],
        [75] | [3] => &[503],
        // 200 if days are deferred.
        _ => &[503, 200],
    }
}

fn zoom_served(place: usize, zoom_fault: usize, lasting: bool) -> FaultOutcome {
    let zoom_fault = zoom_faults().swap_remove(zoom_fault);
    // Repeating the run before tomorrow is useless, so the caller gets 200.
    let daily = zoom_fault.name == "daily";
    let expected = if daily { &[200] } else { statuses(codes(place, &zoom_fault, lasting)) };
    let at: &[&str] =
        if place == 0 { &["token"] } else { &["operation logs from", "/v2/report/operationlogs"] };
    serve(|world| inject_fault(world, place, &zoom_fault, lasting), expected, &[zoom_fault.words, at])
}

fn serve(inject_fault: impl FnOnce(&World), statuses: &[i32], words: &[&[&str]]) -> FaultOutcome {
    let world = world().with("COLLECT_FLAGS", "--first-pause 1ms --retries 1");
    inject_fault(&world);
    let server = Server::start(world.program(&["serve", "--collect"]));
    let answer = server.post("/collect", &[], b"");
    server.wait_for("POST /collect");
    let seen = FaultOutcome::new(answer.status.into(), server.said()).expect(statuses).naming(words);
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    let seen = seen.and(&format!("the response reveals a location: {told}"), !told.contains("://"));
    world.clear_faults();
    let deferred = told.contains("\"days_deferred\":") && !told.contains("\"days_deferred\":0");
    // The same process must have released its lease.
    let again = server.post("/collect", &[], b"");
    let seen = seen
        .and(&format!("the clean run was answered {}: {}", again.status, server.said()), again.status == 200);
    drop(server);
    if deferred {
        world.advance(2 * HOUR);
        world.collect(&FAST_RETRIES).expect(0);
    }
    seen.and("a clean run does not write each record once", lines(&world) == *fault_free_result())
}

fn check(world: &World) -> Run {
    world.run_program(&["check", "--retries", "1", "--first-pause", "1ms"])
}

fn checked(inject_fault: impl FnOnce(&World), codes: &[i32], words: &[&[&str]]) -> FaultOutcome {
    let world = world();
    let before = world.gcs.all(BUCKET, "");
    inject_fault(&world);
    let seen = outcome(check(&world)).expect(codes).naming(words);
    let told = seen.code == 0 || seen.said.lines().any(|line| line.starts_with("FAIL"));
    let struck = world.gcs.lock().fault_hits + world.zoom.lock().fault_hits();
    world.clear_faults();
    let again = check(&world);
    seen.and("no line has FAIL", told)
        .and("the fault never struck", struck > 0)
        .and(&format!("a clean check ends with {}: {}", again.code, again.said), again.code == 0)
        .and("leftovers remain", world.gcs.all(BUCKET, "") == before)
}

fn zoom_checked(place: usize, zoom_fault: usize, lasting: bool) -> FaultOutcome {
    let zoom_fault = zoom_faults().swap_remove(zoom_fault);
    let codes: &[i32] = match codes(place, &zoom_fault, lasting) {
        [0] => &[0],
        [4] => &[4],
        _ => &[3],
    };
    checked(
        |world| inject_fault(world, place, &zoom_fault, lasting),
        codes,
        &[zoom_fault.words, &["FAIL token", "FAIL scope", "FAIL page", "FAIL role"]],
    )
}

fn checks() -> Vec<FaultCase> {
    let places = [
        FaultPoint::new("read the state", "GET", "state.json", "FAIL state"),
        FaultPoint::new("list the data", "LIST", "zoom?", "FAIL bucket"),
        FaultPoint::new("write the data", "PUT", PREFIX, "FAIL"),
        FaultPoint::new("write the state", "PUT", "collector/", "FAIL"),
    ];
    let mut fault_cases = Vec::new();
    for (place, fault, lasting) in each(&places) {
        let run = Box::new(move || {
            let inject_fault = |world: &World| place.inject_fault(&world.gcs, fault, lasting);
            checked(inject_fault, storage_codes(&place, fault, lasting), &[fault.words, &[place.at]])
        });
        fault_cases.push(FaultCase { verb: "check", place: place.name, fault: fault.name, lasting, run });
    }
    fault_cases
}

fn states() -> Vec<FaultCase> {
    let places = [FaultPoint::new("read the state", "GET", "state.json", "collector/state.json")];
    let fault_cases = each(&places).map(|(place, fault, lasting)| {
        let run = Box::new(move || {
            let world = world();
            place.inject_fault(&world.gcs, fault, lasting);
            let status = world.run_program(&["collect", "status", "--retries", "1"]);
            let seen = outcome(status).expect(storage_codes(&place, fault, lasting));
            let struck = world.gcs.lock().fault_hits > 0;
            seen.naming(&[fault.words, &[place.at]]).and("the fault never struck", struck)
        });
        FaultCase { verb: "collect status", place: place.name, fault: fault.name, lasting, run }
    });
    fault_cases.collect::<Vec<_>>()
}

fn missing_bucket() -> FaultOutcome {
    let world = world();
    world.gcs.lock().buckets = Some(Vec::new());
    let seen = outcome(world.collect(&FAST_RETRIES)).expect(&[3]);
    let seen = seen.naming(&[&["bucket not found"], &["collector/state.lease"]]);
    let mut state = world.gcs.lock();
    (state.buckets, state.fault_hits) = (None, 1);
    drop(state);
    check_recovery(seen, &world)
}

/// Faults of which the cause is that nothing listens at an address.
fn refusals() -> Vec<FaultCase> {
    let nobody = "http://127.0.0.1:9";
    let cases: [(&'static str, &'static str, String, i32, &'static str); 3] = [
        ("token", "ZOOM_TOKEN_URL", format!("{nobody}/oauth/token"), 75, "127.0.0.1:9/oauth/token"),
        ("page", "ZOOM_API_BASE", nobody.into(), 75, "127.0.0.1:9/v2/report"),
        ("read the lease", "STORAGE_EMULATOR_HOST", "127.0.0.1:9".into(), 3, "collector/state.lease"),
    ];
    let fault_cases = cases.into_iter().flat_map(|(place, variable, value, code, at)| {
        let at: &'static [&'static str] = Box::leak(Box::new([at]));
        let checked_at: &'static [&'static str] = &["127.0.0.1:9", "FAIL"];
        [("collect", code, at), ("check", 3, checked_at)].map(|(verb, code, at)| {
            let value = value.clone();
            let run = Box::new(move || {
                let mut world = world();
                let right = world.environment.insert(variable, value);
                let run = if verb == "check" { check(&world) } else { world.collect(&FAST_RETRIES) };
                let told = format!("{} {}", run.summary["stopped"], run.said);
                let seen = FaultOutcome::new(run.code, told).expect(&[code]).naming(&[&["onnect"], at]);
                match right {
                    Some(right) => world.environment.insert(variable, right),
                    None => world.environment.remove(variable),
                };
                let well = world.collect(&FAST_RETRIES).code == 0;
                seen.and("the clean run failed", well)
                    .and("a clean run does not write each record once", lines(&world) == *fault_free_result())
            });
            FaultCase { verb, place, fault: "refused", lasting: true, run }
        })
    });
    fault_cases.collect()
}
