//! What the tests of `collect` share: a world of a Zoom, a bucket and a clock; the program in it, or the recipe's
//! function in its place; and the comparison of what Zoom has with what the bucket holds.

pub mod month;
pub mod reference;

pub use crate::files::{gunzip, read_files};
pub use crate::gcs::{Faults, Gcs, Refusal};
use crate::process;
use crate::zoom;
pub use crate::zoom::faults::{Act, RequestFilter, Wait, When};
pub use crate::zoom::log_store::{self, Entry, record, spread};
pub use crate::zoom::{Behavior, Paging, Zoom, at, iso};
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

/// Who collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    Ours,
    /// The recipe's function, re-typed: what a test is worth shows on it.
    Reference,
}

/// Flags that keep pauses short.
pub const FAST_RETRIES: [&str; 4] = ["--first-pause", "1ms", "--summary", "json"];

pub struct World {
    pub zoom: Zoom,
    pub gcs: Gcs,
    /// Where the data goes where it is no bucket.
    pub directory: Option<tempfile::TempDir>,
    pub environment: BTreeMap<&'static str, String>,
    /// The program.
    pub binary: PathBuf,
    /// Requests for pages that one run of the reference gets through before its time is up.
    pub request_budget: Option<u64>,
    /// Whether the reference meets tokens that it cannot send, which would hide its other faults.
    pub hostile: bool,
}

/// What became of a run.
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

    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        self
    }

    /// That it failed, and what it says holds this.
    pub fn assert_failed_with(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.said);
        for part in parts {
            assert!(self.said.contains(part), "{part:?} in: {}", self.said);
        }
    }
}

/// What Zoom has against what the bucket holds.
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

    /// Nothing is missing; there may be more, from before.
    pub fn assert_nothing_missing(&self) {
        assert!(self.missing == 0 && self.expected > 0, "{self:?}");
    }

    pub fn assert_bucket_matches_zoom(&self) {
        assert!(self.missing == 0 && self.surplus == 0, "{self:?}");
        assert!(self.expected > 0, "nothing was compared");
    }
}

impl World {
    /// Zoom with nothing in it, and an empty bucket, at this time.
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

    /// The same with a directory in the bucket's place.
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

    /// Puts all clocks to this time.
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

    /// The program, set up to see this world and little else.
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

    /// A run by either.
    pub fn run(&self, by: Implementation) -> Run {
        match by {
            Implementation::Ours => self.collect(&[]),
            Implementation::Reference => reference::run(self),
        }
    }

    /// Waits for a run that was started, for so long.
    pub fn wait(&self, child: Child) -> Run {
        Run::of(&child.wait_with_output().unwrap())
    }

    /// Names and bytes of what the run wrote for the feed.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        match &self.directory {
            Some(directory) => {
                let all = read_files(&directory.path().join("logs"));
                let shown = all.into_iter().filter(|(name, _)| !name.contains(".zoom-udm-"));
                shown.map(|(name, bytes)| (name, bytes.into())).collect()
            }
            None => {
                let all = self.gcs.all(BUCKET, PREFIX).into_iter();
                all.map(|(name, bytes)| (name[PREFIX.len()..].to_owned(), bytes)).collect()
            }
        }
    }

    /// What the run keeps for itself.
    pub fn state(&self) -> BTreeMap<String, Bytes> {
        match &self.directory {
            Some(directory) => {
                let all = read_files(&directory.path().join("state")).into_iter();
                all.map(|(name, bytes)| (name, bytes.into())).collect()
            }
            None => {
                let all = self.gcs.all(BUCKET, "").into_iter();
                all.filter(|(name, _)| !name.starts_with(PREFIX)).collect()
            }
        }
    }

    /// The lines in the bucket, and how often each.
    pub fn stored_lines(&self) -> HashMap<Bytes, u64> {
        let mut counts = HashMap::new();
        for (name, bytes) in self.objects() {
            assert!(name.ends_with(".json.gz"), "{name} is no object for the feed");
            let text = gunzip(&bytes);
            assert!(text.ends_with('\n'), "{name} ends in the middle of a line");
            for line in text.lines() {
                *counts.entry(Bytes::copy_from_slice(line.as_bytes())).or_default() += 1;
            }
        }
        counts
    }

    /// What Zoom shows by now, from `since` on, against what is held, byte for byte; by content for the reference, which
    /// writes records anew.
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

    /// The bucket holds each record exactly as often as Zoom has it.
    pub fn assert_bucket_matches_zoom(&self) {
        self.balance(Implementation::Ours).assert_bucket_matches_zoom();
    }

    /// Makes storage refuse so.
    pub fn add_refusal(&self, refusal: Refusal) {
        self.gcs.lock().faults.refusals.push(refusal);
    }

    pub fn clear_faults(&self) {
        self.zoom.clear_faults();
        self.gcs.lock().faults = Faults::default();
    }

    /// Runs until one is done, at most so many times, so many seconds apart; how many it took.
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

fn count_by(lines: &HashMap<Bytes, u64>, as_what: fn(&Bytes) -> Bytes) -> HashMap<Bytes, u64> {
    let mut counts = HashMap::new();
    for (line, count) in lines {
        *counts.entry(as_what(line)).or_default() += count;
    }
    counts
}

/// A record that Zoom breaks over lines, on one: the line ends between its tokens are left out.
fn one_line(raw: &Bytes) -> Bytes {
    raw.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect()
}

/// By content.
fn canonical_json(line: &Bytes) -> Bytes {
    serde_json::from_slice::<Value>(line).unwrap().to_string().into()
}

/// Waits until it is so.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < patience, "{what} never came");
        std::thread::sleep(Duration::from_micros(300));
    }
}
