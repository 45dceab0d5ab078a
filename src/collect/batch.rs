//! Groups new records into objects by day, and remembers which page each record came from.

use super::date::Date;
use super::state::CollectorState;
use super::zoom::Window;
use crate::clock::format_utc;
use crate::collector_files;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Write as _;

/// Objects are made once this many bytes of records are collected, so no object decompresses to more than this plus a
/// page.
const FLUSH_BYTES: usize = 32 << 20;

/// A page that records came from.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PageRef {
    from: String,
    to: String,
    page: u64,
    read_at: String,
    #[serde(rename = "x_zm_trackingid")]
    tracking: String,
}

impl PageRef {
    pub(crate) fn new(window: Window, page: u64, read_at: i64, tracking: &str) -> Self {
        let (from, to) = window.bounds();
        Self { from, to, page, read_at: format_utc(read_at), tracking: tracking.to_owned() }
    }
}

#[derive(Debug, Default)]
struct DayBuffer {
    text: Vec<u8>,
    records: u64,
    first: Option<i64>,
    last: Option<i64>,
    /// The index of the page, and the number of consecutive lines from it.
    runs: Vec<(usize, u64)>,
}

/// Records that are not in an object yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    days: BTreeMap<Date, DayBuffer>,
    sources: Vec<PageRef>,
    /// The page of the next records, once known.
    next: Option<PageRef>,
    /// Records that are not valid, as rejects: the feed must not take them for logs, so the manifest keeps them.
    malformed: Vec<String>,
    bytes: usize,
}

/// An object to be written.
pub(crate) struct Object {
    /// The name below the data location.
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    pub(crate) sha256: String,
    pub(crate) records: u64,
    entry: serde_json::Value,
}

impl Object {
    /// Creates a manifest, which is written like an object.
    pub(crate) fn manifest(state: &str, day: Date, sequence: u64, bytes: Vec<u8>) -> Self {
        let sha256 = crate::checksummed::sha256(&bytes);
        Self {
            name: collector_files::manifest_name(state, &day.path(), sequence, &sha256),
            bytes: bytes.into(),
            sha256,
            records: 0,
            entry: serde_json::Value::Null,
        }
    }
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.days.is_empty() && self.malformed.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= FLUSH_BYTES
    }

    /// Sets the page of the records that follow.
    pub(crate) fn set_page(&mut self, page: PageRef) {
        self.next = Some(page);
    }

    pub(crate) fn add(&mut self, day: Date, raw: &str, time: Option<i64>) {
        self.sources.extend(self.next.take());
        let lines = self.days.entry(day).or_default();
        lines.text.extend_from_slice(raw.as_bytes());
        lines.text.push(b'\n');
        lines.records += 1;
        self.bytes += raw.len() + 1;
        lines.first = lines.first.into_iter().chain(time).min();
        lines.last = lines.last.into_iter().chain(time).max();
        let source = self.sources.len().saturating_sub(1);
        match lines.runs.last_mut() {
            Some((page, count)) if *page == source => *count += 1,
            _ => lines.runs.push((source, 1)),
        }
    }

    /// Adds a record that is not valid, as a reject.
    pub(crate) fn add_malformed(&mut self, reject: &str) {
        self.malformed.push(reject.to_owned());
        self.bytes += reject.len();
    }

    /// Takes the records that are not valid.
    pub(crate) fn take_malformed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.malformed)
    }

    /// Turns the collected records into objects, and empties the batch.
    pub(crate) fn drain_objects(&mut self, state: &CollectorState, name_prefix: &str) -> Vec<Object> {
        let Self { days, sources, .. } = std::mem::take(self);
        days.into_iter().map(|(day, lines)| object(state, name_prefix, day, &lines, &sources)).collect()
    }
}

fn object(
    state: &CollectorState,
    name_prefix: &str,
    day: Date,
    lines: &DayBuffer,
    sources: &[PageRef],
) -> Object {
    let bytes = gzip(&lines.text);
    let uuid = uuid(&state.collection_id, state.sequence, day, &lines.text);
    let name = format!("{name_prefix}{}/{}-{uuid}.json.gz", day.path(), state.logs.spec().object_stem);
    let sha256 = crate::checksummed::sha256(&bytes);
    let mut line = 1;
    let mut pages = Vec::new();
    for (source, count) in &lines.runs {
        let page = sources.get(*source).and_then(|source| serde_json::to_value(source).ok());
        let mut page = page.unwrap_or_default();
        page["first_line"] = line.into();
        page["lines"] = (*count).into();
        line += count;
        pages.push(page);
    }
    let entry = serde_json::json!({
        "name": name,
        "records": lines.records,
        "bytes": bytes.len(),
        "sha256": sha256,
        "first": lines.first.map(format_utc),
        "last": lines.last.map(format_utc),
        "pages": pages,
    });
    Object { name, bytes: bytes.into(), sha256, records: lines.records, entry }
}

/// Returns the manifest: what a run wrote and from which pages, as JSON in gzip.
pub(crate) fn manifest(
    state: &CollectorState,
    task: &str,
    at: i64,
    to: &str,
    objects: &[Object],
    malformed: &[String],
) -> Vec<u8> {
    let mut manifest = serde_json::json!({
        "task": task,
        "sequence": state.sequence,
        "written_at": format_utc(at),
        "to": to,
        "records": objects.iter().map(|object| object.records).sum::<u64>(),
        "objects": objects.iter().map(|object| &object.entry).collect::<Vec<_>>(),
    });
    if !malformed.is_empty() {
        let rejects =
            malformed.iter().filter_map(|reject| serde_json::from_str::<serde_json::Value>(reject).ok());
        manifest["malformed"] = rejects.collect();
    }
    let mut bytes = serde_json::to_vec(&manifest).unwrap_or_default();
    bytes.push(b'\n');
    gzip(&bytes)
}

/// Returns a text as gzip. The header contains no time, so that the same text gives the same bytes.
pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// Returns a UUID derived from the content and its sequence number. After a kill it is the same
/// again; an identical record that comes later gets another object.
fn uuid(lineage: &str, sequence: u64, day: Date, text: &[u8]) -> String {
    let head = format!("{lineage}\n{sequence}\n{day}\n");
    let digest = Sha256::new().chain_update(head).chain_update(text).finalize();
    crate::checksummed::uuid(&digest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_per_day_content_named_and_traceable() {
        let day: Date = "2024-01-31".parse().unwrap();
        let state = CollectorState::new("lineage".into(), day);
        let window = Window::days(day, day.add_days(1));
        let made = || {
            let mut batch = Batch::default();
            batch.set_page(PageRef::new(window, 1, 0, "T1"));
            batch.add(day, "{\"a\":1}", Some(day.start()));
            batch.add(day.add_days(1), "{\"b\":1}", None);
            batch.set_page(PageRef::new(window, 2, 0, "T2"));
            batch.add(day, "{\"a\":2}", Some(day.start() + 1000));
            let objects = batch.drain_objects(&state, "p/");
            assert!(batch.is_empty());
            objects
        };
        let objects = made();
        assert_eq!(objects.len(), 2);
        assert_eq!(
            (objects[0].name.clone(), objects[0].bytes.clone()),
            (made()[0].name.clone(), made()[0].bytes.clone())
        );
        assert!(
            objects[0].name.starts_with("p/2024/01/31/zoom-operationlogs-")
                && objects[0].name.ends_with(".json.gz")
        );
        let manifest = manifest(&state, "collect", 0, "memory://", &objects, &[]);
        let manifest: serde_json::Value =
            serde_json::from_reader(flate2::read::GzDecoder::new(&manifest[..])).unwrap();
        let pages = &manifest["objects"][0]["pages"];
        assert_eq!(
            (pages[1]["x_zm_trackingid"].as_str(), pages[1]["first_line"].as_u64()),
            (Some("T2"), Some(2))
        );
        assert_eq!(manifest["records"], 3);
    }
}
