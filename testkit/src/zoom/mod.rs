//! A stand-in for Zoom on a real socket: tokens and `GET /v2/report/operationlogs` as Zoom's documents and other
//! collectors describe them, with its clock, its manners and its faults in the hands of a test. Kept in memory.

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

/// What the stand-in takes for right, unless a test says otherwise.
pub const ACCOUNT: &str = "account-of-the-test";
pub const CLIENT: &str = "client-of-the-test";
pub const SECRET: &str = "marked-client-secret";
/// What access tokens begin with: nothing that the program leaves behind may hold it.
pub const TOKEN_MARK: &str = "marked-access-token";

/// How the last page says that it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPageToken {
    Empty,
    Null,
    Absent,
}

/// What the token of a next page stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// How many records to pass over in the list as it is by then: new ones shift the pages.
    Offset,
    /// The last record given: new ones shift nothing, but those that appear above it are passed over.
    Anchor,
}

/// How this Zoom behaves where documents leave it open, or where accounts differ.
#[derive(Clone, Debug)]
pub struct Behavior {
    /// Whether the day of `to` (or its minute) belongs to the window.
    pub inclusive: bool,
    /// Seconds that the account's days begin before those of UTC.
    pub zone: i64,
    /// Whether `yyyy-MM-dd HH:mm` is understood; otherwise it is refused.
    pub minutes: bool,
    /// Whether the time of day in `yyyy-MM-dd HH:mm` is ignored.
    pub ignores_minutes: bool,
    pub newest_first: bool,
    pub paging: Paging,
    /// Whether each offset has its own order of records of equal time, the same for each request, as databases do.
    pub shuffles_ties: bool,
    /// Pages of more records are longer than anybody holds.
    pub heaviest: Option<usize>,
    /// Whether all pages come with the same token.
    pub one_token: bool,
    /// Whether tokens of pages hold characters that URLs give a meaning to.
    pub hostile: bool,
    /// `None`: in turn.
    pub last: Option<LastPageToken>,
    /// How bodies are laid out; `None`: in turn.
    pub layout: Option<usize>,
    /// Whether `from`, `to` and `page_size` come back.
    pub echo: bool,
    /// Whether answers have the header `Date`, of the stand-in's clock.
    pub date: bool,
    pub token_type: &'static str,
    /// Whether the reply with the token says where the API is.
    pub api_url: bool,
    /// How long an access token lasts, in seconds.
    pub token_life: i64,
    /// How long the token of a page lasts, in seconds.
    pub page_life: i64,
    /// Requests a second and a day; the second is a real one, the day is the clock's.
    pub per_second: Option<u64>,
    pub daily: Option<u64>,
    pub retry_after: faults::Wait,
    /// What is missing.
    pub scope: bool,
    pub role: bool,
    /// Answers to requests for tokens: status and body.
    pub token_refused: Option<(u16, String)>,
    /// Seconds that the clock goes on with each request.
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
            role: true,
            token_refused: None,
            tick: 0,
            latency: None,
        }
    }
}

/// A clock that stands where it was put, or goes on from there.
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

/// One request, as it was heard and answered.
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

/// The state behind the token of a page.
struct Page {
    query: BTreeMap<String, String>,
    given: usize,
    last: (i64, u64),
    issued: i64,
}

pub struct State {
    pub log_store: LogStore,
    pub behavior: Behavior,
    pub rules: Vec<Rule>,
    pub log: Vec<LoggedRequest>,
    pub keeps_log: bool,
    /// All of them, those for tokens, those for pages.
    pub requests: u64,
    pub token_requests: u64,
    pub page_requests: u64,
    /// Requests by day, as days since the epoch; those answered with 429 count too, as with Zoom.
    pub per_day: BTreeMap<i64, u64>,
    pub clock: Clock,
    /// The request after so many is the last one that is heard; and whether it still takes effect.
    pub dies_at: Option<u64>,
    pub dies_after_effect: bool,
    pub secret: String,
    /// Access tokens and when they were issued. The last one holds; one more where `old_tokens_live`.
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

/// Seconds since the epoch of a time like `2023-11-14T10:00:00Z`.
pub fn at(text: &str) -> i64 {
    text.parse::<chrono::DateTime<chrono::Utc>>().expect("a time").timestamp()
}

/// The other way round.
pub fn iso(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Zoom {
    /// Starts one on a port of its own whose clock stands at `now`.
    pub fn start(now: &str) -> Self {
        let zoom = Self::start_at("127.0.0.1:0");
        zoom.set_clock(at(now));
        zoom
    }

    /// Starts one whose clock is the machine's.
    pub fn start_at(address: &str) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let state = State {
            log_store: LogStore::default(),
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
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serving.serve(listener));
        });
        zoom
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ZOOM_API_BASE` is to be.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `ZOOM_TOKEN_URL` is to be.
    pub fn token_url(&self) -> String {
        format!("http://{}/oauth/token", self.address)
    }

    /// Puts the clock there; it stands.
    pub fn set_clock(&self, seconds: i64) {
        self.lock().clock = Clock { seconds, since: None };
    }

    /// Puts the clock there; it goes on.
    pub fn run_clock(&self, seconds: i64) {
        self.lock().clock = Clock { seconds, since: Some(Instant::now()) };
    }

    pub fn now(&self) -> i64 {
        self.lock().clock.now()
    }

    pub fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        self.lock().log_store.add(entries);
    }

    pub fn behavior(&self, change: impl FnOnce(&mut Behavior)) {
        change(&mut self.lock().behavior);
    }

    /// From now on, pages that `only` picks go wrong so `when` it says so.
    pub fn rule(&self, only: RequestFilter, when: When, act: Act) {
        self.lock().rules.push(Rule::new(only, when, act));
    }

    /// Every page, when so.
    pub fn pages_fail(&self, when: When, act: Act) {
        self.rule(RequestFilter::pages(), when, act);
    }

    /// All is well again.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.dies_at = None;
    }

    /// Has every access token forgotten.
    pub fn end_tokens(&self) {
        self.lock().tokens.clear();
    }

    pub fn log(&self) -> Vec<LoggedRequest> {
        self.lock().log.clone()
    }

    /// Counts of requests: for tokens, for pages.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.token_requests, state.page_requests)
    }
}
