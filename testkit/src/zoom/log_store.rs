//! The records of the fake, each with its time and the time at which it becomes visible.

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// A record, byte for byte as the API returns it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The time that Zoom sorts it by, in seconds since the epoch.
    pub time: i64,
    /// When the API starts to return it, in seconds since the epoch.
    pub visible_at: i64,
    pub raw: Bytes,
}

impl Entry {
    /// Returns a record that is visible at its own time.
    pub fn new(time: i64, raw: impl Into<Bytes>) -> Self {
        Self { time, visible_at: time, raw: raw.into() }
    }

    /// Delays the visibility by some seconds.
    pub fn late(self, seconds: i64) -> Self {
        Self { visible_at: self.time + seconds, ..self }
    }
}

/// All records, ordered by time.
#[derive(Default)]
pub struct LogStore {
    entries: BTreeMap<(i64, u64), Entry>,
    serial: u64,
}

/// A range of times in seconds since the epoch; the end is exclusive.
pub type Window = std::ops::Range<i64>;

impl LogStore {
    pub fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.serial += 1;
            self.entries.insert((entry.time, self.serial), entry);
        }
    }

    /// Returns the number of records.
    pub fn record_count(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Returns the records of a window that are visible at `now`, newest first.
    pub fn visible_records(
        &self,
        window: &Window,
        now: i64,
    ) -> impl DoubleEndedIterator<Item = (&(i64, u64), &Entry)> + use<'_> {
        let end = window.end.max(window.start);
        let within = self.entries.range((window.start, 0)..(end, 0)).rev();
        within.filter(move |(_, entry)| entry.visible_at <= now)
    }

    /// Returns the lines that a complete collection contains at `now`, each with its count.
    pub fn expected(&self, since: i64, now: i64) -> HashMap<Bytes, u64> {
        let mut counts = HashMap::new();
        for entry in self.entries.range((since, 0)..).map(|(_, entry)| entry) {
            if entry.visible_at <= now {
                *counts.entry(entry.raw.clone()).or_default() += 1;
            }
        }
        counts
    }
}

/// Returns a generated record. Its layout depends on the number, and no two numbers yield the same record.
pub fn record(number: u64, time: i64) -> Entry {
    let when = super::iso(time);
    let detail = format!("Update User homer{number}@duff.io  - Job Title: set to Inspector {number}");
    let raw = match number % 9 {
        0 => format!(
            r#"{{"time":"{when}","operator":"admin@duff.io","category_type":"User","action":"Update","operation_detail":"{detail}"}}"#
        ),
        1 => format!(
            r#"{{ "action" : "Update", "category_type" : "User","operation_detail":"{detail} caf\u00e9 \/ café","operator":"é@duff.io", "time": "{when}" }}"#
        ),
        2 => format!(
            r#"{{"time":"{when}","operator":"first@duff.io","operator":"last@duff.io","category_type":"User","action":"Add","operation_detail":"{detail}"}}"#
        ),
        3 => format!(
            r#"{{"time":"{when}","operator":"admin@duff.io","category_type":"Account","action":"Update","operation_detail":"{detail}","extra":{{"n":1.50e+2,"list":[ 1, null ,true]}}}}"#
        ),
        4 => format!(
            r#"{{"time":"{when}","operator":"admin@duff.io","category_type":"User","action":"Update","operation_detail":"tab\t quote\" \ud83d\ude00 😀 {detail}"}}"#
        ),
        5 => format!(r#"{{"time":"{when}","operation_detail":"{detail}"}}"#),
        6 => format!(
            r#"{{"category_type":"Zoom Rooms","action":"Delete","operator":"","time":"{when}","operation_detail":"Delete {number}"}}"#
        ),
        7 => format!(
            "{{\"time\":\"{when}\",\t\"operator\":\"admin@duff.io\",\"category_type\":\"User Group\",\"action\":\"Batch Update\",\"operation_detail\":\"[{{\\\"id\\\":{number}}}]\"}}"
        ),
        _ => format!(
            r#"{{"time":"{when}","operator":"admin@duff.io","category_type":"User","action":"Update","operation_detail":"a&b=c+d%20#e {detail}\u2028"}}"#
        ),
    };
    Entry::new(time, raw)
}

/// Returns a generated sign-in or sign-out. Each number gives a different one.
pub fn sign_in(number: u64, time: i64) -> Entry {
    let (when, email) = (super::iso(time), format!("homer{number}@duff.io"));
    let kind = if number.is_multiple_of(2) { "Sign in" } else { "Sign out" };
    let raw = match number % 4 {
        0 => format!(
            r#"{{"email":"{email}","time":"{when}","type":"{kind}","ip_address":"203.0.113.{}","client_type":"Browser","version":"5.13.{number}"}}"#,
            number % 256
        ),
        1 => format!(
            r#"{{ "time": "{when}", "email": "{email}", "type": "{kind}", "ip_address": "2001:db8::{number:x}", "client_type": "mac", "version": "-" }}"#
        ),
        2 => format!(
            r#"{{"email":"{email}","time":"{when}","type":"{kind}","client_type":"Z\u00fcrich \/ é {number}"}}"#
        ),
        _ => format!(r#"{{"email":"{email}","time":"{when}","type":"{kind}","ip_address":"","version":""}}"#),
    };
    Entry::new(time, raw)
}

/// Returns `count` sign-ins spread evenly over a window, numbered from `first`.
pub fn spread_sign_ins(first: u64, count: u64, window: Window) -> Vec<Entry> {
    let times = spread(first, count, window).into_iter().map(|entry| entry.time);
    (first..).zip(times).map(|(number, time)| sign_in(number, time)).collect()
}

/// Returns `count` records spread evenly over a window, numbered from `first`.
pub fn spread(first: u64, count: u64, window: Window) -> Vec<Entry> {
    let length = window.end - window.start;
    let place = |number: u64| window.start + (number as i64 * length) / count.max(1) as i64;
    (0..count).map(|number| record(first + number, place(number))).collect()
}

/// Makes a record of a line, at the time in the line, or at `now` if it has none.
pub fn record_from_line(line: &[u8], now: i64) -> Entry {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let time = record["time"].as_str().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok());
    Entry::new(time.map_or(now, |time| time.timestamp()), line.to_vec())
}
