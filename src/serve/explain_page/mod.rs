//! The page for people: raw records next to their events, and what filled each field.
//!
//! The page consists of three plain JavaScript modules, a style sheet and a document, embedded in the binary: it works
//! offline and has no build step. It posts to `/explain`, and shows the response as text only.

mod handler;
mod options;

pub(super) use handler::routes;
