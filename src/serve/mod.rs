//! The service: collect, ingest and normalize over HTTP, and the page that explains records.
//!
//! - `server`: connections, timeouts and shutdown. `write_timeout`: clients that do not read. `framing`: refuses
//!   requests that a proxy could read differently.
//! - `router`: routes. `admission`: who may call, and how many at once. `access_log`: one log line per request.
//! - `config`: the options. `state`: what all requests share. `metrics`: metrics.
//! - `auth`, `jwks`: authentication.
//! - `body`: request bodies within the limits. `response`: responses, designed for Pub/Sub. `chunk_sender`: passes
//!   chunks from worker threads to responses.
//! - `triggers`: pushes to `/collect` and `/ingest`. `normalize`: `POST /normalize`. `explain_page`: the page, and
//!   `POST /explain`. `webhook`: `POST /webhook`.
//!
//! A push gets 2xx only after its work is durable. Repeated pushes are harmless, because runs do only what is not done
//! yet.

mod access_log;
mod admission;
mod app_state;
mod auth;
mod body;
mod chunk_sender;
mod config;
mod explain_page;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod jwks;
mod metrics;
mod normalize;
mod response;
mod router;
mod server;
mod triggers;
mod webhook;
mod write_timeout;

pub use config::{CollectConfig, IngestConfig, Limits, NormalizeConfig, OidcConfig, Options, WebhookConfig};
pub use jwks::{GOOGLE_KEYS, MIN_REFRESH_INTERVAL};
pub use server::run;
