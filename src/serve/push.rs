//! What a push asks for: Pub/Sub's envelope, a push without one, a CloudEvent, or Cloud Scheduler itself.

use super::cloudevent::{self, CloudEvent};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Why a push makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

/// A push, out of whatever it came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// What its sender calls it.
    pub(super) id: Option<String>,
    /// The type of a CloudEvent that is no message of Pub/Sub.
    kind: Option<String>,
    /// The attributes that notifications of buckets have.
    event: Option<String>,
    bucket: Option<String>,
    object: Option<String>,
    generation: Option<String>,
    data: Vec<u8>,
}

/// One version of an object, as a notification names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) bucket: String,
    pub(super) object: String,
    pub(super) generation: String,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// A run over everything.
    Run,
    /// This object.
    Object(Named),
    /// Nothing: an event that asks for no work, and which.
    Nothing(String),
}

const MESSAGE_PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";
const STORAGE: &str = "google.cloud.storage.object.v1.";

/// Reads a push.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Message, Malformed> {
    if let Some(event) = cloudevent::read(headers, body)? {
        return of_event(event);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let id = text("x-goog-pubsub-message-id");
    if headers.contains_key("x-cloudscheduler") {
        return Ok(Message { id, ..Message::default() });
    }
    if id.is_some() || headers.contains_key("x-goog-pubsub-subscription-name") {
        // No envelope: attributes are headers, the body is the data.
        return Ok(Message {
            id,
            kind: None,
            event: text("eventtype"),
            bucket: text("bucketid"),
            object: text("objectid"),
            generation: text("objectgeneration"),
            data: body.to_vec(),
        });
    }
    let json = text(CONTENT_TYPE.as_str()).is_some_and(|content| content.contains("json"));
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut object)) if object.contains_key("message") => of_envelope(&mut object),
        Err(_) if json && !body.trim_ascii().is_empty() => Err(Malformed("the body is no JSON".into())),
        _ => Ok(Message { data: body.to_vec(), ..Message::default() }),
    }
}

fn of_event(event: CloudEvent) -> Result<Message, Malformed> {
    if event.kind == MESSAGE_PUBLISHED {
        let message = of_envelope(&mut json_object(&event.data, "the data of messagePublished")?)?;
        return Ok(Message { id: message.id.or(Some(event.id)), ..message });
    }
    Ok(Message { id: Some(event.id), kind: Some(event.kind), data: event.data, ..Message::default() })
}

/// A JSON object, and what it is in the message where it is none.
pub(super) fn json_object(bytes: &[u8], what: &str) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Malformed(format!("{what} is no JSON object"))),
    }
}

/// `{"message":{"data":…,"attributes":{…},"messageId":…},"subscription":…}`.
fn of_envelope(envelope: &mut Map<String, Value>) -> Result<Message, Malformed> {
    let Some(Value::Object(mut message)) = envelope.remove("message") else {
        return Err(Malformed("the envelope has no message".into()));
    };
    let data = match message.remove("data") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(data)) => {
            STANDARD.decode(data).map_err(|_| Malformed("the message's data is no base64".into()))?
        }
        Some(_) => return Err(Malformed("the message's data is no text".into())),
    };
    let attributes = match message.remove("attributes") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(attributes)) => attributes,
        Some(_) => return Err(Malformed("the message's attributes are no object".into())),
    };
    let text = |of: &Map<String, Value>, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Message {
        id: text(&message, "messageId").or_else(|| text(&message, "message_id")),
        kind: None,
        event: text(&attributes, "eventType"),
        bucket: text(&attributes, "bucketId"),
        object: text(&attributes, "objectId"),
        generation: text(&attributes, "objectGeneration"),
        data,
    })
}

/// Words that ask for a run where a publisher has to send something.
const RUN: [&[u8]; 5] = [b"", b"{}", b"run", b"ingest", b"null"];

impl Message {
    /// What it asks the feed for.
    pub(super) fn wish(&self) -> Result<Wish, Malformed> {
        if let Some(kind) = &self.kind {
            return match kind.strip_prefix(STORAGE) {
                Some("finalized") => self.object(),
                // The schedule, or somebody's own event.
                None if kind.starts_with("google.cloud.scheduler.") || self.asks_for_a_run() => Ok(Wish::Run),
                _ => Ok(Wish::Nothing(format!("an event of type {}", plain(kind)))),
            };
        }
        match self.event.as_deref() {
            Some("OBJECT_FINALIZE") => self.object(),
            Some(other) => Ok(Wish::Nothing(format!("a notification of {}", plain(other)))),
            None if self.asks_for_a_run() => Ok(Wish::Run),
            None => self.object(),
        }
    }

    /// Whether it is about an object in a bucket.
    pub(super) fn is_of_a_bucket(&self) -> bool {
        let resource = || {
            let data = json_object(&self.data, "").unwrap_or_default();
            data.get("kind").and_then(Value::as_str) == Some("storage#object")
        };
        self.event.is_some()
            || self.kind.as_deref().is_some_and(|kind| kind.starts_with(STORAGE))
            || resource()
    }

    fn asks_for_a_run(&self) -> bool {
        RUN.contains(&self.data.trim_ascii())
    }

    /// The object that it names: by its attributes, or by the resource of Cloud Storage in its data.
    fn object(&self) -> Result<Wish, Malformed> {
        let data = match serde_json::from_slice(&self.data) {
            Ok(Value::Object(data)) => data,
            _ => Map::new(),
        };
        let told = |attribute: &Option<String>, name: &str| {
            let text = || match data.get(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            attribute.clone().or_else(text).filter(|text| !text.is_empty())
        };
        match (told(&self.bucket, "bucket"), told(&self.object, "name")) {
            (Some(bucket), Some(object)) => {
                let generation = told(&self.generation, "generation").unwrap_or_default();
                Ok(Wish::Object(Named { bucket, object, generation }))
            }
            _ => Err(Malformed("it names no object; expected a notification of a bucket, or nothing".into())),
        }
    }
}

/// A name from outside, short and without anything odd.
fn plain(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
