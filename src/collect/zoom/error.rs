//! Interprets responses that are not pages: the cause, and what to do.

use super::error_body::ErrorBody;
use super::retry_after::retry_after;
use super::tracking_id;
use crate::redact;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::time::Duration;

/// The scopes, one of which is required.
pub(crate) const SCOPE: &str = "report:read:operation_logs:admin";
pub(crate) const CLASSIC_SCOPE: &str = "report:read:admin";

/// Why there is no page.
#[derive(Debug, Clone)]
pub(crate) enum ZoomError {
    /// The run must stop: signal or deadline.
    Stopped(String),
    /// No more requests are possible for a long time: Zoom's daily limit, or the request budget.
    QuotaExhausted(String),
    /// Credentials, scopes or roles are missing.
    PermissionDenied(String),
    /// The access token is invalid or has expired.
    Unauthorized(String),
    /// The page token has expired; the window must be restarted.
    PageTokenExpired(String),
    /// A transient error.
    Transient { message: String, wait: Option<Duration> },
    /// An invalid response; may be transient.
    InvalidResponse(String),
    /// The page has more bytes than are held: fewer records on it help.
    TooLong(String),
    /// Zoom does not accept the dates of the window.
    InvalidDates(String),
    /// Zoom rejects this request permanently.
    Rejected(String),
}

impl ZoomError {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Stopped(message)
            | Self::QuotaExhausted(message)
            | Self::PermissionDenied(message)
            | Self::Unauthorized(message)
            | Self::PageTokenExpired(message)
            | Self::Transient { message, .. }
            | Self::InvalidResponse(message)
            | Self::TooLong(message)
            | Self::InvalidDates(message)
            | Self::Rejected(message) => message,
        }
    }

    /// Returns whether the run can continue with other windows.
    pub(crate) fn is_window_specific(&self) -> bool {
        matches!(
            self,
            Self::Transient { .. }
                | Self::InvalidResponse(_)
                | Self::TooLong(_)
                | Self::InvalidDates(_)
                | Self::Rejected(_)
                | Self::PageTokenExpired(_)
        )
    }
}

/// An error response.
pub(crate) struct ErrorResponse<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// In milliseconds since the epoch.
    pub(crate) now: i64,
    /// Whether the request had a page token.
    pub(crate) paged: bool,
    /// The description of the request.
    pub(crate) what: &'a str,
}

impl ErrorResponse<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Classifies the response to a request for a page.
    pub(crate) fn trouble(&self) -> ZoomError {
        let error = ErrorBody::read(self.body);
        let (code, said) = (error.code, error.message.as_str());
        let with = |cure: &str| self.message(&error, cure);
        match (self.status.as_u16(), code) {
            (429, _) | (200..=299, 429) => self.limit(said, &with),
            (408 | 500..=599, _) => {
                ZoomError::Transient { message: with("Zoom server error; run again"), wait: self.wait() }
            }
            (400..=499, _) if !error.is_zooms => self.foreign(&with),
            (_, 4711) => ZoomError::PermissionDenied(with(&scope_hint())),
            (_, 4700 | 124) if said.contains("scope") => ZoomError::PermissionDenied(with(&scope_hint())),
            (401, _) | (_, 124) => ZoomError::Unauthorized(with(
                "check the app's credentials (ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET, ZOOM_ACCOUNT_ID), and that no other program requests tokens with them, because a new token may invalidate the old one",
            )),
            (200 | 400 | 403, 200) => ZoomError::PermissionDenied(with(
                "the role of the user who owns the app lacks the permission: grant it \"Usage Reports\" and \"Operation Logs\" (view) in Zoom's Role Management, or let an administrator own the app",
            )),
            (200 | 400, 300) if self.paged => ZoomError::PageTokenExpired(with("restarting the window")),
            (200 | 400, 300) => ZoomError::InvalidDates(with("Zoom rejected the dates or PAGE_SIZE")),
            (200..=299, _) => {
                ZoomError::InvalidResponse(with("Zoom reported an error in place of records; run again"))
            }
            (300..=399, _) => ZoomError::Rejected(with("check ZOOM_API_BASE, which redirects")),
            (403, _) => ZoomError::PermissionDenied(with("check the app's scopes and its owner's role")),
            _ => ZoomError::Rejected(with("see Zoom's API documentation for this code")),
        }
    }

    /// A response without Zoom's error fields comes from an intermediary, and may be transient. It says nothing about
    /// the app's scopes or credentials.
    fn foreign(&self, with: &dyn Fn(&str) -> String) -> ZoomError {
        match self.status.as_u16() {
            407 => ZoomError::PermissionDenied(with("the proxy requires credentials; check HTTPS_PROXY")),
            401 | 403 => ZoomError::Transient {
                message: with(
                    "the response came from a proxy or firewall, not from Zoom; check the proxy variables \
                     and ZOOM_API_BASE",
                ),
                wait: self.wait(),
            },
            _ => ZoomError::InvalidResponse(with(
                "the response is not from Zoom; check the proxy variables and ZOOM_API_BASE",
            )),
        }
    }

    fn limit(&self, said: &str, with: &dyn Fn(&str) -> String) -> ZoomError {
        let daily = said.to_ascii_lowercase().contains("daily")
            || self.header("x-ratelimit-type").to_ascii_lowercase().starts_with("daily");
        if daily {
            let until = match self.header("retry-after") {
                "" => "the next day of UTC".to_owned(),
                until => redact::redact_and_truncate(until, 40),
            };
            return ZoomError::QuotaExhausted(with(&format!(
                "the account's daily limit is used up until {until}; run again then, and check what else uses the limit"
            )));
        }
        let message = with("rate limit exceeded; it is shared by all programs of the account");
        match self.wait() {
            Some(wait) if wait > super::LONGEST_PAUSE => ZoomError::QuotaExhausted(message),
            wait => ZoomError::Transient { message, wait },
        }
    }

    fn wait(&self) -> Option<Duration> {
        let wait = retry_after(self.header("retry-after"), self.now)?;
        u64::try_from(wait).ok().map(Duration::from_millis)
    }

    fn message(&self, error: &ErrorBody, cure: &str) -> String {
        let mut text = format!("{}: HTTP {}", self.what, self.status.as_u16());
        if error.code != 0 || !error.message.is_empty() {
            text.push_str(&format!(
                ", code {}: {}",
                error.code,
                redact::redact_and_truncate(&error.message, 300)
            ));
        } else if !error.is_zooms && !self.body.is_empty() {
            text.push_str(&format!(" with {}", self.kind()));
        }
        for (field, message) in error.details.iter().take(3) {
            text.push_str(&format!(
                " ({}: {})",
                redact::redact_and_truncate(field, 100),
                redact::redact_and_truncate(message, 100)
            ));
        }
        let tracking = tracking_id(self.headers);
        if !tracking.is_empty() {
            text.push_str(&format!(" [x-zm-trackingid {tracking}]"));
        }
        format!("{text}; {cure}")
    }
}

impl ErrorResponse<'_> {
    /// What the body is, where it is not Zoom's.
    fn kind(&self) -> &'static str {
        match self.body.trim_ascii_start().first() {
            Some(b'<') => "an HTML page",
            Some(b'{') => "JSON that is not Zoom's",
            _ => "a body that is not Zoom's",
        }
    }
}

pub(crate) fn scope_hint() -> String {
    format!(
        "add the scope {SCOPE} (classic: {CLASSIC_SCOPE}) to the Server-to-Server OAuth app, and activate it again"
    )
}

/// The parts of a refusal of a token that are read.
#[derive(Default)]
struct TokenError {
    code: i64,
    error: String,
    message: String,
    /// Whether the members are those of Zoom's refusals.
    is_zooms: bool,
}

impl TokenError {
    fn read(body: &[u8]) -> Self {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let error = body.as_object().map(ErrorBody::from_members).unwrap_or_default();
        let is_zooms = error.is_zooms || body.get("error").is_some() || body.get("reason").is_some();
        Self { code: error.code, error: text("error"), message: error.message, is_zooms }
    }
}

/// Classifies a refused token request. Only the code of the body is repeated, because Zoom repeats what it received.
pub(crate) fn classify_token_error(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> ZoomError {
    let error = TokenError::read(body);
    let (code, named) = (error.code, error.error.as_str());
    let cause = match (code, named) {
        (4702 | 4704, _) | (_, "invalid_client") => {
            "the client id or the client secret is wrong: check ZOOM_CLIENT_ID and ZOOM_CLIENT_SECRET"
        }
        (4705, _) | (_, "unsupported_grant_type") => {
            "the app is not a Server-to-Server OAuth app: create one"
        }
        (4717 | 4738 | 4741, _) => {
            "the app is disabled or not activated: activate it in Zoom's App Marketplace"
        }
        (_, "invalid_request") => {
            "the account does not own the app: check ZOOM_ACCOUNT_ID (government accounts: ZOOM_TOKEN_URL at zoomgov.com)"
        }
        _ => "check ZOOM_ACCOUNT_ID, ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET, and that the app is activated",
    };
    let code = if code == 0 { String::new() } else { format!(", code {code}") };
    let message = format!("cannot get an access token from Zoom: HTTP {}{code}; {cause}", status.as_u16());
    let answer = ErrorResponse { status, headers, body, now, paged: false, what: "" };
    match status.as_u16() {
        429 => answer
            .limit(&error.message, &|cure| format!("cannot get an access token from Zoom: HTTP 429; {cure}")),
        408 | 500..=599 => ZoomError::Transient {
            message: format!("cannot get an access token from Zoom: HTTP {}; run again", status.as_u16()),
            wait: answer.wait(),
        },
        407 if !error.is_zooms => ZoomError::PermissionDenied(
            "cannot get an access token from Zoom: HTTP 407; the proxy requires credentials; check \
             HTTPS_PROXY"
                .into(),
        ),
        401 | 403 if !error.is_zooms => ZoomError::Transient {
            message: format!(
                "cannot get an access token from Zoom: HTTP {} with {}; the response came from a proxy or \
                 firewall, not from Zoom; check the proxy variables and ZOOM_TOKEN_URL",
                status.as_u16(),
                answer.kind()
            ),
            wait: answer.wait(),
        },
        300..=499 if !error.is_zooms => ZoomError::InvalidResponse(format!(
            "cannot get an access token from Zoom: HTTP {}; not a token endpoint: check ZOOM_TOKEN_URL and \
             the proxy variables",
            status.as_u16()
        )),
        _ => ZoomError::PermissionDenied(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(status: u16, body: &str, headers: &[(&'static str, &str)], paged: bool) -> ZoomError {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        ErrorResponse { status, headers: &headers, body: body.as_bytes(), now: 0, paged, what: "asking" }
            .trouble()
    }

    #[test]
    fn each_error_code_has_its_cause_and_hint() {
        let scope = met(
            400,
            r#"{"code":4711,"message":"does not contain scopes:[x]"}"#,
            &[("x-zm-trackingid", "T1")],
            false,
        );
        assert!(
            matches!(&scope, ZoomError::PermissionDenied(text) if text.contains(SCOPE) && text.contains("T1")),
            "{scope:?}"
        );
        let role = met(400, r#"{"code":200,"message":"No permission."}"#, &[], false);
        assert!(
            matches!(&role, ZoomError::PermissionDenied(text) if text.contains("Role Management")),
            "{role:?}"
        );
        assert!(matches!(
            met(401, r#"{"code":124,"message":"Access token is expired."}"#, &[], false),
            ZoomError::Unauthorized(_)
        ));
        assert!(matches!(met(400, r#"{"code":300}"#, &[], true), ZoomError::PageTokenExpired(_)));
        assert!(matches!(met(400, r#"{"code":300}"#, &[], false), ZoomError::InvalidDates(_)));
        assert!(matches!(met(404, r#"{"code":404,"message":"x"}"#, &[], false), ZoomError::Rejected(_)));
        let token = |status: u16, body: &str| {
            classify_token_error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), 0)
        };
        for status in [301, 404, 405] {
            let told = token(status, "<html>");
            assert!(
                matches!(&told, ZoomError::InvalidResponse(text) if text.contains("ZOOM_TOKEN_URL")),
                "{told:?}"
            );
        }
        assert!(matches!(token(404, r#"{"error":"invalid_client"}"#), ZoomError::PermissionDenied(_)));
        assert!(matches!(met(502, "<html>", &[], false), ZoomError::Transient { .. }));
    }

    #[test]
    fn error_with_status_200_is_classified_by_code() {
        let with = |code: i64, message: &str, paged| {
            met(200, &format!(r#"{{"code":{code},"message":"{message}","operation_logs":[]}}"#), &[], paged)
        };
        let internal = with(3001, "Internal error.", false);
        assert!(
            matches!(&internal, ZoomError::InvalidResponse(text) if text.contains("code 3001: Internal error."))
        );
        assert!(matches!(with(124, "Invalid access token.", false), ZoomError::Unauthorized(_)));
        assert!(matches!(with(4711, "x", false), ZoomError::PermissionDenied(text) if text.contains(SCOPE)));
        assert!(
            matches!(with(200, "No permission.", false), ZoomError::PermissionDenied(text) if text.contains("Role"))
        );
        assert!(matches!(with(300, "x", true), ZoomError::PageTokenExpired(_)));
        assert!(matches!(with(300, "x", false), ZoomError::InvalidDates(_)));
        assert!(matches!(with(429, "daily", false), ZoomError::QuotaExhausted(_)));
    }

    #[test]
    fn html_error_does_not_mention_scopes() {
        for body in ["<html>Access denied</html>", "", "denied", r#"{"error":"blocked by policy"}"#] {
            for status in [401, 403] {
                let trouble = met(status, body, &[], false);
                assert!(
                    matches!(&trouble, ZoomError::Transient { message, .. } if message.contains("not from Zoom")),
                    "{trouble:?}"
                );
            }
            for status in [400, 404, 405, 414] {
                assert!(
                    matches!(met(status, body, &[], false), ZoomError::InvalidResponse(_)),
                    "{status} {body}"
                );
            }
            assert!(
                matches!(met(407, body, &[], false), ZoomError::PermissionDenied(text) if text.contains("HTTPS_PROXY"))
            );
            let limit = met(429, body, &[("retry-after", "2")], false);
            assert!(matches!(limit, ZoomError::Transient { wait: Some(_), .. }), "{limit:?}");
        }
        for status in [401, 403] {
            let status = StatusCode::from_u16(status).unwrap();
            let trouble = classify_token_error(status, &HeaderMap::new(), b"<html>", 0);
            assert!(
                matches!(&trouble, ZoomError::Transient { message, .. } if message.contains("HTML")),
                "{trouble:?}"
            );
        }
        let zooms = met(403, r#"{"code":5001,"message":"x"}"#, &[], false);
        assert!(matches!(&zooms, ZoomError::PermissionDenied(text) if text.contains("scopes")), "{zooms:?}");
    }

    #[test]
    fn daily_and_per_second_limits_are_distinguished() {
        let second = met(
            429,
            r#"{"message":"You have reached the maximum per-second rate limit"}"#,
            &[("retry-after", "2")],
            false,
        );
        assert!(matches!(second, ZoomError::Transient { wait: Some(wait), .. } if wait.as_secs() == 2));
        let day = met(
            429,
            r#"{"message":"the maximum daily rate limit"}"#,
            &[("retry-after", "2025-01-20T00:00:00Z")],
            false,
        );
        assert!(
            matches!(&day, ZoomError::QuotaExhausted(text) if text.contains("2025-01-20T00:00:00Z")),
            "{day:?}"
        );
    }

    #[test]
    fn rejected_token_error_does_not_echo_the_body() {
        let body = br#"{"reason":"marked","error":"invalid_client","code":4702,"given":"Basic marked"}"#;
        let trouble = classify_token_error(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, 0);
        assert!(
            matches!(&trouble, ZoomError::PermissionDenied(text) if text.contains("ZOOM_CLIENT_SECRET") && !text.contains("marked"))
        );
    }
}
