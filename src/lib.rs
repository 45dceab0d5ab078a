//! Converts Zoom's admin records (operation logs, sign-ins and webhook events) to events of Google SecOps' Unified Data
//! Model (UDM).
//!
//! # Getting started
//!
//! Normalize bytes in memory, in any supported format, to events, one per line:
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
//! | normalize readers, plain or gzip, on several threads | [`normalize::run`] |
//! | send events and rejects to a sink of your own | [`normalize::Sink`] |
//! | choose the output format, labels or a namespace | [`normalize::Options`], [`udm::Writer`] |
//! | map one record to a typed event | [`mapping::map`] |
//! | learn where each field of an event comes from | [`explain::slice`] |
//! | learn how much of the text of records is mapped | [`coverage::slice`] |
//! | run the feed, the collector or the service from a program | `ingest::run`, `collect::run`, `serve::run` (feature `cloud`) |
//!
//! Without features (`default-features = false`), the library needs neither an async runtime nor TLS.
//!
//! # Layers
//!
//! Bytes enter at the bottom, events leave at the top, and nothing flows back. A file uses only layers below its own.
//!
//! | layer | module | purpose |
//! |---|---|---|
//! | 0 | `json` | JSON as bytes: where strings and values end, text values, escaping and unescaping |
//! | 0 | [`reject`] | the reasons why a line or record is rejected |
//! | 0 | `sanitize` | makes text from outside safe to show on a terminal |
//! | 0 | `polling_stdio` | standard streams that wait, even if they are non-blocking |
//! | 0 | `http_client` | HTTP clients: TLS, user agent, responses of bounded length |
//! | 0 | `globs` | sets of globs that select names |
//! | 0 | `redact` | removes secrets from every text that leaves the process |
//! | 0 | `net` | recognizes loopback hosts and proxies |
//! | 0 | `collector_files` | names of the files that `collect` stores next to its data, and how `ingest` recognizes them |
//! | 0 | `checksummed` | SHA-256 as text, and a checksummed envelope for stored bytes |
//! | 1 | [`timestamp`] | timestamps: the forms that a record may use, and the form that an event carries |
//! | 1 | `clock` | the clock, which tests can set |
//! | 1 | [`email`] | e-mail addresses: the defining pattern, and a fast matcher that equals it |
//! | 2 | `logging` | logging: Cloud Logging JSON, or text for people |
//! | 2 | [`record`] | one raw record, borrowed from its line |
//! | 2 | [`detail`] | `operation_detail`: head, changes, addresses, users in embedded JSON |
//! | 2 | [`webhook`] | the payload of a webhook event |
//! | 2 | [`udm`] | the fields of UDM that are filled, event types, and the JSON writer |
//! | 3 | [`mapping`] | record and content to event: the table, its compiled template, event types, `mapping.md` |
//! | 4 | [`normalize`] | raw records to events: input formats, gzip, threads, rejects, output formats, summary |
//! | 5 | [`explain`] | explains a record: which rule filled which field from which text, and what was not mapped |
//! | 5 | `store` | objects in Cloud Storage, a directory or memory; put-if-absent, compare-and-swap, verified reads |
//! | 6 | [`coverage`] | reports how much of the text of records is mapped, and what is not |
//! | 6 | `progress` | what a run of `ingest` or `collect` reports while it works |
//! | 6 | `error` | why a run ended early, by what the caller can do |
//! | 7 | `lease` | which run works on what, and for how long |
//! | 8 | `ingest` | the feed: list, look up, normalize, upload, record, delete |
//! | 8 | `collect` | Zoom's API to objects in the bucket: windows, pages, record counts, state |
//! | 9 | `serve` | the HTTP service: pushes, normalization, the page, authentication, metrics |
//! | 10 | `cli` | the command line: one file per command |
//! | 11 | `fuzzing` | fuzz targets; only in test and fuzz builds |
//!
//! `record`, `detail`, `webhook` and `udm` are independent of each other; `mapping` connects them. Nothing below `normalize`
//! performs input or output. Within a module, no files use each other in a circle. `tests/layers.rs` checks both.
//!
//! # Invariants
//!
//! - Every record becomes an event or a reject.
//! - Mapping cannot fail. Only reading can reject a record, and writing one whose event is too large to import.
//! - The output depends only on the input and the options, not on threads, read sizes or compression.
//! - A raw record is stored as often as Zoom has it: new records are detected per page, recorded in the state before
//!   they are written, and written under names that depend on their content.
//! - Every fast path has a simple reference that defines its result (`serde_json`, `chrono`, the regular expression, the
//!   typed event and its writer), and a property test that holds the two equal. A fast path that is undecided falls
//!   back to the reference.
//! - The properties of a module are defined once, in its `invariants`; property tests and fuzz targets use them.
//! - Memory is bounded by threads × (line limit + a few blocks), whatever comes in.

// Every test build contains all properties; the fuzz targets that use all of them need `cloud`.
#![cfg_attr(all(test, not(feature = "cloud")), allow(dead_code, unused_imports))]

pub mod coverage;
pub mod detail;
pub mod email;
pub mod explain;
mod json;
pub mod mapping;
pub mod normalize;
pub mod record;
pub mod reject;
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the command line shows more than keys"))]
mod sanitize;
pub mod timestamp;
pub mod udm;
pub mod webhook;

cfg_if::cfg_if! {
    if #[cfg(feature = "cli")] {
        mod polling_stdio;
        #[doc(hidden)]
        pub mod cli;
        mod globs;
        #[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "the command line for files has no secrets"))]
        mod redact;
    }
}

cfg_if::cfg_if! {
    if #[cfg(feature = "cloud")] {
        mod clock;
        pub mod collect;
        mod collector_files;
        mod checksummed;
        mod error;
        #[cfg(any(test, fuzzing))]
        #[doc(hidden)]
        pub mod fuzzing;
        mod http_client;
        pub mod ingest;
        mod lease;
        mod logging;
        mod net;
        pub mod progress;
        pub mod serve;
        pub mod store;
    }
}

pub use reject::{RejectReason, Rejection};
