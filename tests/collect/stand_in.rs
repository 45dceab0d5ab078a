//! Tests the fake Zoom against Zoom's documentation, because the tests of `collect` rely on it.

use serde_json::Value;
use std::time::Duration;
use testkit::zoom::faults::{Act, RequestFilter, Wait, When};
use testkit::zoom::{ACCOUNT, CLIENT, LastPageToken, Paging, SECRET, Zoom, at, log_store};

const NOW: &str = "2023-11-16T12:00:00Z";

struct Caller<'a> {
    zoom: &'a Zoom,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    token: String,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl<'a> Caller<'a> {
    fn new(zoom: &'a Zoom) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut caller = Self { zoom, http, runtime, token: String::new() };
        caller.renew();
        caller
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        self.runtime.block_on(async {
            let response = request.timeout(Duration::from_secs(5)).send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = String::from_utf8_lossy(&response.bytes().await?).into_owned();
            Ok(Answer { status, headers, body })
        })
    }

    fn ask_token(&self, secret: &str, form: &str) -> Answer {
        let request = self.http.post(self.zoom.token_url()).basic_auth(CLIENT, Some(secret));
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.send(request.header(kind.0, kind.1).body(form.to_owned())).unwrap()
    }

    fn renew(&mut self) {
        let form = format!("grant_type=account_credentials&account_id={ACCOUNT}");
        let json = self.ask_token(SECRET, &form).json();
        self.token = json["access_token"].as_str().unwrap().into();
    }

    fn get(&self, query: &[(&str, &str)]) -> Result<Answer, reqwest::Error> {
        let url = format!("{}/v2/report/operationlogs", self.zoom.base());
        let url = reqwest::Url::parse_with_params(&url, query).unwrap();
        self.send(self.http.get(url).bearer_auth(&self.token))
    }

    fn ok(&self, query: &[(&str, &str)]) -> Value {
        self.get(query).unwrap().json()
    }

    /// Returns the record lines of a window and the number of its pages.
    fn all(&self, from: &str, to: &str, size: &str) -> (Vec<String>, usize) {
        let (mut lines, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let mut query = vec![("from", from), ("to", to), ("page_size", size)];
            query.extend((!token.is_empty()).then_some(("next_page_token", token.as_str())));
            let page = self.ok(&query);
            let logs = page["operation_logs"].as_array().unwrap_or_else(|| panic!("{page}"));
            lines.extend(logs.iter().map(Value::to_string));
            pages += 1;
            token = page["next_page_token"].as_str().unwrap_or_default().into();
            if token.is_empty() {
                return (lines, pages);
            }
        }
    }
}

fn zoom(count: u64) -> Zoom {
    let zoom = Zoom::start(NOW);
    zoom.add(log_store::spread(0, count, at("2023-11-15T00:00:00Z")..at("2023-11-16T00:00:00Z")));
    zoom
}

const DAY: [(&str, &str); 2] = [("from", "2023-11-15"), ("to", "2023-11-15")];

#[test]
fn pages_with_special_tokens_are_complete() {
    let zoom = zoom(95);
    let caller = Caller::new(&zoom);
    let (lines, pages) = caller.all("2023-11-14", "2023-11-16", "10");
    assert_eq!((lines.len(), pages), (95, 10));
    let mut distinct = lines.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 95);
    let times: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["time"].clone()).collect();
    assert!(times.windows(2).all(|pair| pair[0].as_str() >= pair[1].as_str()), "newest first");
    assert_eq!(caller.ok(&DAY)["operation_logs"].as_array().unwrap().len(), 30, "30 is the default");
    let tokens: String =
        zoom.log().iter().filter_map(|asked| asked.query.get("next_page_token").cloned()).collect();
    for part in ["+", "/", "=", "&", "#", "%", " "] {
        assert!(tokens.contains(part), "{part:?} in {tokens}");
    }
}

#[test]
fn last_page_is_marked_in_three_forms() {
    let zoom = zoom(3);
    let caller = Caller::new(&zoom);
    for (last, is) in [
        (LastPageToken::Empty, Some(Value::from(""))),
        (LastPageToken::Null, Some(Value::Null)),
        (LastPageToken::Absent, None),
    ] {
        zoom.behavior(|behavior| behavior.last = Some(last));
        assert_eq!(caller.ok(&DAY).get("next_page_token").cloned(), is);
    }
}

#[test]
fn page_tokens_expire_and_require_same_parameters() {
    let zoom = zoom(95);
    let caller = Caller::new(&zoom);
    let token = caller.ok(&DAY)["next_page_token"].as_str().unwrap().to_owned();
    let next = |from: &str| {
        caller.get(&[("from", from), ("to", "2023-11-15"), ("next_page_token", &token)]).unwrap()
    };
    assert_eq!(next("2023-11-15").status, 200);
    assert_eq!((next("2023-11-14").status, next("2023-11-14").json()["code"].clone()), (400, 300.into()));
    // As a client that does not encode query parameters would send it.
    let raw = format!(
        "{}/v2/report/operationlogs?from=2023-11-15&to=2023-11-15&next_page_token={token}",
        zoom.base()
    );
    let careless = caller.send(caller.http.get(raw).bearer_auth(&caller.token)).unwrap();
    assert_eq!(careless.status, 400, "{}", careless.body);
    zoom.set_clock(at(NOW) + 15 * 60);
    let late = next("2023-11-15");
    assert_eq!((late.status, late.json()["code"].clone()), (400, 300.into()));
}

#[test]
fn window_limits_are_enforced() {
    let zoom = zoom(95);
    let caller = Caller::new(&zoom);
    let code = |from: &str, to: &str, size: &str| {
        let answer = caller.get(&[("from", from), ("to", to), ("page_size", size)]).unwrap();
        (answer.status, answer.json()["code"].as_u64().unwrap_or(0))
    };
    assert_eq!(code("2023-10-15", "2023-11-15", "300"), (200, 0));
    for (from, to, size) in [
        ("2023-10-14", "2023-11-15", "300"),
        ("2023-05-15", "2023-05-16", "300"),
        ("2023-11-15", "2023-11-14", "300"),
        ("2023-11-15", "2023-11-15", "301"),
        ("2023-11-15", "2023-11-15", "0"),
        ("20231115", "2023-11-15", "30"),
    ] {
        assert_eq!(code(from, to, size), (400, 300), "{from} {to} {size}");
    }
    assert_eq!(caller.all("2023-11-15 06:00", "2023-11-15 17:59", "300").0.len(), 48, "of 95 in 24 hours");
}

#[test]
fn window_edges_follow_the_account_settings() {
    let zoom = Zoom::start(NOW);
    let caller = Caller::new(&zoom);
    let edges =
        ["2023-11-14T23:59:59Z", "2023-11-15T00:00:00Z", "2023-11-15T22:00:00Z", "2023-11-16T00:00:00Z"];
    zoom.add((1..).zip(edges).map(|(number, time)| log_store::record(number, at(time))));
    let count = |from: &str, to: &str| caller.all(from, to, "300").0.len();
    assert_eq!((count("2023-11-15", "2023-11-15"), count("2023-11-14", "2023-11-15")), (2, 3));
    zoom.behavior(|behavior| behavior.inclusive = false);
    assert_eq!((count("2023-11-15", "2023-11-15"), count("2023-11-14", "2023-11-16")), (0, 3));
    zoom.behavior(|behavior| (behavior.inclusive, behavior.zone) = (true, 3 * 3600));
    assert_eq!(count("2023-11-15", "2023-11-15"), 2, "the day begins three hours before that of UTC");
}

#[test]
fn access_tokens_expire_and_revoke_older_ones() {
    let zoom = zoom(3);
    let mut caller = Caller::new(&zoom);
    let first = caller.token.clone();
    caller.renew();
    assert_eq!(caller.get(&DAY).unwrap().status, 200);
    let second = std::mem::replace(&mut caller.token, first);
    let refused = caller.get(&DAY).unwrap();
    assert_eq!((refused.status, refused.json()["message"].clone()), (401, "Invalid access token.".into()));
    caller.token = second;
    zoom.set_clock(at(NOW) + 3600);
    let refused = caller.get(&DAY).unwrap();
    assert_eq!((refused.status, refused.json()["message"].clone()), (401, "Access token is expired.".into()));
}

#[test]
fn credentials_are_checked_in_body_and_query() {
    let zoom = zoom(0);
    let caller = Caller::new(&zoom);
    let wrong = caller.ask_token("wrong", &format!("grant_type=account_credentials&account_id={ACCOUNT}"));
    assert_eq!((wrong.status, wrong.json()["code"].clone()), (400, 4702.into()));
    assert_eq!(caller.ask_token(SECRET, "grant_type=account_credentials&account_id=other").status, 400);
    assert_eq!(caller.ask_token(SECRET, &format!("grant_type=password&account_id={ACCOUNT}")).status, 400);
    let url = format!("{}?grant_type=account_credentials&account_id={ACCOUNT}", zoom.token_url());
    let by_query = caller.send(caller.http.post(url).basic_auth(CLIENT, Some(SECRET))).unwrap();
    let json = by_query.json();
    assert_eq!(
        (by_query.status, &json["token_type"], &json["expires_in"]),
        (200, &"bearer".into(), &3600.into())
    );
    assert_eq!(json["api_url"], zoom.base());
    assert!(by_query.header("x-zm-trackingid").starts_with("v=2.0"));
}

#[test]
fn late_and_new_records_shift_the_pages() {
    let zoom = zoom(60);
    let caller = Caller::new(&zoom);
    zoom.add([log_store::record(1000, at("2023-11-15T12:00:01Z")).late(86_400)]);
    let count = || caller.all("2023-11-15", "2023-11-16", "30").0.len();
    assert_eq!(count(), 60);
    zoom.set_clock(at("2023-11-16T12:00:01Z"));
    assert_eq!(count(), 61);
    let live: Vec<_> = log_store::spread(2000, 5, at("2023-11-16T11:00:00Z")..at("2023-11-16T11:30:00Z"));
    zoom.rule(RequestFilter::next_pages(), When::Nth(1), Act::Insert(live.clone()));
    assert_eq!(count(), 66, "five records of the first page are repeated, and the five new ones are missed");
    zoom.clear_faults();
    zoom.behavior(|behavior| behavior.paging = Paging::Anchor);
    zoom.rule(RequestFilter::next_pages(), When::Nth(1), Act::Insert(live));
    assert_eq!(count(), 66, "no record is repeated");
    zoom.clear_faults();
    assert_eq!(count(), 71);
}

#[test]
fn rate_limit_responses_have_their_headers() {
    let zoom = zoom(3);
    let caller = Caller::new(&zoom);
    zoom.behavior(|behavior| (behavior.per_second, behavior.retry_after) = (Some(2), Wait::HttpDate(1)));
    let statuses: Vec<_> = (0..3).map(|_| caller.get(&DAY).unwrap()).collect();
    assert_eq!(statuses.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429]);
    assert_eq!(statuses[2].header("retry-after"), "Thu, 16 Nov 2023 12:00:01 GMT");
    assert_eq!(statuses[2].header("x-ratelimit-type"), "QPS");
    zoom.behavior(|behavior| (behavior.per_second, behavior.daily) = (None, Some(4)));
    assert_eq!(caller.get(&DAY).unwrap().status, 200);
    let over = caller.get(&DAY).unwrap();
    assert_eq!((over.status, over.header("retry-after")), (429, "2023-11-17T00:00:00Z"));
    assert!(over.json()["message"].as_str().unwrap().contains("maximum daily rate limit"));
    zoom.set_clock(at("2023-11-17T00:00:00Z"));
    let mut caller = caller;
    caller.renew();
    assert_eq!(caller.get(&DAY).unwrap().status, 200);
    assert_eq!(zoom.lock().per_day.values().copied().collect::<Vec<_>>(), [5, 1]);
}

#[test]
fn each_fault_behaves_as_named() {
    let zoom = zoom(50);
    let mut caller = Caller::new(&zoom);
    let mut fault = |act: Act| {
        zoom.clear_faults();
        zoom.pages_fail(When::Nth(2), act);
        caller.renew();
        assert_eq!(caller.get(&DAY).unwrap().status, 200, "the first request succeeds");
        let second = caller.get(&DAY);
        zoom.clear_faults();
        second.ok()
    };
    for cut in [Act::Reset, Act::Hang(Duration::from_millis(5)), Act::Cut] {
        assert!(fault(cut.clone()).is_none(), "{cut:?}");
    }
    assert!(fault(Act::Html).unwrap().header("content-type").contains("html"));
    assert!(fault(Act::NoKey).unwrap().json().get("operation_logs").is_none());
    assert!(fault(Act::IllTyped).unwrap().json()["operation_logs"].is_object());
    assert_eq!(fault(Act::ErrorObject).unwrap().status, 200);
    assert_eq!(fault(Act::Unauthorized).unwrap().status, 401);
    assert_eq!(fault(Act::Scope).unwrap().json()["code"], 4711);
    assert_eq!(fault(Act::Role).unwrap().json()["code"], 200);
    assert_eq!(fault(Act::Answer(502, "bad".into())).unwrap().status, 502);
    zoom.pages_fail(When::Every(3), Act::PerSecond(Wait::Unsaid));
    caller.renew();
    let failed = (0..9).filter(|_| caller.get(&DAY).unwrap().status == 429).count();
    assert_eq!(failed, 3);
}

#[test]
fn records_are_byte_exact_in_every_layout() {
    let zoom = zoom(18);
    let caller = Caller::new(&zoom);
    for layout in 0..4 {
        zoom.behavior(|behavior| behavior.layout = Some(layout));
        let body = caller.get(&DAY).unwrap().body;
        serde_json::from_str::<Value>(&body).unwrap();
        for entry in zoom.lock().log_store.entries() {
            assert!(body.contains(std::str::from_utf8(&entry.raw).unwrap()), "{layout}");
        }
    }
}
