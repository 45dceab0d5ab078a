//! Receives deliveries: checks them, has events stored, and answers 200 when an event is durable.

use super::delivery::{self, Delivery};
use super::gatherer::{Event, Gatherer, Stored};
use super::object_writer::ObjectWriter;
use super::recent::BodyHash;
use super::refusal::Refusal;
use super::signature::{SignatureHeaders, SigningKey};
use crate::clock::Clock;
use crate::error::RunError;
use crate::serve::body::{BodyError, LimitedBody};
use crate::serve::config::{Limits, WebhookConfig};
use crate::serve::metrics::WebhookMetrics;
use crate::serve::response::ApiResponse;
use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The maximum size of a body. Zoom documents none; its events have a few kilobytes.
const MAX_BODY_BYTES: u64 = 1 << 20;
/// How long a body may take: as long as Zoom waits for a response.
const BODY_TIMEOUT: Duration = Duration::from_secs(3);
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

/// A refused request.
type Refused = (Refusal, ApiResponse);

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

    /// Opens the storage at start-up, so that missing permissions are noticed before the first event.
    ///
    /// # Errors
    /// Unless the failure is transient: then it is logged, and the next event tries again.
    pub(crate) async fn open(&self) -> Result<(), RunError> {
        let opened = async {
            let store = self.gatherer.writer().open().await?;
            store.remove_stale_temp_files().await
        };
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
        let unsigned = |(refusal, why)| (refusal, ApiResponse::unsigned(why));
        let headers = SignatureHeaders::read(&parts.headers, self.now()).map_err(unsigned)?;
        let limits = Limits {
            body: limits.body.min(MAX_BODY_BYTES),
            body_time: limits.body_time.min(BODY_TIMEOUT),
            ..limits.clone()
        };
        let mut signed = headers.prefix();
        let prefix = signed.len();
        let mut body = LimitedBody::new(body, &limits, &self.budget);
        let share = body.read_to(&mut signed).await.map_err(|error| (refusal(error), error.into()))?;
        if !self.key.verifies(&headers, &signed) {
            let why = "x-zm-signature is not the signature of the body; check the secret token";
            return Err((Refusal::Signature, ApiResponse::unsigned(why)));
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
        match self.gatherer.store(event, track).await {
            Ok(Stored::Now) => Ok(ApiResponse::done("the event is stored", json!({})).into_response()),
            Ok(Stored::Before) => {
                Ok(ApiResponse::done("the event was stored before", json!({})).into_response())
            }
            Err(response) => Err((Refusal::Storage, response)),
        }
    }
}

fn refusal(error: BodyError) -> Refusal {
    match error {
        BodyError::TooLarge(_) => Refusal::TooLarge,
        BodyError::TooSlow | BodyError::Gone => Refusal::Incomplete,
        BodyError::NoMemory => Refusal::Overloaded,
    }
}
