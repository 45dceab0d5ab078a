//! `POST /webhook`: receives Zoom's event subscriptions and stores them.
//!
//! - `handler`: the route. `receiver`: a delivery from its head to its response. `refusal`: why one is refused.
//! - `signature`: Zoom's signature and the replay window. `delivery`: what a signed body contains.
//! - `gatherer`: gathers events into a `batch`, and answers when they are durable. `recent`: recognizes repeated deliveries.
//! - `object_writer`: writes gathered events as an object.

mod batch;
mod delivery;
mod gatherer;
pub(crate) mod handler;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod object_writer;
pub(crate) mod receiver;
mod recent;
mod refusal;
mod signature;

pub(super) use refusal::Refusal;
