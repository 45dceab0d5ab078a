//! The response to `POST /normalize`: a stream of events, with rejects in parts or counted.

use super::chunk::{WORK_LOST, WorkerMessage};
use super::worker::CancelOnDrop;
use crate::normalize::Summary;
use crate::record::RecordKind;
use crate::reject::RejectReason;
use crate::serve::app_state::AppState;
use crate::serve::response::{LogNoteHandle, Severity};
use crate::serve::write_timeout::FlushNotifier;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, TRAILER};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    /// Parts of events, parts of rejects, and a summary as the last part.
    Multipart,
    /// Events, and the summary as a trailer.
    Trailers,
    /// Events; a long response with rejects is aborted.
    Plain,
    /// Events; the caller accepts losing rejects.
    Omit,
}

const SUMMARY: HeaderName = HeaderName::from_static("zoom-udm-summary");
const NDJSON: &str = "application/x-ndjson";

/// Returns the counts on one line.
fn counts(summary: &Summary) -> Value {
    let reasons = RejectReason::ALL.map(|reason| (reason.name(), summary.rejects_for(reason)));
    let kinds = RecordKind::ALL.map(|kind| (kind.name(), summary.events_of(kind)));
    json!({
        "records": summary.records,
        "events": summary.events,
        "events_by_kind": by_name(&kinds),
        "rejects": summary.rejects,
        "rejects_by_reason": by_name(&reasons),
    })
}

/// Returns the counts that are not 0, by name.
fn by_name(counts: &[(&str, u64)]) -> Map<String, Value> {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| ((*name).to_owned(), (*count).into())).collect()
}

fn header(summary: &Summary) -> HeaderValue {
    // Names and numbers are always valid header values.
    HeaderValue::from_str(&counts(summary).to_string()).unwrap_or(HeaderValue::from_static("{}"))
}

/// Returns the log note about rejects.
fn rejected(summary: &Summary) -> String {
    format!("{} of {} records were rejected", summary.rejects, summary.records)
}

/// Builds a complete response.
pub(super) fn buffered(format: ResponseFormat, chunks: Vec<WorkerMessage>, summary: &Summary) -> Response {
    let mut parts = MultipartWriter::new(format);
    let mut body = Vec::new();
    for chunk in chunks {
        parts.add(chunk, &mut |bytes| body.extend_from_slice(&bytes));
    }
    parts.end(summary, &mut |bytes| body.extend_from_slice(&bytes));
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, parts.content_type());
    response.headers_mut().insert(SUMMARY, header(summary));
    if summary.rejects > 0 {
        response.extensions_mut().insert(LogNoteHandle::of(Severity::Warning, rejected(summary)));
    }
    response
}

/// A response that is sent while it is produced.
pub(super) fn streaming(
    state: &Arc<AppState>,
    format: ResponseFormat,
    ready: Vec<WorkerMessage>,
    chunks: mpsc::Receiver<WorkerMessage>,
    cancel_on_drop: CancelOnDrop,
    flush: FlushNotifier,
) -> Response {
    let parts = MultipartWriter::new(format);
    let (content_type, notes) = (parts.content_type(), LogNoteHandle::default());
    let stream = ResponseStream {
        app: Arc::clone(state),
        notes: notes.clone(),
        ready: ready.into(),
        chunks,
        parts,
        frames: VecDeque::new(),
        ended: false,
        flush,
        _cancel_on_drop: cancel_on_drop,
    };
    let frames = stream::try_unfold(stream, |mut stream| async move {
        let frame = stream.next().await;
        if frame.is_err() {
            // Everything before the end is still sent.
            stream.flush.flushed().await;
        }
        Ok::<_, io::Error>(frame?.map(|frame| (frame, stream)))
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.extensions_mut().insert(notes);
    if format == ResponseFormat::Trailers {
        response.headers_mut().insert(TRAILER, HeaderValue::from_name(SUMMARY));
    }
    response
}

struct ResponseStream {
    app: Arc<AppState>,
    /// Adds a note to the request's log line.
    notes: LogNoteHandle,
    ready: VecDeque<WorkerMessage>,
    chunks: mpsc::Receiver<WorkerMessage>,
    parts: MultipartWriter,
    frames: VecDeque<Frame<Bytes>>,
    ended: bool,
    flush: FlushNotifier,
    _cancel_on_drop: CancelOnDrop,
}

impl ResponseStream {
    async fn next(&mut self) -> io::Result<Option<Frame<Bytes>>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            let chunk = match self.ready.pop_front() {
                Some(chunk) => Some(chunk),
                None => self.chunks.recv().await,
            };
            match chunk {
                Some(WorkerMessage::End(summary)) => self.end(&summary)?,
                Some(WorkerMessage::Failed(response)) => return Err(self.abort(response.message())),
                None => return Err(self.abort(WORK_LOST)),
                Some(chunk) => {
                    let frames = &mut self.frames;
                    self.parts.add(chunk, &mut |bytes| frames.push_back(Frame::data(bytes)));
                }
            }
        }
    }

    /// The status was already sent, so only the log says why.
    fn abort(&self, why: &str) -> io::Error {
        self.notes.add(Severity::Warning, &format!("the response is aborted: {why}"));
        io::Error::other("the response is aborted")
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.ended = true;
        self.app.metrics.normalized("normalize", summary);
        if summary.rejects > 0 {
            self.notes.add(Severity::Warning, &rejected(summary));
        }
        let frames = &mut self.frames;
        self.parts.end(summary, &mut |bytes| frames.push_back(Frame::data(bytes)));
        match self.parts.format {
            ResponseFormat::Trailers => {
                let mut trailers = HeaderMap::new();
                trailers.insert(SUMMARY, header(summary));
                self.frames.push_back(Frame::trailers(trailers));
                Ok(())
            }
            ResponseFormat::Plain if summary.rejects > 0 => {
                let why = "the response is aborted, so that the caller notices them";
                self.notes.add(Severity::Warning, why);
                Err(io::Error::other("records were rejected"))
            }
            ResponseFormat::Plain | ResponseFormat::Omit | ResponseFormat::Multipart => Ok(()),
        }
    }
}

/// Assembles the body in a format.
struct MultipartWriter {
    format: ResponseFormat,
    boundary: String,
    /// The name of the open part.
    open: Option<&'static str>,
}

impl MultipartWriter {
    fn new(format: ResponseFormat) -> Self {
        let boundary = std::iter::repeat_with(fastrand::alphanumeric).take(40).collect();
        Self { format, boundary, open: None }
    }

    fn content_type(&self) -> HeaderValue {
        let multipart =
            || HeaderValue::from_str(&format!("multipart/mixed; boundary={}", self.boundary)).ok();
        let value = if self.format == ResponseFormat::Multipart { multipart() } else { None };
        value.unwrap_or(HeaderValue::from_static(NDJSON))
    }

    fn add(&mut self, chunk: WorkerMessage, to: &mut dyn FnMut(Bytes)) {
        match chunk {
            WorkerMessage::Events(bytes) => {
                self.open_part("events", NDJSON, to);
                to(bytes);
            }
            WorkerMessage::Rejects(bytes) => {
                self.open_part("rejects", NDJSON, to);
                to(bytes);
            }
            WorkerMessage::End(_) | WorkerMessage::Failed(_) => {}
        }
    }

    fn open_part(&mut self, name: &'static str, content: &str, to: &mut dyn FnMut(Bytes)) {
        if self.format != ResponseFormat::Multipart || self.open == Some(name) {
            return;
        }
        let before = if self.open.is_some() { "\r\n" } else { "" };
        self.open = Some(name);
        let head = format!(
            "{before}--{}\r\nContent-Type: {content}\r\nContent-Disposition: inline; name=\"{name}\"\r\n\r\n",
            self.boundary
        );
        to(head.into());
    }

    fn end(&mut self, summary: &Summary, to: &mut dyn FnMut(Bytes)) {
        if self.format == ResponseFormat::Multipart {
            self.open_part("summary", "application/json", to);
            to(format!("{}\r\n--{}--\r\n", counts(summary), self.boundary).into());
        }
    }
}
