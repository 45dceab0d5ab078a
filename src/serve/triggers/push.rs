//! Parses what a push asks for: Pub/Sub's envelope, a push without one, a CloudEvent, or Cloud Scheduler.

use super::cloudevent::{self, CloudEvent};
use super::payload::{Malformed, StrictObject, json_object, sanitize};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::collections::HashMap;
use std::fmt;

/// A push in any format.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PushMessage {
    /// The type of a CloudEvent that does not wrap a Pub/Sub message.
    kind: Option<String>,
    /// The attributes of bucket notifications.
    event: Option<String>,
    bucket: Option<String>,
    object: Option<String>,
    generation: Option<String>,
    data: Vec<u8>,
}

/// One version of an object, as a notification names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectRef {
    pub(crate) bucket: String,
    pub(crate) object: String,
    pub(crate) generation: String,
}

/// The most bytes of an object's name in Cloud Storage.
const MAX_NAME_BYTES: usize = 1024;

impl ObjectRef {
    /// An object that can exist in Cloud Storage. Names that its rules forbid are refused here, before they reach a run
    /// that other pushes share.
    fn new(bucket: String, object: String, generation: String) -> Result<Self, Malformed> {
        let forbidden = if object.len() > MAX_NAME_BYTES {
            format!("has {} bytes; object names have at most {MAX_NAME_BYTES}", object.len())
        } else if object.contains(['\r', '\n']) {
            "contains a line break; object names have none".to_owned()
        } else if object == "." || object == ".." {
            format!("is {object:?}, which is not a valid object name")
        } else if !generation.bytes().all(|byte| byte.is_ascii_digit()) || generation.len() > 20 {
            return Err(Malformed("the object's generation is not a number".into()));
        } else {
            return Ok(Self { bucket, object, generation });
        };
        Err(Malformed(format!("the object's name {forbidden}")))
    }
}

/// What a push asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A run over the whole source.
    Run,
    /// This object.
    Object(ObjectRef),
    /// Nothing, because the event asks for no work.
    Ignore(String),
}

const MESSAGE_PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";
const STORAGE: &str = "google.cloud.storage.object.v1.";

/// Parses a push.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<PushMessage, Malformed> {
    if let Some(event) = cloudevent::read(headers, body)? {
        return from_cloudevent(event);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if headers.contains_key("x-cloudscheduler") {
        return Ok(PushMessage::default());
    }
    if ["x-goog-pubsub-message-id", "x-goog-pubsub-subscription-name"]
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        // Without an envelope, attributes are headers, and the body is the data.
        return Ok(PushMessage {
            kind: None,
            event: text("eventtype"),
            bucket: text("bucketid"),
            object: text("objectid"),
            generation: text("objectgeneration"),
            data: body.to_vec(),
        });
    }
    let json = text(CONTENT_TYPE.as_str()).is_some_and(|content| content.contains("json"));
    match serde_json::from_slice::<StrictObject<EnvelopeProbe>>(body) {
        Ok(StrictObject(EnvelopeProbe { message: true })) => from_envelope(body),
        Err(_) if json && !body.trim_ascii().is_empty() && !is_json(body) => {
            Err(Malformed("the body is not JSON".into()))
        }
        _ => Ok(PushMessage { data: body.to_vec(), ..PushMessage::default() }),
    }
}

fn from_cloudevent(event: CloudEvent) -> Result<PushMessage, Malformed> {
    if event.kind == MESSAGE_PUBLISHED {
        return from_envelope(&event.data);
    }
    Ok(PushMessage { kind: Some(event.kind), data: event.data, ..PushMessage::default() })
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// Whether a body looks like an envelope.
#[derive(Deserialize)]
struct EnvelopeProbe {
    #[serde(default, deserialize_with = "present")]
    message: bool,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

/// `{"message":{"data":…,"attributes":{…},"messageId":…},"subscription":…}`.
#[derive(Deserialize)]
struct Envelope {
    message: StrictObject<PubsubMessage>,
}

#[derive(Deserialize)]
struct PubsubMessage {
    data: Option<String>,
    attributes: Option<HashMap<String, String>>,
}

fn from_envelope(body: &[u8]) -> Result<PushMessage, Malformed> {
    let Envelope { message: StrictObject(message) } = json_object(body, "the envelope of the message")?;
    let data = STANDARD.decode(message.data.unwrap_or_default());
    let mut attributes = message.attributes.unwrap_or_default();
    Ok(PushMessage {
        kind: None,
        event: attributes.remove("eventType"),
        bucket: attributes.remove("bucketId"),
        object: attributes.remove("objectId"),
        generation: attributes.remove("objectGeneration"),
        data: data.map_err(|_| Malformed("the message's data is not valid base64".into()))?,
    })
}

/// An object as Cloud Storage describes it.
#[derive(Default, Deserialize)]
struct Resource {
    kind: Option<String>,
    bucket: Option<String>,
    name: Option<String>,
    generation: Option<Generation>,
}

/// A string, as for all 64-bit numbers in Google's JSON; or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Generation {
    Text(String),
    Number(u64),
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Bodies that ask for a run, for publishers that must send something.
const RUN_WORDS: [&[u8]; 5] = [b"", b"{}", b"run", b"ingest", b"null"];

impl PushMessage {
    /// Returns what the push asks for.
    pub(crate) fn requested_work(&self) -> Result<Work, Malformed> {
        if let Some(kind) = &self.kind {
            return match kind.strip_prefix(STORAGE) {
                Some("finalized") => self.object(),
                // From a schedule, or an event of the user's own.
                None if kind.starts_with("google.cloud.scheduler.") || self.requests_run() => Ok(Work::Run),
                _ => Ok(Work::Ignore(format!("an event of type {}", sanitize(kind)))),
            };
        }
        match self.event.as_deref() {
            Some("OBJECT_FINALIZE") => self.object(),
            Some(other) => Ok(Work::Ignore(format!("a notification of {}", sanitize(other)))),
            None if self.requests_run() => Ok(Work::Run),
            None => self.object(),
        }
    }

    /// Returns whether it is about an object in a bucket.
    pub(crate) fn is_bucket_notification(&self) -> bool {
        self.event.is_some()
            || self.kind.as_deref().is_some_and(|kind| kind.starts_with(STORAGE))
            || self.resource().kind.as_deref() == Some("storage#object")
    }

    /// Returns the object resource in the data, if there is one.
    fn resource(&self) -> Resource {
        json_object(&self.data, "").unwrap_or_default()
    }

    fn requests_run(&self) -> bool {
        RUN_WORDS.contains(&self.data.trim_ascii())
    }

    /// Returns the object that the push names: by attributes, or by the resource in its data.
    fn object(&self) -> Result<Work, Malformed> {
        let Resource { bucket, name, generation, .. } = self.resource();
        let value = |attribute: &Option<String>, member: Option<String>| {
            attribute.clone().or(member).filter(|text| !text.is_empty())
        };
        let generation = value(&self.generation, generation.map(|generation| generation.to_string()));
        match (value(&self.bucket, bucket), value(&self.object, name)) {
            (Some(bucket), Some(object)) => {
                ObjectRef::new(bucket, object, generation.unwrap_or_default()).map(Work::Object)
            }
            _ => Err(Malformed("it names no object; expected a bucket notification or an empty body".into())),
        }
    }
}
