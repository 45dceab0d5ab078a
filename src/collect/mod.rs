//! The collector: fetches raw records from Zoom's API and stores each of them exactly once in a bucket or directory.
//!
//! - `zoom`: fetches a page; handles tokens, rate limits, transient errors, and the meaning of Zoom's errors.
//! - `schedule`: schedules which days to fetch. Windows overlap, because Zoom does not document where its days begin and
//!   end.
//! - `dedup`: counts each record of a day, and so decides what on a page is new.
//! - `batch`: groups new records into objects named by content.
//! - `state_store`: the state, replaced atomically; writes are recorded in it before they happen.
//! - `startup`: starts a run, and divides days between live collection and backfill; `clock_skew`: checks the clock.
//! - `window_scan`: one scan of a window. `disambiguate`: repeated scans that distinguish identical records from records that moved.
//! - `undated_records`: decides which kind of run writes a record without a time.
//! - `run`: the phases of a run: newest records, then missing days, then days with possible late records.
//!
//! Memory is bounded by 32 MiB of new records and about 30 bytes per record of the open days.

mod batch;
mod check;
mod clock_skew;
mod collector;
mod config;
mod date;
mod dedup;
mod disambiguate;
mod metrics;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod recent;
mod report;
mod run;
mod scan_progress;
mod schedule;
mod secret;
mod startup;
mod state;
mod state_store;
mod status;
mod stop;
mod undated_records;
mod window_scan;
mod zoom;

pub use crate::error::RunError;
pub use crate::progress::{NoopObserver, Observer};
pub use check::{CheckResult, check};
pub use config::{API_BASE, Account, MAX_PAGE, Mode, Options, StateLocation, TOKEN_URL};
pub use date::Date;
pub(crate) use metrics::{CollectMetrics, Counts, METRICS_PREFIX};
pub use report::{MissingDays, Report};
pub use run::run;
pub use secret::Secret;
pub use state::CollectorState;
pub use status::{Status, status};
pub use stop::Stop;
pub use zoom::RetryPolicy;
#[cfg(any(test, fuzzing))]
pub(crate) use zoom::properties::answer;
