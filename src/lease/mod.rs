//! Leases: which run works on what. They prevent double work. That nothing is written twice rests on compare-and-swap
//! and put-if-absent, not on leases.

mod owner;
mod request;

pub(crate) use owner::LeaseOwner;
#[cfg(any(test, fuzzing))]
pub(crate) use request::invariants;
pub(crate) use request::{Acquire, LeaseHandle, LeaseRequest};
