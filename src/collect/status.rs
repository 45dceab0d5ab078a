//! What the state says, for people and programs. Takes no lease and writes nothing.

use super::Error;
use super::date::Date;
use super::journal::{decoded, refuse_lost_state};
use super::options::StatePlace;
use super::report::Gap;
use super::state::{Standing, State, Totals};
use crate::clock::instant;
use crate::kept::BACKFILL;
use crate::store::{Settings, Store};
use serde::Serialize;

/// Where a collection stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The object that holds the state.
    pub state: String,
    /// The first day that it is about.
    pub began: Date,
    /// The last one, of a backfill.
    pub until: Option<Date>,
    /// The first day that is not sealed.
    pub cursor: Date,
    /// When the newest records were read last.
    pub read_at: Option<String>,
    /// How far collecting is behind.
    pub lag_seconds: i64,
    /// Days that are not sealed, with what was written of each.
    pub open: Vec<(Date, u64)>,
    /// Days that cannot be read for now.
    pub parked: Vec<Gap>,
    /// Days that are missing for good.
    pub gaps: Vec<Gap>,
    /// Objects that a killed run has left to write.
    pub pending: usize,
    /// Counts since the beginning.
    pub totals: Totals,
    /// What the state takes.
    pub state_bytes: u64,
    /// What was taken over from the recipe's collector.
    pub taken_over: Option<String>,
}

/// Seconds since the time up to which everything was asked for.
pub(crate) fn lag(state: &State, now: i64) -> i64 {
    let last = state.until.map_or_else(|| Date::of(now), |until| until.min(Date::of(now)));
    let never = state
        .cursor
        .to(last)
        .find(|day| state.days.get(day).is_none_or(|known| !known.sealed && known.full_at.is_none()));
    let tail = if state.until.is_some() { None } else { state.tail_at };
    let since = never.map(Date::start).into_iter().chain(tail).min().unwrap_or(now);
    ((now - since) / 1000).max(0)
}

/// Where the live collection and the backfill stand, whichever there are.
///
/// # Errors
/// Where a state cannot be read or understood.
pub async fn status(place: &StatePlace, now: i64, settings: &Settings) -> Result<Vec<Status>, Error> {
    let store = Store::open(&place.location, settings).await?;
    let mut found = Vec::new();
    for name in [&*place.name, BACKFILL] {
        let Some((bytes, _)) = store.read(name).await? else {
            refuse_lost_state(&store, name, now).await?;
            continue;
        };
        let url = store.location().url(name);
        match decoded(&store, name, &bytes, now).await? {
            Standing::Ours(state) => found.push(of(url, &state, now)),
            Standing::Recipe(_) => {
                return Err(Error::Damaged(format!(
                    "{url}: this is the state of the recipe's collector; the next run of collect takes over from it"
                )));
            }
        }
    }
    Ok(found)
}

fn of(url: String, state: &State, now: i64) -> Status {
    let parked = state.days.iter().filter_map(|(day, known)| {
        let why = known.parked.as_ref()?;
        let reason = format!("{} ({} attempts, next after {})", why.reason, why.attempts, instant(why.next));
        Some(Gap { from: *day, until: *day, reason })
    });
    Status {
        state: url,
        began: state.began,
        until: state.until,
        cursor: state.cursor,
        read_at: state.tail_at.map(instant),
        lag_seconds: lag(state, now),
        open: state
            .days
            .iter()
            .filter(|(_, known)| !known.sealed)
            .map(|(day, known)| (*day, known.records))
            .collect(),
        parked: parked.collect(),
        gaps: state.gaps.clone(),
        pending: state.pending.len(),
        totals: state.totals.clone(),
        state_bytes: state.size(),
        taken_over: state.taken_over.clone(),
    }
}
