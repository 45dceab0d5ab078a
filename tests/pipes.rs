//! Tests of output files and pipes: what remains after success, after a failure, and after a reader or writer
//! disconnects.

#![cfg(unix)]

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::files::{directory, text};
use testkit::normalize::{record, zoom_udm};
use testkit::unprivileged::{as_unprivileged, can_run_unprivileged};

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("the directory is readable");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("the entry is readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("the file exists").permissions().mode() & 0o7777
}

#[test]
fn output_file_equals_standard_output() {
    let files = directory(&[("out", b"old")]);
    let out = files.path().join("out");
    let input = format!("{}\n{}\n", record("a"), record("b"));
    let plain = zoom_udm().arg("normalize").write_stdin(input.as_str()).output().expect("it runs").stdout;
    zoom_udm().args(["normalize", "-o", text(&out)]).write_stdin(input).assert().code(0).stdout("");
    assert_eq!(std::fs::read(&out).expect("the file exists"), plain);
    assert_eq!(names(files.path()), ["out"]);
}

#[test]
fn failed_run_keeps_the_old_output_file() {
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
    assert_eq!(std::fs::read(&out).expect("the file exists"), b"old");
    assert_eq!(names(files.path()), ["out"]);
}

#[test]
fn failed_run_keeps_the_rejects() {
    let files = directory(&[]);
    let [out, rejects] = ["out", "rejects"].map(|name| files.path().join(name));
    let arguments = ["normalize", "-", "no/such/file", "-o", text(&out), "--rejects", text(&rejects)];
    zoom_udm().args(arguments).write_stdin("5\n").assert().code(3);
    assert_eq!(names(files.path()), ["rejects"]);
    assert!(std::fs::read_to_string(&rejects).expect("the file exists").contains("\"raw\":\"5\""));
}

#[test]
fn rejects_are_kept_if_an_input_fails() {
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
fn new_output_uses_umask_and_old_keeps_its_mode() {
    let files = directory(&[("old", b"old")]);
    let [old, new] = ["old", "new"].map(|name| files.path().join(name));
    std::fs::set_permissions(&old, Permissions::from_mode(0o600)).expect("the mode can be changed");
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
fn replaced_output_keeps_its_owner() {
    let files = directory(&[("old", b"old")]);
    let old = files.path().join("old");
    // Only root can change the owner of a file.
    if std::os::unix::fs::chown(&old, Some(12345), Some(23456)).is_ok() {
        zoom_udm().args(["normalize", "-o", text(&old)]).write_stdin(record("a")).assert().code(0);
        let meta = old.metadata().expect("the file exists");
        assert_eq!((meta.uid(), meta.gid()), (12345, 23456));
    }
}

#[test]
fn output_named_like_a_directory_is_rejected() {
    let files = directory(&[("old", b"old")]);
    for name in ["new/", "old/"] {
        let (code, said) = shell(files.path(), &format!("exec \"$0\" normalize -o {name}"));
        assert!(code == 3 && said.contains(name) && said.contains("name a file"), "{said}");
    }
    assert_eq!(names(files.path()), ["old"]);
}

#[test]
fn standard_output_that_is_an_input_is_refused() {
    let line = record("a") + "\n";
    for script in [
        "normalize a b --default-time now >> a",
        "normalize . --include '*' > a",
        "normalize b - < a >> a",
        "normalize a b --rejects - -o ev >> a",
        "normalize --from-rejects - --rejects - -o ev < r >> r",
        "explain a >> a",
        "explain - < a 1<> a",
        "normalize a -o /dev/stdout 1<> a",
        "normalize a -o /proc/self/fd/5 5<> a",
        "normalize a --rejects /dev/stderr -o ev 2>> a",
        "normalize b --rejects /dev/fd/5 -o ev 5<> b",
    ] {
        let reject = br#"{"input":"-","line":1,"offset":0,"reason":"not_object","message":"","raw":"5"}"#;
        let files =
            directory(&[("a", b"5\n"), ("b", line.as_bytes()), ("r", &[reject, &b"\n"[..]].concat())]);
        let (code, said) = shell(files.path(), &format!("ulimit -f 2000; exec \"$0\" {script}"));
        assert_eq!(code, 2, "{script}: {said}");
        assert!(said.contains("is one of the inputs") || script.contains("2>>"), "{script}: {said}");
        assert!(!files.path().join("ev").exists(), "{script}: nothing is read");
        assert_eq!(lines(&files.path().join("b")), 1, "{script}");
    }
}

#[test]
fn run_that_reads_nothing_keeps_old_rejects() {
    let files = directory(&[("bad", b"5\n"), ("good", record("a").as_bytes())]);
    let run = |arguments: &str| {
        let (code, _) = shell(files.path(), &format!("exec \"$0\" normalize {arguments} --rejects r -o ev"));
        (code, lines(&files.path().join("r")))
    };
    assert_eq!(run("bad"), (1, 1));
    assert_eq!(run("nosuch"), (3, 1));
    assert_eq!(run("nosuch good"), (3, 1));
    assert_eq!((run("nosuch bad bad"), lines(&files.path().join("r.partial"))), ((3, 1), 2));
    // The input was read completely and has no rejects, so the file becomes empty.
    assert_eq!(run("good"), (0, 0));
}

#[test]
fn full_output_device_is_reported() {
    let files = directory(&[("a", record("a").as_bytes())]);
    for (arguments, part) in [
        ("--help > /dev/full", ""),
        ("--version > /dev/full", ""),
        ("normalize a > /dev/full", "standard output"),
        ("normalize a -o /dev/full", "/dev/full"),
    ] {
        let (code, said) = shell(files.path(), &format!("exec \"$0\" {arguments}"));
        assert_eq!(code, 3, "{arguments}: {said}");
        assert!(said.contains("No space left") && said.contains(part), "{arguments}: {said}");
    }
}

#[test]
fn non_regular_output_is_written_directly() {
    zoom_udm().args(["normalize", "-o", "/dev/null"]).write_stdin(record("a")).assert().code(0);
    assert!(!Path::new("/dev/null").metadata().expect("the file exists").is_file());
}

#[test]
fn closed_stdout_is_not_an_error() {
    let mut child = start(&["normalize", "--summary", "none"]);
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let line = format!("{}\n", record("again and again"));
    stdin.write_all(line.as_bytes()).expect("stdin is read");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut first).expect("stdout is readable");
    assert!(first.contains("again and again"));
    drop(stdout);
    // The program notices the closed pipe at the next event, and stops reading.
    while stdin.write_all(line.as_bytes()).is_ok() {}
    assert_eq!((code(&mut child), stderr(&mut child)), (Some(0), String::new()));
}

#[test]
fn event_is_written_as_soon_as_its_line_arrives() {
    let mut child = start(&["normalize", "--summary", "none"]);
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    for detail in ["one", "two", "three"] {
        stdin.write_all(format!("{}\n", record(detail)).as_bytes()).expect("stdin is read");
        let mut event = String::new();
        stdout.read_line(&mut event).expect("stdout is readable");
        assert!(event.contains(&format!("\"description\":\"{detail}\"")), "{event}");
    }
    drop(stdin);
    assert_eq!(code(&mut child), Some(0));
}

#[test]
fn signal_on_an_idle_pipe_leaves_only_rejects() {
    for signal in ["INT", "TERM"] {
        let files = directory(&[]);
        let [out, rejects] = ["out", "rejects"].map(|name| files.path().join(name));
        let mut child = start(&["normalize", "-o", text(&out), "--rejects", text(&rejects)]);
        // The input stays open, and no more data arrives.
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(b"5\n").expect("stdin is read");
        // The reject is written: the temporary files exist, and the program waits for input.
        let written = |name: &String| files.path().join(name).metadata().is_ok_and(|meta| meta.len() > 0);
        until(|| names(files.path()).iter().any(written));
        kill(&child, signal);
        assert_eq!(code(&mut child), Some(75), "{signal}");
        assert_eq!(names(files.path()), ["rejects"], "{signal}");
        assert!(std::fs::read_to_string(&rejects).expect("the file exists").contains("\"raw\":\"5\""));
        let said = stderr(&mut child);
        assert!(said.contains("stopped by a signal") || said.contains("left unchanged"), "{said}");
        drop(stdin);
    }
}

#[test]
fn signal_before_first_reject_keeps_old_rejects() {
    let files = directory(&[("r", b"of before\n")]);
    let rejects = files.path().join("r");
    let mut child = start(&["normalize", "--rejects", text(&rejects)]);
    // The input must stay open. `wait` closes it, and after the end of the input the program exits with 0.
    let stdin = child.stdin.take().expect("stdin is piped");
    until(|| names(files.path()).len() == 2);
    kill(&child, "TERM");
    assert_eq!(code(&mut child), Some(75));
    drop(stdin);
    assert_eq!(names(files.path()), ["r"]);
    assert_eq!(std::fs::read(&rejects).expect("the file exists"), b"of before\n");
}

#[test]
fn signal_after_completion_keeps_the_exit_code() {
    let files = directory(&[("a", record("a").as_bytes())]);
    let out = files.path().join("out");
    // The pipe of its stderr is full, so the program blocks after it has put its output in place. (The tests of the
    // signal handler cover the handler; there, both would wait for the same pipe.)
    let (mut said, mut full) = std::io::pipe().expect("a pipe can be created");
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    command.args(["normalize", text(&files.path().join("a")), "-o", text(&out)]);
    let stderr = full.try_clone().expect("the pipe can be cloned");
    let filling =
        std::thread::spawn(move || std::io::copy(&mut std::io::repeat(b'.').take(4 << 20), &mut full));
    std::thread::sleep(Duration::from_millis(100));
    let mut child = command.stdin(Stdio::null()).stderr(stderr).spawn().expect("the program starts");
    drop(command);
    until(|| out.exists());
    kill(&child, "TERM");
    // Longer than the program waits.
    std::thread::sleep(Duration::from_millis(800));
    std::io::copy(&mut said, &mut std::io::sink()).expect("the pipe is readable");
    assert_eq!((code(&mut child), lines(&out)), (Some(0), 1));
    assert_eq!(filling.join().expect("the thread ends").ok(), Some(4 << 20));
}

#[test]
fn read_only_output_is_not_replaced() {
    if !can_run_unprivileged() {
        return;
    }
    let files = directory(&[("old", b"old"), ("in", record("a").as_bytes())]);
    let old = files.path().join("old");
    // The directory is writable, only the file is not.
    for (path, mode) in [(files.path(), 0o777), (&old, 0o444)] {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode can be changed");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    as_unprivileged(command.args(["normalize", "-o", "old", "in"]).current_dir(&files));
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&old).expect("the file exists"), b"old");
    assert_eq!(names(files.path()), ["in", "old"]);
}

/// Runs a bash script in a directory, with the program as `$0`. Returns the exit code and stderr.
fn shell(directory: &Path, script: &str) -> (i32, String) {
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_zoom-udm")]).current_dir(directory).stdin(Stdio::null());
    let output = command.env_remove("ZOOM_UDM_NOW").output().expect("the program runs");
    (output.status.code().expect("no signal ended it"), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn replay_replaces_rejects_only_after_a_full_read() {
    let files = directory(&[("in", b"{\"action\":\"a\"}\nbad\nworse\n"), ("spoiled", b"")]);
    let at = files.path();
    let rejects = at.join("r");
    assert_eq!(shell(at, "exec \"$0\" normalize in --rejects r").0, 1);
    let strict = shell(at, "exec \"$0\" normalize --from-rejects r --rejects r --strict");
    assert_eq!((strict.0, lines(&rejects)), (1, 3), "{}", strict.1);
    assert!(strict.1.contains("r was left unchanged, because it was not read completely"), "{}", strict.1);
    let hung_up =
        "ln -s r link; exec \"$0\" normalize --from-rejects r --rejects link --default-time now > /dev/full";
    assert_eq!((shell(at, hung_up).0, lines(&rejects)), (3, 3));
    let mended = shell(at, "exec \"$0\" normalize --from-rejects r --rejects r --default-time now");
    assert_eq!((mended.0, lines(&rejects)), (1, 2), "{}", mended.1);
    assert_eq!(shell(at, "(head -1 r; echo damaged; tail -1 r) > r2; mv r2 r").0, 0);
    let damaged = shell(at, "exec \"$0\" normalize --from-rejects r --rejects r");
    assert_eq!((damaged.0, lines(&rejects)), (3, 3), "{}", damaged.1);
}

#[test]
fn signal_during_replay_keeps_the_rejects_file() {
    let files = directory(&[("in", "{\"action\":\"again and again\"}\n".repeat(5000).as_bytes())]);
    let rejects = files.path().join("r");
    assert_eq!(shell(files.path(), "exec \"$0\" normalize in --rejects r").0, 1);
    let mut child = start(&[
        "normalize",
        "--from-rejects",
        text(&rejects),
        "--rejects",
        text(&rejects),
        "--default-time",
        "now",
    ]);
    // No reader: the program blocks once the pipe is full.
    until(|| names(files.path()).len() == 3);
    kill(&child, "TERM");
    assert_eq!(code(&mut child), Some(75));
    assert_eq!((names(files.path()).len(), lines(&rejects)), (2, 5000));
}

#[test]
fn output_that_is_another_output_is_rejected() {
    let content = format!("{}\nbad\n", record("a"));
    let files = directory(&[("f", content.as_bytes()), ("d/f.json", content.as_bytes()), ("old", b"old")]);
    let at = files.path();
    std::os::unix::fs::symlink("f", at.join("link")).expect("the link can be created");
    for arguments in [
        "f -o X --rejects X",
        "f -o X --rejects d/../X",
        "f -o old --rejects old",
        "f --rejects old > old",
        "f -o old --rejects /dev/stdout >> old",
        "f --rejects - | cat; exit ${PIPESTATUS[0]}",
        "f --rejects f",
        "link --rejects f",
        "f --rejects link",
        "--rejects f < f",
        "d --rejects d/f.json",
        "'d/*' --rejects d/f.json",
    ] {
        let (code, said) = shell(at, &format!("\"$0\" normalize {arguments}"));
        assert_eq!(code, 2, "{arguments}: {said}");
        assert!(said.contains("--rejects"), "{said}");
    }
    for file in ["f", "d/f.json"] {
        assert_eq!(std::fs::read_to_string(at.join(file)).expect("the file exists"), content);
    }
    assert_eq!(names(at), ["d", "f", "link", "old"]);
    assert_eq!(shell(at, "exec \"$0\" normalize f -o /dev/null --rejects /dev/null").0, 1);
}

#[test]
fn output_over_an_input_is_rejected() {
    let content = record("a") + "\n";
    let files = directory(&[("f", content.as_bytes()), ("d/f.json", content.as_bytes()), ("d/e/x", b"")]);
    let at = files.path();
    std::os::unix::fs::symlink("f", at.join("link")).expect("the link can be created");
    std::fs::hard_link(at.join("f"), at.join("hard")).expect("the link can be created");
    let reject = r#"{"input":"-","line":1,"offset":0,"reason":"not_json","message":"","raw":"5"}"#;
    std::fs::write(at.join("rejects"), reject).expect("the file is writable");
    for (arguments, said) in [
        ("f -o f", "is one of the inputs"),
        ("f -o ./d/../f", "is one of the inputs"),
        ("f -o link", "is one of the inputs"),
        ("link -o f", "is one of the inputs"),
        ("f -o hard", "is one of the inputs"),
        ("f --rejects hard", "is one of the inputs"),
        ("- -o f < f", "is one of the inputs"),
        ("d -o d/f.json", "is one of the inputs"),
        ("'*/*.json' -o d/f.json", "is one of the inputs"),
        ("--from-rejects rejects -o rejects", "is one of the inputs"),
        // The file does not exist yet, but the next run would read it.
        ("d -o d/new.json", "would become an input of the next run"),
        ("d --rejects d/e/new.json.gz", "would become an input of the next run"),
        ("'d/*' -o d/new", "would become an input of the next run"),
        ("'d/*' -o d/e/new.json", "would become an input of the next run"),
        ("'d/**' -o d/e/new", "would become an input of the next run"),
    ] {
        let (code, told) = shell(at, &format!("\"$0\" normalize {arguments}"));
        assert!(code == 2 && told.contains(said), "{arguments}: {code}, {told}");
    }
    for file in ["f", "d/f.json", "hard"] {
        assert_eq!(std::fs::read_to_string(at.join(file)).expect("the file exists"), content);
    }
    for allowed in [
        "d -o d/new.udm",
        "d -o d/.new.json",
        "d --exclude new.json -o d/new.json",
        "'d/f*.json' -o d/new.ndjson",
        "f -o new.json",
    ] {
        let (code, told) = shell(at, &format!("\"$0\" normalize {allowed}"));
        assert_eq!(code, 0, "{allowed}: {told}");
    }
}

#[cfg(feature = "cloud")]
#[test]
fn output_over_ingest_or_collect_source_is_rejected() {
    let files = directory(&[("d/f.json", record("a").as_bytes()), ("d/old", b""), ("secret", b"s")]);
    let at = files.path();
    let zoom = "export ZOOM_ACCOUNT_ID=a ZOOM_CLIENT_ID=b ZOOM_CLIENT_SECRET_FILE=secret; ";
    for (script, said) in [
        ("\"$0\" ingest d --to - --no-ledger > d/new", "inside the source"),
        ("\"$0\" ingest d --to - --no-ledger >> d/old", "inside the source"),
        ("\"$0\" ingest d --to d", "contains the source"),
        ("\"$0\" ingest d --to .", "contains the source"),
        (&format!("{zoom} \"$0\" collect --to d --metrics d/m.prom"), "--metrics d/m.prom is inside"),
        (&format!("{zoom} \"$0\" collect --to d --metrics d.state"), "--metrics d.state is inside"),
        (
            &format!("{zoom} \"$0\" collect --to d --metrics secret"),
            "the file set by ZOOM_CLIENT_SECRET_FILE",
        ),
    ] {
        let (code, told) = shell(at, script);
        assert!(code == 2 && told.contains(said), "{script}: {code}, {told}");
    }
    assert_eq!(std::fs::read(at.join("secret")).expect("the file exists"), b"s");
    assert_eq!(shell(at, "exec \"$0\" ingest d --to - --no-ledger --max-age none > out").0, 0);
}

#[test]
fn closed_rejects_pipe_is_an_error() {
    let files = directory(&[("many", "bad\n".repeat(20_000).as_bytes())]);
    let (code, said) =
        shell(files.path(), "exec \"$0\" normalize many -o out --rejects >(head -c 10 > /dev/null)");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("writing rejects failed"), "{said}");
    assert_eq!(names(files.path()), ["many"]);
}

#[test]
fn rejects_are_kept_if_event_output_fails() {
    let good = format!("{}\n", record("a"));
    let many = format!("bad\n{}bad\n", good.repeat(20_000));
    let files = directory(&[("mixed", format!("{good}bad\n").as_bytes()), ("many", many.as_bytes())]);
    let full = shell(files.path(), "exec \"$0\" normalize mixed --rejects full > /dev/full");
    assert_eq!((full.0, lines(&files.path().join("full"))), (3, 1), "{}", full.1);
    let enough = shell(
        files.path(),
        "\"$0\" normalize many --rejects enough --threads 1 | head -c 10 > /dev/null; exit ${PIPESTATUS[0]}",
    );
    assert_eq!((enough.0, lines(&files.path().join("enough"))), (0, 1), "{}", enough.1);
}

#[test]
fn long_reject_is_written_whole_or_not_at_all() {
    let long = format!("{}\n{}\n", "x".repeat(3_000_000), record("a"));
    let files = directory(&[("long", long.as_bytes())]);
    let strict = "exec \"$0\" normalize long --max-line-bytes 1000 --strict --rejects r --threads ";
    for threads in ["1", "4"] {
        assert_eq!(shell(files.path(), &format!("{strict}{threads}")).0, 1);
        let again = shell(files.path(), "exec \"$0\" normalize --from-rejects r --max-line-bytes 4000000");
        assert_eq!(again.0, 1, "{}", again.1);
    }
}

#[test]
fn signal_truncates_rejects_after_the_last_complete() {
    let files = directory(&[]);
    let rejects = files.path().join("r");
    let mut child = start(&["normalize", "--max-line-bytes", "1000", "--rejects", text(&rejects)]);
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(b"bad\n").and_then(|()| stdin.write_all(&vec![b'x'; 100_000])).expect("stdin is read");
    let long = |name: &String| files.path().join(name).metadata().is_ok_and(|meta| meta.len() > 50_000);
    until(|| names(files.path()).iter().any(long));
    kill(&child, "TERM");
    assert_eq!(code(&mut child), Some(75));
    let kept = std::fs::read_to_string(&rejects).expect("the file exists");
    assert!(kept.ends_with("\"raw\":\"bad\"}\n") && kept.lines().count() == 1, "{}", kept.len());
    let said = stderr(&mut child);
    assert!(said.contains("r: removed an incomplete last line"), "{said}");
    drop(stdin);
}

#[test]
fn symlink_to_a_stream_is_written_directly() {
    let files = directory(&[("f", format!("{}\nbad\n", record("a")).as_bytes())]);
    let at = files.path();
    std::fs::create_dir(at.join("d")).expect("the directory can be created");
    for (name, number) in [("stdout", 1), ("stderr", 2)] {
        std::os::unix::fs::symlink(format!("/proc/self/fd/{number}"), at.join("d").join(name))
            .expect("the link can be created");
    }
    let script = "(echo before; \"$0\" normalize f -o d/stdout --rejects d/stderr --summary none; echo after) > out 2> err";
    assert_eq!(shell(at, script).0, 0);
    let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("the file exists");
    let out = read("out");
    assert_eq!((out.lines().count(), out.lines().last()), (3, Some("after")), "{out}");
    assert!(out.starts_with("before\n{\"metadata\"") && read("err").contains("\"raw\":\"bad\""), "{out}");
    let piped = "\"$0\" normalize f -o d/stdout --summary none | grep -c eventTimestamp";
    assert_eq!(shell(at, piped).0, 0);
    for name in ["stdout", "stderr"] {
        assert!(at.join("d").join(name).is_symlink(), "{name}");
    }
}

#[test]
fn symlinked_output_is_written_to_its_target() {
    let files = directory(&[("f", record("a").as_bytes())]);
    let at = files.path();
    std::fs::create_dir(at.join("d")).expect("the directory can be created");
    std::os::unix::fs::symlink("d/target", at.join("link")).expect("the link can be created");
    // In the first round the target does not exist, in the second it does.
    for _ in 0..2 {
        assert_eq!(shell(at, "exec \"$0\" normalize f -o link").0, 0);
        assert!(at.join("link").is_symlink());
        assert_eq!((lines(&at.join("d/target")), names(&at.join("d")).len()), (1, 1));
    }
}

#[test]
fn pipe_is_read_only_if_named_explicitly() {
    let files = directory(&[("d/f", record("a").as_bytes())]);
    let script = "mkfifo d/pipe; \"$0\" normalize d --include '*' 'd/*' -o out && (cat d/f > d/pipe & exec \"$0\" normalize d/pipe -o named)";
    let (code, said) = shell(files.path(), script);
    assert_eq!((code, lines(&files.path().join("out"))), (0, 2), "{said}");
    assert_eq!(lines(&files.path().join("named")), 1);
}

#[test]
fn non_utf8_file_name_is_accepted() {
    let files = directory(&[]);
    let name = std::ffi::OsStr::from_bytes(b"n\xff");
    std::fs::write(files.path().join(name), record("a")).expect("the file is writable");
    for verb in ["normalize", "explain"] {
        zoom_udm().current_dir(files.path()).arg(verb).arg(name).assert().code(0);
    }
    zoom_udm().current_dir(files.path()).args(["normalize", "n*"]).assert().code(0);
}

#[test]
fn non_utf8_now_variable_is_rejected() {
    let now = std::ffi::OsStr::from_bytes(b"\xff");
    zoom_udm().args(["normalize", "--default-time", "now"]).env("ZOOM_UDM_NOW", now).assert().code(2);
}

#[test]
fn record_is_explained_as_soon_as_its_line_arrives() {
    for arguments in [&["explain"][..], &["explain", "-"]] {
        let mut child = start(arguments);
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(format!("{}\n", record("one")).as_bytes()).expect("stdin is read");
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut first).expect("stdout is readable");
        assert!(!first.is_empty());
        drop(stdin);
        std::io::copy(&mut stdout, &mut std::io::sink()).expect("stdout is readable");
        assert_eq!(code(&mut child), Some(0));
    }
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// Waits until a condition on another process holds.
fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "timed out after a minute");
        std::thread::yield_now();
    }
}

/// Returns the exit code, or `None` if a signal ended the process.
fn code(child: &mut Child) -> Option<i32> {
    child.wait().expect("the program exits").code()
}

fn stderr(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut said).expect("valid UTF-8");
    said
}
