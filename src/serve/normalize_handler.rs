//! `POST /normalize`: raw records in, events out, as a stream. A separate thread does the work, and exchanges bounded
//! numbers of chunks.
//!
//! Nothing is lost silently. `Accept: multipart/mixed` returns rejects in full. Otherwise they are counted in
//! `Zoom-Udm-Summary`: in a header of short responses, or in a trailer if the client accepts trailers (`TE: trailers`).
//! If a client could overlook rejects, a long response is aborted, unless `?rejects=omit` accepts that.

use super::AppState;
use super::chunk_sender::ChunkSender;
use super::limits::{BodyChunk, Broken, LimitedBody};
use super::normalize_response::{self, ResponseFormat};
use super::normalize_worker::{Chunk, NormalizeJob, Outcome};
use super::response::{ApiResponse, Severity};
use super::write_timeout::FlushNotifier;
use crate::timestamp::Timestamp;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, TE};
use axum::http::{HeaderMap, Version};
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// How to normalize.
#[derive(Debug, Clone)]
pub struct NormalizeConfig {
    /// How records become events.
    pub options: crate::normalize::Options,
    /// The format and size of requests, if events are grouped.
    pub requests: Option<(crate::normalize::RequestFormat, crate::normalize::Limits)>,
    /// Whether records without a usable time get the time of their request.
    pub default_to_now: bool,
}

impl NormalizeConfig {
    /// Returns the options for a request that arrived at this time.
    fn at(&self, now: i64) -> crate::normalize::Options {
        let mut options = self.options.clone();
        if self.default_to_now {
            let now = DateTime::from_timestamp_millis(now).and_then(Timestamp::from_chrono);
            options.default_time = now.or(options.default_time);
        }
        options
    }
}

/// The number of event chunks that wait to be sent. One is the result of a block, about a megabyte.
const PIECES: usize = 2;
/// Responses up to this size have their summary in a header.
const BUFFERED_MAX: usize = 512 << 10;
/// A request is scheduled after this much of its body has arrived, or all of it, so that slow senders do not delay
/// others. One block of records.
const START_THRESHOLD: usize = 256 << 10;
/// The error for work that ended without a result.
pub(super) const NO_END: &str = "the result was not read in time, or the work itself failed";
/// How long a request waits to be scheduled.
const TURN: Duration = Duration::from_secs(20);

pub(super) async fn normalize(
    State(service): State<Arc<AppState>>,
    Extension(sent): Extension<FlushNotifier>,
    request: Request,
) -> Response {
    match begin(&service, sent, request).await {
        Ok(response) => response,
        Err(answer) => answer.into_response(),
    }
}

/// Cancels the work when the response is dropped.
pub(super) struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn begin(
    service: &Arc<AppState>,
    sent: FlushNotifier,
    request: Request,
) -> Result<Response, ApiResponse> {
    let Some(normalizing) = service.options.normalize.clone() else {
        return Ok(ApiResponse::not_found().into_response());
    };
    let limits = &service.options.limits;
    let form = negotiate(&request)?;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limits.body) {
        return Err(Broken::TooLarge(limits.body).into());
    }
    let (pieces, upload) = mpsc::unbounded_channel();
    let (sender, mut answers) = mpsc::channel(PIECES);
    // Until the whole body has arrived.
    let broken = Arc::new(Mutex::new(Some(Broken::Gone)));
    let (until, begun) = spawn_body_reader(service, request.into_body(), pieces, &broken);
    if let Ok(Some(broken)) = begun.await {
        return Err(broken.into());
    }
    let turn = acquire_slot(service).await?;
    let stop: Arc<AtomicBool> = Arc::default();
    let wanted = Wanted(Arc::clone(&stop));
    let task = NormalizeJob {
        options: crate::normalize::Options { stop, threads: 1, ..normalizing.at(service.clock().now()) },
        requests: normalizing.requests,
        limits: crate::ingest::Limits { bytes: limits.unpacked, ..Default::default() },
        rejects: form == ResponseFormat::Multipart,
        upload,
        broken,
        answers: ChunkSender {
            pieces: sender,
            runtime: tokio::runtime::Handle::current(),
            idle: limits.idle_time,
            until,
        },
    };
    let (service_of_task, started) = (Arc::clone(service), Instant::now());
    tokio::task::spawn_blocking(move || {
        let outcome = task.run();
        let good = matches!(outcome, Outcome::Whole);
        service_of_task.metrics.run("normalize", if good { "done" } else { "failed" }, started.elapsed());
        drop(turn);
    });
    let mut ready = Vec::new();
    let mut size = 0;
    while size < BUFFERED_MAX {
        match answers.recv().await {
            Some(Chunk::End(summary)) => {
                service.metrics.normalized("normalize", &summary);
                return Ok(normalize_response::buffered(form, ready, &summary));
            }
            Some(Chunk::Failed(answer)) => return Err(*answer),
            None => return Err(no_end()),
            Some(piece) => {
                size += piece.len();
                ready.push(piece);
            }
        }
    }
    Ok(normalize_response::streaming(service, form, ready, answers, wanted, sent))
}

fn no_end() -> ApiResponse {
    ApiResponse::internal_error("the work failed; see the log")
        .with_log(Severity::Error, format!("broken: {NO_END}"))
}

async fn acquire_slot(service: &AppState) -> Result<OwnedSemaphorePermit, ApiResponse> {
    let turn = timeout(TURN, Arc::clone(&service.normalizations).acquire_owned()).await;
    // The semaphore is never closed.
    turn.ok().and_then(Result::ok).ok_or_else(|| ApiResponse::too_many(2))
}

fn negotiate(request: &Request) -> Result<ResponseFormat, ApiResponse> {
    let words = |name| {
        let all = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(',')).map(str::trim)
    };
    encoding(request.headers())?;
    if request.version() < Version::HTTP_11 {
        return Err(ApiResponse::bad_request(
            "HTTP/1.1 is required, because earlier versions cannot signal an aborted response",
        ));
    }
    let kind = |word: &str| word.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // `q=0` means that the client does not accept it.
    let is_wanted = |word: &str| {
        let mut weights = word
            .split(';')
            .skip(1)
            .filter_map(|part| part.trim().strip_prefix(['q', 'Q'])?.strip_prefix('='));
        !weights.any(|weight| weight.trim().parse().is_ok_and(|weight: f32| weight <= 0.0))
    };
    if words(ACCEPT).any(|word| kind(word) == "multipart/mixed" && is_wanted(word)) {
        return Ok(ResponseFormat::Multipart);
    }
    match request.uri().query().unwrap_or_default() {
        "rejects=omit" => Ok(ResponseFormat::Omit),
        "" if words(TE).any(|word| word.eq_ignore_ascii_case("trailers")) => Ok(ResponseFormat::Trailers),
        "" => Ok(ResponseFormat::Plain),
        _ => Err(ApiResponse::bad_request("the only supported value is ?rejects=omit")),
    }
}

/// Gzip is detected from the first bytes; any other encoding is refused.
fn encoding(headers: &HeaderMap) -> Result<(), ApiResponse> {
    let known = ["gzip", "x-gzip", "identity", ""];
    let all = headers.get_all(CONTENT_ENCODING).iter();
    let all = all.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    for encoding in all {
        if !known.contains(&encoding.trim().to_ascii_lowercase().as_str()) {
            return Err(ApiResponse::unsupported_media_type("the body may be plain or gzip"));
        }
    }
    Ok(())
}

/// Reads the body as fast as it arrives, within the memory budget, because a client that sends everything before it
/// reads must not deadlock. Returns the deadline, and a channel that reports the start of the body or why it failed.
fn spawn_body_reader(
    service: &Arc<AppState>,
    body: Body,
    pieces: mpsc::UnboundedSender<BodyChunk>,
    broken: &Arc<Mutex<Option<Broken>>>,
) -> (tokio::time::Instant, oneshot::Receiver<Option<Broken>>) {
    let mut upload = LimitedBody::new(body, &service.options.limits, &service.held);
    let (until, broken) = (upload.until(), Arc::clone(broken));
    let (begins, begun) = oneshot::channel();
    tokio::spawn(async move {
        let gone = pieces.clone();
        let (mut begins, mut size) = (Some(begins), 0);
        let pumped = async {
            while let Some(piece) = upload.next().await? {
                size += piece.bytes.len();
                if size >= START_THRESHOLD
                    && let Some(begins) = begins.take()
                {
                    let _ = begins.send(None);
                }
                if pieces.send(piece).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let why = tokio::select! {
            pumped = pumped => pumped.err(),
            () = gone.closed() => None,
        };
        if let Ok(mut broken) = broken.lock() {
            *broken = why;
        }
        if let Some(begins) = begins {
            let _ = begins.send(why);
        }
    });
    (until, begun)
}

/// Returns the response to a body error.
pub(super) fn unreadable(broken: Option<Broken>, error: &std::io::Error) -> ApiResponse {
    match broken {
        Some(broken) => broken.into(),
        None if error.kind() == std::io::ErrorKind::FileTooLarge => ApiResponse::too_large(
            "the body decompresses to more than --max-unpacked, or to more than 300 times its size",
        )
        .with_log(Severity::Warning, error.to_string()),
        None => ApiResponse::bad_request(error.to_string()),
    }
}
