//! Tests `ingest` from a directory: a file is identified by its content, even if its name, its time or its end change.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use testkit::files::{gunzip, gzip, read_files};
use testkit::ingest::{FAST_RETRIES, ingest, outcome, program, records, start};

struct World {
    at: tempfile::TempDir,
    began: String,
}

impl World {
    fn new() -> Self {
        let at = tempfile::tempdir().unwrap();
        fs::create_dir_all(at.path().join("src")).unwrap();
        Self { at, began: chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.path().join("src").join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Sets the modification time to a new value.
    fn touch(&self, name: &str) {
        let times = FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(3));
        File::options().write(true).open(self.path(name)).unwrap().set_times(times).unwrap();
    }

    fn place(&self, name: &str) -> String {
        self.at.path().join(name).display().to_string()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let places = ["src", "--to", "out", "--rejects", "rejects", "--max-age", "none"];
        let place = |text: &&str| {
            if text.starts_with("--") || *text == "none" { (*text).into() } else { self.place(text) }
        };
        places.iter().map(place).chain(more.iter().map(|text| (*text).to_owned())).collect()
    }

    fn run(&self, more: &[&str]) -> (i32, Value) {
        let arguments = self.arguments(more);
        outcome(&ingest(None, &arguments.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Runs with the correct clock, so that the files of the test were just modified.
    fn run_now(&self) -> (i32, Value) {
        let mut program = program(None, &[&["ingest"], &FAST_RETRIES[..]].concat());
        outcome(&program.args(self.arguments(&[])).env("ZOOM_UDM_NOW", &self.began).output().unwrap())
    }

    /// Runs, and asserts that it succeeds with this number of events and no rejects.
    #[track_caller]
    fn assert_ingests(&self, events: u64) -> Value {
        let (code, summary) = self.run(&[]);
        assert_eq!(
            (code, &summary["events"], &summary["rejects"]),
            (0, &events.into(), &0.into()),
            "{summary}"
        );
        summary
    }

    /// Returns the events in all outputs, each with its count.
    fn events(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for bytes in read_files(&self.at.path().join("out")).values() {
            gunzip(bytes).lines().for_each(|line| *all.entry(line.to_owned()).or_default() += 1);
        }
        all
    }

    /// Asserts that the outputs contain this number of events, each once.
    #[track_caller]
    fn assert_stored(&self, events: usize) {
        let all = self.events();
        assert_eq!((all.len(), all.values().sum::<usize>()), (events, events));
        let verify = program(None, &["ledger", "verify", &self.place("out.ledger"), "--max-age", "none"]);
        let verify = { verify }.output().unwrap();
        let said = String::from_utf8_lossy(&verify.stdout).into_owned();
        assert!(said.ends_with(" 0 discrepancies\n"), "{said}");
    }
}

#[test]
fn touched_and_renamed_files_are_not_reread() {
    let world = World::new();
    world.write("a.json", records(5, 1));
    world.write("b.json.gz", gzip(records(6, 2)));
    world.assert_ingests(11);
    let outputs = read_files(&world.at.path().join("out"));
    for round in 0..3 {
        world.touch("a.json");
        world.rename(
            if round % 2 == 0 { "b.json.gz" } else { "c.gz" },
            if round % 2 == 0 { "c.gz" } else { "b.json.gz" },
        );
        let summary = world.assert_ingests(0);
        assert_eq!(summary["skipped"]["done"], 2, "{summary}");
        // The next run recognizes them without reading them.
        assert_eq!(world.assert_ingests(0)["skipped"]["done"], 2);
    }
    assert_eq!(read_files(&world.at.path().join("out")), outputs);
    world.assert_stored(11);
}

#[test]
fn copied_files_are_ingested_separately() {
    let world = World::new();
    for name in ["b", "c"] {
        world.write(name, records(5, 1));
    }
    world.assert_ingests(10);
    fs::copy(world.path("b"), world.path("a")).unwrap();
    world.assert_ingests(5);
    // It does not matter which of the copies changed.
    world.rename("c", "d");
    world.touch("a");
    world.assert_ingests(0);
    world.append("b", records(2, 2));
    fs::copy(world.path("d"), world.path("e")).unwrap();
    world.assert_ingests(7);
    world.assert_ingests(0);
    assert_eq!(read_files(&world.at.path().join("out")).len(), 5);
}

#[test]
fn grown_file_yields_only_the_appended_records() {
    let grow = || {
        let world = World::new();
        let lines: Vec<String> = records(60, 3).split_inclusive('\n').map(str::to_owned).collect();
        world.write("log.json", lines[..10].concat());
        world.assert_ingests(10);
        for part in 1..6 {
            world.append("log.json", lines[part * 10..(part + 1) * 10].concat());
            world.assert_ingests(10);
            world.assert_ingests(0);
        }
        world.assert_stored(60);
        read_files(&world.at.path().join("out"))
    };
    let outputs = grow();
    assert_eq!(outputs.len(), 6);
    assert_eq!(outputs, grow(), "names and bytes depend on the content alone");
}

#[test]
fn partial_record_is_read_once_complete() {
    let world = World::new();
    let lines: Vec<String> = records(4, 3).split_inclusive('\n').map(str::to_owned).collect();
    world.write("log.json", format!("{}{}", lines[0], &lines[1][..40]));
    for events in [1, 0] {
        let (code, summary) = world.run_now();
        assert_eq!(
            (code, &summary["events"], &summary["unfinished"]),
            (0, &events.into(), &1.into()),
            "{summary}"
        );
    }
    world.append("log.json", &lines[1][40..]);
    world.append("log.json", lines[2].trim_end());
    let (code, summary) = world.run_now();
    assert_eq!((code, &summary["events"], &summary["unfinished"]), (0, &2.into(), &0.into()), "{summary}");
    world.append("log.json", format!("\n{}", lines[3]));
    assert_eq!(world.run_now().1["events"], 1);
    world.assert_stored(4);
}

#[test]
fn rotated_logs_are_read_once() {
    let world = World::new();
    let lines: Vec<String> = records(40, 5).split_inclusive('\n').map(str::to_owned).collect();
    world.write("log", lines[..10].concat());
    world.assert_ingests(10);
    // Rotated after growing, and replaced by a new file.
    world.append("log", lines[10..15].concat());
    world.rename("log", "log.1");
    world.write("log", lines[15..20].concat());
    world.assert_ingests(10);
    // Copied and truncated.
    world.rename("log.1", "log.2");
    fs::copy(world.path("log"), world.path("log.1")).unwrap();
    world.write("log", lines[20..30].concat());
    world.assert_ingests(10);
    world.rename("log.2", "log.3");
    world.rename("log.1", "log.2");
    world.rename("log", "log.1");
    world.assert_ingests(0);
    world.append("log.1", lines[30..].concat());
    world.assert_ingests(10);
    world.assert_stored(40);
}

#[test]
fn rewritten_file_is_a_new_version() {
    let world = World::new();
    world.write("a.json", records(5, 1));
    world.assert_ingests(5);
    world.write("a.json", records(3, 2));
    world.assert_ingests(3);
    // The first lines are the same, but the rest of what was read differs.
    world.write("a.json", records(2, 2));
    world.assert_ingests(2);
    assert_eq!(read_files(&world.at.path().join("out")).len(), 3);
    // A JSON document is not treated as appended to.
    world.write("d.json", "[\n{\"time\":\"2023-11-01T10:00:00Z\"}\n]");
    assert_eq!(world.run(&[]).1["records"], 1);
    world.write("d.json", "[\n{\"time\":\"2023-11-01T10:00:00Z\"},\n{\"time\":\"2023-11-02T10:00:00Z\"}\n]");
    assert_eq!(world.run(&[]).1["records"], 2);
}

/// A writer that flushes by size may end gzip members within a line.
#[test]
fn line_cut_between_gzip_members_gives_one_event() {
    // If the first member was just written, a later run reads it. Otherwise, its incomplete line is rejected at first.
    for (settled, rejects) in [(false, 1), (true, 2)] {
        let world = World::new();
        let text = records(30, 1);
        let (first, rest) = text.as_bytes().split_at(text.len() / 2 + 7);
        let (second, third) = rest.split_at(rest.len() / 2 + 7);
        world.write("a.log.gz", gzip(first));
        let (mut events, mut rejected) = (0, 0);
        for next in [second, third, b""] {
            let (_, summary) = if settled { world.run(&[]) } else { world.run_now() };
            events += summary["events"].as_u64().unwrap();
            rejected += summary["rejects"].as_u64().unwrap();
            if !next.is_empty() {
                world.append("a.log.gz", gzip(next));
            }
        }
        assert_eq!((events, rejected), (30, rejects), "{settled}");
        world.assert_ingests(0);
        world.assert_stored(30);
    }
}

#[test]
fn new_document_without_last_newline_is_read_once() {
    let world = World::new();
    let lines = records(5, 1);
    world.write("a.json", format!("[\n{}\n]", lines.trim_end().replace('\n', ",\n")));
    world.write("b.json", "[\n{\"time\":\"2024-01-31T10:00:00Z\"");
    let (code, summary) = world.run_now();
    assert_eq!((code, &summary["events"], &summary["rejects"]), (0, &5.into(), &0.into()), "{summary}");
    assert_eq!(summary["skipped"]["settling"], 1, "{summary}");
    world.append("b.json", ",\"operator\":\"b@x.io\"}\n]");
    world.assert_ingests(1);
    world.assert_stored(6);
}

#[test]
fn only_appended_gzip_members_are_read() {
    let world = World::new();
    world.write("a.gz", gzip(records(5, 1)));
    world.assert_ingests(5);
    world.append("a.gz", gzip(records(6, 2)));
    world.assert_ingests(6);
    let member = gzip(records(7, 3));
    world.append("a.gz", &member[..30]);
    assert_eq!(world.run(&[]).1["failed"], 1);
    world.append("a.gz", &member[30..]);
    world.assert_ingests(7);
    world.assert_stored(18);
}

#[test]
fn slowly_written_file_is_skipped_until_stable() {
    let world = World::new();
    let text = records(30, 4);
    world.write("whole.json", records(2, 9));
    world.write("log.json", "");
    let arguments = world.arguments(&["--follow", "--every", "50ms", "--settle", "800ms"]);
    let mut run = start(None, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    for piece in text.as_bytes().chunks(text.len() / 23 + 1) {
        std::thread::sleep(Duration::from_millis(60));
        world.append("log.json", piece);
    }
    let patience = Instant::now() + Duration::from_secs(30);
    while world.events().len() < 32 {
        assert!(Instant::now() < patience, "{} events", world.events().len());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(
        std::process::Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success()
    );
    run.wait().unwrap();
    assert!(read_files(&world.at.path().join("rejects")).is_empty());
    world.assert_ingests(0);
    world.assert_stored(32);
}

#[test]
fn only_fully_read_files_are_deleted() {
    let world = World::new();
    for name in ["same.json", "grown.json", "other.json"] {
        world.write(name, records(5, name.len() as u64));
    }
    world.write("cut.json", format!("{}{{\"time\"", records(2, 77)));
    assert_eq!(world.run(&[]).1["events"], 17);
    // The same size and time, but different content.
    let path = world.path("other.json");
    let modified = path.metadata().unwrap().modified().unwrap();
    let other = fs::read_to_string(&path).unwrap().replace("homer", "marge");
    fs::write(&path, other).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(modified))
        .unwrap();
    world.append("grown.json", records(3, 50));
    world.touch("same.json");
    let (_, summary) = world.run(&["--delete", "transferred"]);
    assert_eq!((&summary["events"], &summary["deleted"]), (&3.into(), &3.into()), "{summary}");
    assert_eq!(read_files(&world.at.path().join("src")).into_keys().collect::<Vec<_>>(), ["other.json"]);
}

#[test]
fn forgotten_file_is_reread_under_any_name() {
    let world = World::new();
    world.write("a.json", records(5, 1));
    world.assert_ingests(5);
    world.rename("a.json", "b.json");
    world.assert_ingests(0);
    let forgotten =
        program(None, &["ledger", "forget", &world.place("out.ledger"), "**/b.json"]).output().unwrap();
    assert_eq!(forgotten.status.code(), Some(0));
    world.assert_ingests(5);
}

#[test]
fn killed_run_is_recovered_after_file_changes() {
    let world = World::new();
    let lines: Vec<String> = records(40, 6).split_inclusive('\n').map(str::to_owned).collect();
    world.write("log", lines[..10].concat());
    world.assert_ingests(10);
    world.append("log", lines[10..20].concat());
    world.assert_ingests(10);
    // As if no run had saved the ledger.
    fs::remove_dir_all(world.place("out.ledger")).unwrap();
    world.append("log", lines[20..30].concat());
    world.rename("log", "log.1");
    let summary = world.assert_ingests(30);
    assert_eq!(summary["already_present"], 2, "{summary}");
    world.assert_stored(30);
    world.append("log.1", lines[30..].concat());
    world.assert_ingests(10);
    world.assert_stored(40);
}

/// Applies random changes to logs, with kills between them. Each record must be ingested exactly once.
#[test]
fn random_file_changes_lose_or_repeat_no_record() {
    let told = std::env::var("LOCAL_CASES").ok();
    let cases: u64 = told.map_or(3, |told| told.parse().expect("LOCAL_CASES is a number"));
    for case in 0..cases {
        let (world, mut random) = (World::new(), fastrand::Rng::with_seed(case));
        let (mut names, mut written, mut next) = (Vec::<String>::new(), 0, 0);
        for step in 0..30 {
            let lines = |written: &mut usize, random: &mut fastrand::Rng| {
                let count = random.usize(1..5);
                let all = records((*written + count) as u64, 100 + case);
                let text: String = all.split_inclusive('\n').skip(*written).collect();
                *written += count;
                text
            };
            match random.u8(0..6) {
                0 | 1 if !names.is_empty() => {
                    let name = names[random.usize(..names.len())].clone();
                    world.append(&name, lines(&mut written, &mut random));
                }
                2 if !names.is_empty() => world.touch(&names[random.usize(..names.len())]),
                3 if !names.is_empty() => {
                    let at = random.usize(..names.len());
                    next += 1;
                    let name = format!("log-{next}.json");
                    world.rename(&names[at], &name);
                    names[at] = name;
                }
                4 => {
                    next += 1;
                    let name = format!("log-{next}.json");
                    world.write(&name, lines(&mut written, &mut random));
                    names.push(name);
                }
                _ if random.bool() => {
                    let arguments = world.arguments(&[]);
                    let mut run = start(None, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
                    std::thread::sleep(Duration::from_millis(random.u64(..150)));
                    run.kill().unwrap();
                    run.wait().unwrap();
                }
                _ => {
                    let (code, summary) = world.run(&[]);
                    assert!(code == 0, "case {case}, step {step}: {code} {summary}");
                }
            }
        }
        world.run(&[]);
        world.assert_stored(written);
    }
}

#[test]
fn ledger_of_an_older_version_is_read() {
    let world = World::new();
    world.write("a.json", records(5, 1));
    world.assert_ingests(5);
    let ledger = Path::new(&world.place("out.ledger")).to_owned();
    // The entry as it was written before contents were recorded.
    let show = program(None, &["ledger", "show", "--format", "json", &ledger.display().to_string()])
        .output()
        .unwrap();
    let mut entry: Value = serde_json::from_slice(&show.stdout).unwrap();
    let members = entry.as_object_mut().unwrap();
    assert!(members.remove("content").is_some() && members.remove("parts").is_some());
    let body = gzip(format!("{entry}\n"));
    let segment = read_files(&ledger).into_keys().find(|name| name.starts_with("segment-")).unwrap();
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&body);
    fs::write(ledger.join(segment), [format!("zoom-udm-ledger 1 {sum:x}\n").into_bytes(), body].concat())
        .unwrap();
    let summary = world.assert_ingests(0);
    assert_eq!(summary["skipped"]["done"], 1, "{summary}");
}
