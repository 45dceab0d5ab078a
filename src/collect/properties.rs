//! What must hold of the bytes of a state and of a list of what was seen, whatever became of them: asked by the fuzzer.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::date::Date;
use super::seen::{self, Seen};
use super::state::{self, Day, SeenRef, Standing, State, decode};

/// Any bytes are a state, one of the recipe's with a cursor, or damage: never nothing.
pub(crate) fn state(bytes: &[u8]) {
    match decode(bytes) {
        Ok(Standing::Ours(state)) => {
            reads_back(&state);
            used(*state);
        }
        Ok(Standing::Recipe(recipe)) => assert!(recipe.cursor_date.is_some()),
        Err(why) => assert!(why.contains("state"), "{why}"),
    }
}

/// The same of a text whose checksum is right, as only a fault of ours could make it.
pub(crate) fn state_of(text: &str) {
    // Only JSON can stand in the envelope.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        state(&state::sealed(text.trim().to_owned()));
    }
}

fn reads_back(state: &State) {
    let again = decode(&state.encode());
    assert!(matches!(&again, Ok(Standing::Ours(again)) if **again == *state), "{state:?} {again:?}");
}

/// What runs do with a state ends, whatever is in it.
fn used(mut state: State) {
    assert!(state.names().all(|name| name.len() < state.encode().len()));
    state.turn_undated(1_700_000_000_000, 86_400_000);
    state.advance();
    assert!(state.cursor >= state.began || !state.days.contains_key(&state.cursor) || state.size() > 0);
}

/// A state reads back as it is written; changed in any way it is refused, or read back all the same.
pub(crate) fn changed_state(written: &State, change: impl FnOnce(&mut Vec<u8>)) {
    reads_back(written);
    let mut bytes = written.encode();
    change(&mut bytes);
    match decode(&bytes) {
        Ok(Standing::Ours(read)) => assert_eq!(*read, *written),
        // It has no cursor of the recipe's.
        taken => assert!(taken.is_err(), "{:?}", String::from_utf8_lossy(&bytes)),
    }
}

/// A state of some days: how many after its first, how many records, whether sealed.
pub(crate) fn state_with(days: impl Iterator<Item = (i64, u64, bool)>) -> State {
    let began = Date::of(1_700_000_000_000);
    let mut state = State::new("lineage".into(), began);
    state.days.extend(days.map(|(after, records, sealed)| {
        let seen = (records % 2 == 1).then(|| SeenRef { name: format!("seen/{records}"), bytes: 24 });
        (began.plus(after), Day { records, sealed, seen, ..Day::default() })
    }));
    state
}

/// Any bytes are a list of what was seen that reads back as it is written, or damage.
pub(crate) fn seen(bytes: &[u8]) {
    if let Ok(seen) = Seen::decode(bytes) {
        let written = seen.encode();
        assert_eq!(Seen::decode(&written).map(|again| again.encode()), Ok(written));
    }
}

/// The same of a body whose checksum is right: what is no list is refused, and nothing of one is let go.
pub(crate) fn seen_of(body: &[u8]) {
    let bytes = seen::LIST.seal(body);
    seen(&bytes);
    if let Ok(seen) = Seen::decode(&bytes) {
        // No two entries take less room than one each.
        assert_eq!(body.is_empty(), seen.encode() == seen::LIST.seal(b""), "{body:?}");
    }
}

/// A list reads back as it is written; changed in any way it is refused, or read back all the same.
pub(crate) fn changed_seen(counts: impl Iterator<Item = ([u8; 12], u32)>, change: impl FnOnce(&mut Vec<u8>)) {
    let mut seen = Seen::default();
    counts.for_each(|(id, count)| {
        seen.settle(id, count);
    });
    let written = seen.encode();
    let mut bytes = written.clone();
    assert_eq!(Seen::decode(&bytes).map(|read| read.encode()), Ok(written.clone()));
    change(&mut bytes);
    if let Ok(read) = Seen::decode(&bytes) {
        assert_eq!(read.encode(), written);
    }
}
