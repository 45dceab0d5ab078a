//! Turns Zoom operation logs into events of Google SecOps' Unified Data Model (UDM).
//!
//! # Where to begin
//!
//! Bytes in memory, in any form that Zoom's logs come in, become events, one a line:
//!
//! ```
//! let records = br#"[{"time":"2024-01-31T23:59:59Z","operator":"a@b.com","operation_detail":"Add User x@y.com "}]"#;
//! let (events, summary) = zoom_udm::normalize::slice(records, &Default::default());
//! assert_eq!((summary.events, summary.rejects), (1, 0));
//! let event: serde_json::Value = serde_json::from_slice(&events)?;
//! assert_eq!(event["target"]["user"]["emailAddresses"][0], "x@y.com");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! | to … | see |
//! |---|---|
//! | normalize a reader, plain or gzip, on several threads | [`normalize::run`] |
//! | take events and rejects elsewhere: a sink of your own | [`normalize::Sink`] |
//! | have another shape of events, labels, a namespace | [`normalize::Options`], [`udm::Writer`] |
//! | map one record, to look at the typed event | [`mapping::map`] |
//! | learn where each field of an event comes from | [`explain::slice`] |
//! | run the feed, the collector or the service from a program | `ingest::run`, `collect::run` (feature `gcs`), `serve::run` (`serve`) |
//!
//! Without features the library links neither a runtime nor TLS: `default-features = false`.
//!
//! # The house
//!
//! Bytes enter at the bottom, events leave at the top, nothing flows back. A file uses only the floors below its own.
//!
//! | floor | room | its one job |
//! |---|---|---|
//! | 0 | `json` | JSON as bytes: where strings and values end, what a value says, escapes both ways |
//! | 0 | `corpus` | made-up records for tests and benches |
//! | 0 | [`refusal`] | the reasons why a line or record is rejected |
//! | 0 | `terminal` | what a terminal may be shown of texts from elsewhere |
//! | 0 | `blocking` | standard streams that wait, whatever mode somebody has set them to |
//! | 0 | `client` | HTTP clients: their TLS, their name, answers of a bounded length |
//! | 0 | `globs` | sets of globs that select names |
//! | 0 | `redact` | removes secrets from every text that leaves the process |
//! | 0 | `host` | whether a host is this very machine |
//! | 0 | `kept` | what `collect` keeps for itself beside its logs: how it is named, how the feed knows it |
//! | 0 | `sealed` | hashes as texts; bytes under a head that says what they are and whether all are there |
//! | 1 | [`time`] | points in time: what a record may write, what an event carries |
//! | 1 | `clock` | now, as runs see it; tests set it |
//! | 1 | [`email`] | what an e-mail address is, and a fast test that is proven equal |
//! | 2 | `log` | what is logged: as Cloud Logging takes it, or for people |
//! | 2 | [`record`] | one raw record, borrowed from its line |
//! | 2 | [`detail`] | `operation_detail`: head, changes, addresses, users in its JSON |
//! | 2 | [`udm`] | the typed part of UDM that is filled, its event types, the one JSON writer |
//! | 3 | [`mapping`] | record and detail to event: the table, what it compiles to, the ladder of event types, `mapping.md` |
//! | 4 | [`normalize`] | bytes to bytes: input forms, gzip, threads in order, rejects, shapes, summary |
//! | 5 | [`explain`] | one record explained: which rule filled which field of its event from what text, what was not mapped |
//! | 5 | `store` | objects by name in Cloud Storage, a directory or memory; put-if-absent, compare-and-swap |
//! | 6 | `halt` | why a run ended before its work did, sorted by what a caller can do |
//! | 7 | `lease` | which run works on what, for how long |
//! | 8 | `ingest` | the feed: list, ledger, normalize, put, mark, delete |
//! | 8 | `collect` | Zoom's API to objects in the bucket: windows, pages, what was seen, state |
//! | 9 | `serve` | HTTP in front of it all: pushes to runs, records to events, who may call, what it comes to |
//! | 10 | `cli` | one file a verb: flags to options to one library call to an exit code |
//! | 11 | `fuzzing` | bytes to what must hold of any input: for the fuzzer and for tests, in no other build |
//!
//! `record`, `detail` and `udm` do not know each other; `mapping` introduces them. Nothing below `normalize` does any
//! input or output. A test reads the `use crate::` lines and fails on one that points up.
//!
//! # What always holds
//!
//! - Every record comes out as an event or as a reject; nothing is dropped silently.
//! - Mapping cannot fail. Only reading can reject a record, and writing one whose event is too large to import.
//! - The output's bytes depend on the input's bytes and the options alone: not on threads, read sizes or gzip.
//! - A raw record is in the bucket as often as Zoom has it: what is new is decided on one page, noted before it is
//!   written, and written under a name that its content gives.
//! - Every fast path has a plain twin that defines it (`serde_json`, `chrono`, the regular expression, the typed event
//!   and its writer), and a property test that holds the two equal. A fast path that is not sure says so and the twin
//!   decides.
//! - What must hold of any input to a room stands in its `properties`, once: property tests and the fuzzer ask it.
//! - Memory is bounded by threads × (line limit + a few blocks), whatever comes in.

// What must hold of a room stands whole in every test build; the fuzzer that asks for all of it needs `serve`.
#![cfg_attr(all(test, not(feature = "serve")), allow(dead_code))]

#[cfg(feature = "cli")]
mod blocking;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "gcs")]
mod client;
#[cfg(feature = "gcs")]
mod clock;
#[cfg(feature = "gcs")]
pub mod collect;
#[cfg(any(feature = "cli", test))]
#[doc(hidden)]
pub mod corpus;
pub mod detail;
pub mod email;
pub mod explain;
#[cfg(all(any(test, fuzzing), feature = "serve"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(any(feature = "cli", feature = "gcs"))]
mod globs;
#[cfg(feature = "gcs")]
mod halt;
#[cfg(feature = "gcs")]
mod host;
#[cfg(feature = "gcs")]
pub mod ingest;
mod json;
#[cfg(feature = "gcs")]
mod kept;
#[cfg(feature = "gcs")]
mod lease;
#[cfg(all(feature = "cli", feature = "gcs"))]
mod log;
pub mod mapping;
pub mod normalize;
pub mod record;
#[cfg(any(feature = "cli", feature = "gcs"))]
mod redact;
pub mod refusal;
#[cfg(feature = "gcs")]
mod sealed;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "gcs")]
pub mod store;
#[cfg(feature = "cli")]
mod terminal;
pub mod time;
pub mod udm;

pub use refusal::{Reason, Refusal};
