//! A fake Cloud Storage that listens on a real socket. It implements the part of the XML API that the program uses and
//! the metadata and token endpoints, keeps its objects in memory, and injects faults on request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED,
    RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// An object and its metadata.
#[derive(Clone)]
pub struct Object {
    pub bytes: Bytes,
    pub generation: u64,
    /// Milliseconds since the epoch.
    pub modified: i64,
    pub encoding: Option<String>,
    etag: String,
    /// The value of `x-goog-hash`.
    sum: String,
}

impl Object {
    fn etag(&self) -> String {
        self.etag.clone()
    }
}

/// Returns an ETag derived from the content, as Cloud Storage does.
fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
}

const HASH: &str = "x-goog-hash";

/// Returns the value of `x-goog-hash` for some content.
fn sum(bytes: &[u8]) -> String {
    format!("crc32c={}", STANDARD.encode(crc32c::crc32c(bytes).to_be_bytes()))
}

/// Injected faults. The `f64` values are shares of requests, from 0 to 1.
#[derive(Clone, Default)]
pub struct Faults {
    pub too_many: f64,
    pub unavailable: f64,
    /// The connection is reset before a response; in half of the cases the request takes effect first.
    pub reset: f64,
    /// The response body ends in the middle.
    pub cut: f64,
    /// A bit of the request body is flipped.
    pub garbled: f64,
    pub latency: Option<Duration>,
    /// The share of requests that `latency` delays; 0 delays all of them.
    pub slow: f64,
    /// Requests whose object name contains this text get a 503.
    pub always_unavailable: Option<String>,
    /// Requests whose object name contains this text get a 403.
    pub forbidden: Option<String>,
    /// The number of the request at which the fake dies. Requests from this one on get no response.
    pub dies_at: Option<u64>,
    /// Whether the request at `dies_at` still takes effect.
    pub dies_after_effect: bool,
    /// Faults for specific requests.
    pub refusals: Vec<Refusal>,
}

/// What the fake does with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Act {
    #[default]
    Well,
    Status(u16),
    /// This status, with the given body.
    Body(u16, &'static str),
    Reset,
    ResetAfter,
    /// The response body ends in the middle, although its full length was announced.
    Cut,
    /// No response is sent.
    Hang,
    /// Half of the response is sent, and the connection stays open.
    Stall,
    /// A bit of the request body is flipped.
    Garbled,
    /// A bit of the response body is flipped.
    Flipped,
    /// The response body ends early and is sent in chunks, so that no length reveals it.
    Short,
    /// The response body has an extra byte.
    Long,
    /// The checksum does not match the content.
    WrongHash,
    /// The checksum is missing.
    NoHash,
    /// The response body is empty, and the headers that describe the stored object are missing.
    Empty,
    /// The headers that only Cloud Storage sends are missing.
    NoHeaders,
    /// A 206 response with half of the object, although no range was requested.
    Partial,
    /// A listing in which the first text is replaced by the second.
    Page(&'static str, &'static str),
    /// A listing that contains its last object twice.
    Twice,
    /// The response body is sent in this many parts, with a delay before each.
    Trickle(u32, Duration),
}

/// A fault for requests that match a method and a name.
#[derive(Clone)]
pub struct Refusal {
    /// `GET`, `PUT` and so on; `LIST` for listings; empty for all methods.
    pub method: &'static str,
    /// A substring of the object name; for listings, of `BUCKET?QUERY`.
    pub part: String,
    pub act: Act,
    /// The number of matching requests to let through first.
    pub after: u32,
    /// The number of matching requests to act on after that.
    pub times: u32,
}

impl Refusal {
    pub fn always(method: &'static str, part: &str, status: u16) -> Self {
        Self::acting(method, part, Act::Status(status))
    }

    pub fn acting(method: &'static str, part: &str, act: Act) -> Self {
        Self { method, part: part.into(), act, after: 0, times: u32::MAX }
    }

    pub fn once(method: &'static str, part: &str, status: u16) -> Self {
        Self { times: 1, ..Self::always(method, part, status) }
    }

    fn matches_request(&mut self, method: &str, name: &str) -> bool {
        if !(self.method.is_empty() || self.method == method) || !name.contains(&self.part) || self.times == 0
        {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// Returns whether an access token is valid.
pub type TokenCheck = Box<dyn Fn(&str) -> bool + Send>;

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<(String, String), Object>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    pub faults: Faults,
    pub requests: u64,
    /// How many requests a refusal has matched.
    pub fault_hits: u64,
    pub log: Vec<String>,
    /// The access token that requests must send and that the metadata and token endpoints issue.
    pub bearer: Option<String>,
    /// The refresh token that the token endpoint accepts.
    pub refresh: Option<String>,
    /// Decides which access tokens are valid, for tests with more than one.
    pub allows: Option<TokenCheck>,
    generation: u64,
    random: fastrand::Rng,
    pub page: usize,
    /// The modification time of the last object, in milliseconds since the epoch; each object is a millisecond newer.
    pub clock: i64,
    /// Whether objects get the current time instead.
    pub real_time: bool,
    pub in_flight: u64,
    pub max_in_flight: u64,
    /// The buckets that exist; `None` means that every bucket exists.
    pub buckets: Option<Vec<String>>,
    /// Gates for pending requests, by request number. A request waits at its gate before it takes effect.
    gates: BTreeMap<u64, Arc<Gate>>,
}

/// Blocks one request of the fake until it is opened.
#[derive(Default)]
pub struct Gate {
    reached: AtomicBool,
    opened: tokio::sync::Notify,
}

impl Gate {
    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.reached.store(true, Ordering::SeqCst);
        self.opened.notified().await;
    }

    pub fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    /// Lets the request through; if it has not arrived yet, it will not wait.
    pub fn open(&self) {
        self.opened.notify_one();
    }
}

#[derive(Clone)]
pub struct Gcs {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    died: Arc<tokio::sync::Notify>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Answer = Response<Body>;

impl Gcs {
    /// Starts a fake on a free port, in a new thread.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    pub fn start_at(address: &str) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("the address is free");
        listener.set_nonblocking(true).expect("the socket can be configured");
        let address = listener.local_addr().expect("the listener has an address");
        let state = State {
            page: 1000,
            random: fastrand::Rng::with_seed(7),
            generation: 1_700_000_000_000_000,
            clock: 1_700_000_000_000,
            ..State::default()
        };
        let gcs = Self { address, state: Arc::new(Mutex::new(state)), died: Arc::default() };
        let serving = gcs.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
            runtime.block_on(serving.serve(listener));
        });
        gcs
    }

    async fn serve(self, listener: std::net::TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is valid");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let gcs = self.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    let gcs = gcs.clone();
                    async move { gcs.answer(request).await }
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn seed(&self, bucket: &str, name: &str, bytes: impl Into<Bytes>) {
        self.seed_encoded(bucket, name, bytes, None);
    }

    pub fn seed_encoded(&self, bucket: &str, name: &str, bytes: impl Into<Bytes>, encoding: Option<&str>) {
        self.lock().put(bucket, name, bytes.into(), encoding.map(str::to_owned));
    }

    pub fn get(&self, bucket: &str, name: &str) -> Option<Bytes> {
        self.lock().objects.get(&(bucket.into(), name.into())).map(|object| object.bytes.clone())
    }

    /// Starts a second fake with a copy of the objects.
    pub fn duplicate(&self) -> Self {
        let duplicate = Self::start();
        {
            let (from, mut to) = (self.lock(), duplicate.lock());
            (to.objects, to.generation, to.clock) = (from.objects.clone(), from.generation, from.clock);
        }
        duplicate
    }

    /// Returns the names and contents of the objects in a bucket whose names start with a prefix.
    pub fn all(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Bytes> {
        let state = self.lock();
        let of = state.objects.iter().filter(|((of, name), _)| of == bucket && name.starts_with(prefix));
        of.map(|((_, name), object)| (name.clone(), object.bytes.clone())).collect()
    }

    /// Blocks the `nth` request from now until its gate is opened. Other requests proceed.
    pub fn hold_request(&self, nth: u64) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        let mut state = self.lock();
        let number = state.requests + nth;
        state.gates.insert(number, Arc::clone(&gate));
        gate
    }

    /// Removes the gates that no request has reached.
    pub fn release_requests(&self) {
        self.lock().gates.clear();
    }

    /// Waits until the request at [`Faults::dies_at`] has arrived.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    async fn answer(self, request: Request<Incoming>) -> io::Result<Answer> {
        let (dead, fault, wait, gate) = {
            let mut state = self.lock();
            state.requests += 1;
            state.in_flight += 1;
            state.max_in_flight = state.max_in_flight.max(state.in_flight);
            let line = format!("{} {}", request.method(), request.uri());
            if state.requests < 100_000 {
                state.log.push(line);
            }
            let dead = state.faults.dies_at.is_some_and(|at| state.requests >= at);
            let last = state.faults.dies_at == Some(state.requests) && state.faults.dies_after_effect;
            let wait = state
                .faults
                .latency
                .filter(|_| state.faults.slow == 0.0 || state.random.f64() < state.faults.slow);
            let number = state.requests;
            (dead && !last, state.draw(), wait, state.gates.remove(&number))
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let answer = self.clone().decide(request, dead, fault).await;
        let died = {
            let mut state = self.lock();
            state.in_flight -= 1;
            state.faults.dies_at.is_some_and(|at| state.requests >= at)
        };
        if died {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        answer
    }

    async fn decide(self, request: Request<Incoming>, dead: bool, fault: Act) -> io::Result<Answer> {
        let reset = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        if dead {
            return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let fault = self.matching_fault(&parts).unwrap_or(fault);
        let announced = |answer: Answer| async move {
            let (mut parts, body) = answer.into_parts();
            let bytes = body.collect().await?.to_bytes();
            parts.headers.entry(CONTENT_LENGTH).or_insert(bytes.len().into());
            io::Result::Ok((parts, bytes))
        };
        match fault {
            Act::Status(code) => Ok(status(StatusCode::from_u16(code).expect("the status is valid"))),
            Act::Body(code, body) => {
                Ok(answer(StatusCode::from_u16(code).expect("the status is valid"), body.to_owned()))
            }
            Act::Reset => reset(),
            Act::ResetAfter => {
                self.handle(&parts, body);
                reset()
            }
            Act::Hang => std::future::pending().await,
            Act::Cut | Act::Stall => {
                let answer = self.handle(&parts, body);
                // Error responses are sent in full.
                if !answer.status().is_success() {
                    return Ok(answer);
                }
                let (parts, bytes) = announced(answer).await?;
                let half = futures::stream::iter([Ok(Frame::data(bytes.slice(..bytes.len() / 2)))]);
                let end = futures::stream::once(async move {
                    if fault == Act::Stall {
                        std::future::pending::<()>().await;
                    }
                    // Lets the first half reach the client before the reset.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                });
                Ok(Response::from_parts(parts, StreamBody::new(half.chain(end)).boxed_unsync()))
            }
            Act::Trickle(count, apart) => {
                let (parts, bytes) = announced(self.handle(&parts, body)).await?;
                let size = bytes.len().div_ceil(count as usize).max(1);
                let pieces: Vec<_> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
                let frames = futures::stream::iter(pieces).then(move |piece| async move {
                    tokio::time::sleep(apart).await;
                    Ok(Frame::data(piece))
                });
                Ok(Response::from_parts(parts, StreamBody::new(frames).boxed_unsync()))
            }
            Act::Flipped
            | Act::Short
            | Act::Long
            | Act::WrongHash
            | Act::NoHash
            | Act::Empty
            | Act::NoHeaders
            | Act::Partial => {
                let (mut parts, bytes) = announced(self.handle(&parts, body)).await?;
                if !parts.status.is_success() {
                    return Ok(Response::from_parts(parts, full(bytes)));
                }
                let body = misread(&fault, &mut parts, bytes);
                Ok(Response::from_parts(parts, body))
            }
            Act::Page(..) | Act::Twice => {
                let (mut parts, bytes) = announced(self.handle(&parts, body)).await?;
                parts.headers.remove(CONTENT_LENGTH);
                let page = String::from_utf8_lossy(&bytes).into_owned();
                Ok(Response::from_parts(parts, full(mislisted(&fault, page).into())))
            }
            Act::Garbled => {
                let mut bytes = body.to_vec();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 4;
                }
                Ok(self.handle(&parts, bytes.into()))
            }
            Act::Well => Ok(self.handle(&parts, body)),
        }
    }

    /// Returns the action of the first refusal that matches a request.
    fn matching_fault(&self, parts: &hyper::http::request::Parts) -> Option<Act> {
        let (bucket, name) = place(parts.uri.path());
        let (method, name) = if name.is_empty() {
            ("LIST", format!("{bucket}?{}", parts.uri.query().unwrap_or_default()))
        } else {
            (parts.method.as_str(), name)
        };
        let mut state = self.lock();
        let refusals = &mut state.faults.refusals;
        let act = refusals
            .iter_mut()
            .find_map(|refusal| refusal.matches_request(method, &name).then(|| refusal.act.clone()));
        state.fault_hits += u64::from(act.is_some());
        act
    }

    fn handle(&self, parts: &hyper::http::request::Parts, body: Bytes) -> Answer {
        let mut state = self.lock();
        let path = parts.uri.path();
        let query: HashMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (unescape(key), unescape(&value.replace('+', " ")))
            })
            .collect();
        if path.starts_with("/computeMetadata/") {
            let token = state.bearer.clone().unwrap_or_default();
            return answer(
                StatusCode::OK,
                format!("{{\"access_token\":\"{token}\",\"expires_in\":3600,\"token_type\":\"Bearer\"}}"),
            );
        }
        if path == "/o/oauth2/token" {
            let form = String::from_utf8_lossy(&body).into_owned();
            let good = state.refresh.as_ref().is_some_and(|refresh| form.contains(refresh.as_str()));
            if !good {
                return answer(StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.into());
            }
            let token = state.bearer.clone().unwrap_or_default();
            return answer(
                StatusCode::OK,
                format!("{{\"access_token\":\"{token}\",\"expires_in\":3600,\"token_type\":\"Bearer\"}}"),
            );
        }
        if let Some(allows) = &state.allows {
            let given =
                parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !given.strip_prefix("Bearer ").is_some_and(allows) {
                return status(StatusCode::UNAUTHORIZED);
            }
        }
        if let Some(bearer) = &state.bearer {
            let given =
                parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if given != format!("Bearer {bearer}") {
                return status(StatusCode::UNAUTHORIZED);
            }
        }
        let (bucket, name) = place(path);
        let has = |part: &Option<String>| part.as_ref().is_some_and(|part| name.contains(part.as_str()));
        if has(&state.faults.always_unavailable) {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        if has(&state.faults.forbidden) {
            return status(StatusCode::FORBIDDEN);
        }
        if state.buckets.as_ref().is_some_and(|buckets| !buckets.contains(&bucket)) {
            let body = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>";
            return answer(StatusCode::NOT_FOUND, body.into());
        }
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if name.is_empty() {
            return state.list(&bucket, &query);
        }
        if header("x-goog-hash").is_some_and(|told| told != sum(&body)) {
            let body = "<Error><Code>BadDigest</Code><Message>The CRC32C you specified did not match what we received.</Message></Error>";
            return answer(StatusCode::BAD_REQUEST, body.into());
        }
        let key = (bucket, name);
        let now = state.objects.get(&key).map_or(0, |object| object.generation);
        if header("x-goog-if-generation-match").is_some_and(|wanted| wanted != now.to_string()) {
            return status(StatusCode::PRECONDITION_FAILED);
        }
        match (&parts.method, query.get("uploadId")) {
            (&Method::POST, None) if query.contains_key("uploads") => {
                state.generation += 1;
                let id = format!("upload-{}", state.generation);
                state.uploads.insert(id.clone(), BTreeMap::new());
                answer(
                    StatusCode::OK,
                    format!(
                        "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            (&Method::PUT, Some(id)) => {
                let number = query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
                let Some(parts) = state.uploads.get_mut(id) else { return status(StatusCode::NOT_FOUND) };
                parts.insert(number, body);
                with(StatusCode::OK, &[("etag", format!("\"part-{number}\""))], Bytes::new())
            }
            (&Method::POST, Some(id)) => {
                let Some(parts) = state.uploads.remove(id) else { return status(StatusCode::NOT_FOUND) };
                let bytes: Vec<u8> = parts.values().flatten().copied().collect();
                let object = state.put(&key.0, &key.1, bytes.into(), None);
                with(
                    StatusCode::OK,
                    &[("x-goog-generation", object.generation.to_string())],
                    format!(
                        "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>",
                        object.etag()
                    )
                    .into(),
                )
            }
            (&Method::DELETE, Some(id)) => {
                state.uploads.remove(id);
                status(StatusCode::NO_CONTENT)
            }
            (&Method::PUT, None) => {
                let (body, encoding) = match header("x-goog-copy-source") {
                    Some(source) => {
                        let source = unescape(&source);
                        let (bucket, name) = source.split_once('/').unwrap_or_default();
                        match state.objects.get(&(bucket.to_owned(), name.to_owned())) {
                            Some(object) => (object.bytes.clone(), object.encoding.clone()),
                            None => return status(StatusCode::NOT_FOUND),
                        }
                    }
                    None => (body, header("content-encoding")),
                };
                let object = state.put(&key.0, &key.1, body, encoding);
                with(
                    StatusCode::OK,
                    &[("etag", object.etag()), ("x-goog-generation", object.generation.to_string())],
                    "<CopyObjectResult/>".into(),
                )
            }
            (&Method::DELETE, None) => status(if state.objects.remove(&key).is_some() {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::NOT_FOUND
            }),
            (&Method::GET | &Method::HEAD, _) => match state.objects.get(&key) {
                Some(object) => read(object, parts),
                None => status(StatusCode::NOT_FOUND),
            },
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}

impl State {
    fn draw(&mut self) -> Act {
        let drawn = self.random.f64();
        let Faults { too_many, unavailable, reset, cut, garbled, .. } = self.faults;
        let edges = [
            (too_many, Act::Status(429)),
            (unavailable, Act::Status(503)),
            (reset / 2.0, Act::Reset),
            (reset / 2.0, Act::ResetAfter),
            (cut, Act::Cut),
            (garbled, Act::Garbled),
        ];
        let mut edge = 0.0;
        for (share, fault) in edges {
            edge += share;
            if drawn < edge {
                return fault;
            }
        }
        Act::Well
    }

    pub fn put(&mut self, bucket: &str, name: &str, bytes: Bytes, encoding: Option<String>) -> Object {
        self.generation += 1;
        self.clock += 1;
        if self.real_time {
            self.clock = self.clock.max(chrono::Utc::now().timestamp_millis());
        }
        let (etag, sum) = (etag(&bytes), sum(&bytes));
        let object = Object { bytes, generation: self.generation, modified: self.clock, encoding, etag, sum };
        self.objects.insert((bucket.to_owned(), name.to_owned()), object.clone());
        object
    }

    fn list(&self, bucket: &str, query: &HashMap<String, String>) -> Answer {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let behind =
            query.get("continuation-token").or_else(|| query.get("start-after")).map_or("", String::as_str);
        let size =
            query.get("max-keys").and_then(|size| size.parse().ok()).unwrap_or(self.page).min(self.page);
        let start = if behind > prefix { behind } else { prefix };
        let from = (bucket.to_owned(), start.to_owned());
        let found =
            self.objects.range(from..).take_while(|((of, name), _)| of == bucket && name.starts_with(prefix));
        let mut found = found.skip_while(|((_, name), _)| !behind.is_empty() && name.as_str() <= behind);
        let mut page = String::with_capacity(size.min(1000) * 300);
        page.push_str(
            "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>",
        );
        let _ = write!(page, "<Name>{bucket}</Name><Prefix>");
        escape(prefix, &mut page);
        page.push_str("</Prefix>");
        let mut last = "";
        let (mut second, mut time) = (i64::MIN, String::new());
        for ((_, name), object) in found.by_ref().take(size) {
            // Reuses the formatted time within a second, because a benchmark lists a million objects.
            if second != object.modified.div_euclid(1000) {
                second = object.modified.div_euclid(1000);
                let of = chrono::DateTime::from_timestamp(second, 0).unwrap_or_default();
                time = of.format("%Y-%m-%dT%H:%M:%S").to_string();
            }
            page.push_str("<Contents><Key>");
            escape(name, &mut page);
            let _ = write!(
                page,
                "</Key><LastModified>{time}.{:03}Z</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                object.modified.rem_euclid(1000),
                object.etag.trim_matches('"'),
                object.bytes.len()
            );
            last = name;
        }
        let more = found.next().is_some();
        let _ = write!(page, "<IsTruncated>{more}</IsTruncated>");
        if more {
            page.push_str("<NextContinuationToken>");
            escape(last, &mut page);
            page.push_str("</NextContinuationToken>");
        }
        page.push_str("</ListBucketResult>");
        answer(StatusCode::OK, page)
    }
}

/// Returns a response body with a fault in it, and adjusts the status and the headers to it.
fn misread(fault: &Act, parts: &mut hyper::http::response::Parts, bytes: Bytes) -> Body {
    let headers = &mut parts.headers;
    let chunked = |bytes: Vec<u8>| {
        let frames = futures::stream::iter([Ok(Frame::data(Bytes::from(bytes)))]);
        StreamBody::new(frames).boxed_unsync()
    };
    match fault {
        Act::Short | Act::Long => {
            headers.remove(CONTENT_LENGTH);
            let mut bytes = bytes.to_vec();
            bytes.push(b'\n');
            bytes.truncate(if *fault == Act::Long { bytes.len() } else { (bytes.len() - 1) / 2 });
            return chunked(bytes);
        }
        Act::Flipped => {
            let mut bytes = bytes.to_vec();
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 4;
            }
            return full(bytes.into());
        }
        Act::WrongHash => drop(headers.insert(HASH, sum(b"other bytes").parse().expect("a valid header"))),
        Act::NoHash => drop(headers.remove(HASH)),
        Act::Empty => {
            headers.remove(HASH);
            headers.remove("x-goog-stored-content-length");
            headers.insert(CONTENT_LENGTH, 0.into());
            return full(Bytes::new());
        }
        Act::NoHeaders => {
            for name in [HASH, "x-goog-generation", "x-goog-stored-content-length"] {
                headers.remove(name);
            }
        }
        _ => {
            parts.status = StatusCode::PARTIAL_CONTENT;
            let half = bytes.slice(..bytes.len() / 2);
            headers.insert(CONTENT_LENGTH, half.len().into());
            return full(half);
        }
    }
    full(bytes)
}

/// Returns a page of a listing with a fault in it.
fn mislisted(fault: &Act, page: String) -> String {
    match fault {
        Act::Page(text, other) => page.replace(text, other),
        _ => {
            let start = page.rfind("<Contents>").unwrap_or(0);
            let end = page.rfind("</Contents>").map_or(start, |end| end + "</Contents>".len());
            format!("{}{}", &page[..end], &page[start..])
        }
    }
}

/// Responds to a GET or HEAD as Cloud Storage does: an object stored as gzip is decompressed, and sent without a length
/// and an ETag, unless the client accepts gzip.
fn read(object: &Object, parts: &hyper::http::request::Parts) -> Answer {
    let text =
        |name| parts.headers.get(name).and_then(|value: &hyper::http::HeaderValue| value.to_str().ok());
    let time = chrono::DateTime::from_timestamp_millis(object.modified).unwrap_or_default();
    let mut headers = vec![
        (LAST_MODIFIED.as_str(), time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("x-goog-generation", object.generation.to_string()),
        (HASH, object.sum.clone()),
        ("x-goog-stored-content-length", object.bytes.len().to_string()),
        ("x-goog-stored-content-encoding", object.encoding.clone().unwrap_or_else(|| "identity".into())),
    ];
    let takes_gzip = text(ACCEPT_ENCODING).is_some_and(|value| value.contains("gzip"));
    if object.encoding.as_deref() == Some("gzip") && !takes_gzip {
        let mut plain = Vec::new();
        let _ = io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&object.bytes[..]), &mut plain);
        let frames = futures::stream::iter([Ok(Frame::data(Bytes::from(plain)))]);
        let mut response = with(StatusCode::OK, &headers, Bytes::new());
        *response.body_mut() = StreamBody::new(frames).boxed_unsync();
        return response;
    }
    if let Some(encoding) = &object.encoding {
        headers.push((CONTENT_ENCODING.as_str(), encoding.clone()));
        // Real buckets send no ETag for encoded objects; `object_store` fails on them without a workaround.
        if parts.method == Method::HEAD {
            headers.push((CONTENT_LENGTH.as_str(), object.bytes.len().to_string()));
        }
    } else {
        headers.push((ETAG.as_str(), object.etag()));
    }
    let size = object.bytes.len();
    if let Some(range) = text(RANGE) {
        let Some(range) = parse_range(range, size) else { return status(StatusCode::RANGE_NOT_SATISFIABLE) };
        headers.push((CONTENT_RANGE.as_str(), format!("bytes {}-{}/{size}", range.start, range.end - 1)));
        return with(StatusCode::PARTIAL_CONTENT, &headers, object.bytes.slice(range));
    }
    if parts.method == Method::HEAD {
        if object.encoding.is_none() {
            headers.push((CONTENT_LENGTH.as_str(), size.to_string()));
        }
        return with(StatusCode::OK, &headers, Bytes::new());
    }
    with(StatusCode::OK, &headers, object.bytes.clone())
}

fn parse_range(range: &str, size: usize) -> Option<Range<usize>> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = end.parse().map_or(size, |end: usize| (end + 1).min(size));
    (start < end).then_some(start..end)
}

/// Returns the bucket and the object name of a request path.
fn place(path: &str) -> (String, String) {
    let path = path.trim_start_matches('/');
    let (bucket, name) = path.split_once('/').unwrap_or((path, ""));
    (unescape(bucket), unescape(name))
}

fn full(bytes: Bytes) -> Body {
    http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn with(status: StatusCode, headers: &[(&str, String)], body: Bytes) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(full(body)).expect("the headers are valid")
}

fn answer(status: StatusCode, body: String) -> Answer {
    with(status, &[], body.into())
}

fn status(status: StatusCode) -> Answer {
    answer(status, format!("<Error><Code>{}</Code></Error>", status.as_u16()))
}

fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            c if c.is_ascii_control() => drop(write!(to, "&#{};", u32::from(c))),
            c => to.push(c),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = |at: usize| behind.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
