//! Properties of the bytes of a ledger; used by the fuzz target.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::codec::{EntryEncoder, SEGMENT, decode};
use super::entry::{Entry, State};
use super::manifest;
use super::segment::rewrite;
use std::collections::HashMap;

/// Returns the entries of a segment; `None` if it is refused.
fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut all = Vec::new();
    let decoded = decode("memory://", bytes, &mut |header| {
        let entry = header.parse_full()?;
        assert_eq!((&*header.object, &*header.tag), (&*entry.object, &*entry.tag));
        assert_eq!((header.modified, header.state), (entry.modified, entry.state));
        all.push(entry);
        Ok(())
    });
    match decoded {
        Ok(()) => Some(all),
        Err(error) => {
            assert!(error.to_string().contains("ledger"), "{error}");
            None
        }
    }
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut encoder = EntryEncoder::new();
    entries.iter().for_each(|entry| encoder.entry(entry));
    encoder.finish()
}

/// Any bytes are a segment that reads back as written, or damaged; never an empty segment.
pub(crate) fn segment(bytes: &[u8]) {
    if let Some(all) = entries(bytes) {
        assert!(!bytes.is_empty());
        assert_eq!(entries(&encoded(&all)), Some(all));
    }
}

/// The same for a body with a valid checksum.
pub(crate) fn body(body: &[u8]) {
    segment(&SEGMENT.encode(body));
}

/// The manifest of a ledger is valid and has segments, or is damaged.
pub(crate) fn head(bytes: &[u8]) {
    match manifest::decode("memory://", bytes) {
        Ok(manifest) => {
            assert!(manifest.version == 1 && manifest.segments > 0);
            let written = serde_json::to_vec(&manifest).unwrap();
            assert_eq!(manifest::decode("memory://", &written).unwrap(), manifest);
        }
        Err(error) => assert!(error.to_string().starts_with("memory://"), "{error}"),
    }
}

/// A segment reads back as written; a changed one is refused, or reads back the same.
pub(crate) fn changed(written: &[Entry], change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = encoded(written);
    assert_eq!(entries(&bytes).as_deref(), Some(written));
    merged(&bytes, written);
    change(&mut bytes);
    if let Some(read) = entries(&bytes) {
        assert_eq!(read, written);
    }
}

/// A merge keeps what it should keep, replaces what is newer, and adds what is new once.
fn merged(standing: &[u8], written: &[Entry]) {
    let newer =
        written.iter().step_by(2).map(|entry| Entry { at: entry.at.wrapping_add(1), ..entry.clone() });
    let more: HashMap<_, _> = newer.map(|entry| (entry.object.clone(), entry)).collect();
    let all = rewrite("memory://", Some(standing), &|header| Ok(header.modified >= 0), &more).unwrap();
    let all = entries(&all).unwrap();
    for entry in more.values() {
        let found: Vec<_> = all.iter().filter(|one| one.object == entry.object).collect();
        let success = |one: &Entry| {
            entry.state == State::Quarantined && one.state == State::Done && one.tag == entry.tag
        };
        assert!(found.len() == 1 && (found[0] == entry || success(found[0])), "{found:?}");
    }
    let kept = |entry: &&Entry| !more.contains_key(&entry.object);
    let stay: Vec<_> = written.iter().filter(kept).filter(|entry| entry.modified >= 0).collect();
    assert_eq!(all.iter().filter(kept).collect::<Vec<_>>(), stay);
}
