//! Tests of slow inputs, readers that disconnect early, and non-blocking streams.

#![cfg(unix)]

use std::io::{BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::files::{directory, text};
use testkit::normalize::record;

/// The time limit for any wait.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(arguments: &[&str]) -> Child {
    program(arguments).spawn().expect("the program starts")
}

/// Waits until a condition on another process holds.
fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "timed out");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Returns the next line of a child. Kills the child if it prints nothing in time.
fn line(child: &Child, out: &mut impl std::io::BufRead) -> String {
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let pid = child.id().to_string();
    let watch = std::thread::spawn(move || {
        if waiting.recv_timeout(TEST_TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let mut line = String::new();
    out.read_line(&mut line).expect("valid UTF-8");
    drop(done);
    watch.join().expect("the thread ends");
    line
}

#[test]
fn live_input_flushes_partial_requests() {
    for format in [&["--format", "import"][..], &["--format", "batch-create", "--customer-id", "c"]] {
        let mut child = start(&[&["normalize", "--summary", "none"], format].concat());
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        for details in [&["one", "two"][..], &["three"]] {
            let lines: String = details.iter().map(|detail| record(detail) + "\n").collect();
            stdin.write_all(lines.as_bytes()).expect("stdin is read");
            // The input stays open, so the request is not caused by its end.
            let request = line(&child, &mut stdout);
            assert!(details.iter().all(|detail| request.contains(detail)), "{format:?}: {request:?}");
            assert_eq!(request.matches("eventTimestamp").count(), details.len(), "{request}");
        }
        drop(stdin);
        assert_eq!(line(&child, &mut stdout), "");
        assert!(child.wait().expect("the program exits").success());
    }
}

#[test]
fn named_pipe_is_read_incrementally() {
    let files = directory(&[]);
    let pipe = files.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("the program runs").success());
    let mut child = start(&["normalize", text(&pipe), "--format", "import"]);
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("the pipe has a reader");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    writer.write_all((record("one") + "\n").as_bytes()).expect("the pipe is read");
    assert!(line(&child, &mut stdout).contains("one"));
    drop(writer);
    assert!(child.wait().expect("the program exits").success());
}

#[test]
fn file_input_fills_requests() {
    let input = (record("x") + "\n").repeat(2500);
    let files = directory(&[("in", input.as_bytes())]);
    let file = std::fs::File::open(files.path().join("in")).expect("the file exists");
    let output = program(&["normalize", "--format", "import"]).stdin(file).output().expect("it runs");
    let events = |line: &str| line.matches("eventTimestamp").count();
    let requests: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(events).collect();
    assert_eq!(requests, [1000, 1000, 500]);
}

#[test]
fn live_rejects_are_visible_at_once() {
    let files = directory(&[("old", b"of before\n"), ("empty", b"")]);
    for (name, shown) in [("new", "new"), ("empty", "empty"), ("old", "old.partial")] {
        let [rejects, shown] = [name, shown].map(|name| files.path().join(name));
        let mut child = start(&["normalize", "--rejects", text(&rejects)]);
        let mut stdin = child.stdin.take().expect("stdin is piped");
        for raw in ["5", "6"] {
            stdin.write_all(format!("{raw}\n").as_bytes()).expect("stdin is read");
            until(|| content(&shown).contains(&format!("\"raw\":\"{raw}\"}}\n")));
        }
        assert_eq!(content(&files.path().join("old")), "of before\n");
        drop(stdin);
        assert_eq!(child.wait().expect("the program exits").code(), Some(1));
        assert_eq!(content(&rejects).lines().count(), 2, "{name}");
        if name == "old" {
            return assert!(!shown.exists());
        }
    }
}

#[test]
fn partial_run_does_not_replace_rejects() {
    let good = (record("a") + "\n").repeat(20_000);
    let many = format!("bad\n{good}bad\n");
    for input in ["many", "< many", "- < many"] {
        let files = directory(&[("many", many.as_bytes()), ("r", b"of before\n")]);
        let script =
            format!("\"$0\" normalize {input} --rejects r --threads 1 | head -n 1; exit ${{PIPESTATUS[0]}}");
        let run = |script: &str| {
            let mut command = Command::new("bash");
            command.args(["-c", script, env!("CARGO_BIN_EXE_zoom-udm")]).current_dir(files.path());
            command.stdin(Stdio::null()).output().expect("the program runs")
        };
        let output = run(&script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("r was left unchanged") && said.contains("r.partial"), "{said}");
        assert_eq!(content(&files.path().join("r")), "of before\n");
        assert_eq!(content(&files.path().join("r.partial")).lines().count(), 1);
        // The whole input is read.
        assert_eq!(run(&format!("\"$0\" normalize {input} --rejects r > all")).status.code(), Some(1));
        assert_eq!(content(&files.path().join("r")).lines().count(), 2);
        // Without an older file there is nothing to keep.
        let output = run(&script.replace("--rejects r", "--rejects new"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("new is incomplete, because the input was not read to its end"), "{said}");
        assert_eq!(content(&files.path().join("new")).lines().count(), 1);
    }
}

#[test]
fn signal_keeps_old_and_new_rejects() {
    let files = directory(&[("r", b"of before\n")]);
    let [rejects, partial] = ["r", "r.partial"].map(|name| files.path().join(name));
    let mut child = start(&["normalize", "--rejects", text(&rejects)]);
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(b"5\n").expect("stdin is read");
    until(|| content(&partial).ends_with('\n'));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    assert_eq!(child.wait().expect("the program exits").code(), Some(75));
    assert_eq!(content(&rejects), "of before\n");
    assert!(content(&partial).contains("\"raw\":\"5\""));
    drop(stdin);
}

#[test]
fn failed_run_reports_that_output_is_unchanged() {
    let files = directory(&[("in", "bad\n".repeat(20_000).as_bytes()), ("out", b"of before\n")]);
    let script = "exec \"$0\" normalize in -o out --rejects >(head -c 10 > /dev/null)";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_zoom-udm")]).current_dir(files.path());
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("out was left unchanged"), "{said}");
    assert_eq!(content(&files.path().join("out")), "of before\n");
}

/// Returns a connected pair of streams. The end for the child is non-blocking.
fn non_blocking() -> (UnixStream, Stdio) {
    let (ours, its) = UnixStream::pair().expect("a socket pair can be created");
    its.set_nonblocking(true).expect("the stream can be non-blocking");
    (ours, OwnedFd::from(its).into())
}

#[test]
fn non_blocking_input_is_waited_for() {
    let (mut ours, its) = non_blocking();
    let mut command = program(&["normalize", "--summary", "none"]);
    let mut child = command.stdin(its).spawn().expect("the program starts");
    drop(command);
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    for detail in ["one", "two"] {
        std::thread::sleep(Duration::from_millis(200));
        ours.write_all((record(detail) + "\n").as_bytes()).expect("the stream is read");
        assert!(line(&child, &mut stdout).contains(detail));
    }
    drop(ours);
    assert!(child.wait().expect("the program exits").success());
}

#[test]
fn non_blocking_output_is_waited_for() {
    let records = (record("x") + "\n").repeat(5000);
    let bad = format!("{}\n", "x".repeat(200)).repeat(5000);
    let files = directory(&[("d/good.json", records.as_bytes()), ("bad", bad.as_bytes())]);
    let [good, bad, out] = ["d/good.json", "bad", "out"].map(|name| files.path().join(name));
    let source = files.path().join("d");
    for (arguments, code) in [
        (&["normalize", text(&good)][..], 0),
        (&["normalize", text(&bad), "-o", text(&out), "--rejects", "-"], 1),
        (&["explain", "--format", "json", text(&good)], 0),
        (&["ingest", text(&source), "--to", "-", "--no-ledger", "--max-age", "none"], 0),
    ] {
        let (mut ours, its) = non_blocking();
        let mut command = program(arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(its).stderr(Stdio::null()).spawn().expect("it starts");
        drop(command);
        // By now the child has filled the buffers of the stream.
        std::thread::sleep(Duration::from_millis(500));
        let mut all = String::new();
        ours.read_to_string(&mut all).expect("valid UTF-8");
        assert_eq!(
            (child.wait().expect("the program exits").code(), all.lines().count()),
            (Some(code), 5000),
            "{arguments:?}"
        );
    }
}

#[test]
fn non_blocking_stderr_is_waited_for() {
    let bad = format!("{}\n", "x".repeat(200)).repeat(5000);
    let files = directory(&[("bad", bad.as_bytes())]);
    let bad = files.path().join("bad");
    let (mut ours, its) = non_blocking();
    let mut command = program(&["normalize", text(&bad), "--rejects", "/dev/stderr"]);
    let mut child = command.stdin(Stdio::null()).stderr(its).spawn().expect("the program starts");
    drop(command);
    std::thread::sleep(Duration::from_millis(500));
    let mut all = String::new();
    ours.read_to_string(&mut all).expect("valid UTF-8");
    assert_eq!(child.wait().expect("the program exits").code(), Some(1));
    assert_eq!(all.matches("\"reason\":\"not_json\"").count(), 5000);
    assert!(all.lines().last().is_some_and(|line| line.starts_with("zoom-udm: ")), "the summary is printed");
}
