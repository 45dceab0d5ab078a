//! The part of `google.backstory.UDM` that a Zoom operation log fills, and the writer of its JSON.

mod dialect;
mod event;
mod event_type;
mod names;
#[cfg(test)]
mod tests;
mod write;

pub use crate::json::Texts;
pub use event::{About, Event, Label, Metadata, Noun, User};
pub use event_type::{EventType, Needs};
pub use write::{Case, Feed, Shape, Writer};
pub(crate) use write::{MUCH, Parts};
