//! Properties of deliveries; used by property tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic reports a violation")]

use super::delivery::{Delivery, read};
use super::signature::SignatureHeaders;
use axum::http::HeaderMap;
use serde_json::value::RawValue;

/// A body is stored as one line of the same JSON, or refused.
pub(crate) fn body(body: &[u8]) {
    if let Ok(Delivery::Event(line)) = read(body) {
        assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        assert!(line.starts_with(b"{") && serde_json::from_slice::<Box<RawValue>>(&line).is_ok());
        let tokens = |bytes: &[u8]| -> Vec<u8> {
            bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
        };
        assert_eq!(tokens(&line), tokens(body));
    }
}

/// The signed text begins with the timestamp as sent.
pub(crate) fn headers(headers: &HeaderMap, now: i64) {
    if let Ok(read) = SignatureHeaders::read(headers, now) {
        let timestamp = headers.get("x-zm-request-timestamp").unwrap().to_str().unwrap();
        assert_eq!(read.prefix(), format!("v0:{timestamp}:").as_bytes());
    }
}
