//! `GET /v2/report/operationlogs` and `GET /v2/report/activities`.

use super::http::Reply;
use super::log_store::{Entry, Window};
use super::{LastPageToken, Page, Paging, Report, State};
use chrono::{DateTime, Months, NaiveDate, NaiveDateTime};
use std::collections::BTreeMap;

const DAY: i64 = 86_400;
const MONTHS_KEPT: u32 = 6;

type Query = BTreeMap<String, String>;

fn invalid(field: &str, message: &str) -> Reply {
    Reply::json(
        400,
        format!(
            "{{\"code\":300,\"message\":\"Validation Failed.\",\"errors\":[{{\"field\":\"{field}\",\"message\":\"{message}\"}}]}}"
        ),
    )
}

impl State {
    pub(super) fn report(&mut self, report: Report, query: &Query) -> Result<(Reply, usize), Reply> {
        if !self.behavior.scopes().contains(&report.scope()) {
            let message = format!(
                "Invalid access token, does not contain scopes:[{}, report:read:admin].",
                report.scope()
            );
            return Err(Reply::error(400, 4711, &message));
        }
        if !self.behavior.role {
            return Err(Reply::error(400, 200, "No permission."));
        }
        let window = self.window(query)?;
        let size = match query.get("page_size").map(|size| size.parse::<usize>()) {
            None => 30,
            Some(Ok(size @ 1..=300)) => size,
            Some(_) => return Err(invalid("page_size", "page_size must be between 1 and 300.")),
        };
        let (given, last) = self.position(report, query)?;
        let (entries, end) = self.page(report, &window, size, given, last);
        let next = end.map(|last| {
            let page = Page {
                report,
                query: without_token(query),
                given: given + entries.len(),
                last,
                issued: self.clock.now(),
            };
            self.next_token(page)
        });
        let mut body = self.body(report, query, size, &entries, next.as_deref());
        if self.behavior.heaviest.is_some_and(|most| entries.len() > most) {
            body.resize(65 << 20, b' ');
        }
        Ok((Reply::bytes(200, body), entries.len()))
    }

    /// Returns the records of a page, and the position of its last record if more follow.
    fn page(
        &self,
        report: Report,
        window: &Window,
        size: usize,
        given: usize,
        last: Option<(i64, u64)>,
    ) -> (Vec<Entry>, Option<(i64, u64)>) {
        let newest = self.behavior.newest_first;
        let seen = self.store(report).visible_records(window, self.clock.now());
        let ordered: Box<dyn Iterator<Item = _>> = if newest { Box::new(seen) } else { Box::new(seen.rev()) };
        if self.behavior.shuffles_ties {
            return shuffled(ordered.collect(), given, size);
        }
        let beyond =
            |key: &(i64, u64)| last.is_none_or(|last| if newest { *key < last } else { *key > last });
        let mut rest: Box<dyn Iterator<Item = _>> = match self.behavior.paging {
            Paging::Offset => Box::new(ordered.skip(given)),
            Paging::Anchor => Box::new(ordered.filter(move |(key, _)| beyond(key))),
        };
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let more = rest.next().is_some();
        let end = page.last().filter(|_| more).map(|(key, _)| **key);
        (page.into_iter().map(|(_, entry)| entry.clone()).collect(), end)
    }

    fn window(&self, query: &Query) -> Result<Window, Reply> {
        let text = |key: &str| query.get(key).cloned().unwrap_or_default();
        let (from, _) = self.moment(&text("from")).ok_or_else(|| invalid("from", "Invalid date."))?;
        let (to, step) = self.moment(&text("to")).ok_or_else(|| invalid("to", "Invalid date."))?;
        if to < from {
            return Err(invalid("from", "The from date must not be after the to date."));
        }
        if from.date().checked_add_months(Months::new(1)).is_some_and(|month| month < to.date()) {
            return Err(invalid("from", "The date range must not exceed one month."));
        }
        let today = DateTime::from_timestamp(self.clock.now(), 0).unwrap_or_default().date_naive();
        if today.checked_sub_months(Months::new(MONTHS_KEPT)).is_some_and(|oldest| from.date() < oldest) {
            return Err(invalid("from", "Only data of the last 6 months is available."));
        }
        let end = to.and_utc().timestamp() + if self.behavior.inclusive { step } else { 0 };
        Ok(from.and_utc().timestamp() - self.behavior.zone..end - self.behavior.zone)
    }

    /// Parses a date, or a date and a minute. Returns it with its length in seconds.
    fn moment(&self, text: &str) -> Option<(NaiveDateTime, i64)> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some((date.and_hms_opt(0, 0, 0)?, DAY));
        }
        let minute = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok()?;
        if self.behavior.ignores_minutes {
            return Some((minute.date().and_hms_opt(0, 0, 0)?, DAY));
        }
        self.behavior.minutes.then_some((minute, 60))
    }

    /// Returns the position that the page token refers to: the number of records already returned, and the last of
    /// them.
    fn position(&self, report: Report, query: &Query) -> Result<(usize, Option<(i64, u64)>), Reply> {
        let Some(token) = query.get("next_page_token").filter(|token| !token.is_empty()) else {
            return Ok((0, None));
        };
        let page = self.pages.get(token);
        let page = page.ok_or_else(|| invalid("next_page_token", "The next page token is invalid."))?;
        if self.clock.now() - page.issued >= self.behavior.page_life {
            return Err(invalid("next_page_token", "The next page token is invalid or expired."));
        }
        if page.report != report || page.query != without_token(query) {
            return Err(invalid("next_page_token", "The next page token belongs to another request."));
        }
        Ok((page.given, Some(page.last)))
    }

    /// Issues a page token, with characters that are special in URLs if [`super::Behavior::hostile`] is set.
    fn next_token(&mut self, page: Page) -> String {
        let hostile = ["+", "/", "=", "&", "#", "%", " ", "%2B", "?", "ü", "&page_size=1", "+ +"];
        let draw = |random: &mut fastrand::Rng| hostile[random.usize(..hostile.len())];
        let mut token = format!("{:012x}", self.random.u64(..1 << 48));
        for _ in 0..if self.behavior.hostile { 4 } else { 0 } {
            token.push_str(&format!("{:06x}", self.random.u32(..1 << 24)));
            token.push_str(draw(&mut self.random));
        }
        token.push_str(if self.behavior.hostile { "+/==" } else { "" });
        if self.behavior.one_token {
            token = "the-only-token".into();
        }
        self.pages.insert(token.clone(), page);
        token
    }

    fn body(
        &self,
        report: Report,
        query: &Query,
        size: usize,
        entries: &[Entry],
        next: Option<&str>,
    ) -> Vec<u8> {
        let layout = self.behavior.layout.unwrap_or(self.page_requests as usize) % 4;
        let (colon, comma, between) =
            [(":", ",", ","), (" : ", ", ", ", "), (":", ",", ",\n"), (": ", ",\n  ", ",\n    ")][layout];
        let member = |key: &str, value: String| format!("\"{key}\"{colon}{value}");
        let text = |key: &str| serde_json::Value::from(query.get(key).cloned()).to_string();
        // Bytes, because a record may contain invalid UTF-8.
        let list: Vec<&[u8]> = entries.iter().map(|entry| &entry.raw[..]).collect();
        let list =
            [member(report.list(), "[".into()).as_bytes(), &list.join(between.as_bytes()), b"]"].concat();
        let mut members: Vec<String> = Vec::new();
        if self.behavior.echo {
            members.extend([
                member("from", text("from")),
                member("to", text("to")),
                member("page_size", size.to_string()),
            ]);
        }
        let last = self
            .behavior
            .last
            .unwrap_or([LastPageToken::Empty, LastPageToken::Null, LastPageToken::Absent][layout % 3]);
        let token = match (next, last) {
            (Some(next), _) => Some(serde_json::Value::from(next).to_string()),
            (None, LastPageToken::Empty) => Some("\"\"".into()),
            (None, LastPageToken::Null) => Some("null".into()),
            (None, LastPageToken::Absent) => None,
        };
        members.extend(token.map(|token| member("next_page_token", token)));
        let place = if layout.is_multiple_of(2) { members.len() } else { 0 };
        let mut members: Vec<Vec<u8>> = members.into_iter().map(String::into_bytes).collect();
        members.insert(place, list);
        [b"{", &members.join(comma.as_bytes())[..], b"}"].concat()
    }
}

/// Returns a page of records where the order of ties depends on the offset.
fn shuffled(
    mut list: Vec<(&(i64, u64), &Entry)>,
    given: usize,
    size: usize,
) -> (Vec<Entry>, Option<(i64, u64)>) {
    let hash = |serial: u64| {
        (serial ^ (given as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
            >> 20
    };
    for tie in list.chunk_by_mut(|(one, _), (other, _)| one.0 == other.0) {
        tie.sort_by_key(|((_, serial), _)| hash(*serial));
    }
    let page: Vec<_> = list.iter().skip(given).take(size).collect();
    let end = page.last().filter(|_| list.len() > given + size).map(|(key, _)| **key);
    (page.into_iter().map(|(_, entry)| (*entry).clone()).collect(), end)
}

fn without_token(query: &Query) -> Query {
    let others = query.iter().filter(|(key, _)| *key != "next_page_token");
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}
