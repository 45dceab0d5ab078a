//! Faults of the fake Zoom, and when they occur.

use super::log_store::Entry;
use super::{Report, State};
use std::time::Duration;

/// The delay that a response asks for.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Unsaid,
    Seconds(u64),
    /// `Retry-After` as an HTTP date this many seconds from now.
    HttpDate(i64),
    /// `Retry-After` as an ISO 8601 time this many seconds from now, as Zoom sends it for its daily limit.
    Iso(i64),
    /// The next midnight in ISO 8601.
    IsoMidnight,
}

/// Selects the requests that a rule applies to.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    tokens: bool,
    pages: bool,
    /// Only requests whose window includes this day (`yyyy-mm-dd`).
    day: Option<String>,
    /// Only requests with (`true`) or without (`false`) a page token.
    paged: Option<bool>,
    report: Option<Report>,
}

impl RequestFilter {
    pub fn all() -> Self {
        Self { tokens: true, pages: true, ..Self::default() }
    }

    pub fn tokens() -> Self {
        Self { tokens: true, ..Self::default() }
    }

    pub fn pages() -> Self {
        Self { pages: true, ..Self::default() }
    }

    pub fn touching(day: &str) -> Self {
        Self { day: Some(day.into()), ..Self::pages() }
    }

    pub fn report(report: Report) -> Self {
        Self { report: Some(report), ..Self::pages() }
    }

    pub fn next_pages() -> Self {
        Self { paged: Some(true), ..Self::pages() }
    }

    fn takes(&self, asked: &RequestInfo) -> bool {
        let kind = if asked.token { self.tokens } else { self.pages };
        let touches = |day: &String| {
            let (from, to) = (asked.from.get(..10), asked.to.get(..10));
            from.is_some_and(|from| from <= day.as_str()) && to.is_some_and(|to| to >= day.as_str())
        };
        kind && self.report.is_none_or(|report| asked.report == Some(report))
            && self.day.as_ref().is_none_or(touches)
            && self.paged.is_none_or(|paged| paged == asked.paged)
    }
}

/// When a rule applies. Counts are of requests that the filter selects, from 1.
#[derive(Clone, Copy, Debug)]
pub enum When {
    Always,
    Nth(u64),
    Every(u64),
    First(u64),
    After(u64),
    Chance(f64),
    /// While the clock is in this range, in seconds since the epoch; the end is exclusive.
    Between(i64, i64),
}

/// What the fake does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    Answer(u16, String),
    PerSecond(Wait),
    Daily(Wait),
    /// 503 with a `Retry-After` of this many seconds.
    Busy(u64),
    /// The connection is reset without a response.
    Reset,
    /// The connection is reset after this time, without a response.
    Hang(Duration),
    /// The response body ends in the middle, although its full length was announced.
    Cut,
    /// An HTML page of a proxy, with status 200.
    Html,
    /// A page without `operation_logs`.
    NoKey,
    /// A page with an undocumented member whose name is long.
    NewMember,
    /// A page whose `operation_logs` is not a list.
    IllTyped,
    /// A page whose list contains elements that are not objects.
    NoRecord,
    /// A JSON error with status 200.
    ErrorObject,
    /// An error with this status that repeats the request's `Authorization`.
    Echo(u16),
    /// Like `Echo`, with padding of this length before the token, in the message, in `errors` and in headers.
    EchoAfter(u16, usize),
    /// A page with a member whose name repeats `Authorization` after padding of this length.
    EchoMember(usize),
    /// Access tokens are revoked, and the request is rejected.
    Unauthorized,
    Scope,
    Role,
    /// The page token is rejected.
    PageExpired,
    /// These records are added; the response is normal.
    Insert(Vec<Entry>),
    /// The clock advances by this many seconds; the response is normal.
    Tick(i64),
}

pub struct Rule {
    only: RequestFilter,
    when: When,
    act: Act,
    matched: u64,
    /// How many requests the rule was applied to.
    pub fault_hits: u64,
}

/// The properties of a request that rules match.
pub struct RequestInfo {
    pub token: bool,
    pub report: Option<Report>,
    pub from: String,
    pub to: String,
    pub paged: bool,
}

impl Rule {
    pub fn new(only: RequestFilter, when: When, act: Act) -> Self {
        Self { only, when, act, matched: 0, fault_hits: 0 }
    }

    fn matches_request(&mut self, asked: &RequestInfo, now: i64, drawn: f64) -> bool {
        if !self.only.takes(asked) {
            return false;
        }
        self.matched += 1;
        let strikes = match self.when {
            When::Always => true,
            When::Nth(nth) => self.matched == nth,
            When::Every(step) => self.matched.is_multiple_of(step),
            When::First(count) => self.matched <= count,
            When::After(count) => self.matched > count,
            When::Chance(share) => drawn < share,
            When::Between(from, until) => (from..until).contains(&now),
        };
        self.fault_hits += u64::from(strikes);
        strikes
    }
}

impl State {
    /// Applies the rules to a request, and returns the action of the first one that changes the response.
    pub(super) fn fault(&mut self, asked: &RequestInfo) -> Option<Act> {
        let now = self.clock.now();
        let mut chosen = None;
        let mut rules = std::mem::take(&mut self.rules);
        for rule in &mut rules {
            let drawn = self.random.f64();
            if rule.matches_request(asked, now, drawn) {
                match &rule.act {
                    Act::Insert(entries) => self.log_store.add(entries.iter().cloned()),
                    Act::Tick(seconds) => self.clock.seconds += seconds,
                    act if chosen.is_none() => chosen = Some(act.clone()),
                    _ => {}
                }
            }
        }
        self.rules = rules;
        chosen
    }

    /// Returns how many requests the rules were applied to.
    pub fn fault_hits(&self) -> u64 {
        self.rules.iter().map(|rule| rule.fault_hits).sum()
    }
}
