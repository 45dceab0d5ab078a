//! Properties of what callers send; used by the fuzz target.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic reports a violation")]

use super::access_log::trace;
use super::auth::is_loopback_host;
use super::triggers::ingest_handler::object_below_source;
use super::triggers::payload::Malformed;
use super::triggers::push::{ObjectRef, Work, read};
use super::webhook;
use crate::store::Location;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// A request: lines `NAME: VALUE`, an empty line, a body.
pub(crate) fn request(bytes: &[u8]) {
    let (head, body) = match memchr::memmem::find(bytes, b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (&[][..], bytes),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|&byte| byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    push(&headers, body);
    told(&headers);
    webhook::invariants::body(body);
    webhook::invariants::headers(&headers, 1_700_092_800_000);
}

/// A push asks for a run, an object or nothing, or gets a plain error message.
fn push(headers: &HeaderMap, body: &[u8]) {
    let message = match read(headers, body) {
        Ok(message) => message,
        Err(Malformed(why)) => return sayable(&why),
    };
    let from_bucket = message.is_bucket_notification();
    match message.requested_work() {
        Err(Malformed(why)) => sayable(&why),
        Ok(Work::Ignore(what)) => {
            sayable(&what);
            assert!(what.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{what:?}");
        }
        // A bucket notification never asks for a run over everything.
        Ok(Work::Run) => assert!(!from_bucket, "{message:?}"),
        Ok(Work::Object(named)) => {
            assert!(!named.bucket.is_empty() && !named.object.is_empty());
            however_it_comes(&named);
            within(named);
        }
    }
}

/// The text is short and contains no control characters.
fn sayable(text: &str) {
    assert!(text.len() < 400 && !text.contains(char::is_control), "{text:?}");
}

/// An object is the same whether an envelope, a plain push or an event names it.
fn however_it_comes(named: &ObjectRef) {
    let ObjectRef { bucket, object, generation } = named;
    let resource = json!({"bucket": bucket, "name": object, "generation": generation}).to_string();
    let attributes = json!({
        "eventType": "OBJECT_FINALIZE", "bucketId": bucket, "objectId": object, "objectGeneration": generation
    });
    let envelope = json!({"message": {"attributes": attributes, "messageId": "1"}}).to_string();
    let with_data = json!({"message": {"data": STANDARD.encode(&resource)}}).to_string();
    let kind = "google.cloud.storage.object.v1.finalized";
    let event = |data: serde_json::Value, kind| {
        json!({"specversion": "1.0", "id": "1", "source": "s", "type": kind, "data": data}).to_string()
    };
    let structured = event(serde_json::from_str(&resource).unwrap(), kind);
    let published = "google.cloud.pubsub.topic.v1.messagePublished";
    let published = event(serde_json::from_str(&envelope).unwrap(), published);
    let binary = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", kind)];
    let cloud_event = [("content-type", "application/cloudevents+json")];
    let ways: [(&[(&str, &str)], &str); 6] = [
        (&[], &envelope),
        (&[], &with_data),
        (&[("content-type", "application/json")], &resource),
        (&cloud_event, &structured),
        (&cloud_event, &published),
        (&binary, &resource),
    ];
    for (head, body) in ways {
        let pairs = head.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let message = read(&pairs.collect(), body.as_bytes()).unwrap();
        assert_eq!(message.requested_work(), Ok(Work::Object(named.clone())), "{body}");
    }
}

/// Only objects below the source are read, by their names there.
fn within(named: ObjectRef) {
    let object = named.object.clone();
    let from = Location::Gcs { bucket: named.bucket.clone(), prefix: "zoom/".into() };
    let elsewhere = Location::Gcs { bucket: format!("{}x", named.bucket), prefix: String::new() };
    assert!(object_below_source(&elsewhere, named.clone()).is_err());
    match object_below_source(&from, named) {
        Ok(named) => assert_eq!(format!("zoom/{}", named.object), object),
        Err(_) => assert!(object.strip_prefix("zoom/").is_none_or(str::is_empty), "{object:?}"),
    }
}

/// Checks the other headers that are read.
fn told(headers: &HeaderMap) {
    if let Some(trace) = trace(headers, Some("project")) {
        let id = trace.strip_prefix("projects/project/traces/").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    assert!(
        !is_loopback_host(host) || host.contains("127.") || host.contains(':') || host.len() >= 9,
        "{host:?}"
    );
}
