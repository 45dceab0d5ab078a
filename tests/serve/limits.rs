//! Tests of malicious input: object names that escape a directory, links, terminal control characters, and bodies that
//! are too deep or too large. (`rejects`, `ingest` and `normalize` test decompression bombs and malformed records.)

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::collect::*;
use testkit::files::{gzip, read_files};
use testkit::ingest::{FAST_RETRIES, ingest, program, records};
use testkit::serve::Server;

const AGE: [&str; 2] = ["--max-age", "none"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn object_names_cannot_escape_the_directory() {
    let gcs = Gcs::start();
    let names = [
        "logs/../../../evil.json",
        "logs/..",
        "logs/../..",
        "logs//evil.json",
        "logs//etc/evil.json",
        "logs/./evil.json",
        "logs/a/../../evil.json",
        "logs/..\\..\\evil.json",
        "logs/%2e%2e/evil.json",
        "logs/.zoom-udm-lock",
        "logs/nul\u{1}l.json",
    ];
    for (number, name) in names.into_iter().enumerate() {
        gcs.seed("zoom", name, records(3, number as u64));
    }
    let at = tempfile::tempdir().unwrap();
    let deep = at.path().join("a/b/c");
    let [to, rejects] = ["out", "rejects"].map(|name| deep.join(name));
    let arguments = ["gs://zoom/logs/", "--to", text(&to), "--rejects", text(&rejects)];
    let output = ingest(Some(&gcs), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let all = read_files(at.path());
    let outside: Vec<_> = all.keys().filter(|name| !name.starts_with("a/b/c/out")).collect();
    assert!(outside.is_empty(), "{outside:?}");
    let events = all.iter().filter(|(name, _)| name.starts_with("a/b/c/out/") && name.ends_with(".gz"));
    let count: usize = events.map(|(_, bytes)| gunzip(bytes).lines().count()).sum();
    assert_eq!(count, 3 * names.len());
}

#[test]
fn symlinks_are_read_to_files_but_not_written_through() {
    let at = tempfile::tempdir().unwrap();
    let path = |name: &str| at.path().join(name);
    for name in ["in", "elsewhere/more", "out"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    fs::write(path("elsewhere/file.json"), records(2, 1)).unwrap();
    fs::write(path("elsewhere/more/file.json"), records(5, 2)).unwrap();
    symlink(path("elsewhere/file.json"), path("in/link.json")).unwrap();
    symlink(path("elsewhere/more"), path("in/directory")).unwrap();
    symlink(path("in"), path("in/round")).unwrap();
    symlink(path("nowhere"), path("in/dangling.json")).unwrap();
    let (from, to) = (path("in"), path("out"));
    let arguments = [&[text(&from), "--to", text(&to)], &AGE[..]].concat();
    let output = ingest(None, &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("dangling.json"), "{said}");
    fs::remove_file(path("in/dangling.json")).unwrap();
    let made: Vec<_> =
        read_files(&path("out")).into_iter().filter(|(name, _)| name.ends_with(".gz")).collect();
    assert_eq!((made.len(), gunzip(&made[0].1).lines().count()), (1, 2), "the linked file is read once");
    // An attacker places a link where an output will be written.
    fs::remove_dir_all(path("out.ledger")).unwrap();
    fs::remove_file(path("out").join(&made[0].0)).unwrap();
    symlink(path("target"), path("out").join(&made[0].0)).unwrap();
    let output = ingest(None, &arguments);
    assert_ne!(output.status.code(), Some(0));
    assert!(!path("target").exists(), "it was written through a link");
}

/// Clears the screen, sets the title, changes the text direction, and so on.
const ATTACK: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{7f}\r\u{8}\u{202e}\u{200b}";

#[track_caller]
fn assert_no_control_characters(what: &str, said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    let found = said.chars().find(|c| c.is_control() && *c != '\n' || ('\u{200b}'..='\u{202e}').contains(c));
    assert!(found.is_none(), "{what}: {found:?} in {said:?}");
    assert!(!said.is_empty(), "{what} is empty");
}

#[test]
fn file_names_and_data_cannot_control_the_terminal() {
    let at = tempfile::tempdir().unwrap();
    let source = at.path().join("in");
    fs::create_dir(&source).unwrap();
    let name = format!("{ATTACK}.json");
    fs::write(
        source.join(OsStr::new(&name)),
        format!("{}\n{{\"time\":{}}}\n{ATTACK}\n", records(1, 1), serde_json::json!(ATTACK)),
    )
    .unwrap();
    let run = |arguments: &[&str]| program(None, arguments).output().unwrap();
    let from = text(&source);
    let to = at.path().join("out");
    let normalized = run(&["normalize", from]);
    assert_no_control_characters("the rejects of normalize", &normalized.stderr);
    assert_no_control_characters(
        "a file that is not there",
        &run(&["normalize", &format!("no/{ATTACK}")]).stderr,
    );
    assert_no_control_characters("what explain shows", &run(&["explain", &format!("{from}/{name}")]).stdout);
    let feed = [&["ingest", from, "--to", text(&to)], &AGE[..], &FAST_RETRIES].concat();
    assert_no_control_characters("a dry run", &run(&[&feed[..], &["--dry-run"]].concat()).stdout);
    let ran = run(&feed);
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    let ledger = at.path().join("out.ledger");
    let ledger = text(&ledger);
    assert_no_control_characters("ledger show", &run(&["ledger", "show", ledger]).stdout);
    for file in read_files(&to).keys().filter(|name| name.ends_with(".gz")) {
        fs::remove_file(to.join(file)).unwrap();
    }
    let verified = run(&["ledger", "verify", ledger, "--max-age", "none"]);
    assert_eq!(verified.status.code(), Some(1));
    assert_no_control_characters("ledger verify", &verified.stdout);
    let forgotten = run(&["ledger", "forget", ledger, "**"]);
    assert_no_control_characters("ledger forget", &forgotten.stdout);
    assert!(String::from_utf8_lossy(&forgotten.stdout).contains("forgot"));
}

/// Returns what a program prints to a terminal.
fn on_a_terminal(command: &Command) -> String {
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])"]).arg(command.get_program());
    terminal.args(command.get_args()).env_clear();
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    String::from_utf8_lossy(&terminal.stdin(Stdio::null()).output().unwrap().stdout).into_owned()
}

#[test]
fn json_output_cannot_control_the_terminal() {
    let world = World::new(NOW);
    let message = serde_json::json!({"code": 5001, "message": ATTACK}).to_string();
    world.zoom.add(spread(0, 20, world.now() - 3 * DAY..world.now()));
    world.zoom.rule(RequestFilter::touching("2023-11-14"), When::Always, Act::Answer(404, message));
    let bad = format!("logs/{ATTACK}.json");
    world.gcs.seed("zoom", &bad, gzip(records(9, 1))[..40].to_vec());
    let brisk = ["--retries", "1", "--first-pause", "1ms"];
    let feed =
        ["ingest", "gs://zoom/logs/", "--include", "*.json", "--to", "gs://udm/out/", "--summary", "json"];
    let runs: [&[&str]; 5] = [
        &["normalize", &format!("no/{ATTACK}"), "--summary", "json"],
        &[&["collect", "--since", "3d", "--summary", "json"], &brisk[..]].concat(),
        &[&["collect", "status", "--format", "json"], &brisk[..]].concat(),
        &[&feed[..], &brisk].concat(),
        &[&["ledger", "show", "gs://udm/out.ledger/", "--format", "json"], &brisk[..]].concat(),
    ];
    for run in runs {
        let said = on_a_terminal(&world.program(run));
        // Progress bars use control characters, but none of these.
        let found = said.chars().find(|c| matches!(c, '\u{9b}' | '\u{7f}' | '\u{202e}' | '\u{200b}'));
        assert!(found.is_none(), "{run:?}: {found:?} in {said:?}");
        assert!(said.contains("\\u009b31m\\u007f"), "{run:?} escapes the characters: {said:?}");
    }
}

#[test]
fn zoom_messages_cannot_control_the_terminal() {
    let world = World::new(NOW);
    let message = serde_json::json!({"code": 5001, "message": ATTACK, "errors": [{"field": ATTACK, "message": ATTACK}]});
    world.zoom.add(spread(0, 20, world.now() - 3 * DAY..world.now()));
    world.zoom.rule(
        RequestFilter::touching("2023-11-14"),
        When::Always,
        Act::Answer(404, message.to_string()),
    );
    let run = |arguments: &[&str]| {
        world.program(&[arguments, &["--retries", "1", "--first-pause", "1ms"]].concat()).output().unwrap()
    };
    let collected = run(&["collect", "--since", "3d", "--trace-http"]);
    // The log is JSON, because the output is not a terminal.
    let said = String::from_utf8_lossy(&collected.stderr).into_owned();
    let told: Vec<_> = said.lines().filter(|line| !line.starts_with('{')).collect();
    assert_no_control_characters("collect", told.join("\n").as_bytes());
    let status = run(&["collect", "status"]).stdout;
    assert_no_control_characters("collect status", &status);
    world.zoom.clear_faults();
    world.zoom.pages_fail(When::Always, Act::Answer(404, message.to_string()));
    let check = run(&["check"]).stdout;
    assert_no_control_characters("check", &check);
    assert!(String::from_utf8_lossy(&check).contains("owned"), "Zoom's message is shown");
}

#[test]
fn deep_or_oversized_pushes_are_rejected() {
    let gcs = Gcs::start();
    let mut command = program(Some(&gcs), &["serve", "--ingest", "--normalize", "--log-format", "json"]);
    command.env("INGEST_FROM", "gs://zoom/logs/").env("INGEST_TO", "gs://udm/out/");
    let server = Server::start(command);
    let json = [("Content-Type", "application/json")];
    let before = server.peak();
    for deep in [
        "[".repeat(256 << 10),
        "{\"message\":".repeat(20 << 10),
        format!("{{\"message\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)),
        // Valid JSON, with an empty message apart from the nested value.
        "{\"message\":".repeat(3000) + "1" + &"}".repeat(3000),
        format!("{{\"message\":{{}},\"x\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)),
        // Longer than any push may be.
        "[".repeat(2 << 20),
        "{\"message\":".repeat(100_000),
        format!("{{\"message\":{{\"data\":\"{}\"}}}}, 1", "A".repeat(100)) + &" ".repeat(300_000),
    ] {
        for headers in [&json[..], &[]] {
            let answer = server.post("/ingest", headers, deep.as_bytes());
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
    }
    let long = format!("{{\"message\":{{\"data\":\"{}", "A".repeat(300_000));
    assert_eq!(server.post("/ingest", &json, long.as_bytes()).status, 413);
    let deep = "[{\"a\":".repeat(100_000) + "\n";
    let answer = server.post("/normalize", &[], deep.as_bytes());
    assert_eq!((answer.status, &answer.summary()["events"]), (200, &0.into()));
    assert!(answer.summary()["rejects"].as_u64() > Some(0), "{}", answer.summary());
    assert_eq!(server.post("/explain", &[], deep.as_bytes()).status, 200);
    let large = vec![b' '; 40 << 20];
    assert_eq!(server.post("/ingest", &json, &large).status, 413);
    assert_eq!(server.post("/normalize", &[], &large).status, 413);
    let long = "x".repeat(1 << 20);
    assert!(matches!(server.post("/ingest", &[("X-Long", &long)], b"").status, 0 | 400 | 431));
    assert!(matches!(server.get(&format!("/{long}")).status, 0 | 400 | 414 | 431));
    let grown = server.peak() - before;
    assert!(grown < 150 << 10, "{grown} KiB more");
    assert_eq!(server.post("/normalize", &[], records(2, 1).as_bytes()).status, 200);
    assert_no_control_characters("the log", server.said().as_bytes());
}
