//! Files and pipes from outside: what is left behind when all is well, when it is not, and when somebody hangs up.

#![cfg(unix)]

mod common;

use common::{directory, record, text, zoom_udm};
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("it can be listed");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn an_output_file_holds_what_standard_output_would() {
    let files = directory(&[("out", b"old")]);
    let out = files.path().join("out");
    let input = format!("{}\n{}\n", record("a"), record("b"));
    let plain = zoom_udm().arg("normalize").write_stdin(input.as_str()).output().expect("it runs").stdout;
    zoom_udm().args(["normalize", "-o", text(&out)]).write_stdin(input).assert().code(0).stdout("");
    assert_eq!(std::fs::read(&out).expect("it is there"), plain);
    assert_eq!(names(files.path()), ["out"]);
}

#[test]
fn a_failed_run_leaves_the_old_file_and_no_half_one() {
    let files = directory(&[("out", b"old")]);
    let [out, new] = ["out", "new"].map(|name| files.path().join(name));
    for file in [&out, &new] {
        zoom_udm()
            .args(["normalize", "-", "no/such/file", "-o", text(file)])
            .write_stdin(record("a"))
            .assert()
            .code(3);
        zoom_udm()
            .args(["normalize", "--strict", "-o", text(file)])
            .write_stdin(format!("{}\n5\n", record("a")))
            .assert()
            .code(1);
    }
    assert_eq!(std::fs::read(&out).expect("it is there"), b"old");
    assert_eq!(names(files.path()), ["out"]);
}

#[test]
fn a_failed_run_keeps_what_was_refused() {
    let files = directory(&[]);
    let [out, rejects] = ["out", "rejects"].map(|name| files.path().join(name));
    let arguments = ["normalize", "-", "no/such/file", "-o", text(&out), "--rejects", text(&rejects)];
    zoom_udm().args(arguments).write_stdin("5\n").assert().code(3);
    assert_eq!(names(files.path()), ["rejects"]);
    assert!(std::fs::read_to_string(&rejects).expect("it is there").contains("\"raw\":\"5\""));
}

#[test]
fn rejects_are_kept_beside_events_on_standard_output_whatever_fails() {
    let files = directory(&[]);
    let rejects = files.path().join("rejects");
    zoom_udm()
        .args(["normalize", "-", "no/such/file", "--rejects", text(&rejects)])
        .write_stdin("5\n")
        .assert()
        .code(3);
    assert!(
        std::fs::read_to_string(&rejects).is_ok_and(|rejects| rejects.contains("\"raw\":\"5\"")),
        "{:?}",
        names(files.path())
    );
}

#[test]
fn a_new_file_has_the_mode_that_the_umask_leaves_and_an_old_one_keeps_its_own() {
    let files = directory(&[("old", b"old")]);
    let [old, new] = ["old", "new"].map(|name| files.path().join(name));
    std::fs::set_permissions(&old, Permissions::from_mode(0o600)).expect("it is ours");
    for file in [&old, &new] {
        let script = "umask 027; exec \"$0\" normalize -o \"$1\"";
        let mut command = assert_cmd::Command::new("sh");
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_zoom-udm"), text(file)])
            .write_stdin(record("a"))
            .assert()
            .code(0);
    }
    assert_eq!((mode(&old), mode(&new)), (0o600, 0o640));
}

#[test]
fn an_output_that_is_no_file_is_written_as_it_is() {
    zoom_udm().args(["normalize", "-o", "/dev/null"]).write_stdin(record("a")).assert().code(0);
    assert!(!Path::new("/dev/null").metadata().expect("it is there").is_file());
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let mut child = start(&["normalize", "--summary", "none"]);
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let line = format!("{}\n", record("again and again"));
    stdin.write_all(line.as_bytes()).expect("it reads");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    stdout.read_line(&mut first).expect("it writes");
    assert!(first.contains("again and again"));
    drop(stdout);
    // It notices with the next event, and then stops reading.
    while stdin.write_all(line.as_bytes()).is_ok() {}
    assert_eq!((code(&mut child), stderr(&mut child)), (Some(0), String::new()));
}

#[test]
fn an_event_comes_as_soon_as_its_line_does() {
    let mut child = start(&["normalize", "--summary", "none"]);
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
    for detail in ["one", "two", "three"] {
        stdin.write_all(format!("{}\n", record(detail)).as_bytes()).expect("it reads");
        let mut event = String::new();
        stdout.read_line(&mut event).expect("it writes");
        assert!(event.contains(&format!("\"description\":\"{detail}\"")), "{event}");
    }
    drop(stdin);
    assert_eq!(code(&mut child), Some(0));
}

#[test]
fn a_signal_on_an_idle_pipe_ends_it_and_leaves_nothing_but_rejects() {
    for signal in ["INT", "TERM"] {
        let files = directory(&[]);
        let [out, rejects] = ["out", "rejects"].map(|name| files.path().join(name));
        let mut child = start(&["normalize", "-o", text(&out), "--rejects", text(&rejects)]);
        // Held open: nothing more comes, and no end of it either.
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(b"5\n").expect("it reads");
        // What was refused is written: the files in the making are there, and it waits for more.
        let written = |name: &String| files.path().join(name).metadata().is_ok_and(|meta| meta.len() > 0);
        until(|| names(files.path()).iter().any(written));
        kill(&child, signal);
        assert_eq!(code(&mut child), Some(75), "{signal}");
        assert_eq!(names(files.path()), ["rejects"], "{signal}");
        assert!(std::fs::read_to_string(&rejects).expect("it is there").contains("\"raw\":\"5\""));
        let said = stderr(&mut child);
        assert!(said.contains("stopped by a signal") || said.contains("left as it was"), "{said}");
        drop(stdin);
    }
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// Waits for something that another process is about to do.
fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it did not happen within a minute");
        std::thread::yield_now();
    }
}

/// What it exits with; `None` where a signal ended it.
fn code(child: &mut Child) -> Option<i32> {
    child.wait().expect("it ends").code()
}

fn stderr(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.take().expect("it is a pipe").read_to_string(&mut said).expect("it is text");
    said
}
