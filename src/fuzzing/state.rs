//! Stored data: arbitrary bytes, and valid data with changes.

use super::gzip::member;
use crate::collect::invariants as collect;
use crate::ingest::ledger::{Entry, State, invariants as ledger};
use crate::lease;
use arbitrary::{Result, Unstructured};

/// The first byte selects the kind of data.
pub(super) fn state(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 12 {
        0 => ledger::segment(rest),
        1 => ledger::body(rest),
        2 => ledger::body(&member(rest, 1)),
        3 => ledger::head(rest),
        4 => lease::invariants::bytes(rest),
        5 => collect::state(rest),
        6 => std::str::from_utf8(rest).iter().for_each(|text| collect::state_of(text)),
        7 => collect::seen(rest),
        8 => collect::seen_of(rest),
        kind => {
            // A script that ends early is valid.
            let _ = written(kind, &mut Unstructured::new(rest));
        }
    }
}

/// Data generated from a script, with a change that the script selects.
fn written(kind: u8, script: &mut Unstructured<'_>) -> Result<()> {
    let changes = changes(script)?;
    let change = |bytes: &mut Vec<u8>| changes.iter().for_each(|change| change.apply(bytes));
    match kind {
        9 => {
            let mut entries = Vec::new();
            while !script.is_empty() && entries.len() < 20 {
                let entry = entry(script)?;
                // Each object has one entry.
                if entries.iter().all(|known: &Entry| known.object != entry.object) {
                    entries.push(entry);
                }
            }
            ledger::changed(&entries, change);
        }
        10 => {
            let mut days = Vec::new();
            while !script.is_empty() && days.len() < 20 {
                days.push((script.int_in_range(0..=40)?, script.arbitrary()?, script.arbitrary()?));
            }
            collect::changed_state(&collect::state_with(days.into_iter()), change);
        }
        _ => {
            let mut counts = Vec::new();
            while !script.is_empty() && counts.len() < 40 {
                counts.push((script.arbitrary()?, script.int_in_range(1..=u32::MAX)?));
            }
            collect::changed_seen(counts.into_iter(), change);
        }
    }
    Ok(())
}

fn entry(script: &mut Unstructured<'_>) -> Result<Entry> {
    Ok(Entry {
        object: script.arbitrary::<&str>()?.to_owned(),
        tag: script.arbitrary::<&str>()?.to_owned(),
        generation: script.choose(&["", "17"])?.to_string(),
        size: script.arbitrary()?,
        modified: script.arbitrary()?,
        state: if script.arbitrary()? { State::Done } else { State::Quarantined },
        at: script.arbitrary()?,
        events: script.int_in_range(0..=2)?,
        rejects: script.int_in_range(0..=2)?,
        output: script.choose(&["", "a.ndjson"])?.to_string(),
        attempts: script.int_in_range(0..=2)?,
        reason: script.choose(&["", "why \"it\" failed\n"])?.to_string(),
        permanent: script.arbitrary()?,
        retry_at: script.arbitrary()?,
        content: None,
        parts: Vec::new(),
        rules: script.int_in_range(0..=2)?,
    })
}

/// A change of bytes.
enum Change {
    Cut(usize),
    Flip(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Twice,
    Without(usize, usize),
}

fn changes(script: &mut Unstructured<'_>) -> Result<Vec<Change>> {
    (0..script.int_in_range(0..=3)?)
        .map(|_| {
            let at = usize::from(script.arbitrary::<u16>()?);
            Ok(match script.int_in_range(0..=5)? {
                0 => Change::Cut(at),
                1 => Change::Flip(at, script.int_in_range(1..=255)?),
                2 => Change::Remove(at),
                3 => Change::Insert(at, script.arbitrary()?),
                4 => Change::Twice,
                _ => Change::Without(at, script.int_in_range(1..=512)?),
            })
        })
        .collect()
}

impl Change {
    /// Applies it; positions wrap around.
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        match *self {
            Self::Cut(at) => bytes.truncate(at % length),
            Self::Twice => bytes.extend_from_within(..),
            Self::Insert(at, byte) => bytes.insert(at % length.min(bytes.len() + 1), byte),
            Self::Flip(at, byte) => {
                if let Some(flipped) = bytes.get_mut(at % length) {
                    *flipped ^= byte;
                }
            }
            Self::Remove(at) if !bytes.is_empty() => drop(bytes.remove(at % length)),
            Self::Remove(_) => {}
            Self::Without(at, many) => {
                let start = (at % length).min(bytes.len());
                bytes.drain(start..(start + many).min(bytes.len()));
            }
        }
    }
}
