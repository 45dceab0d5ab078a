//! Shapes of secrets that nobody registered: tokens of callers, of other programs, in addresses and forms.

use once_cell::sync::Lazy;
use regex::bytes::Regex;
use std::ops::Range;

/// Shapes of which all is a secret, or the first group if there is one.
const SHAPES: [&str; 7] = [
    // A JSON Web Token, or its beginning: `{"` as Base64.
    r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+){0,2}",
    // An access token of Google's.
    r"ya29\.[A-Za-z0-9_-]+",
    // User and password in an address.
    r#"(?i)[a-z][a-z0-9+.-]*://([^/?#\s"'<>@]+)@"#,
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\\\s]*",
    r#"(?i)(?:access_token|refresh_token|id_token|client_secret|assertion|private_key|password)=([^\s"'&,;<>(]{4,})"#,
    r#"(?i)"(?:access_token|refresh_token|id_token|client_secret|assertion|private_key|password)"\s*:\s*"([^"]{4,})"#,
    r#"(?i)x-goog-(?:signature|credential|security-token)=([^\s"'&,;<>(]{4,})"#,
];

/// The value of an `Authorization` header.
const HEADER: &str = r"(?i)\b(?:bearer|basic)(?:[ \t+]|%20)+([A-Za-z0-9._~+/=-]{8,})";

static COMPILED: Lazy<Vec<Regex>> = Lazy::new(|| SHAPES.into_iter().map(compile).collect());
static HEADERS: Lazy<Regex> = Lazy::new(|| compile(HEADER));

#[expect(clippy::expect_used, reason = "the patterns are constants that every test compiles")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is valid")
}

/// Calls `mark` with where each shape is.
pub(super) fn search(bytes: &[u8], mark: &mut dyn FnMut(Range<usize>)) {
    for shape in COMPILED.iter() {
        for found in shape.captures_iter(bytes) {
            if let Some(secret) = found.get(1).or_else(|| found.get(0)) {
                mark(secret.range());
            }
        }
    }
    for value in HEADERS.captures_iter(bytes).filter_map(|found| found.get(1)) {
        // `bearer authentication` is prose; a token is not all lower case.
        if value.as_bytes().iter().any(|byte| !byte.is_ascii_lowercase() && *byte != b'-' && *byte != b'.') {
            mark(value.range());
        }
    }
}
