//! The HTTP server of the fake: receives requests, and sends responses and faults.

use super::faults::{Act, RequestInfo, Wait};
use super::log_store::record_from_line;
use super::{LoggedRequest, Report, State, Zoom, at, iso};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Method, Request, Response};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A response.
pub(super) struct Reply {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: String) -> Self {
        Self::bytes(status, body.into_bytes())
    }

    pub(super) fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self { status, kind: "application/json;charset=UTF-8", headers: Vec::new(), body }
    }

    /// Inserts a member at the beginning of the JSON object in the body.
    fn with_member(self, member: &str) -> Self {
        let body = String::from_utf8_lossy(&self.body).replacen('{', &format!("{{{member},"), 1);
        Self { body: body.into_bytes(), ..self }
    }

    pub(super) fn error(status: u16, code: u32, message: &str) -> Self {
        Self::json(status, format!("{{\"code\":{code},\"message\":\"{message}\"}}"))
    }
}

/// Decodes a query or a form.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://host/?{text}"));
    url.iter().flat_map(|url| url.query_pairs().into_owned().collect::<Vec<_>>()).collect()
}

/// How the connection ends.
enum End {
    Well,
    Reset,
    Hang(Duration),
    Cut,
    Never,
}

impl Zoom {
    pub(super) async fn serve(self, listener: std::net::TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is valid");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let zoom = self.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| zoom.clone().answer(request));
                let io = hyper_util::rt::TokioIo::new(stream);
                // The fake sends `Date` itself, from its own clock.
                let mut server = hyper::server::conn::http1::Builder::new();
                let _ = server.auto_date_header(false).serve_connection(io, service).await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if parts.uri.path().starts_with("/stand-in/") {
            let query = pairs(parts.uri.query().unwrap_or_default());
            return Ok(respond(self.lock().control(parts.uri.path(), &query, &body), 0, None, false));
        }
        let latency = self.lock().behavior.latency;
        if let Some(latency) = latency {
            tokio::time::sleep(latency).await;
        }
        let base = self.base();
        let (reply, end, serial, date) = {
            let mut state = self.lock();
            let (reply, end) = state.handle_request(&parts, &body, &base);
            let date = state.behavior.date.then(|| http_date(state.clock.now()));
            (reply, end, state.requests, date)
        };
        let reset = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        match end {
            End::Well => Ok(respond(reply, serial, date, false)),
            End::Cut => Ok(respond(reply, serial, date, true)),
            End::Reset => reset(),
            End::Hang(time) => {
                tokio::time::sleep(time).await;
                reset()
            }
            End::Never => std::future::pending().await,
        }
    }
}

/// Formats a time as an HTTP date.
fn http_date(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn respond(reply: Reply, serial: u64, date: Option<String>, cut: bool) -> Response<Body> {
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", reply.kind)
        .header("x-zm-trackingid", format!("v=2.0;clid=us02;rid=WEB_{serial:08x}"));
    for (name, value) in reply.headers.into_iter().chain(date.map(|date| ("date", date))) {
        response = response.header(name, value);
    }
    let bytes = Bytes::from(reply.body);
    if !cut {
        return response
            .body(Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
            .expect("the headers are valid");
    }
    let response = response.header("content-length", bytes.len());
    let half = bytes.slice(..bytes.len() / 2);
    let frames =
        futures::stream::iter([Ok(Frame::data(half)), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    response.body(StreamBody::new(frames).boxed_unsync()).expect("the headers are valid")
}

impl State {
    fn handle_request(
        &mut self,
        parts: &hyper::http::request::Parts,
        body: &[u8],
        base: &str,
    ) -> (Reply, End) {
        self.clock.seconds += self.behavior.tick;
        self.requests += 1;
        let token = parts.uri.path() == "/oauth/token";
        *(if token { &mut self.token_requests } else { &mut self.page_requests }) += 1;
        let last = self.dies_at == Some(self.requests);
        let dies = self.dies_at.is_some_and(|at| self.requests >= at);
        if dies && !(last && self.dies_after_effect) {
            return (Reply::json(200, String::new()), End::Never);
        }
        let raw_query = parts.uri.query().unwrap_or_default();
        let query = pairs(raw_query);
        let text = |key: &str| query.get(key).cloned().unwrap_or_default();
        let report = Report::of(parts.uri.path());
        let subject = RequestInfo {
            token,
            report,
            from: text("from"),
            to: text("to"),
            paged: query.get("next_page_token").is_some_and(|token| !token.is_empty()),
        };
        let act = self.fault(&subject);
        let mut records = 0;
        let reply = match self.limited(token) {
            Some(reply) => reply,
            None if token && parts.method == Method::POST => {
                self.token(&parts.headers, raw_query, body, base)
            }
            None if report.is_some() && parts.method == Method::GET => {
                let page = match (self.refused_bearer(&parts.headers), report) {
                    (None, Some(report)) => self.report(report, &query),
                    (refusal, _) => Err(refusal.expect("a refusal")),
                };
                page.map_or_else(
                    |refusal| refusal,
                    |(reply, count)| {
                        records = count;
                        reply
                    },
                )
            }
            None => Reply::error(404, 404, "Not found."),
        };
        let (reply, end) = match act {
            None => (reply, if dies { End::Never } else { End::Well }),
            Some(Act::Echo(status)) => {
                let sent = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
                (Reply::error(status, 5001, &format!("sent: {}", sent.unwrap_or_default())), End::Well)
            }
            Some(Act::EchoAfter(status, pad)) => (echo(&parts.headers, status, pad), End::Well),
            Some(Act::EchoMember(pad)) => {
                let name = format!("{}{}", "x".repeat(pad), sent(&parts.headers));
                (reply.with_member(&format!("\"{name}\":1")), End::Well)
            }
            Some(act) => self.inject_fault(&act, reply),
        };
        if self.keeps_log {
            self.log.push(LoggedRequest {
                path: parts.uri.path().into(),
                raw_query: raw_query.into(),
                headers: named(&parts.headers),
                status: reply.status,
                records,
                at: self.clock.now(),
                query,
            });
        }
        (reply, end)
    }

    /// Returns a 429 if the request exceeds a rate limit of [`super::Behavior`].
    fn limited(&mut self, token: bool) -> Option<Reply> {
        if token {
            return None;
        }
        let now = self.clock.now();
        let today = self.per_day.entry(now.div_euclid(86_400)).or_default();
        *today += 1;
        let over = self.behavior.daily.is_some_and(|limit| *today > limit);
        if over {
            return Some(self.too_many(true, Wait::IsoMidnight));
        }
        let (began, count) = &mut self.second;
        if began.is_none_or(|began| began.elapsed() >= Duration::from_secs(1)) {
            (*began, *count) = (Some(Instant::now()), 0);
        }
        *count += 1;
        let over = self.behavior.per_second.is_some_and(|limit| *count > limit);
        over.then(|| self.too_many(false, self.behavior.retry_after))
    }

    fn too_many(&self, daily: bool, wait: Wait) -> Reply {
        let (kind, label) = if daily { ("daily", "Daily-limit") } else { ("per-second", "QPS") };
        let message =
            format!("You have reached the maximum {kind} rate limit for this API. Try again later.");
        let mut reply = Reply::error(429, 429, &message);
        let now = self.clock.now();
        let after = match wait {
            Wait::Unsaid => None,
            Wait::Seconds(seconds) => Some(seconds.to_string()),
            Wait::HttpDate(seconds) => Some(http_date(now + seconds)),
            Wait::Iso(seconds) => Some(iso(now + seconds)),
            Wait::IsoMidnight => Some(iso((now.div_euclid(86_400) + 1) * 86_400)),
        };
        reply.headers.extend(after.map(|after| ("retry-after", after)));
        let limit = if daily { self.behavior.daily } else { self.behavior.per_second };
        reply.headers.extend([
            ("x-ratelimit-category", "Heavy".into()),
            ("x-ratelimit-type", label.into()),
            ("x-ratelimit-limit", limit.unwrap_or(10).to_string()),
            ("x-ratelimit-remaining", "0".into()),
        ]);
        reply
    }

    fn inject_fault(&mut self, act: &Act, reply: Reply) -> (Reply, End) {
        let well = |reply| (reply, End::Well);
        let json = |body: &str| (Reply::json(200, body.into()), End::Well);
        match act {
            Act::Answer(status, body) => well(Reply::json(*status, body.clone())),
            Act::PerSecond(wait) => well(self.too_many(false, *wait)),
            Act::Daily(wait) => well(self.too_many(true, *wait)),
            Act::Busy(seconds) => {
                let headers = vec![("retry-after", seconds.to_string())];
                well(Reply { headers, ..Reply::json(503, "{}".into()) })
            }
            Act::Reset => (reply, End::Reset),
            Act::Hang(time) => (reply, End::Hang(*time)),
            Act::Cut => (reply, End::Cut),
            Act::Html => {
                let body = "<!doctype html><html><body>marked-page of a proxy</body></html>";
                well(Reply { kind: "text/html", ..Reply::json(200, body.into()) })
            }
            Act::NoKey => json(r#"{"page_size":300,"next_page_token":"","operations":[{"time":"x"}]}"#),
            Act::NewMember => {
                well(reply.with_member(&format!("\"archived_logs{}\":[]", "x".repeat(200))))
            }
            Act::IllTyped => json(r#"{"page_size":300,"next_page_token":"","operation_logs":{"time":"x"}}"#),
            Act::NoRecord => json(r#"{"page_size":300,"next_page_token":"","operation_logs":["a text",7]}"#),
            Act::ErrorObject => json(r#"{"code":5010,"message":"Report service is not available."}"#),
            Act::Unauthorized => {
                self.tokens.clear();
                well(Reply::error(401, 124, "Access token is expired."))
            }
            Act::Scope => {
                let message = "Invalid access token, does not contain scopes:[report:read:operation_logs:admin].";
                well(Reply::error(400, 4711, message))
            }
            Act::Role => well(Reply::error(400, 200, "No permission.")),
            Act::PageExpired => well(Reply::json(
                400,
                r#"{"code":300,"message":"Validation Failed.","errors":[{"field":"next_page_token","message":"The next page token is invalid or expired."}]}"#.into(),
            )),
            Act::Insert(_) | Act::Tick(_) | Act::Echo(_) | Act::EchoAfter(..) | Act::EchoMember(_) => well(reply),
        }
    }

    /// Handles `/stand-in/…`, the API for controlling the fake by hand.
    fn control(&mut self, path: &str, query: &BTreeMap<String, String>, body: &[u8]) -> Reply {
        match path {
            "/stand-in/clock" => {
                if let Some(now) = query.get("now") {
                    self.clock =
                        super::Clock { seconds: at(now), since: self.clock.since.map(|_| Instant::now()) };
                }
                Reply::json(200, format!("{{\"now\":\"{}\"}}\n", iso(self.clock.now())))
            }
            "/stand-in/records" => {
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let entries: Vec<_> = lines.map(|line| record_from_line(line, self.clock.now())).collect();
                let sign_ins = query.get("report").is_some_and(|report| report == "activities");
                let store = if sign_ins { &mut self.sign_ins } else { &mut self.log_store };
                store.add(entries);
                Reply::json(200, format!("{{\"records\":{}}}\n", store.record_count()))
            }
            "/stand-in/fail" => {
                let count = query.get("times").and_then(|times| times.parse().ok()).unwrap_or(1);
                let status = query.get("status").and_then(|status| status.parse().ok()).unwrap_or(503);
                let act = if status == 429 {
                    Act::PerSecond(Wait::Seconds(1))
                } else {
                    Act::Answer(status, "{}".into())
                };
                self.rules.push(super::Rule::new(
                    super::RequestFilter::pages(),
                    super::When::First(count),
                    act,
                ));
                Reply::json(200, "{}\n".into())
            }
            _ => Reply::json(
                200,
                format!(
                    "{{\"requests\":{},\"token_requests\":{},\"page_requests\":{},\"records\":{}}}\n",
                    self.requests,
                    self.token_requests,
                    self.page_requests,
                    self.log_store.record_count()
                ),
            ),
        }
    }
}

fn sent(headers: &HeaderMap) -> &str {
    headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns an error that repeats the access token, verbatim and percent-encoded, in every place that a client may log.
fn echo(headers: &HeaderMap, status: u16, pad: usize) -> Reply {
    let given = format!("{}{}", "x".repeat(pad), sent(headers).split(' ').next_back().unwrap_or_default());
    let coded: String = given.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let body = format!(
        "{{\"code\":5001,\"message\":\"{given}\",\"errors\":[{{\"field\":\"{given}\",\"message\":\"{coded}\"}}]}}"
    );
    let mut reply = Reply::json(status, body);
    reply.headers.extend([("retry-after", given.clone()), ("x-ratelimit-type", "Daily-limit".into())]);
    reply
}

fn named(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
