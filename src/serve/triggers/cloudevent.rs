//! CloudEvents 1.0 over HTTP: binary (`ce-` headers) and structured (one JSON object).

use super::payload::{Malformed, json_object, sanitize};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event in either mode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CloudEvent {
    pub(super) kind: String,
    pub(super) data: Vec<u8>,
}

/// Returns the event that a request contains, if it is one.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Option<CloudEvent>, Malformed> {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if content == "application/cloudevents+json" {
        return structured(json_object(body, "the CloudEvent")?).map(Some);
    }
    if content.starts_with("application/cloudevents") {
        return Err(Malformed(format!(
            "unsupported content type {}; send application/cloudevents+json",
            sanitize(&content)
        )));
    }
    if ["ce-specversion", "ce-type", "ce-id"].iter().any(|name| headers.contains_key(*name)) {
        return binary(headers, body).map(Some);
    }
    Ok(None)
}

fn binary(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, Malformed> {
    let attribute = |name: &str| {
        headers
            .get(format!("ce-{name}"))
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Malformed(format!("the CloudEvent has no ce-{name}")))
    };
    version(&attribute("specversion")?)?;
    attribute("source")?;
    attribute("id")?;
    Ok(CloudEvent { kind: attribute("type")?, data: body.to_vec() })
}

/// An event as one JSON object.
#[derive(Deserialize)]
struct Structured {
    specversion: Option<String>,
    source: Option<String>,
    r#type: Option<String>,
    id: Option<String>,
    data: Option<Box<RawValue>>,
    data_base64: Option<String>,
}

fn structured(event: Structured) -> Result<CloudEvent, Malformed> {
    let attribute = |name: &str, value: Option<String>| {
        value
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Malformed(format!("the CloudEvent has no {name:?}")))
    };
    version(&attribute("specversion", event.specversion)?)?;
    attribute("source", event.source)?;
    attribute("id", event.id)?;
    let kind = attribute("type", event.r#type)?;
    let data = match (event.data, event.data_base64) {
        (Some(_), Some(_)) => return Err(Malformed("the CloudEvent has both data and data_base64".into())),
        (None, None) => Vec::new(),
        // Text that is not JSON is kept as a string.
        (Some(data), None) => match serde_json::from_str::<String>(data.get()) {
            Ok(text) => text.into_bytes(),
            Err(_) => data.get().as_bytes().to_vec(),
        },
        (None, Some(text)) => STANDARD
            .decode(text)
            .map_err(|_| Malformed("the CloudEvent's data_base64 is not valid base64".into()))?,
    };
    Ok(CloudEvent { kind, data })
}

fn version(version: &str) -> Result<(), Malformed> {
    if version == "1.0" {
        return Ok(());
    }
    Err(Malformed("the CloudEvent is not of version 1.0".into()))
}
