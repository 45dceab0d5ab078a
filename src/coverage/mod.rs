//! Reports how much of the text of records reaches a field of their events, by default and with `--enrich`, and what does not.
//!
//! Each thread counts the records that it reads (`observer`, `analysis`) in tables of its own (`tables`, `table`), which are
//! merged in the order of the records. So the report does not depend on the number of threads. `report` makes the report of
//! the tables, `names` hides what comes from the records, and `render` shows the report to people.

mod analysis;
mod characters;
mod known;
mod names;
mod observer;
mod payload_paths;
mod render;
mod report;
mod run;
mod table;
mod tables;

pub use render::Layout;
pub use report::{ActionRow, KeyRow, Mapped, Other, Report, Share, TextShare, UnmappedRow};
pub use run::{run, slice};
pub use table::MAX_ENTRIES;
