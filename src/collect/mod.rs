//! The collector: fetches raw records from Zoom's API and stores each of them exactly once in a bucket or directory.
//!
//! Each kind of log (`log_kind`) has its own report at Zoom, its own objects, state and lease. `run_all` collects several at
//! once; they share only the access token and the pace of requests.
//!
//! A page goes from Zoom to the bucket in four steps, in `window_scan`:
//!
//! 1. `zoom` fetches it; it handles tokens, rate limits, transient errors, and the meaning of Zoom's errors.
//! 2. `dedup` decides which of its records are new, by the counts (`record_counts`) of their days. `undated_records`
//!    decides which kind of run writes a record without a time.
//! 3. `batch` groups new records into objects named by content.
//! 4. `state_store` commits them: writes are recorded in the `state`, which is replaced atomically, before they happen.
//!
//! `scheduler` decides which days and windows to read, by the rules in `schedule`. Windows overlap, because Zoom does not
//! document where its days begin and end. `startup` starts a run, and divides days between live collection and backfill;
//! `clock_skew` checks the clock. `run` has the phases of a run: newest records (`recent`), then missing days, then days
//! with possible late records. `scan_resume` saves how far a scan came. `resolve_ties` scans again to distinguish
//! identical records from records that moved.
//!
//! Memory is bounded, for each kind of log, by 32 MiB of new records and about 30 bytes per record of the open days.

mod batch;
mod cancellation;
mod check;
mod clock_skew;
mod collector;
mod config;
mod date;
mod dedup;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod log_kind;
mod metrics;
mod recent;
mod record_counts;
mod report;
mod resolve_ties;
mod run;
mod run_all;
mod scan_resume;
mod schedule;
mod scheduler;
mod secret;
mod startup;
mod state;
mod state_store;
mod status;
mod undated_records;
mod window_query;
mod window_scan;
mod zoom;

pub use crate::error::{Failure, RunError};
pub use crate::progress::{NoopObserver, Observer};
pub(crate) use batch::gzip;
pub use cancellation::Cancellation;
pub use check::{CheckResult, check};
pub use config::{Mode, Options, OtherState, StateLocation};
pub use date::Date;
pub use log_kind::LogKind;
pub(crate) use metrics::{CollectMetrics, METRICS_PREFIX, Series, run_gauges};
pub use report::{MissingDays, Report};
pub use run_all::{LogRun, run, run_all};
pub use secret::Secret;
pub use state::CollectorState;
pub use status::{Status, status};
#[cfg(any(test, fuzzing))]
pub(crate) use zoom::invariants::answer;
pub use zoom::{API_BASE, Account, MAX_PAGE, RetryPolicy, TOKEN_URL, ZoomConfig};
