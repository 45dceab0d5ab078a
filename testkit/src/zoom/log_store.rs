//! What Zoom knows: records with the time they bear and the time at which they can be seen.

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// A record as it comes out of the API, byte for byte.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where Zoom sorts it in, in seconds since the epoch.
    pub time: i64,
    /// When it appears.
    pub visible_at: i64,
    pub raw: Bytes,
}

impl Entry {
    /// One that is seen when it happens.
    pub fn new(time: i64, raw: impl Into<Bytes>) -> Self {
        Self { time, visible_at: time, raw: raw.into() }
    }

    /// The same, seen so many seconds later.
    pub fn late(self, seconds: i64) -> Self {
        Self { visible_at: self.time + seconds, ..self }
    }
}

/// All records, in order of time.
#[derive(Default)]
pub struct LogStore {
    entries: BTreeMap<(i64, u64), Entry>,
    serial: u64,
}

/// A window of time, from its first second to the one after its last.
pub type Window = std::ops::Range<i64>;

impl LogStore {
    pub fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.serial += 1;
            self.entries.insert((entry.time, self.serial), entry);
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// What is seen at `now`, newest first.
    pub fn visible_records(
        &self,
        window: &Window,
        now: i64,
    ) -> impl DoubleEndedIterator<Item = (&(i64, u64), &Entry)> + use<'_> {
        let end = window.end.max(window.start);
        let within = self.entries.range((window.start, 0)..(end, 0)).rev();
        within.filter(move |(_, entry)| entry.visible_at <= now)
    }

    /// Lines as a faithful collector has them by `now`, and how often each.
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

/// A made-up record of a kind that depends on its number; no two numbers give the same.
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

/// `count` records spread evenly over a window, numbered from `first`.
pub fn spread(first: u64, count: u64, window: Window) -> Vec<Entry> {
    let length = window.end - window.start;
    let place = |number: u64| window.start + (number as i64 * length) / count.max(1) as i64;
    (0..count).map(|number| record(first + number, place(number))).collect()
}

/// A record line that somebody gives: sorted in at its own time, or now where it has none.
pub fn record_from_line(line: &[u8], now: i64) -> Entry {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let time = record["time"].as_str().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok());
    Entry::new(time.map_or(now, |time| time.timestamp()), line.to_vec())
}
