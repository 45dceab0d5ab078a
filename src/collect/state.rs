//! What is remembered from run to run, and its form: JSON with a schema version and a checksum over all the rest.

use super::date::{DAY, Date};
use super::report::Gap;
use crate::clock::instant;
use crate::kept::FORMAT;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const VERSION: u32 = 1;

mod scan;

pub(crate) use scan::{Resume, Unread};

/// What is remembered. Instants are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Drawn once: no two collections name their objects alike.
    pub lineage: String,
    /// How often objects were written.
    pub sequence: u64,
    /// How often the state was saved.
    #[serde(default)]
    pub revision: u64,
    /// The first day that this collection is about.
    pub began: Date,
    /// The last one, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Everything before this day is sealed, or is a gap. Never moves back.
    pub cursor: Date,
    /// Nothing that Zoom had was unread up to this time, in milliseconds since the epoch, when the tail was read last: it ends
    /// at the first page without news that reaches back to it. A record may tell a time that is to come, so may this.
    pub floor: Option<i64>,
    /// When that was.
    pub tail_at: Option<i64>,
    /// From the cursor on, by day.
    pub days: BTreeMap<Date, Day>,
    /// Records without a time of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated: Option<SeenRef>,
    /// Those of the time before: forgotten when this list is old, but for those that were met again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated_before: Option<SeenRef>,
    /// When the list of records without a time was begun.
    #[serde(default)]
    pub undated_since: i64,
    /// Days that an earlier backfill collected: first and last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<(Date, Date)>,
    /// Of the live collection: days that backfills had claimed when it began, and see to. It claims all others from its
    /// first on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theirs: Vec<(Date, Date)>,
    /// Days that will never be collected.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Objects on their way into the bucket.
    #[serde(default)]
    pub pending: Vec<Pending>,
    /// When the last hours were read again, and what it took.
    #[serde(default)]
    pub hours: Cadence,
    /// When the look-back was read again, and what it took.
    #[serde(default)]
    pub full: Cadence,
    /// How many days a window of the past spans.
    pub span: i64,
    /// How many days beyond today Zoom may be asked for.
    pub ahead: i64,
    /// Whether Zoom honors a time of day in `to`; unknown until a window had to end within a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<bool>,
    /// A window of whole days ends at least so many milliseconds after its last day began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<i64>,
    /// A window that a run did not get to the end of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// What was taken over from the recipe's collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<String>,
    /// Since the beginning.
    #[serde(default)]
    pub totals: Totals,
}

/// A day that the state knows of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Records written.
    pub records: u64,
    /// Nothing more is expected of it.
    #[serde(default)]
    pub sealed: bool,
    /// When a reading of all of it began last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_at: Option<i64>,
    /// What was seen of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenRef>,
    /// It cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// What the current reading of it has not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// Where a list of what was seen is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRef {
    /// Its object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Why a day is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What went wrong.
    pub reason: String,
    /// How often.
    pub attempts: u32,
    /// When it is tried again.
    pub next: i64,
}

/// When something was done, and how many pages it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// When it began.
    pub at: i64,
    /// Pages.
    pub pages: u64,
}

/// An object that is to be written, and whose bytes wait below the state's location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What it is called in the bucket.
    pub name: String,
    /// Whether it goes below the state's location instead.
    #[serde(default)]
    pub beside_state: bool,
    /// Where its bytes wait.
    pub staged: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// Counts since the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records written.
    pub records: u64,
    /// Objects written.
    pub objects: u64,
    /// Records that came again and were not written again.
    pub suppressed: u64,
    /// Records that came late.
    pub late: u64,
    /// Days sealed.
    pub sealed: u64,
    /// Records that may have twins which could not be told apart when their day was sealed.
    #[serde(default)]
    pub unsettled: u64,
}

impl Day {
    /// All of it has been read, at this time or before, but for a part that a run left unread.
    pub(crate) fn has_been_read(&mut self, at: i64) {
        if self.full_at.is_some() || self.unread.is_none() {
            self.full_at.get_or_insert(at);
            self.parked = None;
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "a state of this program")]
struct Envelope<'a> {
    format: String,
    version: u32,
    sha256: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

/// The state of the recipe's collector.
#[derive(Debug, Deserialize)]
pub(crate) struct Recipe {
    pub(crate) cursor_date: Option<Date>,
}

/// What stands where the state is.
#[derive(Debug)]
pub(crate) enum Standing {
    Ours(Box<State>),
    Recipe(Recipe),
}

impl State {
    pub(crate) fn new(lineage: String, began: Date) -> Self {
        Self {
            lineage,
            sequence: 0,
            revision: 0,
            began,
            until: None,
            cursor: began,
            floor: None,
            tail_at: None,
            days: BTreeMap::new(),
            undated: None,
            undated_before: None,
            undated_since: 0,
            collected: Vec::new(),
            theirs: Vec::new(),
            gaps: Vec::new(),
            pending: Vec::new(),
            hours: Cadence::default(),
            full: Cadence::default(),
            span: super::plan::LONGEST_SPAN,
            ahead: super::plan::AHEAD,
            time_of_day: None,
            window_end: None,
            resume: None,
            taken_over: None,
            totals: Totals::default(),
        }
    }

    /// What is wrong where the live collection's state tells of days that this machine's clock has not come to: it was
    /// written under a clock that was ahead. Nothing would be asked for until then, and all would look well. A day is
    /// allowed for, as zones have it.
    pub(crate) fn ahead(&self, now: i64) -> Option<String> {
        let read = self.tail_at.filter(|at| *at > now.saturating_add(DAY));
        let what = match read {
            Some(at) => format!("it was written at {}", instant(at)),
            None if self.cursor > Date::of(now).plus(1) => format!("it stands at {}", self.cursor),
            None => return None,
        };
        Some(format!(
            "the state is ahead of this machine's clock: {what}, and the clock shows {}",
            instant(now)
        ))
    }

    /// Whether a run ended within a window before, so that budgets matter.
    pub(crate) fn was_cut_short(&self) -> bool {
        self.time_of_day.is_some() || self.days.values().any(|known| known.unread.is_some())
    }

    /// Moves the cursor over the days that are sealed.
    pub(crate) fn advance(&mut self) {
        while self.days.get(&self.cursor).is_some_and(|known| known.sealed) {
            self.cursor = self.cursor.plus(1);
        }
    }

    /// Days that a state of backfills has claimed: first and last.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (Date, Date)> {
        self.collected.iter().copied().chain(self.until.map(|until| (self.began, until)))
    }

    /// Whether such a state has read a day that it claims, and is done with it.
    pub(crate) fn has_read(&self, day: Date) -> bool {
        let within = |first: Date, last: Date| (first..=last).contains(&day);
        let read = day < self.cursor || self.days.get(&day).is_some_and(|known| known.sealed);
        self.collected.iter().any(|(first, last)| within(*first, *last))
            || (read && self.until.is_some_and(|until| within(self.began, until)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        sealed(serde_json::to_string(self).unwrap_or_default())
    }

    /// The bytes of what was seen, with those of the state itself.
    pub(crate) fn size(&self) -> u64 {
        let seen: u64 = self.lists().map(|seen| seen.bytes).sum();
        seen + u64::try_from(self.encode().len()).unwrap_or(0)
    }

    /// Lists of what was seen.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &SeenRef> {
        let days = self.days.values().filter_map(|day| day.seen.as_ref());
        days.chain(&self.undated).chain(&self.undated_before)
    }

    /// Begins a new list of records without a time where the old one is so many milliseconds old.
    pub(crate) fn turn_undated(&mut self, now: i64, age: i64) {
        if self.undated.is_none() && self.undated_before.is_none() {
            self.undated_since = now;
        } else if now - self.undated_since > age {
            (self.undated_before, self.undated_since) = (self.undated.take(), now);
        }
    }

    /// Objects below the state's location that the state speaks of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.lists()
            .map(|seen| seen.name.as_str())
            .chain(self.pending.iter().map(|pending| pending.staged.as_str()))
    }
}

/// A state's text with its schema version and checksum.
pub(super) fn sealed(text: String) -> Vec<u8> {
    let sha256 = crate::sealed::sha256(&text);
    let state = RawValue::from_string(text).unwrap_or_default();
    let envelope = Envelope { format: FORMAT.into(), version: VERSION, sha256, state: &state };
    let mut bytes = serde_json::to_vec(&envelope).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads what stands there. The error says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Standing, String> {
    let envelope: Envelope<'_> = match serde_json::from_slice(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            return match serde_json::from_slice::<Recipe>(bytes) {
                Ok(recipe) if recipe.cursor_date.is_some() => Ok(Standing::Recipe(recipe)),
                _ => Err(format!("this is no state, or it was cut short ({error})")),
            };
        }
    };
    if envelope.format != FORMAT || envelope.version != VERSION {
        return Err(format!(
            "the state has format {} {}, and this program reads {FORMAT} {VERSION}; use the zoom-udm that wrote it",
            envelope.format, envelope.version
        ));
    }
    if envelope.sha256 != crate::sealed::sha256(envelope.state.get()) {
        return Err("the state is damaged (its checksum differs)".into());
    }
    let state = serde_json::from_str(envelope.state.get())
        .map_err(|error| format!("the state cannot be understood ({error})"))?;
    Ok(Standing::Ours(Box::new(state)))
}

#[cfg(test)]
mod tests;
