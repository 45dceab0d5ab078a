//! What a signed body contains: an event, or the challenge of a URL validation.

use crate::json::{skip_space, skip_value};
use serde::Deserialize;
use std::borrow::Cow;

/// The event with which Zoom checks that an endpoint knows the secret token: when it is added, and every 72 hours.
const URL_VALIDATION: &str = "endpoint.url_validation";

/// The content of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// An event, as a line without its end.
    Event(Vec<u8>),
    /// A challenge: the token to encrypt.
    UrlValidation(String),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Validation {
    payload: Challenge,
}

#[derive(Deserialize)]
struct Challenge {
    #[serde(rename = "plainToken")]
    plain_token: String,
}

/// Reads a body that must be one JSON object.
pub(super) fn read(body: &[u8]) -> Result<Delivery, &'static str> {
    let object = object(body)?;
    let event = serde_json::from_slice::<Head<'_>>(object).map(|head| head.event);
    if event.is_ok_and(|event| event == URL_VALIDATION) {
        let validation: Result<Validation, _> = serde_json::from_slice(object);
        let validation = validation.map_err(|_| "the URL validation has no text payload.plainToken")?;
        return Ok(Delivery::UrlValidation(validation.payload.plain_token));
    }
    Ok(Delivery::Event(line(object)))
}

/// Returns the object, without whitespace around it.
fn object(body: &[u8]) -> Result<&[u8], &'static str> {
    if simdutf8::basic::from_utf8(body).is_err() {
        return Err("the body is not UTF-8");
    }
    let start = skip_space(body, 0);
    if body.get(start) != Some(&b'{') {
        return Err("the body is not a JSON object");
    }
    match skip_value(body, start) {
        Ok(end) if skip_space(body, end) == body.len() => Ok(&body[start..end]),
        Ok(_) => Err("there is more than one JSON value in the body"),
        Err(_) => Err("the body is not valid JSON"),
    }
}

/// Returns an object on one line. In valid JSON, line breaks are only between tokens, where they have no meaning.
/// Everything else stays as Zoom sent it; `json::minify` would also change how strings are escaped.
fn line(object: &[u8]) -> Vec<u8> {
    object.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::{Delivery, read};
    use proptest::prelude::*;

    fn event(body: &str) -> String {
        match read(body.as_bytes()) {
            Ok(Delivery::Event(line)) => String::from_utf8(line).unwrap(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn event_is_stored_as_sent_on_one_line() {
        for (body, line) in [
            ("{}", "{}"),
            (r#"{"event":"user.updated","payload":{}}"#, r#"{"event":"user.updated","payload":{}}"#),
            (
                "\r\n {\n  \"a\" : 1.50,\r\n\t\"b\":\"x\\ny\\u00e9\\/\" }\n\n",
                "{  \"a\" : 1.50,\t\"b\":\"x\\ny\\u00e9\\/\" }",
            ),
            // Without a type that is a text, it is an event that the parser judges.
            (r#"{"event":1,"payload":{"plainToken":"p"}}"#, r#"{"event":1,"payload":{"plainToken":"p"}}"#),
            (r#"{"event":"\ud800"}"#, r#"{"event":"\ud800"}"#),
        ] {
            assert_eq!(event(body), line);
            assert!(serde_json::from_str::<Box<serde_json::value::RawValue>>(&event(body)).is_ok(), "{body}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(event(&deep), deep);
    }

    proptest! {
        #[test]
        fn stored_line_is_the_same_json(value in "[\\[\\]{}\",:\\\\a1. \r\n\t]{0,12}", space in "[ \r\n\t]{0,3}") {
            invariants::body(value.as_bytes());
            for value in [value.as_str(), "[1,\r\n2]", "\"a b\"", "{ \"b\"\n:\n1 }"] {
                invariants::body(format!("{space}{{{space}\"a\"{space}:{space}{value}}}{space}").as_bytes());
            }
        }
    }

    #[test]
    fn anything_but_one_object_is_malformed() {
        for body in [
            &b""[..],
            b" ",
            b"[]",
            b"\"x\"",
            b"1",
            b"null",
            b"{",
            b"{}{}",
            b"{} x",
            b"{\"a\":1,}",
            b"{\"a\":\"x\ny\"}",
            b"\xEF\xBB\xBF{}",
            b"{\"a\":\"\xFF\"}",
            b"{\"a\":NaN}",
        ] {
            assert!(read(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn url_validation_is_recognized_in_any_order() {
        let challenge = Ok(Delivery::UrlValidation("P\u{e9}\"".into()));
        for body in [
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":"Pé\""},"event_ts":1654503849680}"#,
            r#"{"payload":{"x":[1],"plainToken":"P\u00e9\""},"event_ts":1,"event":"endpoint\u002eurl_validation"}"#,
        ] {
            assert_eq!(read(body.as_bytes()), challenge, "{body}");
        }
        for body in [
            r#"{"event":"endpoint.url_validation"}"#,
            r#"{"event":"endpoint.url_validation","payload":{}}"#,
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":1}}"#,
        ] {
            assert!(read(body.as_bytes()).is_err_and(|why| why.contains("payload.plainToken")), "{body}");
        }
    }
}
