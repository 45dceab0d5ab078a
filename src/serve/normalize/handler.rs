//! `POST /normalize`: raw records in, events out, as a stream. A separate thread does the work, and exchanges bounded
//! numbers of chunks.
//!
//! Nothing is lost silently. `Accept: multipart/mixed` returns rejects in full. Otherwise they are counted in
//! `Zoom-Udm-Summary`: in a header of short responses, or in a trailer if the client accepts trailers (`TE: trailers`).
//! If a client could overlook rejects, a long response is aborted, unless `?rejects=omit` accepts that.

use super::chunk::{WORK_LOST, WorkerMessage};
use super::response::{self, ResponseFormat};
use super::worker::{CancelOnDrop, NormalizeJob};
use crate::serve::app_state::AppState;
use crate::serve::body::{BodyChunk, BodyError, LimitedBody};
use crate::serve::chunk_sender::ChunkSender;
use crate::serve::response::{ApiResponse, Severity};
use crate::serve::write_timeout::FlushNotifier;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, TE};
use axum::http::{HeaderMap, Version};
use axum::response::{IntoResponse, Response};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// The number of event chunks that wait to be sent. One is the result of a block, about a megabyte.
const MAX_QUEUED_CHUNKS: usize = 2;
/// Responses up to this size have their summary in a header.
const BUFFERED_MAX: usize = 512 << 10;
/// A request is scheduled after this much of its body has arrived, or all of it, so that slow senders do not delay
/// others. One block of records.
const START_THRESHOLD: usize = 256 << 10;
/// How long a request waits for a slot.
const SLOT_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) async fn normalize(
    State(state): State<Arc<AppState>>,
    Extension(flush): Extension<FlushNotifier>,
    request: Request,
) -> Response {
    match respond(&state, flush, request).await {
        Ok(response) => response,
        Err(response) => response.into_response(),
    }
}

async fn respond(
    state: &Arc<AppState>,
    flush: FlushNotifier,
    request: Request,
) -> Result<Response, ApiResponse> {
    let Some(config) = state.options.normalize.clone() else {
        return Ok(ApiResponse::not_found().into_response());
    };
    let limits = &state.options.limits;
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default())?;
    let format = negotiate(&request, parameters)?;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limits.body) {
        return Err(BodyError::TooLarge(limits.body).into());
    }
    let (body_chunks, body) = mpsc::unbounded_channel();
    let (sender, chunks) = mpsc::channel(MAX_QUEUED_CHUNKS);
    // Until the whole body has arrived.
    let body_error = Arc::new(Mutex::new(Some(BodyError::Gone)));
    let (until, begun) = spawn_body_reader(state, request.into_body(), body_chunks, &body_error);
    if let Ok(Some(error)) = begun.await {
        return Err(error.into());
    }
    let slot = acquire_slot(state).await?;
    let stop: Arc<AtomicBool> = Arc::default();
    let cancel_on_drop = CancelOnDrop(Arc::clone(&stop));
    let mut options = config.options_at(state.clock().now());
    options.rules.enrich = parameters.enrich.unwrap_or(options.rules.enrich);
    let job = NormalizeJob {
        options: crate::normalize::Options { stop, threads: 1, ..options },
        requests: config.requests,
        limits: crate::ingest::Limits { bytes: limits.unpacked, ..Default::default() },
        rejects: format == ResponseFormat::Multipart,
        body,
        body_error,
        chunks: ChunkSender {
            chunks: sender,
            runtime: tokio::runtime::Handle::current(),
            idle: limits.idle_time,
            until,
        },
    };
    spawn_job(state, job, slot);
    buffer_or_stream(state, format, chunks, cancel_on_drop, flush).await
}

/// Runs a job on a blocking thread; the slot is free again when it ends.
fn spawn_job(state: &Arc<AppState>, job: NormalizeJob, slot: OwnedSemaphorePermit) {
    let (state, started) = (Arc::clone(state), Instant::now());
    tokio::task::spawn_blocking(move || {
        let outcome = if job.run() { "done" } else { "failed" };
        state.metrics.run("normalize", outcome, started.elapsed());
        drop(slot);
    });
}

/// Returns a complete response if it is short, or a stream.
async fn buffer_or_stream(
    state: &Arc<AppState>,
    format: ResponseFormat,
    mut chunks: mpsc::Receiver<WorkerMessage>,
    cancel_on_drop: CancelOnDrop,
    flush: FlushNotifier,
) -> Result<Response, ApiResponse> {
    let mut ready = Vec::new();
    let mut size = 0;
    while size < BUFFERED_MAX {
        match chunks.recv().await {
            Some(WorkerMessage::End(summary)) => {
                state.metrics.normalized("normalize", &summary);
                return Ok(response::buffered(format, ready, &summary));
            }
            Some(WorkerMessage::Failed(response)) => return Err(*response),
            None => return Err(work_lost()),
            Some(chunk) => {
                size += chunk.len();
                ready.push(chunk);
            }
        }
    }
    Ok(response::streaming(state, format, ready, chunks, cancel_on_drop, flush))
}

fn work_lost() -> ApiResponse {
    ApiResponse::internal_error("the work failed; see the log")
        .with_log(Severity::Error, format!("error: {WORK_LOST}"))
}

async fn acquire_slot(state: &AppState) -> Result<OwnedSemaphorePermit, ApiResponse> {
    let slot = timeout(SLOT_TIMEOUT, Arc::clone(&state.normalizations).acquire_owned()).await;
    // The semaphore is never closed.
    slot.ok().and_then(Result::ok).ok_or_else(|| ApiResponse::too_many(2))
}

fn negotiate(request: &Request, parameters: Parameters) -> Result<ResponseFormat, ApiResponse> {
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
    if parameters.omits_rejects {
        return Ok(ResponseFormat::Omit);
    }
    let accepts_trailers = words(TE).any(|word| word.eq_ignore_ascii_case("trailers"));
    Ok(if accepts_trailers { ResponseFormat::Trailers } else { ResponseFormat::Plain })
}

/// What the query of a request asks for.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    omits_rejects: bool,
    /// Whether events are enriched; `None` leaves that to the flags of the service.
    enrich: Option<bool>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, ApiResponse> {
        let mut parameters = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter {
                "rejects=omit" => parameters.omits_rejects = true,
                "enrich=1" => parameters.enrich = Some(true),
                "enrich=0" => parameters.enrich = Some(false),
                _ => {
                    return Err(ApiResponse::bad_request(
                        "the only supported parameters are rejects=omit, enrich=1 and enrich=0",
                    ));
                }
            }
        }
        Ok(parameters)
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
    state: &Arc<AppState>,
    body: Body,
    chunks: mpsc::UnboundedSender<BodyChunk>,
    body_error: &Arc<Mutex<Option<BodyError>>>,
) -> (tokio::time::Instant, oneshot::Receiver<Option<BodyError>>) {
    let mut body = LimitedBody::new(body, &state.options.limits, &state.body_budget);
    let (deadline, body_error) = (body.deadline(), Arc::clone(body_error));
    let (start_sender, start) = oneshot::channel();
    tokio::spawn(async move {
        let receiver_gone = chunks.clone();
        let (mut start_sender, mut size) = (Some(start_sender), 0);
        let read_all = async {
            while let Some(chunk) = body.next().await? {
                size += chunk.bytes.len();
                if size >= START_THRESHOLD
                    && let Some(start) = start_sender.take()
                {
                    let _ = start.send(None);
                }
                if chunks.send(chunk).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let error = tokio::select! {
            result = read_all => result.err(),
            () = receiver_gone.closed() => None,
        };
        if let Ok(mut body_error) = body_error.lock() {
            *body_error = error;
        }
        if let Some(start) = start_sender {
            let _ = start.send(error);
        }
    });
    (deadline, start)
}
