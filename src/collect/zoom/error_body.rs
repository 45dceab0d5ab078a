//! The error that a JSON body reports, whatever its HTTP status.

use serde_json::{Map, Value};
use std::slice;

/// Values of `code` that mean success.
const SUCCESS_CODES: [i64; 2] = [0, 200];
/// Texts of `message` and `status` that mean success, in lower case.
const SUCCESS_TEXTS: [&str; 6] = ["", "0", "200", "ok", "success", "succeeded"];

/// Members that may wrap an error. Never `operation_logs`: records have members of these names too.
const WRAPPERS: [&str; 10] =
    ["data", "response", "result", "error", "status", "body", "payload", "meta", "detail", "fault"];
/// Members that report an error unless they are empty.
const REASONS: [&str; 5] = ["error", "fault", "reason", "warning", "warnings"];
/// Levels of wrappers that are searched.
const DEEPEST_WRAPPER: usize = 3;

/// What a body says about an error. The texts are as the server wrote them: redact them before use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Zoom's error code; 0 if there is none.
    pub(super) code: i64,
    pub(super) message: String,
    /// `field` and `message` of each entry of `errors`.
    pub(super) details: Vec<(String, String)>,
    /// Whether a member besides `code`, `message` and `errors` says that the request failed.
    flagged: bool,
    /// Whether Zoom's own members are there: something in front of Zoom answers without them.
    pub(super) is_zooms: bool,
}

impl ErrorBody {
    /// Returns what a body reports; nothing if it is not a JSON object.
    pub(super) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Self::from_members(&members),
            _ => Self::default(),
        }
    }

    /// Returns what the members of a body report.
    pub(super) fn from_members(members: &Map<String, Value>) -> Self {
        Self::within(members, 0)
    }

    /// The same for members inside so many wrappers.
    fn within(members: &Map<String, Value>, wrappers: usize) -> Self {
        let mut error = Self::default();
        for (name, value) in members {
            let name = normalized(name);
            if WRAPPERS.contains(&name.as_str()) && wrappers < DEEPEST_WRAPPER {
                error.add_wrapped(value, wrappers + 1);
            }
            error.add(&name, value);
        }
        error
    }

    /// Adds the errors that an object, or each object of a list, reports. They do not make the body Zoom's.
    fn add_wrapped(&mut self, value: &Value, wrappers: usize) {
        let list = value.as_array().map_or(slice::from_ref(value), Vec::as_slice);
        for members in list.iter().filter_map(Value::as_object) {
            let wrapped = Self::within(members, wrappers);
            if !wrapped.is_reported() {
                continue;
            }
            self.flagged = true;
            if SUCCESS_CODES.contains(&self.code) {
                self.code = wrapped.code;
            }
            if is_success(&self.message) {
                self.message = wrapped.message;
            }
            self.details.extend(wrapped.details);
        }
    }

    /// Whether a member of this name may report an error.
    pub(super) fn may_report(name: &str) -> bool {
        let name = normalized(name);
        is_code(&name)
            || is_message(&name)
            || ["errors", "success"].contains(&name.as_str())
            || REASONS.contains(&name.as_str())
            || WRAPPERS.contains(&name.as_str())
    }

    fn add(&mut self, name: &str, value: &Value) {
        match name {
            name if is_code(name) => {
                self.is_zooms = true;
                let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
                match number {
                    Some(code) => self.code = code,
                    None => self.set_failed(!is_empty(value), value),
                }
            }
            name if is_message(name) => {
                self.is_zooms = true;
                if !is_empty(value) {
                    self.message = text(value);
                }
            }
            "errors" => self.add_details(value),
            name if REASONS.contains(&name) => self.set_failed(!is_empty(value), value),
            "success" => self.set_failed(*value == Value::Bool(false), &Value::Null),
            "result" | "status" => {
                let failed = match value {
                    Value::Number(number) => {
                        number.as_i64().is_none_or(|n| n != 0 && !(200..300).contains(&n))
                    }
                    Value::String(text) => !is_success(text),
                    value => *value == Value::Bool(false),
                };
                self.set_failed(failed, value);
            }
            _ => {}
        }
    }

    fn set_failed(&mut self, failed: bool, why: &Value) {
        self.flagged |= failed;
        if failed && self.message.is_empty() && !is_empty(why) {
            self.message = text(why);
        }
    }

    fn add_details(&mut self, errors: &Value) {
        self.flagged |= !is_empty(errors);
        for entry in errors.as_array().into_iter().flatten() {
            let part = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            self.details.push((part("field"), part("message")));
        }
    }

    /// Whether an answer with a status of success reports an error all the same.
    pub(super) fn is_reported(&self) -> bool {
        self.flagged || !SUCCESS_CODES.contains(&self.code) || !is_success(&self.message)
    }
}

fn normalized(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "")
}

fn is_code(name: &str) -> bool {
    ["code", "errorcode", "errcode"].contains(&name)
}

fn is_message(name: &str) -> bool {
    ["message", "errormessage", "errmsg"].contains(&name)
}

fn is_success(text: &str) -> bool {
    SUCCESS_TEXTS.contains(&text.trim().trim_end_matches('.').to_ascii_lowercase().as_str())
}

/// Whether a value reports nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::ErrorBody;

    #[test]
    fn success_members_report_no_error() {
        for body in [
            "{}",
            r#"{"code":0}"#,
            r#"{"code":200,"message":"Success."}"#,
            r#"{"code":"200","message":"","errors":[],"error":null,"reason":"","result":"ok","status":"success"}"#,
            r#"{"status":200,"success":true,"error":false,"message":null}"#,
            r#"{"data":{"code":0,"message":"OK"},"meta":{"status":"success"},"result":{},"response":[]}"#,
            r#"{"detail":"","fault":null,"warnings":[]}"#,
            r#"{"data":{"operation_logs":[{"code":3001,"message":"x","result":{"status":"failed"}}]}}"#,
        ] {
            assert!(!ErrorBody::read(body.as_bytes()).is_reported(), "{body}");
        }
    }

    #[test]
    fn wrapped_error_keeps_code_message_and_details() {
        let body =
            br#"{"code":200,"data":{"code":3001,"message":"x","errors":[{"field":"f","message":"m"}]}}"#;
        let error = ErrorBody::read(body);
        assert_eq!((error.code, error.message.as_str()), (3001, "x"));
        assert_eq!(error.details, [("f".to_owned(), "m".to_owned())]);
        assert!(!ErrorBody::read(br#"{"error":{"code":403,"message":"denied"}}"#).is_zooms);
    }

    #[test]
    fn each_error_member_reports_an_error() {
        for body in [
            r#"{"code":3001,"message":"Internal error."}"#,
            r#"{"code":"3001"}"#,
            r#"{"code":"INTERNAL"}"#,
            r#"{"message":"Internal error."}"#,
            r#"{"code":200,"message":"No permission."}"#,
            r#"{"errors":[{"field":"from","message":"bad"}]}"#,
            r#"{"error":"invalid_request"}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"reason":"Bad Request"}"#,
            r#"{"status":"error"}"#,
            r#"{"result":"error"}"#,
            r#"{"status":500}"#,
            r#"{"status":false}"#,
            r#"{"success":false}"#,
            r#"{"errorCode":3001}"#,
            r#"{"error_message":"x"}"#,
            r#"{"data":{"code":3001,"message":"Internal error."}}"#,
            r#"{"Response":{"error_code":"3001"}}"#,
            r#"{"result":{"success":false}}"#,
            r#"{"error":{"error":{"message":"Internal error."}}}"#,
            r#"{"status":{"code":3001}}"#,
            r#"{"detail":{"code":3001,"message":"Internal error."}}"#,
            r#"{"fault":{"faultstring":"x"}}"#,
            r#"{"warning":"partial result"}"#,
            r#"{"data":{"response":{"result":{"status":"failed"}}}}"#,
            r#"{"data":[{},{"message":"Internal error."}]}"#,
            r#"{"message":"","code":0,"body":{"errors":[{"message":"Internal error."}]}}"#,
        ] {
            assert!(ErrorBody::read(body.as_bytes()).is_reported(), "{body}");
        }
    }
}
