//! `POST /normalize`: raw records in, events out, as a stream.
//!
//! - `handler`: the request. `worker`: its work, on a thread. `response`: the response. `chunk`: what the worker sends
//!   to the response.

mod chunk;
pub(crate) mod handler;
mod response;
mod worker;
