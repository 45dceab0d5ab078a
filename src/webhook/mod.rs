//! Reads the `payload` of a webhook event.
//!
//! One pass over each object that rows read finds their scalars; settings stay JSON, of which
//! [`LeafLabels`](crate::udm::LeafLabels) makes labels. `mapping` decides what the values mean for an event.

mod field;
mod payload;

pub use field::PayloadField;
pub use payload::Payload;
