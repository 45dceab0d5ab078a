//! The part of `google.backstory.UDM` that Zoom's records fill, and the writer of its JSON.

mod case;
mod event;
mod event_type;
mod field_names;
mod flavor;
mod ingestion_metadata;
mod noun_writer;
mod output_shape;
#[cfg(test)]
mod tests;
mod text_field;
mod writer;

pub use crate::json::TextValues;
pub use case::Case;
pub use event::{
    About, Authentication, Event, Group, Label, LeafLabels, MAX_EMAIL_ADDRESSES, Metadata, Noun, Resource,
    Role, SecurityResult, TextLabel, TextLabels, UnreadMember, User,
};
pub use event_type::{EventType, Needs};
pub(crate) use field_names::{Camel, FieldNames, Snake};
pub use ingestion_metadata::IngestionMetadata;
pub use output_shape::OutputShape;
pub use text_field::UserTextField;
pub use writer::Writer;
pub(crate) use writer::{FLUSH_THRESHOLD, StreamTarget};
