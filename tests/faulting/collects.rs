//! The collector among faults: `collect`, `serve --collect` and `check`; Zoom's and those of its bucket.

use super::storage::{Fault, Kind, Place, SERVED, each};
use super::{Cell, Seen};
use crate::collecting::{
    Act, BUCKET, DAY, Gcs, HOUR, NOW, Only, PREFIX, Run, Wait, When, World, at, gunzip, spread,
};
use crate::serving::Server;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

const PLACES: [Place; 11] = [
    Place::new("read the lease", "GET", "state.lease", "collector/state.lease"),
    Place::new("write the lease", "PUT", "state.lease", "collector/state.lease"),
    Place::new("read the state", "GET", "state.json", "collector/state.json"),
    Place::new("write the state", "PUT", "state.json", "collector/state.json"),
    Place::new("keep the old state", "PUT", "state.previous", "collector/state.previous"),
    Place::new("read what was seen", "GET", "state.work/seen", "collector/state.work/"),
    Place::new("write what was seen", "PUT", "state.work/seen", "collector/state.work/"),
    Place::new("stage an object", "PUT", "state.work/staged", "collector/state.work/"),
    Place::new("put an object", "PUT", PREFIX, "gs://zoom/logs/"),
    Place::new("put a manifest", "PUT", "manifests/", "collector/manifests/"),
    Place::new("tidy up", "DELETE", "state.work/", "collector/state.work/"),
];

/// A fault of Zoom.
struct Trouble {
    name: &'static str,
    act: Act,
    /// What a run comes to that it never leaves.
    lasting: &'static [i32],
    words: &'static [&'static str],
}

const SCOPE: &str = "report:read:operation_logs:admin";

/// 75: stopped with progress saved. 1: some days are parked.
fn troubles() -> Vec<Trouble> {
    let trouble = |name, act, lasting, words| Trouble { name, act, lasting, words };
    let answer = |status| Act::Answer(status, "{}".into());
    let zooms = |status| Act::Answer(status, r#"{"code":1001,"message":"Not allowed."}"#.into());
    let html = |status| Act::Answer(status, "<html>Access denied</html>".into());
    vec![
        trouble("reset", Act::Reset, &[75, 1], &["connection"]),
        trouble("hang", Act::Hang(Duration::from_secs(9)), &[75, 1], &["TIMEOUT"]),
        trouble("cut", Act::Cut, &[75, 1], &["connection closed"]),
        trouble("429", Act::PerSecond(Wait::Seconds(0)), &[75, 1], &["429"]),
        trouble("daily", Act::Daily(Wait::IsoMidnight), &[75], &["daily limit"]),
        trouble("500", answer(500), &[75, 1], &["500"]),
        trouble("503", answer(503), &[75, 1], &["503"]),
        trouble("html", Act::Html, &[75, 3, 1], &["no JSON", "JSON"]),
        trouble("no list", Act::NoKey, &[3, 1], &["operation_logs", "access token"]),
        trouble("ill typed", Act::IllTyped, &[3, 1], &["operation_logs", "access token"]),
        trouble("error", Act::ErrorObject, &[3, 1], &["operation_logs", "access token", "5010"]),
        trouble("401", zooms(401), &[4], &["401", "token"]),
        trouble("403", zooms(403), &[4], &["403"]),
        trouble("401 html", html(401), &[75, 1], &["in front of Zoom"]),
        trouble("403 html", html(403), &[75, 1], &["in front of Zoom"]),
        trouble(
            "error with list",
            Act::Answer(200, r#"{"code":3001,"message":"Internal error.","operation_logs":[]}"#.into()),
            &[3, 1],
            &["3001"],
        ),
        trouble("scope", Act::Scope, &[4], &[SCOPE, "check ZOOM_ACCOUNT_ID"]),
        trouble("role", Act::Role, &[4], &["Role Management", "check ZOOM_ACCOUNT_ID"]),
        trouble(
            "expired",
            Act::PageExpired,
            // 0: windows shrink until a page holds each of them.
            &[0, 1, 3, 4],
            &["expired", "restarting", "check ZOOM_ACCOUNT_ID", "PAGE_SIZE"],
        ),
    ]
}

fn asked() -> [(&'static str, Only); 3] {
    [("token", Only::tokens()), ("page", Only::pages()), ("further page", Only::next_pages())]
}

/// A run has been here; more has happened since.
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
    let world = settings(World { gcs: first.twin(), ..World::new(NOW) });
    fill(&world, now);
    world.advance(6 * HOUR);
    world
}

const BRISK: [&str; 2] = ["--retries", "1"];

pub type Days = BTreeMap<String, Vec<String>>;

/// The lines of each day, sorted: how they are spread over objects depends on where a run was stopped.
pub fn lines(world: &World) -> Days {
    let mut days: Days = BTreeMap::new();
    for (name, bytes) in world.objects() {
        let day = name.rsplit_once('/').map_or("", |(day, _)| day).to_owned();
        days.entry(day).or_default().extend(gunzip(&bytes).lines().map(str::to_owned));
    }
    days.values_mut().for_each(|lines| lines.sort());
    days
}

fn undisturbed() -> &'static Days {
    static LINES: OnceLock<Days> = OnceLock::new();
    LINES.get_or_init(|| {
        let world = world();
        world.collect(&BRISK).expect(0);
        world.even();
        lines(&world)
    })
}

fn seen(run: Run) -> Seen {
    Seen::new(run.code, run.said)
}

/// What was parked is due after two hours.
fn made_good(seen: Seen, world: &World) -> Seen {
    let struck = world.gcs.lock().struck + world.zoom.lock().struck();
    world.heal();
    let parked = seen.code == 1;
    if parked {
        world.advance(2 * HOUR);
    }
    let again = world.collect(&BRISK);
    let well = again.code == 0;
    seen.and("the fault never struck", struck > 0)
        .and(&format!("the clean run ended with {}: {}", again.code, again.said), well)
        .and("a clean run does not give each record once", lines(world) == *undisturbed())
}

fn storage_codes(place: &Place, fault: &Fault, lasting: bool) -> &'static [i32] {
    match (fault.kind, lasting) {
        // What is left over harms nobody and goes with a later run.
        _ if place.shrugs(fault) => &[0],
        (Kind::Access, _) => &[4],
        (_, true) => &[3],
        (_, false) => &[0],
    }
}

pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (place, fault, lasting) in each(&PLACES) {
        let run = Box::new(move || {
            let world = world();
            place.spoil(&world.gcs, fault, lasting);
            let run = seen(world.collect(&BRISK)).expect(storage_codes(&place, fault, lasting));
            made_good(run.naming(&[fault.words, &[place.at]]), &world)
        });
        cells.push(Cell { verb: "collect", place: place.name, fault: fault.name, lasting, run });
        let served = ["write the lease", "read the state", "write the state", "put an object"];
        if served.contains(&place.name) && SERVED.contains(&fault.name) {
            let spoil = move |world: &World| place.spoil(&world.gcs, fault, lasting);
            let codes = statuses(storage_codes(&place, fault, lasting));
            let run = Box::new(move || serve(spoil, codes, &[fault.words, &[place.at]]));
            cells.push(Cell { verb: "serve /collect", place: place.name, fault: fault.name, lasting, run });
        }
    }
    for (number, (place, _)) in asked().into_iter().enumerate() {
        for (index, Trouble { name: fault, .. }) in troubles().into_iter().enumerate() {
            if (fault == "expired") != (place == "further page") && fault == "expired" {
                continue;
            }
            for lasting in [false, true] {
                let run = Box::new(move || zoom(number, index, lasting));
                cells.push(Cell { verb: "collect", place, fault, lasting, run });
                let run = Box::new(move || zoom_served(number, index, lasting));
                cells.push(Cell { verb: "serve /collect", place, fault, lasting, run });
                if place != "further page" {
                    let run = Box::new(move || zoom_checked(number, index, lasting));
                    cells.push(Cell { verb: "check", place, fault, lasting, run });
                }
            }
        }
    }
    cells.extend(checks());
    cells.extend(states());
    let run = Box::new(bucketless);
    cells.push(Cell { verb: "collect", place: "write the lease", fault: "no bucket", lasting: true, run });
    cells.extend(refusals());
    cells
}

fn spoil(world: &World, place: usize, trouble: &Trouble, lasting: bool) {
    let [token, page, further] = asked().map(|(_, only)| only);
    let only = [token, page, further].into_iter().nth(place).unwrap();
    world.zoom.rule(only, if lasting { When::Always } else { When::Nth(1) }, trouble.act.clone());
}

/// What one strike comes to: nothing where a second try makes sense.
fn codes(place: usize, trouble: &Trouble, lasting: bool) -> &'static [i32] {
    match (place, trouble.name, lasting) {
        // The list of records is nothing that an answer with a token has; all of them are answers without one.
        (0, "no list" | "ill typed" | "error" | "html", true) => &[3],
        (0, "scope" | "role" | "expired" | "401" | "403", _) => &[4],
        (_, "401" | "expired", false) => &[0],
        // Tokens were good for the page before: something else ends them.
        (2, "401", true) => &[75],
        (_, "daily" | "scope" | "role" | "403", _) | (.., true) => trouble.lasting,
        _ => &[0],
    }
}

fn zoom(place: usize, trouble: usize, lasting: bool) -> Seen {
    let (world, trouble) = (world(), troubles().swap_remove(trouble));
    spoil(&world, place, &trouble, lasting);
    let run = world.collect(&BRISK);
    let told = format!("{} {}", run.summary["stopped"], run.said);
    let run = Seen::new(run.code, told).expect(codes(place, &trouble, lasting));
    let at: &[&str] =
        if place == 0 { &["token"] } else { &["operation logs from", "/v2/report/operationlogs"] };
    made_good(run.naming(&[trouble.words, at]), &world)
}

fn statuses(codes: &[i32]) -> &'static [i32] {
    match codes {
        [0] => &[200],
        [4] => &[500],
        [75] | [3] => &[503],
        // 200 where days are parked.
        _ => &[503, 200],
    }
}

fn zoom_served(place: usize, trouble: usize, lasting: bool) -> Seen {
    let trouble = troubles().swap_remove(trouble);
    // Tomorrow is soon enough: nobody is asked to repeat the run.
    let daily = trouble.name == "daily";
    let expected = if daily { &[200] } else { statuses(codes(place, &trouble, lasting)) };
    let at: &[&str] =
        if place == 0 { &["token"] } else { &["operation logs from", "/v2/report/operationlogs"] };
    serve(|world| spoil(world, place, &trouble, lasting), expected, &[trouble.words, at])
}

fn serve(spoil: impl FnOnce(&World), statuses: &[i32], words: &[&[&str]]) -> Seen {
    let world = world().with("COLLECT_FLAGS", "--first-pause 1ms --retries 1");
    spoil(&world);
    let server = Server::start(world.program(&["serve", "--collect"]));
    let answer = server.post("/collect", &[], b"");
    server.wait_for("POST /collect");
    let seen = Seen::new(answer.status.into(), server.said()).expect(statuses).naming(words);
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    let seen = seen.and(&format!("the caller is told where things are: {told}"), !told.contains("://"));
    world.heal();
    let parked = told.contains("\"days_parked\":") && !told.contains("\"days_parked\":0");
    // The same process: it has to let go of what it held.
    let again = server.post("/collect", &[], b"");
    let seen = seen
        .and(&format!("the clean run was answered {}: {}", again.status, server.said()), again.status == 200);
    drop(server);
    if parked {
        world.advance(2 * HOUR);
        world.collect(&BRISK).expect(0);
    }
    seen.and("a clean run does not give each record once", lines(&world) == *undisturbed())
}

fn check(world: &World) -> Run {
    world.tell(&["check", "--retries", "1", "--first-pause", "1ms"])
}

fn checked(spoil: impl FnOnce(&World), codes: &[i32], words: &[&[&str]]) -> Seen {
    let world = world();
    let before = world.gcs.all(BUCKET, "");
    spoil(&world);
    let seen = seen(check(&world)).expect(codes).naming(words);
    let told = seen.code == 0 || seen.said.lines().any(|line| line.starts_with("FAIL"));
    let struck = world.gcs.lock().struck + world.zoom.lock().struck();
    world.heal();
    let again = check(&world);
    seen.and("no line says FAIL", told)
        .and("the fault never struck", struck > 0)
        .and(&format!("a clean check ends with {}: {}", again.code, again.said), again.code == 0)
        .and("something is left behind", world.gcs.all(BUCKET, "") == before)
}

fn zoom_checked(place: usize, trouble: usize, lasting: bool) -> Seen {
    let trouble = troubles().swap_remove(trouble);
    let codes: &[i32] = match codes(place, &trouble, lasting) {
        [0] => &[0],
        [4] => &[4],
        _ => &[3],
    };
    checked(
        |world| spoil(world, place, &trouble, lasting),
        codes,
        &[trouble.words, &["FAIL token", "FAIL scope", "FAIL page", "FAIL role"]],
    )
}

fn checks() -> Vec<Cell> {
    let places = [
        Place::new("read the state", "GET", "state.json", "FAIL state"),
        Place::new("list the data", "LIST", "zoom?", "FAIL bucket"),
        Place::new("write the data", "PUT", PREFIX, "FAIL"),
        Place::new("write the state", "PUT", "collector/", "FAIL"),
    ];
    let mut cells = Vec::new();
    for (place, fault, lasting) in each(&places) {
        let run = Box::new(move || {
            let spoil = |world: &World| place.spoil(&world.gcs, fault, lasting);
            checked(spoil, storage_codes(&place, fault, lasting), &[fault.words, &[place.at]])
        });
        cells.push(Cell { verb: "check", place: place.name, fault: fault.name, lasting, run });
    }
    cells
}

/// `collect status` reads the state and writes nothing.
fn states() -> Vec<Cell> {
    let places = [Place::new("read the state", "GET", "state.json", "collector/state.json")];
    let cells = each(&places).map(|(place, fault, lasting)| {
        let run = Box::new(move || {
            let world = world();
            place.spoil(&world.gcs, fault, lasting);
            let status = world.tell(&["collect", "status", "--retries", "1"]);
            let seen = seen(status).expect(storage_codes(&place, fault, lasting));
            let struck = world.gcs.lock().struck > 0;
            seen.naming(&[fault.words, &[place.at]]).and("the fault never struck", struck)
        });
        Cell { verb: "collect status", place: place.name, fault: fault.name, lasting, run }
    });
    cells.collect::<Vec<_>>()
}

/// The bucket is not there.
fn bucketless() -> Seen {
    let world = world();
    world.gcs.lock().buckets = Some(Vec::new());
    let seen = seen(world.collect(&BRISK)).expect(&[3]);
    let seen = seen.naming(&[&["bucket not found"], &["collector/state.lease"]]);
    let mut state = world.gcs.lock();
    (state.buckets, state.struck) = (None, 1);
    drop(state);
    made_good(seen, &world)
}

/// Nobody listens.
fn refusals() -> Vec<Cell> {
    let nobody = "http://127.0.0.1:9";
    let cases: [(&'static str, &'static str, String, i32, &'static str); 3] = [
        ("token", "ZOOM_TOKEN_URL", format!("{nobody}/oauth/token"), 75, "127.0.0.1:9/oauth/token"),
        ("page", "ZOOM_API_BASE", nobody.into(), 75, "127.0.0.1:9/v2/report"),
        ("read the lease", "STORAGE_EMULATOR_HOST", "127.0.0.1:9".into(), 3, "collector/state.lease"),
    ];
    let cells = cases.into_iter().flat_map(|(place, variable, value, code, at)| {
        let at: &'static [&'static str] = Box::leak(Box::new([at]));
        let checked_at: &'static [&'static str] = &["127.0.0.1:9", "FAIL"];
        [("collect", code, at), ("check", 3, checked_at)].map(|(verb, code, at)| {
            let value = value.clone();
            let run = Box::new(move || {
                let mut world = world();
                let right = world.environment.insert(variable, value);
                let run = if verb == "check" { check(&world) } else { world.collect(&BRISK) };
                let told = format!("{} {}", run.summary["stopped"], run.said);
                let seen = Seen::new(run.code, told).expect(&[code]).naming(&[&["onnect"], at]);
                match right {
                    Some(right) => world.environment.insert(variable, right),
                    None => world.environment.remove(variable),
                };
                let well = world.collect(&BRISK).code == 0;
                seen.and("the clean run failed", well)
                    .and("a clean run does not give each record once", lines(&world) == *undisturbed())
            });
            Cell { verb, place, fault: "refused", lasting: true, run }
        })
    });
    cells.collect()
}
