//! The stored state: who may write it, how a change becomes durable, and how an interrupted run's work is completed.
//! The protocol and its reasons are in docs/design/collect-commit-protocol.md.
//!
//! A commit (1) stages new objects and counts next to the state, (2) swaps the state for one that names them, which is
//! the moment from which they count as written, (3) creates the objects in the bucket if absent, and (4) after each of
//! them replaces the state with one that no longer lists it as pending. Killed before (2), nothing has happened. Killed
//! later, the next run repeats the rest of (3) and (4) with the same bytes and names. A run that was overtaken fails at
//! (2), because the state is not the one it read.
//!
//! A run may stall before any request and resume after others have taken over and ended. It cannot hurt them:
//! - The state, its previous copy and the lease are replaced by compare-and-swap against what the run read first.
//! - Names of staged objects and counts contain the revision of the state that first names them. Each state names only
//!   what the previous one named or what has its own revision. So an object whose revision is not later than a saved
//!   state, and which that state does not name, will never be named again; only such objects are deleted.
//! - Objects of the data and manifests are created only if absent. One that a feed took and deleted is created again
//!   only by a run that stalled between its last save of the state and the request that creates it.

mod counts;
mod lease;
mod recovery;
mod recovery_advice;
mod store;

pub(crate) use recovery_advice::{decode_or_explain, refuse_lost_state};
pub(crate) use store::{InitialState, StateStore, state_name};
