//! A fake Zoom that listens on a real socket. It issues tokens and implements `GET /v2/report/operationlogs` and
//! `GET /v2/report/activities` as Zoom's documents and other collectors describe them. Tests control its clock, its
//! behavior and its faults. It keeps its records in memory.

pub mod faults;
mod http;
pub mod log_store;
mod report;
mod token;

use faults::{Act, RequestFilter, Rule, When};
use log_store::{Entry, LogStore};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The credentials that the fake accepts by default.
pub const ACCOUNT: &str = "account-of-the-test";
pub const CLIENT: &str = "client-of-the-test";
pub const SECRET: &str = "marked-client-secret";
/// The prefix of access tokens. No output of the program may contain it.
pub const TOKEN_MARK: &str = "marked-access-token";

/// A report that Zoom serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Operations,
    SignIns,
}

impl Report {
    pub fn of(path: &str) -> Option<Self> {
        [Self::Operations, Self::SignIns].into_iter().find(|report| report.path() == path)
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Operations => "/v2/report/operationlogs",
            Self::SignIns => "/v2/report/activities",
        }
    }

    pub fn list(self) -> &'static str {
        match self {
            Self::Operations => "operation_logs",
            Self::SignIns => "activity_logs",
        }
    }

    pub fn scope(self) -> &'static str {
        match self {
            Self::Operations => "report:read:operation_logs:admin",
            Self::SignIns => "report:read:user_activities:admin",
        }
    }
}

/// How the last page indicates that no page follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPageToken {
    Empty,
    Null,
    Absent,
}

/// What a page token encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// The number of records to skip. New records shift the pages.
    Offset,
    /// The last record returned. New records do not shift the pages, but those sorted before it are missed.
    Anchor,
}

/// How the fake behaves where Zoom's documents are ambiguous, or where accounts differ.
#[derive(Clone, Debug)]
pub struct Behavior {
    /// Whether the window includes the day (or the minute) of `to`.
    pub inclusive: bool,
    /// The UTC offset of the account's time zone, in seconds.
    pub zone: i64,
    /// Whether `yyyy-MM-dd HH:mm` is accepted.
    pub minutes: bool,
    /// Whether the time of day in `yyyy-MM-dd HH:mm` is ignored.
    pub ignores_minutes: bool,
    pub newest_first: bool,
    pub paging: Paging,
    /// Whether the order of records with equal times depends on the offset, as in some databases. The order is the same
    /// for each request with that offset.
    pub shuffles_ties: bool,
    /// Pages with more records than this are padded beyond the size that the program accepts.
    pub heaviest: Option<usize>,
    /// Whether all pages have the same token.
    pub one_token: bool,
    /// Whether page tokens contain characters that are special in URLs.
    pub hostile: bool,
    /// How the last page is marked; `None` alternates.
    pub last: Option<LastPageToken>,
    /// The layout of response bodies; `None` alternates.
    pub layout: Option<usize>,
    /// Whether responses repeat `from`, `to` and `page_size`.
    pub echo: bool,
    /// Whether responses have a `Date` header, set from the fake's clock.
    pub date: bool,
    pub token_type: &'static str,
    /// Whether the token response contains the API's URL.
    pub api_url: bool,
    /// The lifetime of an access token, in seconds.
    pub token_life: i64,
    /// The lifetime of a page token, in seconds.
    pub page_life: i64,
    /// The rate limit per second of real time.
    pub per_second: Option<u64>,
    /// The rate limit per day of the fake's clock.
    pub daily: Option<u64>,
    pub retry_after: faults::Wait,
    /// Whether tokens have the scope of operation logs.
    pub scope: bool,
    /// Whether tokens have the scope of sign-ins.
    pub sign_in_scope: bool,
    /// Whether the app's role permits the reports.
    pub role: bool,
    /// The status and body of every token response, if set.
    pub token_refused: Option<(u16, String)>,
    /// Seconds that the clock advances with each request.
    pub tick: i64,
    pub latency: Option<Duration>,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            inclusive: true,
            zone: 0,
            minutes: true,
            ignores_minutes: false,
            newest_first: true,
            paging: Paging::Offset,
            shuffles_ties: false,
            heaviest: None,
            one_token: false,
            hostile: true,
            last: None,
            layout: None,
            echo: true,
            date: true,
            token_type: "bearer",
            api_url: true,
            token_life: 3600,
            page_life: 15 * 60,
            per_second: None,
            daily: None,
            retry_after: faults::Wait::Seconds(1),
            scope: true,
            sign_in_scope: true,
            role: true,
            token_refused: None,
            tick: 0,
            latency: None,
        }
    }
}

/// A clock that is stopped at a time, or runs from it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    seconds: i64,
    since: Option<Instant>,
}

impl Clock {
    pub fn now(&self) -> i64 {
        self.seconds + self.since.map_or(0, |since| since.elapsed().as_secs() as i64)
    }
}

/// A request and its result.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub raw_query: String,
    pub headers: Vec<(String, String)>,
    pub status: u16,
    pub records: usize,
    pub at: i64,
}

impl Behavior {
    /// Returns the scopes of the app.
    fn scopes(&self) -> Vec<&'static str> {
        let has = [(self.scope, Report::Operations), (self.sign_in_scope, Report::SignIns)];
        has.into_iter().filter(|(has, _)| *has).map(|(_, report)| report.scope()).collect()
    }
}

/// The state that a page token refers to.
struct Page {
    report: Report,
    query: BTreeMap<String, String>,
    given: usize,
    last: (i64, u64),
    issued: i64,
}

pub struct State {
    pub log_store: LogStore,
    pub sign_ins: LogStore,
    pub behavior: Behavior,
    pub rules: Vec<Rule>,
    pub log: Vec<LoggedRequest>,
    pub keeps_log: bool,
    /// The number of all requests, for tokens and for pages.
    pub requests: u64,
    pub token_requests: u64,
    pub page_requests: u64,
    /// Requests for pages by day, in days since the epoch. Requests answered with 429 count too, as at Zoom.
    pub per_day: BTreeMap<i64, u64>,
    pub clock: Clock,
    /// The number of the request at which the fake dies. Requests from this one on get no response.
    pub dies_at: Option<u64>,
    /// Whether the request at `dies_at` still takes effect.
    pub dies_after_effect: bool,
    pub secret: String,
    /// Valid access tokens and when they were issued. A new token replaces earlier ones.
    tokens: Vec<(String, i64)>,
    pages: HashMap<String, Page>,
    second: (Option<Instant>, u64),
    random: fastrand::Rng,
}

#[derive(Clone)]
pub struct Zoom {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// Parses a time such as `2023-11-14T10:00:00Z` into seconds since the epoch.
pub fn at(text: &str) -> i64 {
    text.parse::<chrono::DateTime<chrono::Utc>>().expect("the time is valid").timestamp()
}

/// Formats seconds since the epoch in ISO 8601.
pub fn iso(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl State {
    /// Returns the records of a report.
    pub fn store(&self, report: Report) -> &LogStore {
        match report {
            Report::Operations => &self.log_store,
            Report::SignIns => &self.sign_ins,
        }
    }
}

impl Zoom {
    /// Starts a fake on a free port, with its clock stopped at `now`.
    pub fn start(now: &str) -> Self {
        let zoom = Self::start_at("127.0.0.1:0");
        zoom.set_clock(at(now));
        zoom
    }

    /// Starts a fake whose clock is the system clock.
    pub fn start_at(address: &str) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("the address is free");
        listener.set_nonblocking(true).expect("the socket can be configured");
        let address = listener.local_addr().expect("the listener has an address");
        let state = State {
            log_store: LogStore::default(),
            sign_ins: LogStore::default(),
            behavior: Behavior::default(),
            rules: Vec::new(),
            log: Vec::new(),
            keeps_log: true,
            requests: 0,
            token_requests: 0,
            page_requests: 0,
            per_day: BTreeMap::new(),
            clock: Clock { seconds: chrono::Utc::now().timestamp(), since: Some(Instant::now()) },
            dies_at: None,
            dies_after_effect: false,
            secret: SECRET.into(),
            tokens: Vec::new(),
            pages: HashMap::new(),
            second: (None, 0),
            random: fastrand::Rng::with_seed(5),
        };
        let zoom = Self { address, state: Arc::new(Mutex::new(state)) };
        let serving = zoom.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
            runtime.block_on(serving.serve(listener));
        });
        zoom
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value for `ZOOM_API_BASE`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the value for `ZOOM_TOKEN_URL`.
    pub fn token_url(&self) -> String {
        format!("http://{}/oauth/token", self.address)
    }

    /// Stops the clock at a time.
    pub fn set_clock(&self, seconds: i64) {
        self.lock().clock = Clock { seconds, since: None };
    }

    /// Sets the clock, and lets it run.
    pub fn run_clock(&self, seconds: i64) {
        self.lock().clock = Clock { seconds, since: Some(Instant::now()) };
    }

    pub fn now(&self) -> i64 {
        self.lock().clock.now()
    }

    pub fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        self.lock().log_store.add(entries);
    }

    pub fn add_sign_ins(&self, entries: impl IntoIterator<Item = Entry>) {
        self.lock().sign_ins.add(entries);
    }

    pub fn behavior(&self, change: impl FnOnce(&mut Behavior)) {
        change(&mut self.lock().behavior);
    }

    /// Applies `act` to the requests that `only` selects, as often as `when` says.
    pub fn rule(&self, only: RequestFilter, when: When, act: Act) {
        self.lock().rules.push(Rule::new(only, when, act));
    }

    /// Applies `act` to requests for pages.
    pub fn pages_fail(&self, when: When, act: Act) {
        self.rule(RequestFilter::pages(), when, act);
    }

    /// Removes all rules, and the request at which the fake dies.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.dies_at = None;
    }

    /// Revokes all access tokens.
    pub fn end_tokens(&self) {
        self.lock().tokens.clear();
    }

    pub fn log(&self) -> Vec<LoggedRequest> {
        self.lock().log.clone()
    }

    /// Returns the numbers of requests for tokens and for pages.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.token_requests, state.page_requests)
    }
}
