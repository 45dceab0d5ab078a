//! Helpers for the tests of `collect`: an environment with a fake Zoom, a bucket and a clock; runs of the program or of
//! the reference collector in it; and a comparison of the bucket with Zoom.

pub mod month;
pub mod reference;

pub use crate::files::{gunzip, read_files};
pub use crate::gcs::{Faults, Gcs, Refusal};
use crate::process;
use crate::zoom;
pub use crate::zoom::faults::{Act, RequestFilter, Wait, When};
pub use crate::zoom::log_store::{self, Entry, record, sign_in, spread, spread_sign_ins};
pub use crate::zoom::{Behavior, Paging, Report, Zoom, at, iso};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const NOW: &str = "2023-11-16T12:00:00Z";
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 86_400;

pub const BUCKET: &str = "zoom";
pub const PREFIX: &str = "logs/";
pub const STATE_KEY: &str = "collector/state.json";
/// The prefix of sign-ins, next to `PREFIX`.
pub const SIGN_IN_PREFIX: &str = "logs-signins/";
/// The state of sign-ins, next to `STATE_KEY`.
pub const SIGN_IN_STATE: &str = "collector/signins.state/state.json";

/// The collector under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    Ours,
    /// A reimplementation of Google's reference collector. A test that it passes detects none of its defects.
    Reference,
}

/// Flags that shorten pauses.
pub const FAST_RETRIES: [&str; 4] = ["--first-pause", "1ms", "--summary", "json"];

pub struct World {
    pub zoom: Zoom,
    pub gcs: Gcs,
    /// The destination, if it is not the bucket.
    pub directory: Option<tempfile::TempDir>,
    pub environment: BTreeMap<&'static str, String>,
    /// The path of `zoom-udm`.
    pub binary: PathBuf,
    /// How many pages a run of the reference requests before it times out.
    pub request_budget: Option<u64>,
    /// Whether the reference receives page tokens with special characters. It cannot send them, which hides its other
    /// defects.
    pub hostile: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub summary: Value,
    pub said: String,
}

impl Run {
    pub fn new(code: i32, said: String) -> Self {
        let summary = said.lines().rev().find_map(|line| {
            serde_json::from_str::<Value>(line).ok().filter(|json| json["records_written"].is_u64())
        });
        Self { code, summary: summary.unwrap_or_default(), said }
    }

    fn of(output: &Output) -> Self {
        let said = [&output.stdout[..], &output.stderr].concat();
        Self::new(output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    pub fn count(&self, name: &str) -> u64 {
        self.summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {}", self.said))
    }

    /// Returns the summary of one kind of log.
    pub fn summary_of(&self, logs: &str) -> Value {
        let lines = self.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut found = lines.filter(|line| line["logs"] == logs && line["records_written"].is_u64());
        found.next().unwrap_or_else(|| panic!("no summary of {logs}: {}", self.said))
    }

    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        self
    }

    /// Asserts that the run failed with a code and that its output contains all `parts`.
    pub fn assert_failed_with(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.said);
        for part in parts {
            assert!(self.said.contains(part), "{part:?} in: {}", self.said);
        }
    }
}

/// A comparison of the records at Zoom with those in the bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub expected: u64,
    pub held: u64,
    pub missing: u64,
    pub surplus: u64,
    pub example: String,
}

impl Balance {
    fn of(expected: &HashMap<Bytes, u64>, held: &HashMap<Bytes, u64>) -> Self {
        let mut balance =
            Self { expected: expected.values().sum(), held: held.values().sum(), ..Self::default() };
        let count = |of: &HashMap<Bytes, u64>, line: &Bytes| of.get(line).copied().unwrap_or(0);
        for (line, wanted) in expected {
            let short = wanted.saturating_sub(count(held, line));
            if short > 0 {
                balance.missing += short;
                balance.example = format!("missing {line:?}");
            }
        }
        for (line, there) in held {
            let over = there.saturating_sub(count(expected, line));
            if over > 0 {
                balance.surplus += over;
                balance.example = format!("surplus {line:?}");
            }
        }
        balance
    }

    /// Asserts that no record is missing. Extra records are allowed.
    pub fn assert_nothing_missing(&self) {
        assert!(self.missing == 0 && self.expected > 0, "{self:?}");
    }

    pub fn assert_bucket_matches_zoom(&self) {
        assert!(self.missing == 0 && self.surplus == 0, "{self:?}");
        assert!(self.expected > 0, "nothing was compared");
    }
}

impl World {
    /// Returns an environment with no records and an empty bucket, at a time.
    pub fn new(now: &str) -> Self {
        Self {
            zoom: Zoom::start(now),
            gcs: Gcs::start(),
            directory: None,
            environment: BTreeMap::new(),
            binary: process::binary(),
            request_budget: None,
            hostile: false,
        }
    }

    /// Like [`World::new`], with a directory instead of the bucket.
    pub fn with_directory(now: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory: Some(directory), ..Self::new(now) }
    }

    pub fn place(&self, name: &str) -> String {
        let root = self.directory.as_ref().unwrap().path();
        format!("file://{}/{name}", root.display())
    }

    pub fn now(&self) -> i64 {
        self.zoom.now()
    }

    /// Sets the clock.
    pub fn set(&self, seconds: i64) {
        self.zoom.set_clock(seconds);
    }

    pub fn advance(&self, seconds: i64) {
        self.set(self.now() + seconds);
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.insert(name, value.into());
        self
    }

    /// Returns a command that runs the program with an environment limited to this world.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env_clear()
            .env("ZOOM_UDM_NOW", iso(self.now()))
            .env("HOME", "/nonexistent")
            .env("ZOOM_API_BASE", self.zoom.base())
            .env("ZOOM_TOKEN_URL", self.zoom.token_url())
            .env("ZOOM_ACCOUNT_ID", zoom::ACCOUNT)
            .env("ZOOM_CLIENT_ID", zoom::CLIENT)
            .env("ZOOM_CLIENT_SECRET", zoom::SECRET);
        if self.directory.is_none() {
            command
                .env("GCS_BUCKET", BUCKET)
                .env("GCS_PREFIX", PREFIX)
                .env("STATE_KEY", STATE_KEY)
                .env("STORAGE_EMULATOR_HOST", self.gcs.host());
        }
        process::trust_single_root(&mut command);
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn command(&self, verb: &[&str], arguments: &[&str]) -> Command {
        let (to, state) = match &self.directory {
            Some(_) => (self.place("logs/"), self.place("state/")),
            None => (String::new(), String::new()),
        };
        let place = ["--to", &to, "--state", &state];
        let place = if self.directory.is_some() { &place[..] } else { &[] };
        self.program(&[verb, &FAST_RETRIES, place, arguments].concat())
    }

    /// Flags of a subcommand come after its name.
    fn collect_command(&self, arguments: &[&str]) -> Command {
        match arguments {
            ["backfill", arguments @ ..] => self.command(&["collect", "backfill"], arguments),
            arguments => self.command(&["collect"], arguments),
        }
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.collect_command(arguments).spawn().unwrap()
    }

    pub fn collect(&self, arguments: &[&str]) -> Run {
        Run::of(&self.collect_command(arguments).output().unwrap())
    }

    pub fn backfill(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(&["collect", "backfill"], arguments).output().unwrap())
    }

    pub fn run_program(&self, arguments: &[&str]) -> Run {
        Run::of(&self.program(arguments).output().unwrap())
    }

    /// Runs a collector once.
    pub fn run(&self, by: Implementation) -> Run {
        match by {
            Implementation::Ours => self.collect(&[]),
            Implementation::Reference => reference::run(self),
        }
    }

    /// Waits for a started run to end.
    pub fn wait(&self, child: Child) -> Run {
        Run::of(&child.wait_with_output().unwrap())
    }

    /// Returns the names and contents of the objects for the feed.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        match &self.directory {
            Some(directory) => {
                let all = read_files(&directory.path().join("logs"));
                let shown = all.into_iter().filter(|(name, _)| !name.contains(".zoom-udm-"));
                shown.map(|(name, bytes)| (name, bytes.into())).collect()
            }
            None => self.objects_below(PREFIX),
        }
    }

    /// Returns the names and contents of objects below a prefix of the bucket.
    fn objects_below(&self, prefix: &str) -> BTreeMap<String, Bytes> {
        let all = self.gcs.all(BUCKET, prefix).into_iter();
        all.map(|(name, bytes)| (name[prefix.len()..].to_owned(), bytes)).collect()
    }

    /// Returns the names and contents of collected sign-ins.
    pub fn sign_in_objects(&self) -> BTreeMap<String, Bytes> {
        self.objects_below(SIGN_IN_PREFIX)
    }

    /// Compares the sign-ins that Zoom shows with the stored ones, byte for byte.
    pub fn sign_in_balance(&self) -> Balance {
        let now = self.now();
        let expected = self.zoom.lock().sign_ins.expected(i64::MIN, now);
        let held = lines_of(self.sign_in_objects());
        Balance::of(&count_by(&expected, one_line), &held)
    }

    /// Asserts that the bucket contains each record of both reports exactly as often as Zoom does.
    pub fn assert_both_match_zoom(&self) {
        self.assert_bucket_matches_zoom();
        self.sign_in_balance().assert_bucket_matches_zoom();
    }

    /// Returns the names and contents of the collector's own files.
    pub fn state(&self) -> BTreeMap<String, Bytes> {
        match &self.directory {
            Some(directory) => {
                let all = read_files(&directory.path().join("state")).into_iter();
                all.map(|(name, bytes)| (name, bytes.into())).collect()
            }
            None => {
                let all = self.gcs.all(BUCKET, "").into_iter();
                all.filter(|(name, _)| ![PREFIX, SIGN_IN_PREFIX].iter().any(|data| name.starts_with(data)))
                    .collect()
            }
        }
    }

    /// Returns the lines in the bucket, each with its count.
    pub fn stored_lines(&self) -> HashMap<Bytes, u64> {
        lines_of(self.objects())
    }

    /// Compares the records that Zoom shows from `since` on with the stored ones: byte for byte, or by content for the
    /// reference, which re-serializes records.
    pub fn balance_since(&self, by: Implementation, since: i64) -> Balance {
        let now = self.now();
        let expected = self.zoom.lock().log_store.expected(since, now);
        match by {
            Implementation::Ours => {
                Balance::of(&count_by(&expected, one_line), &count_by(&self.stored_lines(), Bytes::clone))
            }
            Implementation::Reference => Balance::of(
                &count_by(&expected, canonical_json),
                &count_by(&self.stored_lines(), canonical_json),
            ),
        }
    }

    pub fn balance(&self, by: Implementation) -> Balance {
        self.balance_since(by, i64::MIN)
    }

    /// Asserts that the bucket contains each record exactly as often as Zoom does.
    pub fn assert_bucket_matches_zoom(&self) {
        self.balance(Implementation::Ours).assert_bucket_matches_zoom();
    }

    /// Makes the storage refuse matching requests.
    pub fn add_refusal(&self, refusal: Refusal) {
        self.gcs.lock().faults.refusals.push(refusal);
    }

    pub fn clear_faults(&self) {
        self.zoom.clear_faults();
        self.gcs.lock().faults = Faults::default();
    }

    /// Runs the collector until a run succeeds, at most `most` times, `apart` seconds apart. Returns the number of
    /// runs.
    pub fn until_done(&self, by: Implementation, most: usize, apart: i64) -> usize {
        for round in 1..=most {
            let run = self.run(by);
            if run.code == 0 {
                return round;
            }
            assert!(round < most, "not done after {most} runs: {}", run.said);
            self.advance(apart);
        }
        most
    }
}

/// Returns the lines of objects, each with its count.
fn lines_of(objects: BTreeMap<String, Bytes>) -> HashMap<Bytes, u64> {
    let mut counts = HashMap::new();
    for (name, bytes) in objects {
        assert!(name.ends_with(".json.gz"), "{name} is not an object for the feed");
        let text = gunzip(&bytes);
        assert!(text.ends_with('\n'), "{name} ends in the middle of a line");
        for line in text.lines() {
            *counts.entry(Bytes::copy_from_slice(line.as_bytes())).or_default() += 1;
        }
    }
    counts
}

fn count_by(lines: &HashMap<Bytes, u64>, as_what: fn(&Bytes) -> Bytes) -> HashMap<Bytes, u64> {
    let mut counts = HashMap::new();
    for (line, count) in lines {
        *counts.entry(as_what(line)).or_default() += count;
    }
    counts
}

/// Joins a record that Zoom splits over several lines, by removing the line ends between its tokens.
fn one_line(raw: &Bytes) -> Bytes {
    raw.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect()
}

/// Normalizes a record, so that records with equal content are equal.
fn canonical_json(line: &Bytes) -> Bytes {
    serde_json::from_slice::<Value>(line).unwrap().to_string().into()
}

/// Waits until a condition holds. Panics after 20 seconds.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < patience, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_micros(300));
    }
}
