//! The routes of the page, and `POST /explain`.

use super::options;
use crate::explain::{self, Explanation};
use crate::ingest::{self, decompress_limited};
use crate::normalize::{Error, Input, Options, Summary};
use crate::serve::app_state::AppState;
use crate::serve::body::LimitedBody;
use crate::serve::chunk_sender::ChunkSender;
use crate::serve::config::{CONCURRENT_EXPLANATIONS, Limits};
use crate::serve::response::ApiResponse;
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
const MAX_BODY_BYTES: u64 = 16 << 20;
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// The maximum number of records that are explained, which a page can hold.
const MAX_RECORDS: u64 = 20_000;
/// The number of bodies in memory.
const MAX_BODIES: usize = 8;
/// The size of response chunks, and the number of them that wait to be sent.
const CHUNK_BYTES: usize = 64 << 10;
const MAX_QUEUED_CHUNKS: usize = 4;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Routes for the page at `/`, its files below `/page/`, and `POST /explain`.
pub(crate) fn routes() -> Router<Arc<AppState>> {
    let asset =
        |kind: &'static str, text: &'static str| get(move || async move { page_response(kind, text) });
    let [bodies, slots] = [MAX_BODIES, CONCURRENT_EXPLANATIONS].map(|max| Arc::new(Semaphore::new(max)));
    Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("assets/index.html")))
        .route("/page/app.js", asset(JAVASCRIPT, include_str!("assets/app.js")))
        .route("/page/card.js", asset(JAVASCRIPT, include_str!("assets/card.js")))
        .route("/page/records.js", asset(JAVASCRIPT, include_str!("assets/records.js")))
        .route("/page/style.css", asset("text/css; charset=utf-8", include_str!("assets/style.css")))
        .route("/explain", post(move |state, query, request| explain([bodies, slots], state, query, request)))
}

fn page_response(kind: &'static str, body: impl Into<Body>) -> Response {
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
    [bodies, slots]: [Arc<Semaphore>; 2],
    State(state): State<Arc<AppState>>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let options = match options::parse(&query) {
        Ok(options) => options,
        Err(message) => {
            let mut response = page_response("text/plain; charset=utf-8", message);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        }
    };
    let Ok(body_permit) = bodies.try_acquire_owned() else {
        return ApiResponse::retry_later("too much is being explained at once; retry", 1).into_response();
    };
    let limits = &state.options.limits;
    let limits = Limits { body: limits.body.min(MAX_BODY_BYTES), ..limits.clone() };
    let body = LimitedBody::new(request.into_body(), &limits, &state.body_budget);
    let until = body.deadline();
    let (body, share) = match body.read_to_end().await {
        Ok(all) => all,
        Err(error) => return ApiResponse::from(error).into_response(),
    };
    // The semaphore is never closed.
    let permits = (body_permit, share, slots.acquire_owned().await.ok());
    let (chunks, receiver) = mpsc::channel::<Bytes>(MAX_QUEUED_CHUNKS);
    let sender = ChunkSender { chunks, runtime: Handle::current(), idle: limits.idle_time, until };
    let task = tokio::task::spawn_blocking(move || explain_body(body, &options, sender, permits));
    let chunks = futures::stream::try_unfold((receiver, Some(task)), |(mut receiver, mut task)| async move {
        if let Some(chunk) = receiver.recv().await {
            return Ok(Some((chunk, (receiver, task))));
        }
        // After a panic the response is aborted; otherwise it would look complete.
        match task.take() {
            Some(task) => task.await.map(|()| None).map_err(io::Error::other),
            None => Ok(None),
        }
    });
    page_response("application/x-ndjson", Body::from_stream(chunks))
}

/// The permits of a request: a place among the bodies in memory, its share of the memory budget, and the turn to be
/// explained.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

/// Explains a body into chunks, until the end or until the client disconnects.
fn explain_body(body: Vec<u8>, options: &Options, sender: ChunkSender<Bytes>, permits: Permits) {
    let limits = ingest::Limits { bytes: MAX_UNPACKED_BYTES, ..ingest::Limits::default() };
    let input = match decompress_limited(Box::new(io::Cursor::new(body)), limits) {
        Ok(unpacked) => Input::from_decompressed("input", unpacked),
        Err(error) => Input::failed("input", error),
    };
    let mut chunks = ChunkBuffer { sender, chunk: Vec::with_capacity(CHUNK_BYTES) };
    let (mut records, mut rejects) = (0, 0);
    let outcome = explain::run(std::iter::once(input), options, &mut |explanation: Explanation| {
        if records == MAX_RECORDS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        records += 1;
        rejects += u64::from(matches!(explanation.outcome, explain::Outcome::Reject { .. }));
        serde_json::to_writer(&mut chunks.chunk, &explanation)?;
        chunks.end_line()
    });
    let failure = failure(&outcome);
    let more = records == MAX_RECORDS && matches!(outcome, Err(Error::Output(_)));
    let end = json!({"end": {
        "records": records, "events": records - rejects, "rejects": rejects, "more": more, "failure": failure,
    }});
    chunks.chunk.extend_from_slice(end.to_string().as_bytes());
    // If the client disconnected, nobody needs the totals.
    let _ = chunks.end_line().and_then(|()| chunks.send());
    drop(permits);
}

/// Describes why a body could not be read to its end.
fn failure(outcome: &Result<Summary, Error>) -> Option<String> {
    outcome.as_ref().ok()?.failures.first().map(|failure| failure.error.to_string())
}

struct ChunkBuffer {
    sender: ChunkSender<Bytes>,
    chunk: Vec<u8>,
}

impl ChunkBuffer {
    fn end_line(&mut self) -> io::Result<()> {
        self.chunk.push(b'\n');
        if self.chunk.len() >= CHUNK_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.sender.send(chunk.into())
    }
}
