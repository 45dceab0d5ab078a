//! Properties of the bytes of states and counts; used by fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::date::Date;
use super::record_counts::{self, RecordCounts};
use super::state::{self, CollectorState, CountsRef, DayState, StoredState, decode};

/// Any bytes are a state, a legacy state with a cursor, or damaged; never an absent state.
pub(crate) fn state(bytes: &[u8]) {
    match decode(bytes) {
        Ok(StoredState::Ours(state)) => {
            reads_back(&state);
            used(*state);
        }
        Ok(StoredState::Legacy(legacy)) => assert!(legacy.cursor_date.is_some()),
        Err(why) => assert!(why.contains("state"), "{why}"),
    }
}

/// The same for text with a valid checksum.
pub(crate) fn state_of(text: &str) {
    // The envelope can only hold JSON.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        state(&state::encode_envelope(text.trim().to_owned()));
    }
}

fn reads_back(state: &CollectorState) {
    let again = decode(&state.encode());
    assert!(matches!(&again, Ok(StoredState::Ours(again)) if **again == *state), "{state:?} {again:?}");
}

/// The operations of a run on any state terminate.
fn used(mut state: CollectorState) {
    assert!(state.referenced_objects().all(|name| name.len() < state.encode().len()));
    state.rotate_undated(1_700_000_000_000, 86_400_000);
    state.advance_cursor();
    assert!(state.cursor >= state.first_day || !state.days.contains_key(&state.cursor) || state.size() > 0);
}

/// A state reads back as written; a changed one is refused, or reads back the same.
pub(crate) fn changed_state(written: &CollectorState, change: impl FnOnce(&mut Vec<u8>)) {
    reads_back(written);
    let mut bytes = written.encode();
    change(&mut bytes);
    match decode(&bytes) {
        Ok(StoredState::Ours(read)) => assert_eq!(*read, *written),
        // It has no cursor of the reference collector.
        taken => assert!(taken.is_err(), "{:?}", String::from_utf8_lossy(&bytes)),
    }
}

/// A state of some days: offset, number of records, whether finalized.
pub(crate) fn state_with(days: impl Iterator<Item = (i64, u64, bool)>) -> CollectorState {
    let began = Date::from_millis(1_700_000_000_000);
    let mut state = CollectorState::new("lineage".into(), began);
    state.days.extend(days.map(|(after, records, finalized)| {
        let counts = (records % 2 == 1).then(|| CountsRef { name: format!("seen/{records}"), bytes: 24 });
        (began.add_days(after), DayState { records, finalized, counts, ..DayState::default() })
    }));
    state
}

/// Any bytes are counts that read back as written, or damaged.
pub(crate) fn seen(bytes: &[u8]) {
    if let Ok(seen) = RecordCounts::decode(bytes) {
        let written = seen.encode();
        assert_eq!(RecordCounts::decode(&written).map(|again| again.encode()), Ok(written));
    }
}

/// The same for a body with a valid checksum: it is refused, or nothing of it is dropped.
pub(crate) fn seen_of(body: &[u8]) {
    let bytes = record_counts::FORMAT.encode(body);
    seen(&bytes);
    if let Ok(seen) = RecordCounts::decode(&bytes) {
        // Each entry takes at least as much space as one entry.
        assert_eq!(body.is_empty(), seen.encode() == record_counts::FORMAT.encode(b""), "{body:?}");
    }
}

/// Checks that counts round-trip, and that modified bytes are rejected or decode to the same counts.
pub(crate) fn changed_seen(counts: impl Iterator<Item = ([u8; 12], u32)>, change: impl FnOnce(&mut Vec<u8>)) {
    let mut seen = RecordCounts::default();
    counts.for_each(|(id, count)| {
        seen.confirm(id, count);
    });
    let written = seen.encode();
    let mut bytes = written.clone();
    assert_eq!(RecordCounts::decode(&bytes).map(|read| read.encode()), Ok(written.clone()));
    change(&mut bytes);
    if let Ok(read) = RecordCounts::decode(&bytes) {
        assert_eq!(read.encode(), written);
    }
}
