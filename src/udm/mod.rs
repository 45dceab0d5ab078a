//! The part of `google.backstory.UDM` that a Zoom operation log fills, and the writer of its JSON.

mod event;
mod event_type;
mod field_names;
mod flavor;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::json::TextValues;
pub use event::{About, Event, Label, Metadata, Noun, User};
pub use event_type::{EventType, Needs};
pub use writer::{Case, IngestionMetadata, OutputShape, Writer};
pub(crate) use writer::{FLUSH_THRESHOLD, StreamTarget};
