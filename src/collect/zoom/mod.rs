//! The client of Zoom's API: fetches pages; handles tokens, rate limits and transient errors.

mod client;
mod config;
mod error;
mod error_body;
mod http;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod malformed_records;
mod page;
#[cfg(test)]
mod redaction_invariants;
mod request;
mod response;
mod retry_after;
mod session;
mod token;
mod transport;
mod window;

pub(crate) use client::ZoomClient;
pub use config::{API_BASE, Account, MAX_PAGE, RetryPolicy, TOKEN_URL, ZoomConfig};
pub(crate) use error::{DeniedBy, ZoomError, ZoomErrorKind};
pub(crate) use page::{Page, PageRecord, RecordHash};
pub(crate) use response::{CLASSIC_SCOPE, scope_hint};
pub(crate) use session::ZoomSession;
pub(crate) use window::Window;
