//! The state between runs, stored as JSON with a format version and a checksum.

use super::date::{DAY, Date};
use super::report::MissingDays;
use crate::clock::format_utc;
use crate::collector_files::STATE_FORMAT;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const VERSION: u32 = 1;

mod cursor;

pub(crate) use cursor::{PageCursor, UnreadRange};

/// The state between runs. Instants are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorState {
    /// Created once, so that no two collections use the same object names.
    pub lineage: String,
    /// How often objects were written.
    pub sequence: u64,
    /// How often the state was saved.
    #[serde(default)]
    pub revision: u64,
    /// The first day of this collection.
    pub began: Date,
    /// The last day, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// All earlier days are finalized or gaps. Never moves back.
    pub cursor: Date,
    /// Everything that Zoom had up to this time was read when the newest records were fetched last, because that scan
    /// ends at the first page without new records that reaches back to it. May be in the future, if a record says so.
    pub floor: Option<i64>,
    /// When that was.
    pub tail_at: Option<i64>,
    /// Days from the cursor on.
    pub days: BTreeMap<Date, DayState>,
    /// The counts of records without a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated: Option<CountsRef>,
    /// The previous counts of records without a time; dropped when the list is old, except for records that were seen
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undated_before: Option<CountsRef>,
    /// When the list of records without a time was started.
    #[serde(default)]
    pub undated_since: i64,
    /// Days that earlier backfills collected: first and last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collected: Vec<(Date, Date)>,
    /// For the live collection: days that backfills had claimed before it started, and are responsible for. It claims
    /// all others from its first day on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theirs: Vec<(Date, Date)>,
    /// Days that will never be collected.
    #[serde(default)]
    pub gaps: Vec<MissingDays>,
    /// Objects that are being written to the bucket.
    #[serde(default)]
    pub pending: Vec<PendingWrite>,
    /// When the recent hours were last read again, and how many pages they took.
    #[serde(default)]
    pub hours: LastRun,
    /// When the look-back was last read again, and how many pages it took.
    #[serde(default)]
    pub full: LastRun,
    /// The number of days that a past window spans.
    pub span: i64,
    /// How many days after today Zoom accepts in a request.
    pub ahead: i64,
    /// Whether Zoom honors a time of day in `to`; unknown until a window had to end within a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<bool>,
    /// A window of whole days ends at least so many milliseconds after its last day began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<i64>,
    /// A window that a run did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<PageCursor>,
    /// What was imported from Google's reference collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over: Option<String>,
    /// Totals since the beginning.
    #[serde(default)]
    pub totals: Totals,
}

/// What is known of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayState {
    /// Records written.
    pub records: u64,
    /// Whether the day is finalized.
    #[serde(default)]
    pub sealed: bool,
    /// When the last complete scan of the day started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_at: Option<i64>,
    /// The counts of its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<CountsRef>,
    /// Present if the day could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Deferred>,
    /// What the current reading of it has not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<UnreadRange>,
}

/// A reference to stored counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRef {
    /// The name of the object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Why a day is deferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// The error.
    pub reason: String,
    /// The number of attempts.
    pub attempts: u32,
    /// When it is retried.
    pub next: i64,
}

/// When something was last done, and how many pages it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it started.
    pub at: i64,
    /// The number of pages.
    pub pages: u64,
}

/// An object that is to be written, and is staged next to the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWrite {
    /// Its name in the bucket.
    pub name: String,
    /// Whether it is written next to the state instead.
    #[serde(default)]
    pub beside_state: bool,
    /// The name of the staged object.
    pub staged: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// Totals since the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records written.
    pub records: u64,
    /// Objects written.
    pub objects: u64,
    /// Repeated records that were not written again.
    pub suppressed: u64,
    /// Records that appeared late.
    pub late: u64,
    /// Days finalized.
    pub sealed: u64,
    /// Records that were ambiguous when their day was finalized.
    #[serde(default)]
    pub unsettled: u64,
}

impl DayState {
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

/// The state of Google's reference collector.
#[derive(Debug, Deserialize)]
pub(crate) struct LegacyState {
    pub(crate) cursor_date: Option<Date>,
}

/// What is stored at the location of the state.
#[derive(Debug)]
pub(crate) enum StoredState {
    Ours(Box<CollectorState>),
    Recipe(LegacyState),
}

impl CollectorState {
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
            hours: LastRun::default(),
            full: LastRun::default(),
            span: super::schedule::LONGEST_SPAN,
            ahead: super::schedule::DAYS_AHEAD,
            time_of_day: None,
            window_end: None,
            resume: None,
            taken_over: None,
            totals: Totals::default(),
        }
    }

    /// Returns what is wrong if the live collection's state is ahead of this machine's clock, because it was written
    /// under a clock that was ahead. Otherwise nothing would be fetched until then, without an error. One day is
    /// tolerated, because of time zones.
    pub(crate) fn ahead(&self, now: i64) -> Option<String> {
        let read = self.tail_at.filter(|at| *at > now.saturating_add(DAY));
        let what = match read {
            Some(at) => format!("it was written at {}", format_utc(at)),
            None if self.cursor > Date::from_millis(now).add_days(1) => {
                format!("its cursor is at {}", self.cursor)
            }
            None => return None,
        };
        Some(format!(
            "the state is ahead of the local clock: {what}, and the clock shows {}",
            format_utc(now)
        ))
    }

    /// Whether a run ended within a window before, so that budgets matter.
    pub(crate) fn was_cut_short(&self) -> bool {
        self.time_of_day.is_some() || self.days.values().any(|known| known.unread.is_some())
    }

    /// Moves the cursor past finalized days.
    pub(crate) fn advance_cursor(&mut self) {
        while self.days.get(&self.cursor).is_some_and(|known| known.sealed) {
            self.cursor = self.cursor.add_days(1);
        }
    }

    /// Returns the days that backfills have claimed: first and last.
    pub(crate) fn claimed_ranges(&self) -> impl Iterator<Item = (Date, Date)> {
        self.collected.iter().copied().chain(self.until.map(|until| (self.began, until)))
    }

    /// Returns whether a backfill has claimed a day and finished it.
    pub(crate) fn is_done(&self, day: Date) -> bool {
        let within = |first: Date, last: Date| (first..=last).contains(&day);
        let read = day < self.cursor || self.days.get(&day).is_some_and(|known| known.sealed);
        self.collected.iter().any(|(first, last)| within(*first, *last))
            || (read && self.until.is_some_and(|until| within(self.began, until)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode_envelope(serde_json::to_string(self).unwrap_or_default())
    }

    /// Returns the size of the state and all counts, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let seen: u64 = self.count_refs().map(|seen| seen.bytes).sum();
        seen + u64::try_from(self.encode().len()).unwrap_or(0)
    }

    /// Returns the references to counts.
    pub(crate) fn count_refs(&self) -> impl Iterator<Item = &CountsRef> {
        let days = self.days.values().filter_map(|day| day.seen.as_ref());
        days.chain(&self.undated).chain(&self.undated_before)
    }

    /// Starts a new list of records without a time if the current one is older than `age` milliseconds.
    pub(crate) fn rotate_undated(&mut self, now: i64, age: i64) {
        if self.undated.is_none() && self.undated_before.is_none() {
            self.undated_since = now;
        } else if now - self.undated_since > age {
            (self.undated_before, self.undated_since) = (self.undated.take(), now);
        }
    }

    /// Returns the names of all objects that the state refers to.
    pub(crate) fn referenced_objects(&self) -> impl Iterator<Item = &str> {
        self.count_refs()
            .map(|seen| seen.name.as_str())
            .chain(self.pending.iter().map(|pending| pending.staged.as_str()))
    }
}

/// Wraps the text of a state with its format version and checksum.
pub(super) fn encode_envelope(text: String) -> Vec<u8> {
    let sha256 = crate::envelope::sha256(&text);
    let state = RawValue::from_string(text).unwrap_or_default();
    let envelope = Envelope { format: STATE_FORMAT.into(), version: VERSION, sha256, state: &state };
    let mut bytes = serde_json::to_vec(&envelope).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Decodes a stored state. The error says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<StoredState, String> {
    let envelope: Envelope<'_> = match serde_json::from_slice(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            return match serde_json::from_slice::<LegacyState>(bytes) {
                Ok(recipe) if recipe.cursor_date.is_some() => Ok(StoredState::Recipe(recipe)),
                _ => Err(format!("not a state, or truncated ({error})")),
            };
        }
    };
    if envelope.format != STATE_FORMAT || envelope.version != VERSION {
        return Err(format!(
            "the state has format {} {}, and this program reads {STATE_FORMAT} {VERSION}; use the zoom-udm that wrote it",
            envelope.format, envelope.version
        ));
    }
    if envelope.sha256 != crate::envelope::sha256(envelope.state.get()) {
        return Err("the state is corrupt (checksum mismatch)".into());
    }
    let state = serde_json::from_str(envelope.state.get())
        .map_err(|error| format!("the state cannot be parsed ({error})"))?;
    Ok(StoredState::Ours(Box::new(state)))
}

#[cfg(test)]
mod tests;
