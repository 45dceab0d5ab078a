//! The configuration of a run.

use super::date::Date;
use super::secret::Secret;
use super::stop::Stop;
use super::zoom::RetryPolicy;
use crate::clock::Clock;
use crate::store::{Location, StoreConfig};
use reqwest::Url;
use std::time::Duration;

/// The default URL of Zoom's API.
pub const API_BASE: &str = "https://api.zoom.us";
/// The default URL for access tokens.
pub const TOKEN_URL: &str = "https://zoom.us/oauth/token";
/// The maximum page size of Zoom's API.
pub const MAX_PAGE: u16 = 300;

/// The Zoom account and its endpoints.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account ID.
    pub account_id: String,
    /// The client ID of the Server-to-Server OAuth app.
    pub client_id: String,
    /// The client secret.
    pub secret: Secret,
    /// The URL of the API; by default the one in the token response.
    pub api_base: Option<Url>,
    /// The URL for access tokens.
    pub token_url: Url,
}

impl Account {
    /// Returns the URL of the API, given the token response. Tokens are not sent over plain HTTP to a host that was not
    /// configured.
    pub(crate) fn api(&self, named: Option<&str>) -> Url {
        let trusted = |url: &Url| url.scheme() == "https" || url.scheme() == self.token_url.scheme();
        let named = named.and_then(|url| url.parse::<Url>().ok()).filter(trusted);
        let default = || API_BASE.parse().unwrap_or_else(|_| self.token_url.clone());
        let mut url = self.api_base.clone().or(named).unwrap_or_else(default);
        url.set_query(None);
        // The URL appears in messages, and must not contain credentials of its own.
        let _ = (url.set_username(""), url.set_password(None));
        let path = url.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
        url.set_path(&path);
        url
    }
}

/// Which days a run fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From the stored state to now.
    Live {
        /// Where a first run starts.
        since: Date,
    },
    /// Past days, independent of the live collection.
    Backfill {
        /// The first day.
        from: Date,
        /// The last day.
        until: Date,
    },
}

/// The location of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateLocation {
    /// All stored state is below this location.
    pub location: Location,
    /// The name of the state object.
    pub name: String,
    /// The state of Google's reference collector to import from, if it is another object.
    pub recipe: Option<(Location, String)>,
}

/// The configuration of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The destination of objects.
    pub to: Location,
    /// The prefix of their names.
    pub name_prefix: String,
    /// The location of the state.
    pub state: StateLocation,
    /// The Zoom account.
    pub account: Account,
    /// Which days to fetch.
    pub task: Mode,
    /// How many days a day is read again for late records.
    pub look_back: i64,
    /// Records per page.
    pub page_size: u16,
    /// How long Zoom may be silent.
    pub timeout: Duration,
    /// Retry and rate limits for Zoom.
    pub zoom_retry: RetryPolicy,
    /// When to stop early.
    pub stop: Stop,
    /// Whether to write nothing.
    pub dry_run: bool,
    /// Whether to read the whole look-back in this run, whatever it costs.
    pub full: bool,
    /// Whether to begin with a new state though what is left of an earlier one is there.
    pub new_state: bool,
    /// The lease duration.
    pub lease: Duration,
    /// Retry settings of the stores.
    pub retry: StoreConfig,
    /// The clock.
    pub clock: Clock,
}
