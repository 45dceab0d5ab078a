//! The collector: Zoom's API to objects of raw records in a bucket or directory, every record once and none missed.
//!
//! - `zoom`: one page on request. Tokens, limits, passing trouble and what Zoom's errors mean.
//! - `plan`: which days to ask for. Windows overlap, since nobody says where Zoom's days begin and end.
//! - `seen`: what was written of a day, as a multiset of hashes. It decides what of a page is new.
//! - `batch`: new records as objects, named by content, with the page that each came from.
//! - `journal`: the state, swapped in one step; what is to be written is noted before it is written.
//! - `begin`: the state, and which days are whose; `skew`: whether the clock is right.
//! - `pass`: one reading of a window; `twins`: the readings that tell twins from records that moved.
//! - `undated`: which kind of run writes a record without a time.
//! - `run`: the order of it all: the newest first, then what is missing, then what may have come late.
//!
//! Memory is bounded by 32 MiB of new records and about 30 bytes for each record of the days that are open.

mod batch;
mod begin;
mod check;
mod collector;
mod date;
mod journal;
mod options;
mod pass;
mod plan;
mod progress;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod recent;
mod report;
mod run;
mod secret;
mod seen;
mod skew;
mod state;
mod status;
mod stop;
mod twins;
mod undated;
mod zoom;

pub use crate::halt::Error;
pub use check::{Finding, check};
pub use date::Date;
pub use options::{API_BASE, Account, MAX_PAGE, Options, StatePlace, TOKEN_URL, Task};
pub use report::{Gap, Observer, Quiet, Report};
pub use run::run;
pub use secret::Secret;
pub use state::State;
pub use status::{Status, status};
pub use stop::Stop;
pub use zoom::Patience;
#[cfg(all(any(test, fuzzing), feature = "serve"))]
pub(crate) use zoom::properties::answer;
