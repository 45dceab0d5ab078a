//! Receives deliveries: checks them, has events stored, and answers 200 when an event is durable.

use super::batch::Event;
use super::delivery::{self, Delivery};
use super::gatherer::{Gatherer, Stored};
use super::object_writer::ObjectWriter;
use super::recent::BodyHash;
use super::refusal::{Refusal, Refused};
use super::signature::{SignatureHeaders, SigningKey};
use crate::clock::Clock;
use crate::error::{Failure, RunError};
use crate::serve::body::{BodyError, LimitedBody};
use crate::serve::config::{Limits, WebhookConfig};
use crate::serve::metrics::WebhookMetrics;
use crate::serve::response::{ApiResponse, Severity};
use crate::store::Location;
use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use hyper::body::Body as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The maximum size of a body. Zoom documents none; its events have a few kilobytes.
const MAX_BODY_BYTES: u64 = 1 << 20;
/// How long a delivery may take from its head to its response, including its body, gathering and storage. Zoom waits
/// three seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2500);
/// The maximum size of all events in memory, gathered or in transit.
const MEMORY: usize = 32 << 20;

/// Receives deliveries to `POST /webhook`.
pub(crate) struct Receiver {
    key: SigningKey,
    gatherer: Arc<Gatherer>,
    metrics: WebhookMetrics,
    budget: Arc<Semaphore>,
    clock: Option<Clock>,
}

impl Receiver {
    pub(crate) fn new(
        config: &WebhookConfig,
        clock: Option<&Clock>,
        metrics: &WebhookMetrics,
        shutdown: &CancellationToken,
    ) -> Self {
        let writer = ObjectWriter::new(config.to.clone(), clock.cloned());
        Self {
            key: SigningKey::new(&config.secret),
            gatherer: Arc::new(Gatherer::new(writer, metrics.clone(), shutdown.clone())),
            metrics: metrics.clone(),
            budget: Arc::new(Semaphore::new(MEMORY)),
            clock: clock.cloned(),
        }
    }

    /// Opens the storage at start-up, so that missing credentials are noticed before the first event. A directory is
    /// created, and the files of an interrupted process in it are removed. Whether events may be written to a bucket is
    /// not checked.
    ///
    /// # Errors
    /// Unless the failure is transient: then it is logged, and the next event tries again.
    pub(crate) async fn open(&self) -> Result<(), RunError> {
        let writer = self.gatherer.writer();
        if let Location::File(directory) = writer.location() {
            std::fs::create_dir_all(directory).map_err(|error| create_failed(writer.location(), error))?;
        }
        let opened = async { writer.open().await?.remove_stale_temp_files().await };
        match opened.await {
            Ok(()) => Ok(()),
            Err(error) if error.is_transient() => {
                tracing::warn!("--webhook-to: {error}; events are refused until it can be reached");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn now(&self) -> i64 {
        self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now)
    }

    /// Reads the body if its signature headers are acceptable, and checks the signature.
    async fn verified_body(
        &self,
        limits: &Limits,
        request: Request,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Refused> {
        let (parts, body) = request.into_parts();
        let headers = SignatureHeaders::read(&parts.headers, self.now())?;
        let limits = Limits {
            body: limits.body.min(MAX_BODY_BYTES),
            body_time: limits.body_time.min(ANSWER_TIMEOUT),
            ..limits.clone()
        };
        let refused = |error| (refusal(error), ApiResponse::from(error));
        // Known from Content-Length before the body is read.
        if body.size_hint().lower() > limits.body {
            return Err(refused(BodyError::TooLarge(limits.body)));
        }
        let mut signed = headers.prefix();
        let prefix = signed.len();
        let mut body = LimitedBody::new(body, &limits, &self.budget).without_waiting_for_memory();
        let share = body.read_to(&mut signed).await.map_err(refused)?;
        if !self.key.verifies(&headers, &signed) {
            let why = "x-zm-signature is not the signature of the body; check the secret token";
            return Err((Refusal::Signature, ApiResponse::unsigned(Severity::Warning, why)));
        }
        signed.drain(..prefix);
        Ok((signed, share))
    }

    /// Handles a delivery. `track` runs the task that writes events to its end.
    pub(crate) async fn receive(
        &self,
        limits: &Limits,
        request: Request,
        track: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Response {
        self.metrics.received.inc();
        self.respond(limits, request, track).await.unwrap_or_else(|(refusal, response)| {
            // The gatherer counts events that cannot be stored.
            if refusal != Refusal::Storage {
                self.metrics.refused(refusal, 1);
            }
            response.into_response()
        })
    }

    async fn respond(
        &self,
        limits: &Limits,
        request: Request,
        track: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Result<Response, Refused> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let (body, share) = self.verified_body(limits, request).await?;
        let malformed = |why: &'static str| (Refusal::Malformed, ApiResponse::bad_request(why));
        let line = match delivery::read(&body).map_err(malformed)? {
            Delivery::Event(line) => line,
            Delivery::UrlValidation(plain_token) => {
                self.metrics.validations.inc();
                let encrypted_token = self.key.encrypt(&plain_token);
                let answer = json!({"plainToken": plain_token, "encryptedToken": encrypted_token});
                return Ok(Json(answer).into_response());
            }
        };
        let event = Event { hash: BodyHash::of(&body), line, share };
        drop(body);
        match self.gatherer.store(event, deadline, track).await {
            Ok(Stored::Now) => Ok(ApiResponse::done("the event is stored", json!({})).into_response()),
            Ok(Stored::Before) => {
                Ok(ApiResponse::done("the event was stored before", json!({})).into_response())
            }
            Err(response) => Err((Refusal::Storage, response)),
        }
    }
}

fn create_failed(location: &Location, error: std::io::Error) -> RunError {
    let what = format!("--webhook-to: cannot create the directory: {error} ({location})");
    RunError::Storage(Failure::new(what, "create it, or name another one").caused_by(error))
}

fn refusal(error: BodyError) -> Refusal {
    match error {
        BodyError::TooLarge(_) => Refusal::TooLarge,
        BodyError::TooSlow | BodyError::Gone => Refusal::Incomplete,
        BodyError::NoMemory => Refusal::Overloaded,
    }
}
