//! Reads from the text of `object_store`'s errors what they say nowhere else: its types for statuses and for token
//! requests are private.

use crate::redact;
use http::StatusCode;
use std::error::Error as _;

/// What a failure of `object_store` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The status of the response, if one came.
    pub(super) status: Option<StatusCode>,
    /// Whether the request was for a token.
    pub(super) is_token_request: bool,
    /// Whether the response lacks what Cloud Storage always sends.
    pub(super) is_unexpected_server: bool,
    /// The root cause on one line, without secrets.
    pub(super) message: String,
}

/// Classifies a failure by its text.
pub(super) fn classify(error: &object_store::Error) -> Failure {
    let causes = causes(error);
    // "Error performing token request" or "Error getting token response body".
    let is_token_request = causes.iter().any(|text| text.contains("token re"));
    let message = root_cause(causes, error);
    let status = status(&message);
    let malformed_token = is_token_request && status.is_none() && message.contains("HTTP error");
    Failure {
        is_unexpected_server: malformed_token || message.ends_with("missing from response"),
        status,
        is_token_request,
        message,
    }
}

/// Returns the status in "Server returned non-2xx status code: 403 Forbidden: BODY".
fn status(message: &str) -> Option<StatusCode> {
    let (_, status) = message.split_once("status code: ")?;
    status.get(..3)?.parse().ok()
}

/// Returns the causes of an error, outermost first.
fn causes(error: &object_store::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        // A server may repeat what it was sent: redacted here, before anything is cut or compared.
        causes.push(redact::redact(&cause.to_string()).into_owned());
        next = cause.source();
    }
    causes
}

/// Returns the root cause together with the request just above it; the layers in between repeat each other.
fn root_cause(mut causes: Vec<String>, error: &object_store::Error) -> String {
    let last = causes.pop().unwrap_or_else(|| redact::redact(&error.to_string()).into_owned());
    let text = match causes.last() {
        Some(above) if !above.contains(&last) => format!("{above}: {last}"),
        Some(above) if above.len() < 300 => above.clone(),
        _ => last,
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::{Failure, StatusCode, classify};
    use std::io;

    /// The classification of an error with these texts, outermost first.
    fn classified(texts: &[&str]) -> Failure {
        let mut source: Option<io::Error> = None;
        for text in texts.iter().rev() {
            source = Some(match source {
                None => io::Error::other((*text).to_owned()),
                Some(inner) => io::Error::other(Layer((*text).to_owned(), inner)),
            });
        }
        let source = source.unwrap().into_inner().unwrap();
        classify(&object_store::Error::Generic { store: "GCS", source })
    }

    #[derive(Debug)]
    struct Layer(String, io::Error);

    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for Layer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.get_ref().map(|inner| inner as _)
        }
    }

    #[test]
    fn status_is_read_from_the_response_line() {
        let text = "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: 403 Forbidden: denied";
        let failure = classified(&["Error performing list request", text]);
        assert_eq!((failure.status, failure.is_token_request), (Some(StatusCode::FORBIDDEN), false));
        assert!(failure.message.ends_with(text) && !failure.is_unexpected_server, "{failure:?}");
        assert_eq!(classified(&["status code: none"]).status, None);
        assert_eq!(classified(&["status code: 4"]).status, None);
    }

    #[test]
    fn token_requests_are_recognized() {
        for (texts, status, unexpected) in [
            (
                &["Error performing token request: x", "status code: 400 Bad Request: {}"][..],
                Some(400),
                false,
            ),
            (&["Error performing token request: x", "connection refused"], None, false),
            (
                &["Error getting token response body: x", "HTTP error: error decoding response body"],
                None,
                true,
            ),
        ] {
            let failure = classified(texts);
            assert!(failure.is_token_request, "{texts:?}");
            assert_eq!(failure.status.map(|status| status.as_u16()), status, "{texts:?}");
            assert_eq!(failure.is_unexpected_server, unexpected, "{texts:?}");
        }
    }

    #[test]
    fn missing_headers_show_an_unexpected_server() {
        let failure = classified(&["Unable to extract metadata", "ETag Header missing from response"]);
        assert!(failure.is_unexpected_server && failure.status.is_none(), "{failure:?}");
    }

    #[test]
    fn layers_that_repeat_the_root_cause_are_merged() {
        assert_eq!(classified(&["request: refused", "refused"]).message, "request: refused");
        assert_eq!(classified(&["request\n failed", "refused"]).message, "request failed: refused");
        assert_eq!(classified(&["alone"]).message, "alone");
    }
}
