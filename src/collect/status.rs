//! Reports the stored state. Takes no lease and writes nothing.

use super::RunError;
use super::config::StateLocation;
use super::date::Date;
use super::log_kind::LogKind;
use super::report::MissingDays;
use super::state::{CollectorState, StoredState, Totals};
use super::state_store::{decode_or_explain, refuse_lost_state};
use crate::clock::format_utc;
use crate::collector_files::BACKFILL;
use crate::store::{Store, StoreConfig};
use serde::Serialize;

/// The progress of a collection.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// What is collected.
    pub logs: LogKind,
    /// The state object.
    pub state: String,
    /// The first day.
    pub first_day: Date,
    /// The last day, for a backfill.
    pub until: Option<Date>,
    /// The first day that is not finalized.
    pub cursor: Date,
    /// When the newest records were last read.
    pub read_at: Option<String>,
    /// The lag.
    pub lag_seconds: i64,
    /// Days that are not finalized, with the number of records written.
    pub open: Vec<(Date, u64)>,
    /// Deferred days.
    pub deferred: Vec<MissingDays>,
    /// Lost days.
    pub gaps: Vec<MissingDays>,
    /// Objects that a killed run has left to write.
    pub pending: usize,
    /// Totals since the beginning.
    pub totals: Totals,
    /// The size of the state.
    pub state_bytes: u64,
    /// What was imported from Google's reference collector.
    pub imported_from: Option<String>,
}

/// Seconds since the time up to which everything was fetched.
pub(crate) fn lag(state: &CollectorState, now: i64) -> i64 {
    let last = state.until.map_or_else(|| Date::from_millis(now), |until| until.min(Date::from_millis(now)));
    let never = state
        .cursor
        .range_to(last)
        .find(|day| state.days.get(day).is_none_or(|known| !known.finalized && known.scanned_at.is_none()));
    let tail = if state.until.is_some() { None } else { state.recent_read_at };
    let since = never.map(Date::start).into_iter().chain(tail).min().unwrap_or(now);
    ((now - since) / 1000).max(0)
}

/// Returns the status of the live collection of a kind of log and of its backfills, as far as they exist.
///
/// # Errors
/// If a state cannot be read.
pub async fn status(
    place: &StateLocation,
    logs: LogKind,
    now: i64,
    settings: &StoreConfig,
) -> Result<Vec<Status>, RunError> {
    let store = Store::open(&place.location, settings).await?;
    let mut found = Vec::new();
    for name in [&*place.name, BACKFILL] {
        let Some((bytes, _)) = store.read(name).await? else {
            refuse_lost_state(&store, name, now).await?;
            continue;
        };
        let url = store.location().url(name);
        match decode_or_explain(&store, name, &bytes, logs, now).await? {
            StoredState::Ours(state) => found.push(of(url, &state, now)),
            StoredState::Legacy(_) => {
                return Err(RunError::Corrupt(
                    format!(
                        "{url}: the state of Google's reference collector; the next run of collect imports it"
                    )
                    .into(),
                ));
            }
        }
    }
    Ok(found)
}

fn of(url: String, state: &CollectorState, now: i64) -> Status {
    let deferred = state.days.iter().filter_map(|(day, known)| {
        let why = known.deferred.as_ref()?;
        let reason =
            format!("{} ({} attempts, next after {})", why.reason, why.attempts, format_utc(why.retry_at));
        Some(MissingDays { from: *day, until: *day, reason })
    });
    Status {
        logs: state.logs,
        state: url,
        first_day: state.first_day,
        until: state.until,
        cursor: state.cursor,
        read_at: state.recent_read_at.map(format_utc),
        lag_seconds: lag(state, now),
        open: state
            .days
            .iter()
            .filter(|(_, known)| !known.finalized)
            .map(|(day, known)| (*day, known.records))
            .collect(),
        deferred: deferred.collect(),
        gaps: state.gaps.clone(),
        pending: state.pending.len(),
        totals: state.totals.clone(),
        state_bytes: state.size(),
        imported_from: state.imported_from.clone(),
    }
}
