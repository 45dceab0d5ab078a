//! Properties of any response in Zoom's name; used by the fuzz target.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::page::{PageError, PageRecord, parse};
use super::response::{ErrorResponse, classify_token_error};
use crate::collect::log_kind::LogKind;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

/// A response as text: a line with its status and, after a space, its `Retry-After`; then the body.
pub(crate) fn answer(bytes: &[u8]) {
    let (head, body) = bytes.split_at(memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1));
    LogKind::ALL.into_iter().for_each(|logs| page(body, logs));
    let head = String::from_utf8_lossy(head);
    let (status, wait) = head.trim_end().split_once(' ').unwrap_or((head.trim_end(), ""));
    let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let wait = HeaderValue::from_str(wait).map(|wait| ("retry-after".parse().unwrap(), wait));
    let headers: HeaderMap = wait.into_iter().collect();
    let now = 1_706_745_600_000;
    for (paged, logs) in [(false, LogKind::Operation), (true, LogKind::SignIn)] {
        let error =
            ErrorResponse { status, headers: &headers, body, now, paged, logs, what: "asking" }.classify();
        let message = error.to_string();
        assert!(message.starts_with("asking: HTTP "), "{message}");
        // Messages are cut to 300 characters, and each of three errors to 200.
        assert!(message.chars().count() < 1500, "{message}");
    }
    let message = classify_token_error(status, &headers, body, now).to_string();
    assert!(
        message.starts_with("cannot get an access token from Zoom: HTTP ") && message.len() < 500,
        "{message}"
    );
}

/// A page keeps each element of its list as received, on one line; any other body is reported with what was expected.
fn page(body: &[u8], logs: LogKind) {
    let list = logs.spec().list;
    let page = match parse(body, logs, "") {
        Ok(page) => page,
        Err(PageError::Body(told) | PageError::Shape(told)) => {
            return assert!(told.contains(&format!("expected a JSON object with `{list}`")), "{told}");
        }
        Err(PageError::Reported) => return,
    };
    assert!(page.next.is_none_or(|next| !next.is_empty()));
    for item in &page.items {
        assert!(!item.raw.contains(['\n', '\r']), "{:?}", item.raw);
        assert!(item.malformed || PageRecord::new(&item.raw) == *item, "{item:?}");
    }
    // `Value` accepts less than the parser skips: no huge numbers, and no deep nesting.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    let list = value[list].as_array().unwrap();
    assert_eq!(list.len(), page.items.len());
    for (value, item) in list.iter().zip(&page.items) {
        assert_eq!(serde_json::from_str::<Value>(&item.raw).unwrap(), *value);
    }
    assert!(page.unknown.iter().all(|name| value.get(name).is_some()), "{:?}", page.unknown);
}
