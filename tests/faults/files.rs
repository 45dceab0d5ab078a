//! Fault cases of files, directories and streams, for every command that uses them.

use super::collects::{Days, lines};
use super::matrix::{FaultCase, FaultOutcome};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};
use testkit::collect::{DAY, NOW, World, spread};
use testkit::files::{gunzip, gzip, read_files};
use testkit::ingest::{program, records};
use testkit::process::binary;
use testkit::unprivileged::{as_unprivileged, can_run_unprivileged};

/// A command, run in its own directory, and a fault.
struct Case {
    verb: &'static str,
    place: &'static str,
    fault: &'static str,
    /// A shell script; `$0` is the program.
    script: &'static str,
    input_fault: InputFault,
    code: i32,
    /// Words of the error message: the cause and the location.
    words: [&'static str; 2],
}

#[derive(Clone, Copy)]
enum InputFault {
    /// The script itself causes it, for example by naming a missing file or a full device.
    Script,
    /// This path is read-only.
    Forbid(&'static str),
    /// Files are limited to this many kilobytes.
    Limit(u32),
    /// The program receives a signal while it waits.
    Signal,
    /// The function replaces this path; the test restores it.
    Put(&'static str, fn(&Path)),
}

const EXPLAIN: &str = "exec \"$0\" explain in/a.json";
const COVERAGE: &str = "exec \"$0\" coverage in/a.json";
const INGEST: &str = "exec \"$0\" ingest in --to out --rejects rejects --max-age none --summary json";
const SAVE: &str = "exec \"$0\" normalize in/a.json in/b.json -o kept/events --rejects kept/rejects";
const FULL: &str = "o space left";

fn closed(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

/// Replaces a file with one that cannot be read: `/proc/self/mem` fails at offset 0.
fn unreadable(path: &Path) {
    fs::remove_file(path).unwrap();
    symlink("/proc/self/mem", path).unwrap();
}

fn garbled(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn a_file(path: &Path) {
    fs::write(path, "in the way").unwrap();
}

fn cases() -> Vec<Case> {
    use InputFault::{Forbid, Limit, Put, Script, Signal};
    let case = |verb, place, fault, script, input_fault, code, words| Case {
        verb,
        place,
        fault,
        script,
        input_fault,
        code,
        words,
    };
    let mut cases = vec![
        case(
            "normalize",
            "open an input",
            "missing",
            "exec \"$0\" normalize in/a.json no/such",
            Script,
            3,
            ["file not found", "no/such"],
        ),
        case(
            "normalize",
            "open an input",
            "forbidden",
            SAVE,
            Put("in/a.json", closed),
            3,
            ["permission denied", "in/a.json"],
        ),
        case(
            "normalize",
            "open an input",
            "no match",
            "exec \"$0\" normalize 'in/*.none'",
            Script,
            3,
            ["no file matches", "in/*.none"],
        ),
        case(
            "normalize",
            "walk a directory",
            "forbidden",
            "exec \"$0\" normalize in",
            Put("in", closed),
            3,
            ["ermission denied", "in"],
        ),
        case(
            "normalize",
            "read an input",
            "broken",
            SAVE,
            Put("in/a.json", unreadable),
            3,
            ["nput/output error", "in/a.json"],
        ),
        case(
            "normalize",
            "read an input",
            "gzip cut",
            "exec \"$0\" normalize in/c.json.gz",
            Put("in/c.json.gz", cut),
            3,
            ["truncated", "in/c.json.gz"],
        ),
        case(
            "normalize",
            "read an input",
            "garbled",
            "exec \"$0\" normalize in/c.json.gz",
            Put("in/c.json.gz", garbled),
            3,
            ["corrupt", "in/c.json.gz"],
        ),
        case(
            "normalize",
            "read stdin",
            "directory",
            "exec \"$0\" normalize < in",
            Script,
            3,
            ["directory", "-:"],
        ),
        case(
            "normalize",
            "read stdin",
            "hang",
            "sleep 5 | exec \"$0\" normalize -o kept/events",
            Signal,
            75,
            ["signal", "input"],
        ),
        case(
            "normalize",
            "write stdout",
            "full",
            "exec \"$0\" normalize in/a.json > /dev/full",
            Script,
            3,
            [FULL, "writing events"],
        ),
        case(
            "normalize",
            "write stdout",
            "hang",
            "set -o pipefail; \"$0\" normalize in/big.json | sleep 5",
            Signal,
            75,
            ["signal", "output"],
        ),
        case(
            "normalize",
            "write stdout",
            "hang up",
            "\"$0\" normalize in/big.json | true; exec \"$0\" normalize in/a.json",
            Script,
            0,
            ["", ""],
        ),
        case(
            "normalize",
            "write stderr",
            "full",
            "exec \"$0\" normalize in/a.json 2> /dev/full",
            Script,
            0,
            ["", ""],
        ),
        case(
            "normalize",
            "write -o",
            "missing",
            "exec \"$0\" normalize in/a.json -o no/such/file",
            Script,
            3,
            ["No such file", "no/such/file"],
        ),
        case(
            "normalize",
            "write -o",
            "directory",
            "exec \"$0\" normalize in/a.json -o in",
            Script,
            3,
            ["directory", "in"],
        ),
        case(
            "normalize",
            "write -o",
            "full",
            "exec \"$0\" normalize in/a.json -o /dev/full",
            Script,
            3,
            [FULL, "writing events"],
        ),
        case("normalize", "write -o", "forbidden", SAVE, Forbid("kept"), 3, ["ermission", "kept/events"]),
        case("normalize", "write -o", "limit", SAVE, Limit(8), 3, ["File too large", "events"]),
        case(
            "normalize",
            "write rejects",
            "missing",
            "exec \"$0\" normalize in/b.json --rejects no/such/file",
            Script,
            3,
            ["No such file", "no/such/file"],
        ),
        case(
            "normalize",
            "write rejects",
            "full",
            "exec \"$0\" normalize in/b.json --rejects /dev/full",
            Script,
            3,
            [FULL, "rejects"],
        ),
        case(
            "normalize",
            "write rejects",
            "limit",
            "exec \"$0\" normalize in/many.json --rejects kept/rejects",
            Limit(8),
            3,
            ["File too large", "rejects"],
        ),
        case(
            "normalize",
            "read rejects",
            "missing",
            "exec \"$0\" normalize --from-rejects no/such",
            Script,
            3,
            ["file not found", "no/such"],
        ),
        case(
            "normalize",
            "read rejects",
            "wrong",
            "exec \"$0\" normalize --from-rejects in/a.json",
            Script,
            3,
            ["not a reject", "in/a.json"],
        ),
        case(
            "explain",
            "open an input",
            "missing",
            "exec \"$0\" explain no/such",
            Script,
            3,
            ["file not found", "no/such"],
        ),
        case(
            "explain",
            "open an input",
            "forbidden",
            EXPLAIN,
            Put("in/a.json", closed),
            3,
            ["permission denied", "in/a.json"],
        ),
        case(
            "explain",
            "read an input",
            "broken",
            EXPLAIN,
            Put("in/a.json", unreadable),
            3,
            ["nput/output error", "in/a.json"],
        ),
        case(
            "explain",
            "read an input",
            "gzip cut",
            "exec \"$0\" explain in/c.json.gz",
            Put("in/c.json.gz", cut),
            3,
            ["truncated", "in/c.json.gz"],
        ),
        case(
            "explain",
            "read stdin",
            "hang",
            "sleep 5 | exec \"$0\" explain",
            Signal,
            75,
            ["signal", "input"],
        ),
        case(
            "explain",
            "write stdout",
            "full",
            "exec \"$0\" explain in/a.json > /dev/full",
            Script,
            3,
            [FULL, "writing"],
        ),
        case(
            "explain",
            "write stdout",
            "hang up",
            "\"$0\" explain in/big.json | true; exec \"$0\" explain in/a.json",
            Script,
            0,
            ["", ""],
        ),
        case("others", "mapping to stdout", "full", "exec \"$0\" mapping > /dev/full", Script, 3, [FULL, ""]),
        case("others", "man to stdout", "full", "exec \"$0\" man > /dev/full", Script, 3, [FULL, ""]),
        case(
            "others",
            "completions to stdout",
            "full",
            "exec \"$0\" completions bash > /dev/full",
            Script,
            3,
            [FULL, ""],
        ),
        case(
            "coverage",
            "open an input",
            "missing",
            "exec \"$0\" coverage no/such",
            Script,
            3,
            ["file not found", "no/such"],
        ),
        case(
            "coverage",
            "open an input",
            "forbidden",
            COVERAGE,
            Put("in/a.json", closed),
            3,
            ["permission denied", "in/a.json"],
        ),
        case(
            "coverage",
            "read an input",
            "broken",
            COVERAGE,
            Put("in/a.json", unreadable),
            3,
            ["nput/output error", "in/a.json"],
        ),
        case(
            "coverage",
            "read an input",
            "gzip cut",
            "exec \"$0\" coverage in/c.json.gz",
            Put("in/c.json.gz", cut),
            3,
            ["truncated", "in/c.json.gz"],
        ),
        case("coverage", "read stdin", "hang", "sleep 5 | exec \"$0\" coverage", Signal, 75, ["signal", ""]),
        case(
            "coverage",
            "write stdout",
            "full",
            "exec \"$0\" coverage in/a.json > /dev/full",
            Script,
            3,
            [FULL, "standard output"],
        ),
        case(
            "coverage",
            "write stdout",
            "hang up",
            "\"$0\" coverage in/big.json | true; exec \"$0\" coverage in/a.json",
            Script,
            0,
            ["", ""],
        ),
        case(
            "ingest",
            "list a directory",
            "missing",
            "exec \"$0\" ingest no/such --to out --max-age none",
            Script,
            3,
            ["directory not found", "no/such"],
        ),
        case("ingest", "list a directory", "forbidden", INGEST, Put("in", closed), 4, ["permission", "/in"]),
        case(
            "ingest",
            "read a file",
            "forbidden",
            INGEST,
            Put("in/a.json", closed),
            1,
            ["permission", "in/a.json"],
        ),
        case(
            "ingest",
            "read a file",
            "broken",
            INGEST,
            Put("in/a.json", unreadable),
            1,
            ["nput/output error", "in/a.json"],
        ),
        case(
            "ingest",
            "read a state",
            "broken",
            INGEST,
            Put("in/state.json", unreadable),
            1,
            ["nput/output error", "in/state.json"],
        ),
        case(
            "ingest",
            "read a file",
            "gzip cut",
            INGEST,
            Put("in/c.json.gz", cut),
            1,
            ["truncated", "in/c.json.gz"],
        ),
        case(
            "ingest",
            "read a file",
            "garbled",
            INGEST,
            Put("in/c.json.gz", garbled),
            1,
            ["corrupt", "in/c.json.gz"],
        ),
        case("ingest", "write events", "forbidden", INGEST, Forbid("out"), 4, ["permission", "/out/"]),
        case("ingest", "write events", "limit", INGEST, Limit(2), 3, ["File too large", "/out/"]),
        case("ingest", "write events", "in the way", INGEST, Put("out", a_file), 3, ["directory", "/out"]),
        case(
            "ingest",
            "write rejects",
            "forbidden",
            INGEST,
            Forbid("rejects"),
            4,
            ["permission", "/rejects/"],
        ),
        case(
            "ingest",
            "write rejects",
            "in the way",
            INGEST,
            Put("rejects", a_file),
            3,
            ["directory", "/rejects"],
        ),
        case(
            "ingest",
            "write the ledger",
            "forbidden",
            INGEST,
            Forbid("out.ledger"),
            4,
            ["permission", "out.ledger/"],
        ),
        case(
            "ingest",
            "write the ledger",
            "in the way",
            INGEST,
            Put("out.ledger", a_file),
            3,
            ["directory", "out.ledger/"],
        ),
        case(
            "ingest",
            "write stdout",
            "full",
            "exec \"$0\" ingest in --to - --no-ledger --max-age none > /dev/full",
            Script,
            3,
            [FULL, "writing events"],
        ),
        case(
            "ingest",
            "write stdout",
            "hang up",
            "\"$0\" ingest in --to - --no-ledger --max-age none --summary none | true; exec \"$0\" normalize in/a.json",
            Script,
            0,
            ["", ""],
        ),
        case(
            "ledger show",
            "open the ledger",
            "missing",
            "exec \"$0\" ledger show no/such",
            Script,
            3,
            ["", "no/such"],
        ),
        case(
            "ledger show",
            "write stdout",
            "full",
            "\"$0\" ingest in --to out --max-age none --summary none; exec \"$0\" ledger show out.ledger > /dev/full",
            Script,
            3,
            [FULL, ""],
        ),
    ];
    if !can_run_unprivileged() {
        cases.retain(|case| !matches!(case.fault, "forbidden"));
    }
    cases
}

/// Returns a directory with the inputs of all cases.
fn inputs() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    let path = |name: &str| at.path().join(name);
    for name in ["in", "kept", "out", "rejects", "out.ledger"] {
        fs::create_dir(path(name)).unwrap();
        fs::set_permissions(path(name), Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(at.path(), Permissions::from_mode(0o777)).unwrap();
    fs::write(path("in/a.json"), records(60, 1)).unwrap();
    fs::write(path("in/b.json"), format!("{}no record\n", records(20, 2))).unwrap();
    fs::write(path("in/c.json.gz"), gzip(records(500, 3))).unwrap();
    fs::write(path("in/state.json"), records(3, 5)).unwrap();
    fs::write(path("in/many.json"), "no record\n".repeat(200)).unwrap();
    dated(&path("in"));
    at
}

/// Gives all files the same time, because outputs are named after it.
fn dated(directory: &Path) {
    for entry in directory.read_dir().unwrap() {
        let file = fs::File::options().append(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    }
}

fn run(case: &Case, at: &Path, spoiled: bool) -> Output {
    let script = case.script.replace("in/big.json", "in/c.json.gz in/c.json.gz in/c.json.gz");
    let limit = match case.input_fault {
        InputFault::Limit(blocks) if spoiled => format!("trap '' XFSZ; ulimit -f {blocks}; "),
        _ => String::new(),
    };
    let mut command = program(None, &[]);
    let environment: Vec<_> =
        command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
    command = Command::new("bash");
    command.args(["-c", &format!("{limit}{script}")]).arg(binary()).current_dir(at).env_clear();
    for (key, value) in environment {
        command.env(key, value.unwrap_or_default());
    }
    command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if case.fault == "forbidden" {
        as_unprivileged(&mut command);
    }
    if matches!(case.input_fault, InputFault::Signal) && spoiled {
        return signalled(command.process_group(0).spawn().unwrap());
    }
    command.output().unwrap()
}

/// Terminates the program after a delay.
fn signalled(child: std::process::Child) -> Output {
    std::thread::sleep(Duration::from_millis(300));
    // Signals only the program; the shell and the other processes of the pipe wait for it.
    let group = child.id().to_string();
    let of_group = Command::new("pgrep").args(["-g", &group, "-x", "zoom-udm"]).output().unwrap();
    for id in String::from_utf8_lossy(&of_group.stdout).split_whitespace() {
        Command::new("kill").args(["-TERM", id]).status().unwrap();
    }
    child.wait_with_output().unwrap()
}

/// Returns all files except the inputs and the ledger, which contains times. Removes the directory from rejects, which
/// name their input.
fn left(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let here = at.display().to_string();
    let mut all = read_files(at);
    all.retain(|name, _| {
        !name.starts_with("in/") && !name.contains(".ledger") && !name.contains(".zoom-udm-lock")
    });
    for (name, bytes) in &mut all {
        if name.starts_with("rejects/") {
            *bytes = gunzip(bytes).replace(&here, "").into_bytes();
        }
    }
    all
}

pub(crate) fn fault_cases() -> Vec<FaultCase> {
    let mut fault_cases: Vec<_> = (0..cases().len())
        .map(|index| {
            let case = &cases()[index];
            let (verb, place, fault) = (case.verb, case.place, case.fault);
            FaultCase { verb, place, fault, lasting: true, run: Box::new(move || run_case(&cases()[index])) }
        })
        .collect();
    fault_cases.extend(collects());
    fault_cases
}

fn run_case(case: &Case) -> FaultOutcome {
    let at = inputs();
    let path = |name: &str| at.path().join(name);
    let away = path("away");
    match case.input_fault {
        InputFault::Forbid(name) => fs::set_permissions(path(name), Permissions::from_mode(0o555)).unwrap(),
        InputFault::Put(name, put) => {
            if path(name).is_file() {
                fs::copy(path(name), &away).unwrap();
            } else if path(name).is_dir() && name != "in" {
                fs::remove_dir(path(name)).unwrap();
            }
            put(&path(name));
        }
        _ => {}
    }
    let output = run(case, at.path(), true);
    let words = case.words.map(|word| [word]);
    let seen = FaultOutcome::of(&output).expect(&[case.code]).naming(&[&words[0], &words[1]]);
    match case.input_fault {
        InputFault::Forbid(name) => fs::set_permissions(path(name), Permissions::from_mode(0o777)).unwrap(),
        InputFault::Put("in", _) => fs::set_permissions(path("in"), Permissions::from_mode(0o777)).unwrap(),
        InputFault::Put(name, _) => {
            fs::remove_file(path(name)).unwrap();
            if away.exists() {
                fs::copy(&away, path(name)).unwrap();
                fs::remove_file(&away).unwrap();
            }
        }
        _ => {}
    }
    dated(&path("in"));
    let parts = left(at.path()).keys().any(|name| name.contains(".part"));
    let seen = seen.and("a partial file is left", !parts || case.verb == "ingest");
    if matches!(case.input_fault, InputFault::Script) {
        // The script itself is faulty, so it cannot be repeated without the fault.
        return seen;
    }
    let clean = if matches!(case.input_fault, InputFault::Signal) {
        return seen;
    } else {
        run(case, at.path(), false)
    };
    let (right_output, right) = fault_free_result(case);
    let well = left(at.path()) == right && clean.stdout == right_output.stdout;
    let said = String::from_utf8_lossy(&clean.stderr).into_owned();
    let names: Vec<_> = left(at.path()).into_keys().collect();
    seen.and(&format!("a clean run produces something else: {names:?}: {said}"), well).and(
        &format!("a clean run ends with {:?}: {said}", clean.status),
        clean.status.code().is_some_and(|code| code < 2),
    )
}

fn fault_free_result(case: &Case) -> (Output, BTreeMap<String, Vec<u8>>) {
    let at = inputs();
    let output = run(case, at.path(), false);
    (output, left(at.path()))
}

/// Fault cases of the collector's files: data, state, metrics and the secret.
fn collects() -> Vec<FaultCase> {
    type Put = fn(&World) -> Vec<String>;
    let cases: [(&'static str, &'static str, Put, i32, [&'static str; 2]); 5] = [
        (
            "put an object",
            "in the way",
            |world| {
                a_file(&world.directory.as_ref().unwrap().path().join("logs"));
                vec![]
            },
            3,
            ["directory", "/logs/"],
        ),
        (
            "write the state",
            "in the way",
            |world| {
                a_file(&world.directory.as_ref().unwrap().path().join("state"));
                vec![]
            },
            3,
            ["directory", "/state/"],
        ),
        ("write metrics", "full", |_| vec!["--metrics".into(), "/dev/full".into()], 3, [FULL, "--metrics"]),
        (
            "write metrics",
            "missing",
            |_| vec!["--metrics".into(), "/no/such/file".into()],
            3,
            ["No such file", "--metrics"],
        ),
        (
            "read the secret",
            "missing",
            |_| vec!["SECRET".into()],
            2,
            ["No such file", "ZOOM_CLIENT_SECRET_FILE"],
        ),
    ];
    let fault_cases = cases.into_iter().map(|(place, fault, put, code, words)| {
        let run = Box::new(move || {
            let world = || {
                let world = World::with_directory(NOW).with("PAGE_SIZE", "20");
                world.zoom.add(spread(0, 60, world.now() - 2 * DAY..world.now()));
                world
            };
            let mut spoiled = world();
            let more = put(&spoiled);
            if more == ["SECRET"] {
                spoiled.environment.insert("ZOOM_CLIENT_SECRET", String::new());
                spoiled.environment.insert("ZOOM_CLIENT_SECRET_FILE", "/no/such/file".into());
            }
            let arguments: Vec<_> =
                more.iter().map(String::as_str).filter(|word| *word != "SECRET").collect();
            let run = spoiled.collect(&arguments);
            let seen =
                FaultOutcome::new(run.code, run.said).expect(&[code]).naming(&[&[words[0]], &[words[1]]]);
            let root = spoiled.directory.as_ref().unwrap().path().to_owned();
            for name in ["logs", "state"] {
                if root.join(name).is_file() {
                    fs::remove_file(root.join(name)).unwrap();
                }
            }
            spoiled.environment.remove("ZOOM_CLIENT_SECRET");
            spoiled.environment.remove("ZOOM_CLIENT_SECRET_FILE");
            let code = spoiled.collect(&[]).code;
            let seen = seen.and("the clean run failed", code == 0);
            static RIGHT: OnceLock<Days> = OnceLock::new();
            let right = RIGHT.get_or_init(|| {
                let world = world();
                world.collect(&[]).expect(0);
                lines(&world)
            });
            seen.and("a clean run writes other objects", lines(&spoiled) == *right)
        });
        FaultCase {
            verb: "collect",
            place,
            fault,
            lasting: true,
            run: run as Box<dyn FnOnce() -> FaultOutcome + Send>,
        }
    });
    fault_cases.collect()
}
