//! The page for people: raw records next to their events, and what filled each field.
//!
//! The page consists of three plain JavaScript modules, a style sheet and a document, embedded in the binary: it works
//! offline and has no build step. It posts to `/explain`, and shows the response as text only.

use super::AppState;
use super::chunk_sender::ChunkSender;
use super::limits::{LimitedBody, Limits};
use super::response::ApiResponse;
use crate::explain::{self, Explanation};
use crate::ingest::{self, decompress_limited};
use crate::mapping::{MappingOptions, Values};
use crate::normalize::{Error, Input, Options, Summary};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::json;
use std::io;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Nothing external, nothing inline, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The maximum size of a body as sent, and decompressed.
const MOST_BYTES: u64 = 16 << 20;
const MOST_UNPACKED: u64 = 64 << 20;
/// The maximum length of a line. Explaining a record with very many parts takes 250 times its size in memory.
const MOST_OF_A_LINE: usize = 512 << 10;
/// The maximum number of records that are explained, which a page can hold.
const MOST_RECORDS: u64 = 20_000;
/// The number of bodies in memory, and the number that are explained at once, each on a thread.
const HELD: usize = 8;
pub(super) const AT_ONCE: usize = 2;
/// The size of response chunks, and the number of them that wait to be sent.
const CHUNK: usize = 64 << 10;
const WAITING: usize = 4;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Routes for the page at `/`, its files below `/page/`, and `POST /explain`.
pub(super) fn routes() -> Router<Arc<AppState>> {
    let asset = |kind: &'static str, text: &'static str| get(move || async move { answer(kind, text) });
    let [held, turns] = [HELD, AT_ONCE].map(|most| Arc::new(Semaphore::new(most)));
    Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("explain_page/index.html")))
        .route("/page/app.js", asset(JAVASCRIPT, include_str!("explain_page/app.js")))
        .route("/page/card.js", asset(JAVASCRIPT, include_str!("explain_page/card.js")))
        .route("/page/records.js", asset(JAVASCRIPT, include_str!("explain_page/records.js")))
        .route("/page/style.css", asset("text/css; charset=utf-8", include_str!("explain_page/style.css")))
        .route(
            "/explain",
            post(move |service, query, request| explain([held, turns], service, query, request)),
        )
}

fn answer(kind: &'static str, body: impl Into<Body>) -> Response {
    let headers: [(HeaderName, &str); 6] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (headers, body.into()).into_response()
}

/// Returns one JSON object per record, as `zoom-udm explain --format json`, and then a line of totals:
/// `{"end":{"records","events","rejects","more","failure"}}`.
async fn explain(
    [held, turns]: [Arc<Semaphore>; 2],
    State(service): State<Arc<AppState>>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let options = match options(&query) {
        Ok(options) => options,
        Err(wrong) => {
            let mut refused = answer("text/plain; charset=utf-8", wrong);
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            return refused;
        }
    };
    let Ok(held) = held.try_acquire_owned() else {
        return ApiResponse::retry_later("too much is being explained at once; send it again", 1)
            .into_response();
    };
    let limits = &service.options.limits;
    let limits = Limits { body: limits.body.min(MOST_BYTES), ..limits.clone() };
    let upload = LimitedBody::new(request.into_body(), &limits, &service.held);
    let until = upload.until();
    let (body, share) = match upload.read_to_end().await {
        Ok(all) => all,
        Err(broken) => return ApiResponse::from(broken).into_response(),
    };
    // The semaphore is never closed.
    let turn = (held, share, turns.acquire_owned().await.ok());
    let (pieces, receiver) = mpsc::channel::<Bytes>(WAITING);
    let outlet = ChunkSender { pieces, runtime: Handle::current(), idle: limits.idle_time, until };
    let task = tokio::task::spawn_blocking(move || explain_body(body, &options, outlet, turn));
    let chunks = futures::stream::try_unfold((receiver, Some(task)), |(mut receiver, mut task)| async move {
        if let Some(chunk) = receiver.recv().await {
            return Ok(Some((chunk, (receiver, task))));
        }
        // Where the task panicked the answer ends broken: it would pass for all there is otherwise.
        match task.take() {
            Some(task) => task.await.map(|()| None).map_err(io::Error::other),
            None => Ok(None),
        }
    });
    answer("application/x-ndjson", Body::from_stream(chunks))
}

/// Parses the mapping options, which are named like the flags.
fn options(query: &[(String, String)]) -> Result<Options, String> {
    let mut options = Options { max_line_bytes: MOST_OF_A_LINE, ..Options::default() };
    let (mut feed, mut case) = (IngestionMetadata::default(), Case::Camel);
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("values", "new") | ("clip" | "event_id", "0") | ("case", "camel") | (_, "") => {}
            ("values", "verbatim") => {
                options.rules = MappingOptions { values: Values::Verbatim, ..options.rules }
            }
            ("clip", "1") => options.rules.clip = true,
            ("event_id", "1") => options.event_id = true,
            ("case", "snake") => case = Case::Snake,
            ("namespace", namespace) => feed.namespace = Some(namespace.to_owned()),
            ("label", label) => {
                feed.labels
                    .push(IngestionMetadata::label(label).ok_or("a label is KEY=VALUE, like env=prod")?);
            }
            ("default_time", time) => {
                let wrong = || "the default time is a time like 2024-01-31T00:00:00Z".to_owned();
                options.default_time = Some(Timestamp::parse(time).ok_or_else(wrong)?);
            }
            _ => {
                return Err(
                    "an option is values, case, clip, event_id, namespace, label or default_time".to_owned()
                );
            }
        }
    }
    options.writer = Writer::new(OutputShape::Udm(case), &feed);
    Ok(options)
}

/// The permits of a request: a place among the bodies in memory, its share of the memory budget, and the turn to be
/// explained.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

/// Explains a body into chunks, until the end or until the client disconnects.
fn explain_body(body: Vec<u8>, options: &Options, outlet: ChunkSender<Bytes>, turn: Permits) {
    let limits = ingest::Limits { bytes: MOST_UNPACKED, ..ingest::Limits::default() };
    let input = match decompress_limited(Box::new(io::Cursor::new(body)), limits) {
        Ok(unpacked) => Input::decompress("input", unpacked),
        Err(error) => Input::failed("input", error),
    };
    let mut chunks = ChunkBuffer { outlet, chunk: Vec::with_capacity(CHUNK) };
    let (mut records, mut rejects) = (0, 0);
    let outcome = explain::run(std::iter::once(input), options, &mut |told: Explanation| {
        if records == MOST_RECORDS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        records += 1;
        rejects += u64::from(matches!(told.outcome, explain::Outcome::Reject { .. }));
        serde_json::to_writer(&mut chunks.chunk, &told)?;
        chunks.end_line()
    });
    let failure = failure(&outcome);
    let more = records == MOST_RECORDS && matches!(outcome, Err(Error::Output(_)));
    let end = json!({"end": {
        "records": records, "events": records - rejects, "rejects": rejects, "more": more, "failure": failure,
    }});
    chunks.chunk.extend_from_slice(end.to_string().as_bytes());
    // If the client disconnected, nobody needs the totals.
    let _ = chunks.end_line().and_then(|()| chunks.send());
    drop(turn);
}

/// Describes why a body could not be read to its end.
fn failure(outcome: &Result<Summary, Error>) -> Option<String> {
    outcome.as_ref().ok()?.failures.first().map(|failure| failure.error.to_string())
}

struct ChunkBuffer {
    outlet: ChunkSender<Bytes>,
    chunk: Vec<u8>,
}

impl ChunkBuffer {
    fn end_line(&mut self) -> io::Result<()> {
        self.chunk.push(b'\n');
        if self.chunk.len() >= CHUNK { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.outlet.send(chunk.into())
    }
}
