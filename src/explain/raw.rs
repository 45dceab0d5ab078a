//! The bytes of a record in a form that can be shown.

use crate::reject::{RejectReason, Rejection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

/// The bytes of a record as received.
#[derive(Debug, Serialize)]
pub enum Raw {
    /// Text.
    #[serde(rename = "record")]
    Text(String),
    /// Bytes that are not UTF-8, in base64.
    #[serde(rename = "record_base64")]
    Base64(String),
    /// The beginning of a record that exceeds the line limit, in base64.
    #[serde(rename = "record_start_base64")]
    Start(String),
}

/// The number of bytes shown of a record that exceeds the line limit.
const START: usize = 1024;

/// Returns the bytes of a record in a form that can be shown.
pub(super) fn raw(bytes: &[u8], rejection: Option<&Rejection>) -> Raw {
    if rejection.is_some_and(|rejection| rejection.reason == RejectReason::LineTooLong) {
        return Raw::Start(BASE64.encode(&bytes[..bytes.len().min(START)]));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Raw::Text(text.to_owned()),
        Err(_) => Raw::Base64(BASE64.encode(bytes)),
    }
}
