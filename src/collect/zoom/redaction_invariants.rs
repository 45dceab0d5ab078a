//! A property: nothing that a server writes brings a secret into a message, wherever and however it writes it.

use super::page::{PageError, parse};
use super::response::{ErrorResponse, classify_token_error};
use crate::collect::log_kind::LogKind;
use crate::redact::redact_and_truncate;
use crate::redact::tests::{ENCODINGS, assert_silent, encoded, registered, secrets};
use proptest::prelude::*;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

/// Headers of which a part is repeated in messages.
const HEADERS: [&str; 3] = ["x-zm-trackingid", "retry-after", "x-ratelimit-type"];

fn headers(text: &str) -> HeaderMap {
    let value = HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static("odd"));
    HEADERS.iter().map(|name| (HeaderName::from_static(name), value.clone())).collect()
}

/// Bodies with the text wherever a reader may look for something to say.
fn bodies(text: &str) -> Vec<String> {
    vec![
        json!({"code": 5001, "message": text, "errors": [{"field": text, "message": text}]}).to_string(),
        json!({"code": text, "error": text, "reason": text, "status": text}).to_string(),
        json!({"operation_logs": [], "errors": {text: text}, "message": [text]}).to_string(),
        json!({"operation_logs": [], text: 1, "next_page_token": {"a": text}}).to_string(),
        json!({"operation_logs": [], text: 1}).to_string(),
        format!("<html>{text}</html>"),
        format!("{{\"code\":1,\"message\":\"{text}"),
    ]
}

proptest! {
    // PROPTEST_CASES sets how many cases there are.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_response_puts_a_secret_into_a_message(
        secret in secrets(),
        way in 0..ENCODINGS,
        pad in 0_usize..320,
        status in prop::sample::select(vec![200_u16, 302, 400, 401, 403, 404, 407, 429, 500]),
        paged in any::<bool>(),
        logs in prop::sample::select(LogKind::ALL.to_vec()),
    ) {
        let _guard = registered(&secret);
        let text = format!("{}{} end", "x".repeat(pad), encoded(&secret, way));
        let (headers, status) = (headers(&text), StatusCode::from_u16(status).unwrap());
        for body in bodies(&text) {
            let body = body.as_bytes();
            let answer = ErrorResponse { status, headers: &headers, body, now: 0, paged, logs, what: "asking" };
            assert_silent(&answer.classify().to_string(), &secret);
            assert_silent(&classify_token_error(status, &headers, body, 0).to_string(), &secret);
            match parse(body, logs, "") {
                Ok(page) => page.unknown.iter().for_each(|name| assert_silent(&redact_and_truncate(name, 100), &secret)),
                Err(PageError::Body(told) | PageError::Shape(told)) => assert_silent(&told, &secret),
                Err(PageError::Reported) => {}
            }
        }
    }
}
