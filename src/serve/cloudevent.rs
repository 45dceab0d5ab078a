//! CloudEvents over HTTP, version 1.0: binary (`ce-` headers) and structured (one JSON object).

use super::push::{Malformed, json_object};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// An event, whatever it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CloudEvent {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) data: Vec<u8>,
}

/// The event that a request is, if it is one.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Option<CloudEvent>, Malformed> {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if content == "application/cloudevents+json" {
        return structured(json_object(body, "a CloudEvent")?).map(Some);
    }
    if content.starts_with("application/cloudevents") {
        return Err(Malformed(format!("{content} is not understood; send application/cloudevents+json")));
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
    Ok(CloudEvent { kind: attribute("type")?, id: attribute("id")?, data: body.to_vec() })
}

fn structured(mut event: Map<String, Value>) -> Result<CloudEvent, Malformed> {
    let attribute = |name: &str| match event.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(Malformed(format!("the CloudEvent has no {name:?}"))),
    };
    version(&attribute("specversion")?)?;
    attribute("source")?;
    let (kind, id) = (attribute("type")?, attribute("id")?);
    let data = match (event.remove("data"), event.remove("data_base64")) {
        (Some(_), Some(_)) => return Err(Malformed("the CloudEvent has both data and data_base64".into())),
        (None | Some(Value::Null), None) => Vec::new(),
        // Text that is no JSON stands as a string.
        (Some(Value::String(text)), None) => text.into_bytes(),
        (Some(data), None) => data.to_string().into_bytes(),
        (None, Some(Value::String(text))) => STANDARD
            .decode(text)
            .map_err(|_| Malformed("the CloudEvent's data_base64 is no base64".into()))?,
        (None, Some(_)) => return Err(Malformed("the CloudEvent's data_base64 is no text".into())),
    };
    Ok(CloudEvent { kind, id, data })
}

fn version(version: &str) -> Result<(), Malformed> {
    if version == "1.0" {
        return Ok(());
    }
    Err(Malformed("the CloudEvent is not of version 1.0".into()))
}
