//! What a run is told.

use super::date::Date;
use super::secret::Secret;
use super::stop::Stop;
use super::zoom::Patience;
use crate::clock::Clock;
use crate::store::{Location, Settings};
use reqwest::Url;
use std::time::Duration;

/// Where Zoom's API is unless something else is said.
pub const API_BASE: &str = "https://api.zoom.us";
/// Where Zoom gives out access tokens.
pub const TOKEN_URL: &str = "https://zoom.us/oauth/token";
/// The most records on a page that Zoom gives.
pub const MAX_PAGE: u16 = 300;

/// As whom to ask Zoom, and where.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's id.
    pub account_id: String,
    /// The id of the Server-to-Server OAuth app.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
    /// Where the API is; by default where the answer with the token says.
    pub api_base: Option<Url>,
    /// Where tokens are given out.
    pub token_url: Url,
}

impl Account {
    /// Where the API is, given what came with the token. A token is not sent over plain HTTP to who was not asked for it.
    pub(crate) fn api(&self, named: Option<&str>) -> Url {
        let trusted = |url: &Url| url.scheme() == "https" || url.scheme() == self.token_url.scheme();
        let named = named.and_then(|url| url.parse::<Url>().ok()).filter(trusted);
        let default = || API_BASE.parse().unwrap_or_else(|_| self.token_url.clone());
        let mut url = self.api_base.clone().or(named).unwrap_or_else(default);
        url.set_query(None);
        // Shown in messages; such an address takes the bearer token and no other proof.
        let _ = (url.set_username(""), url.set_password(None));
        let path = url.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
        url.set_path(&path);
        url
    }
}

/// Which days a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// From where the state stands up to now.
    Live {
        /// Where a first run starts.
        since: Date,
    },
    /// Days of the past, beside the live collection.
    Backfill {
        /// The first day.
        from: Date,
        /// The last day.
        until: Date,
    },
}

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePlace {
    /// Everything the program remembers is below this.
    pub location: Location,
    /// The name of the state's object there.
    pub name: String,
    /// The object of the recipe's collector to take over from, where it is not that one.
    pub recipe: Option<(Location, String)>,
}

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where objects go.
    pub to: Location,
    /// What their names begin with there.
    pub name_prefix: String,
    /// Where the state is.
    pub state: StatePlace,
    /// As whom to ask Zoom.
    pub account: Account,
    /// Which days.
    pub task: Task,
    /// How long a day is read again for records that appear late, in days.
    pub look_back: i64,
    /// Records on a page.
    pub page_size: u16,
    /// How long Zoom may be silent.
    pub timeout: Duration,
    /// How stubbornly to ask Zoom.
    pub patience: Patience,
    /// When to end early.
    pub stop: Stop,
    /// Whether only to look: nothing is written.
    pub dry_run: bool,
    /// Whether to read all of the look-back again in this run, whatever it costs.
    pub full: bool,
    /// Whether to begin with a new state though what is left of an earlier one is there.
    pub new_state: bool,
    /// How long the lease lasts without a sign of life.
    pub lease: Duration,
    /// How the stores try again.
    pub retry: Settings,
    /// The time.
    pub clock: Clock,
}
