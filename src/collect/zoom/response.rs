//! Classifies responses that are not pages or tokens: the cause, and what to do.

use super::error::{DeniedBy, ZoomError, ZoomErrorKind};
use super::error_body::ErrorBody;
use super::request::tracking_id;
use super::retry_after::{LONGEST_PAUSE, retry_after};
use crate::collect::log_kind::LogKind;
use crate::error::Failure;
use crate::redact;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::time::Duration;

/// The scope that stands for those of all reports.
pub(crate) const CLASSIC_SCOPE: &str = "report:read:admin";

const CREDENTIALS_HINT: &str = "check the app's credentials (ZOOM_CLIENT_ID, ZOOM_CLIENT_SECRET, ZOOM_ACCOUNT_ID), and that no other program requests tokens with them, because a new token may invalidate the old one";
const PROXY_HINT: &str = "the proxy requires credentials; check HTTPS_PROXY";

/// An error response.
pub(crate) struct ErrorResponse<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// In milliseconds since the epoch.
    pub(crate) now: i64,
    /// Whether the request had a page token.
    pub(crate) paged: bool,
    /// The kind of log that was requested; a token is for all.
    pub(crate) logs: LogKind,
    /// The description of the request.
    pub(crate) what: &'a str,
}

impl ErrorResponse<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Classifies the response to a request for a page.
    pub(crate) fn classify(&self) -> ZoomError {
        use ZoomErrorKind::{
            InvalidDates, InvalidResponse, PageTokenExpired, PermissionDenied, Rejected, Unauthorized,
        };
        let error = ErrorBody::read(self.body);
        let (code, said) = (error.code, error.message.as_str());
        let what = self.what(&error);
        let status = self.status.as_u16();
        let (kind, hint) = match (status, code) {
            (429, _) | (200..=299, 429) => return self.limit(said, what),
            (408 | 500..=599, _) => (self.transient(), "Zoom server error; run again"),
            (400..=499, _) if !error.is_zooms => return self.foreign(what),
            (_, 4711) => return missing_scope(self.logs, what),
            (_, 4700 | 124) if said.contains("scope") => return missing_scope(self.logs, what),
            (401, _) | (_, 124) => (Unauthorized, CREDENTIALS_HINT),
            (200 | 400 | 403, 200) => return missing_permission(self.logs, what),
            (200 | 400, 300) if self.paged => (PageTokenExpired, "restarting the window"),
            (200 | 400, 300) => (InvalidDates, "Zoom rejected the dates or PAGE_SIZE"),
            (200..=299, _) => (InvalidResponse, "Zoom reported an error in place of records; run again"),
            (300..=399, _) => (Rejected, "check ZOOM_API_BASE, which redirects"),
            (403, _) => (PermissionDenied(DeniedBy::Unknown), "check the app's scopes and its owner's role"),
            _ => (Rejected, "see Zoom's API documentation for this code"),
        };
        ZoomError::new(kind, Failure::new(what, hint))
    }

    /// A response without Zoom's error fields comes from an intermediary, and may be transient. It says nothing about
    /// the app's scopes or credentials.
    fn foreign(&self, what: String) -> ZoomError {
        let (kind, hint) = match self.status.as_u16() {
            407 => (ZoomErrorKind::PermissionDenied(DeniedBy::Proxy), PROXY_HINT),
            401 | 403 => (
                self.transient(),
                "the response came from a proxy or firewall, not from Zoom; check the proxy variables and \
                 ZOOM_API_BASE",
            ),
            _ => (
                ZoomErrorKind::InvalidResponse,
                "the response is not from Zoom; check the proxy variables and ZOOM_API_BASE",
            ),
        };
        ZoomError::new(kind, Failure::new(what, hint))
    }

    fn limit(&self, said: &str, what: String) -> ZoomError {
        let daily = said.to_ascii_lowercase().contains("daily")
            || self.header("x-ratelimit-type").to_ascii_lowercase().starts_with("daily");
        if daily {
            let until = match self.header("retry-after") {
                "" => "the next day of UTC".to_owned(),
                until => redact::redact_and_truncate(until, 40),
            };
            let hint = format!(
                "the account's daily limit is used up until {until}; run again then, and check what else uses the limit"
            );
            return ZoomError::new(ZoomErrorKind::QuotaExhausted, Failure::new(what, hint));
        }
        let hint = "rate limit exceeded; it is shared by all programs of the account";
        let kind = match self.wait() {
            Some(wait) if wait > LONGEST_PAUSE => ZoomErrorKind::QuotaExhausted,
            wait => ZoomErrorKind::Transient { wait },
        };
        ZoomError::new(kind, Failure::new(what, hint))
    }

    fn transient(&self) -> ZoomErrorKind {
        ZoomErrorKind::Transient { wait: self.wait() }
    }

    fn wait(&self) -> Option<Duration> {
        let wait = retry_after(self.header("retry-after"), self.now)?;
        u64::try_from(wait).ok().map(Duration::from_millis)
    }

    /// Returns what failed.
    fn what(&self, error: &ErrorBody) -> String {
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
        text
    }

    /// Returns what a body is that is not Zoom's.
    fn kind(&self) -> &'static str {
        match self.body.trim_ascii_start().first() {
            Some(b'<') => "an HTML page",
            Some(b'{') => "JSON that is not Zoom's",
            _ => "a body that is not Zoom's",
        }
    }
}

fn missing_scope(logs: LogKind, what: String) -> ZoomError {
    ZoomError::new(ZoomErrorKind::PermissionDenied(DeniedBy::Scope), Failure::new(what, scope_hint(logs)))
}

fn missing_permission(logs: LogKind, what: String) -> ZoomError {
    let hint = format!(
        "the role of the user who owns the app lacks the permission: grant it {} in Zoom's Role Management, or let an administrator own the app",
        logs.spec().permissions
    );
    ZoomError::new(ZoomErrorKind::PermissionDenied(DeniedBy::Role), Failure::new(what, hint))
}

pub(crate) fn scope_hint(logs: LogKind) -> String {
    format!(
        "add the scope {} (classic: {CLASSIC_SCOPE}) to the Server-to-Server OAuth app, and activate it again",
        logs.spec().scope
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
    let hint = match (code, named) {
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
    let number = status.as_u16();
    let what = format!("cannot get an access token from Zoom: HTTP {number}");
    let answer =
        ErrorResponse { status, headers, body, now, paged: false, logs: LogKind::default(), what: "" };
    let (kind, failure) = match number {
        429 => return answer.limit(&error.message, what),
        408 | 500..=599 => (answer.transient(), Failure::new(what, "run again")),
        407 if !error.is_zooms => {
            (ZoomErrorKind::PermissionDenied(DeniedBy::Proxy), Failure::new(what, PROXY_HINT))
        }
        401 | 403 if !error.is_zooms => (
            answer.transient(),
            Failure::new(
                format!("{what} with {}", answer.kind()),
                "the response came from a proxy or firewall, not from Zoom; check the proxy variables and \
                 ZOOM_TOKEN_URL",
            ),
        ),
        300..=499 if !error.is_zooms => (
            ZoomErrorKind::InvalidResponse,
            Failure::new(what, "not a token endpoint: check ZOOM_TOKEN_URL and the proxy variables"),
        ),
        _ => (
            ZoomErrorKind::PermissionDenied(DeniedBy::Credentials),
            Failure::new(format!("{what}{code}"), hint),
        ),
    };
    ZoomError::new(kind, failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ZoomErrorKind::{
        InvalidDates, InvalidResponse, PageTokenExpired, PermissionDenied, QuotaExhausted, Rejected,
        Transient, Unauthorized,
    };

    fn met(status: u16, body: &str, headers: &[(&'static str, &str)], paged: bool) -> ZoomError {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        let logs = LogKind::Operation;
        ErrorResponse {
            status,
            headers: &headers,
            body: body.as_bytes(),
            now: 0,
            paged,
            logs,
            what: "asking",
        }
        .classify()
    }

    #[test]
    fn hints_name_the_scope_and_role_of_the_report() {
        for logs in LogKind::ALL {
            let refused = |body: &str| {
                let (headers, body) = (&HeaderMap::new(), body.as_bytes());
                let status = StatusCode::BAD_REQUEST;
                ErrorResponse { status, headers, body, now: 0, paged: false, logs, what: "asking" }.classify()
            };
            let scope = refused(r#"{"code":4711,"message":"x"}"#).to_string();
            assert!(scope.contains(logs.spec().scope) && scope.contains(CLASSIC_SCOPE), "{scope}");
            let role = refused(r#"{"code":200,"message":"No permission."}"#).to_string();
            assert!(role.contains(logs.spec().permissions), "{role}");
        }
    }

    #[test]
    fn each_error_code_has_its_cause_and_hint() {
        let scope = met(
            400,
            r#"{"code":4711,"message":"does not contain scopes:[x]"}"#,
            &[("x-zm-trackingid", "T1")],
            false,
        );
        assert_eq!(scope.kind, PermissionDenied(DeniedBy::Scope));
        assert!(
            scope.to_string().contains(LogKind::Operation.spec().scope) && scope.failure.what.contains("T1"),
            "{scope}"
        );
        let role = met(400, r#"{"code":200,"message":"No permission."}"#, &[], false);
        assert_eq!(role.kind, PermissionDenied(DeniedBy::Role));
        assert!(role.to_string().contains("Role Management"), "{role}");
        let expired = met(401, r#"{"code":124,"message":"Access token is expired."}"#, &[], false);
        assert_eq!(expired.kind, Unauthorized);
        assert_eq!(met(400, r#"{"code":300}"#, &[], true).kind, PageTokenExpired);
        assert_eq!(met(400, r#"{"code":300}"#, &[], false).kind, InvalidDates);
        assert_eq!(met(404, r#"{"code":404,"message":"x"}"#, &[], false).kind, Rejected);
        let token = |status: u16, body: &str| {
            classify_token_error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), 0)
        };
        for status in [301, 404, 405] {
            let told = token(status, "<html>");
            assert!(told.kind == InvalidResponse && told.to_string().contains("ZOOM_TOKEN_URL"), "{told:?}");
        }
        let wrong_client = token(404, r#"{"error":"invalid_client"}"#);
        assert_eq!(wrong_client.kind, PermissionDenied(DeniedBy::Credentials));
        assert_eq!(met(502, "<html>", &[], false).kind, Transient { wait: None });
    }

    #[test]
    fn error_with_status_200_is_classified_by_code() {
        let with = |code: i64, message: &str, paged| {
            met(200, &format!(r#"{{"code":{code},"message":"{message}","operation_logs":[]}}"#), &[], paged)
        };
        let internal = with(3001, "Internal error.", false);
        assert_eq!(internal.kind, InvalidResponse);
        assert!(internal.failure.what.contains("code 3001: Internal error."), "{internal}");
        assert_eq!(with(124, "Invalid access token.", false).kind, Unauthorized);
        assert_eq!(with(4711, "x", false).kind, PermissionDenied(DeniedBy::Scope));
        assert_eq!(with(200, "No permission.", false).kind, PermissionDenied(DeniedBy::Role));
        assert_eq!(with(300, "x", true).kind, PageTokenExpired);
        assert_eq!(with(300, "x", false).kind, InvalidDates);
        assert_eq!(with(429, "daily", false).kind, QuotaExhausted);
    }

    #[test]
    fn html_error_does_not_mention_scopes() {
        for body in ["<html>Access denied</html>", "", "denied", r#"{"error":"blocked by policy"}"#] {
            for status in [401, 403] {
                let error = met(status, body, &[], false);
                assert_eq!(error.kind, Transient { wait: None });
                assert!(error.to_string().contains("not from Zoom"), "{error}");
            }
            for status in [400, 404, 405, 414] {
                assert_eq!(met(status, body, &[], false).kind, InvalidResponse, "{status} {body}");
            }
            let proxy = met(407, body, &[], false);
            assert_eq!(proxy.kind, PermissionDenied(DeniedBy::Proxy));
            assert!(proxy.to_string().contains("HTTPS_PROXY"), "{proxy}");
            let limit = met(429, body, &[("retry-after", "2")], false);
            assert!(matches!(limit.kind, Transient { wait: Some(_) }), "{limit:?}");
        }
        for status in [401, 403] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = classify_token_error(status, &HeaderMap::new(), b"<html>", 0);
            assert_eq!(error.kind, Transient { wait: None });
            assert!(error.failure.what.contains("HTML"), "{error}");
        }
        let zooms = met(403, r#"{"code":5001,"message":"x"}"#, &[], false);
        assert_eq!(zooms.kind, PermissionDenied(DeniedBy::Unknown));
        assert!(zooms.to_string().contains("scopes"), "{zooms}");
    }

    #[test]
    fn daily_and_per_second_limits_are_distinguished() {
        let second = met(
            429,
            r#"{"message":"You have reached the maximum per-second rate limit"}"#,
            &[("retry-after", "2")],
            false,
        );
        assert_eq!(second.kind, Transient { wait: Some(Duration::from_secs(2)) });
        let day = met(
            429,
            r#"{"message":"the maximum daily rate limit"}"#,
            &[("retry-after", "2025-01-20T00:00:00Z")],
            false,
        );
        assert_eq!(day.kind, QuotaExhausted);
        assert!(day.to_string().contains("2025-01-20T00:00:00Z"), "{day}");
    }

    #[test]
    fn rejected_token_error_does_not_echo_the_body() {
        let body = br#"{"reason":"marked","error":"invalid_client","code":4702,"given":"Basic marked"}"#;
        let error = classify_token_error(StatusCode::BAD_REQUEST, &HeaderMap::new(), body, 0);
        assert_eq!(error.kind, PermissionDenied(DeniedBy::Credentials));
        let text = error.to_string();
        assert!(text.contains("ZOOM_CLIENT_SECRET") && !text.contains("marked"), "{text}");
    }
}
