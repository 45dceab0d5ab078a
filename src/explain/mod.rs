//! Explains one raw record: its event, which rule filled each field from which text, and what was not mapped.
//!
//! [`normalize`](crate::normalize) itself reads the record and writes the event. The mapping then reports which row
//! writes what (`fills`); `sources` finds that text in the record, and `unmapped` finds what no row used. The list is
//! complete: its values put together are the event.

mod enriched_details;
mod explanation;
mod filled;
mod fills;
mod members;
mod origins;
mod parts;
mod paths;
mod raw;
mod reject;
mod run;
mod sources;
mod tracker;
mod unmapped;

pub(crate) use enriched_details::is_mapped_by_enrich;
pub use explanation::{DiagnosticCount, EventExplanation, Explanation, Outcome};
pub(crate) use filled::Filled;
pub use fills::{Fill, Rule};
pub(crate) use members::{mapped_members, read_members, reason_of_field};
pub use origins::{Origin, Span};
pub(crate) use parts::{Part, of_detail, of_payload};
pub use raw::Raw;
pub use reject::RejectExplanation;
pub use run::{run, slice};
pub(crate) use sources::Sources;
pub use unmapped::{RecordMember, Unmapped};
