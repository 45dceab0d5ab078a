//! What goes wrong, and when.

use super::State;
use super::log_store::Entry;
use std::time::Duration;

/// How long a caller is told to wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Unsaid,
    Seconds(u64),
    /// `Retry-After` as an HTTP date so many seconds from now.
    HttpDate(i64),
    /// ... as Zoom does for its daily limit: a date and time of ISO 8601.
    Iso(i64),
    /// ... at the next midnight.
    IsoMidnight,
}

/// Requests that a rule is about.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    tokens: bool,
    pages: bool,
    /// Windows that touch this day, as `yyyy-mm-dd`.
    day: Option<String>,
    /// Those with, or without, the token of a page.
    paged: Option<bool>,
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

    pub fn next_pages() -> Self {
        Self { paged: Some(true), ..Self::pages() }
    }

    fn takes(&self, asked: &RequestInfo) -> bool {
        let kind = if asked.token { self.tokens } else { self.pages };
        let touches = |day: &String| {
            let (from, to) = (asked.from.get(..10), asked.to.get(..10));
            from.is_some_and(|from| from <= day.as_str()) && to.is_some_and(|to| to >= day.as_str())
        };
        kind && self.day.as_ref().is_none_or(touches) && self.paged.is_none_or(|paged| paged == asked.paged)
    }
}

/// When, counted in requests that the rule is about, from one.
#[derive(Clone, Copy, Debug)]
pub enum When {
    Always,
    Nth(u64),
    Every(u64),
    First(u64),
    After(u64),
    Chance(f64),
    /// While the clock shows this, in seconds since the epoch.
    Between(i64, i64),
}

/// What then.
#[derive(Clone, Debug)]
pub enum Act {
    Answer(u16, String),
    PerSecond(Wait),
    Daily(Wait),
    /// 503, with the seconds that Zoom asks to be left alone for.
    Busy(u64),
    /// The connection ends without an answer.
    Reset,
    /// Nothing comes for so long, then the connection ends.
    Hang(Duration),
    /// The body ends in the middle, where its length had been announced.
    Cut,
    /// A proxy's page, with 200.
    Html,
    /// A body without `operation_logs`.
    NoKey,
    /// A page with a member that Zoom does not document, of a long name.
    NewMember,
    /// `operation_logs` that are no list.
    IllTyped,
    /// A list with something that is no object in it.
    NoRecord,
    /// An error as JSON, with 200.
    ErrorObject,
    /// An error with this status that repeats the `Authorization` it was sent.
    Echo(u16),
    /// The same after so many other characters: in the message, in `errors` and in headers.
    EchoAfter(u16, usize),
    /// A page with a member whose name repeats it after so many other characters.
    EchoMember(usize),
    /// The access token is no longer good, nor any older one.
    Unauthorized,
    Scope,
    Role,
    /// The token of the page is refused.
    PageExpired,
    /// These appear, then the answer is as it ever is.
    Insert(Vec<Entry>),
    /// Time goes on by so many seconds, then the answer is as it ever is.
    Tick(i64),
}

pub struct Rule {
    only: RequestFilter,
    when: When,
    act: Act,
    matched: u64,
    /// How often it struck.
    pub fault_hits: u64,
}

/// What rules look at.
pub struct RequestInfo {
    pub token: bool,
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
    /// What is to be done to this request; of several rules the first that ends it.
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

    /// How often rules struck.
    pub fn fault_hits(&self) -> u64 {
        self.rules.iter().map(|rule| rule.fault_hits).sum()
    }
}
