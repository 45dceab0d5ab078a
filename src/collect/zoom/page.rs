//! Parses a page of the API; records keep their bytes.

use super::error_body::ErrorBody;
use super::malformed_records;
use crate::collect::log_kind::LogKind;
use crate::normalize::{Part, Reject, RejectWriter};
use crate::record::{self, fingerprint};
use crate::reject::{RejectReason, Rejection};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Identifies a record: the first 12 bytes of a SHA-256. Among a hundred million records of one day, a collision of two
/// different ones occurs once in 10^13.
pub(crate) type RecordHash = [u8; 12];

/// One record of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRecord {
    /// As Zoom wrote it, on one line; of a malformed one, a reject as `normalize --from-rejects` reads it.
    pub(crate) raw: String,
    /// Whether it is not valid UTF-8 or JSON.
    pub(crate) malformed: bool,
    pub(crate) id: RecordHash,
    /// Its time in milliseconds since the epoch, if it is usable.
    pub(crate) time: Option<i64>,
}

impl PageRecord {
    pub(crate) fn new(raw: &str) -> Self {
        // Line ends can only be between tokens, because strings escape them.
        let raw: String = raw.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        Self { id: record_hash(&raw), time: time_of(&raw), raw, malformed: false }
    }

    /// A record that is not valid: its bytes, and what they are like when repaired.
    fn malformed(bytes: &[u8], repaired: &str, input: &str, number: usize, offset: usize) -> Self {
        let (reason, message) = if std::str::from_utf8(bytes).is_ok() {
            (
                RejectReason::NotJson,
                "Zoom sent a control character, an escape, a number or a word that is not JSON",
            )
        } else {
            (RejectReason::NotUtf8, "Zoom sent bytes that are not UTF-8")
        };
        let refusal = Rejection::new(reason, message, "");
        let (line, offset) = (number as u64 + 1, offset as u64);
        let mut reject = RejectWriter::new(Vec::new());
        let rejected =
            Reject { input, line, offset, header: None, rejection: &refusal, raw: bytes, part: Part::Whole };
        // Memory takes all that is written to it.
        let _ = reject.write(&rejected);
        let raw = String::from_utf8(reject.finish().unwrap_or_default()).unwrap_or_default();
        let digest = Sha256::digest([b"raw\n", bytes].concat());
        let id = std::array::from_fn(|at| digest[at]);
        Self { raw: raw.trim_end().to_owned(), id, time: time_of(repaired), malformed: true }
    }
}

/// The time of a record, whatever its kind, in milliseconds since the epoch.
fn time_of(raw: &str) -> Option<i64> {
    let (seconds, nanos) = record::time_of(raw)?.seconds_and_nanos();
    Some(seconds * 1000 + i64::from(nanos / 1_000_000))
}

/// Hashes the content of a record rather than its bytes. If Zoom changed the order of members or the escapes from one
/// day to the next, everything in the look-back would otherwise be new. The stored record keeps its bytes, and
/// identical ones are counted, so nothing is lost.
fn record_hash(raw: &str) -> RecordHash {
    let digest = match fingerprint(raw) {
        Ok(hex) => Sha256::digest(hex.as_bytes()),
        // Not an object, or not representable in UTF-8: hashes the bytes.
        Err(_) => Sha256::digest([b"raw\n", raw.as_bytes()].concat()),
    };
    std::array::from_fn(|at| digest[at])
}

/// A page as received.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<PageRecord>,
    /// Empty on the last page.
    pub(crate) next: Option<String>,
    /// Zoom's ID for the request.
    pub(crate) tracking: String,
    /// Unknown members of the page.
    pub(crate) unknown: Vec<String>,
}

/// The documented members of a page and of an error, besides the list of records.
const MEMBERS: [&str; 6] = ["from", "to", "page_size", "next_page_token", "code", "message"];

#[derive(Deserialize)]
struct PageResponse<'a> {
    #[serde(borrow)]
    operation_logs: Option<&'a RawValue>,
    #[serde(borrow)]
    activity_logs: Option<&'a RawValue>,
    next_page_token: Option<Value>,
}

impl<'a> PageResponse<'a> {
    /// Returns the list of records; a list of another report is not one.
    fn records(&self, logs: LogKind) -> Option<&'a RawValue> {
        match logs {
            LogKind::Operation => self.operation_logs,
            LogKind::SignIn => self.activity_logs,
        }
    }
}

/// Why a body is not a page. Never repeats the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PageError {
    /// Not JSON: sent by something in front of Zoom, or truncated.
    Body(String),
    /// JSON without a list of records.
    Shape(String),
    /// Zoom reported an error; any record list in the same body is ignored.
    Reported,
}

/// Reads a body. Where it is not valid because of what is within a record, the other records are taken, and that one is
/// kept as it came.
pub(crate) fn parse(body: &[u8], logs: LogKind, tracking: &str) -> Result<Page, PageError> {
    let wrong = match std::str::from_utf8(body) {
        Ok(text) => match page_of(text, body, logs, tracking) {
            Err(PageError::Body(wrong)) => PageError::Body(wrong),
            outcome => return outcome,
        },
        Err(_) => PageError::Body(unreadable("the body is not UTF-8", logs, body)),
    };
    let repaired = malformed_records::repair(body)
        .ok_or(())
        .and_then(|text| page_of(&text, body, logs, tracking).map_err(drop));
    repaired.map_err(|()| wrong)
}

fn unreadable(what: &str, logs: LogKind, body: &[u8]) -> String {
    let kind = if body.trim_ascii_start().starts_with(b"<") { ", which looks like HTML" } else { "" };
    format!("{what} ({} bytes{kind}); expected a JSON object with `{}`", body.len(), logs.spec().list)
}

/// Reads a text of the body's length; where the two differ, the body's bytes are what came.
fn page_of(text: &str, body: &[u8], logs: LogKind, tracking: &str) -> Result<Page, PageError> {
    let list = logs.spec().list;
    let shape = |what: &str| PageError::Shape(unreadable(what, logs, body));
    let reply: PageResponse<'_> = serde_json::from_str(text).map_err(|error| {
        let said = unreadable(&format!("the body cannot be read: {}", error_position(&error)), logs, body);
        if error.is_data() { PageError::Shape(said) } else { PageError::Body(said) }
    })?;
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let may_report = members.iter().filter(|(name, _)| ErrorBody::may_report(name));
    let reported =
        may_report.map(|(name, raw)| (name.clone(), serde_json::from_str(raw.get()).unwrap_or_default()));
    if ErrorBody::from_members(&reported.collect()).is_reported() {
        return Err(PageError::Reported);
    }
    let Some(records) = reply.records(logs) else {
        return Err(shape(&format!("the body has no `{list}`")));
    };
    let records: Vec<&RawValue> = serde_json::from_str(records.get())
        .map_err(|_| shape(&format!("`{list}` is not a list of records")))?;
    let came = |raw: &RawValue| {
        let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
        (start, body.get(start..start + raw.get().len()).unwrap_or_default())
    };
    let next = match reply.next_page_token {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(token).filter(|token| !token.is_empty()),
        Some(_) => return Err(shape("`next_page_token` is not a string")),
    };
    if members.get("next_page_token").is_some_and(|raw| came(raw).1 != raw.get().as_bytes()) {
        return Err(shape("`next_page_token` is not a string"));
    }
    let is_known = |name: &str| name == list || MEMBERS.contains(&name);
    let unknown = members.into_keys().filter(|name| !is_known(name)).collect();
    let items = records.iter().enumerate().map(|(number, raw)| match came(raw) {
        (_, bytes) if bytes == raw.get().as_bytes() => PageRecord::new(raw.get()),
        (offset, bytes) => {
            let input = format!("{} {tracking}", logs.spec().title);
            PageRecord::malformed(bytes, raw.get(), &input, number, offset)
        }
    });
    Ok(Page { items: items.collect(), next, tracking: tracking.to_owned(), unknown })
}

/// Returns where and why parsing failed: only the category, because messages may repeat the body.
fn error_position(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "truncated",
        Category::Syntax => "invalid JSON",
        Category::Data | Category::Io => "JSON of an unexpected type",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8], tracking: &str) -> Result<Page, PageError> {
        super::parse(body, LogKind::Operation, tracking)
    }

    #[test]
    fn each_report_has_its_own_list() {
        for logs in LogKind::ALL {
            let [own, other] =
                if logs.is_default() { LogKind::ALL } else { [LogKind::SignIn, LogKind::Operation] };
            let body = format!(r#"{{"{}":[{{"time":"t"}}],"next_page_token":""}}"#, own.spec().list);
            let page = super::parse(body.as_bytes(), logs, "").unwrap();
            assert_eq!((page.items.len(), page.unknown.len()), (1, 0));
            let Err(PageError::Shape(error)) = super::parse(body.as_bytes(), other, "") else {
                panic!("a page of {own} is taken for one of {other}");
            };
            assert!(error.contains(&format!("no `{}`", other.spec().list)), "{error}");
        }
        let both = br#"{"operation_logs":[1],"activity_logs":[2,3]}"#;
        let page = super::parse(both, LogKind::SignIn, "").unwrap();
        assert_eq!((page.items.len(), &*page.unknown), (2, &["operation_logs".to_owned()][..]));
    }

    fn raws(body: &str) -> Vec<String> {
        parse(body.as_bytes(), "").unwrap().items.into_iter().map(|item| item.raw).collect()
    }

    #[test]
    fn records_are_kept_byte_for_byte() {
        let raw = r#"{ "time" : "2024-01-31 10:00:00Z","a":"\u00e9\/é","a":1.50e+2 }"#;
        assert_eq!(
            raws(&format!(r#"{{"operation_logs": [ {raw} , 7,"x"],"next_page_token":""}}"#)),
            [raw, "7", "\"x\""]
        );
    }

    #[test]
    fn multiline_record_is_joined_to_one_line() {
        assert_eq!(raws("{\"operation_logs\":[{\n  \"a\" :\r\n \"b\\n\"\n}]}"), ["{  \"a\" : \"b\\n\"}"]);
    }

    #[test]
    fn last_page_is_detected_in_three_forms() {
        for end in ["", r#","next_page_token":"""#, r#","next_page_token":null"#] {
            assert_eq!(parse(format!(r#"{{"operation_logs":[]{end}}}"#).as_bytes(), "").unwrap().next, None);
        }
        let page = parse(br#"{"next_page_token":"+/= &#%","operation_logs":[]}"#, "").unwrap();
        assert_eq!(page.next.as_deref(), Some("+/= &#%"));
    }

    #[test]
    fn undocumented_members_are_named() {
        let unknown = |members: &str| {
            let body =
                format!(r#"{{"from":"a","to":"b","page_size":1,"operation_logs":[{{"x":1}}]{members}}}"#);
            parse(body.as_bytes(), "").unwrap().unknown
        };
        assert!(unknown(r#","next_page_token":"t""#).is_empty());
        assert_eq!(unknown(r#","new":{"inner":1},"more_logs":[1]"#), ["more_logs", "new"]);
    }

    #[test]
    fn invalid_page_error_does_not_echo_the_body() {
        for body in [
            "<html>marked</html>",
            "{\"operation_logs\":[{\"a\":\"marked",
            "{\"marked\":1}",
            "{\"operation_logs\":null}",
            "{\"operation_logs\":{\"marked\":1}}",
            "{\"operation_logs\":[],\"next_page_token\":7}",
            "[\"marked\"]",
            "",
        ] {
            let Err(PageError::Body(error) | PageError::Shape(error)) = parse(body.as_bytes(), "") else {
                panic!("{body} is taken");
            };
            assert!(error.contains("operation_logs") && !error.contains("marked"), "{error}");
        }
    }

    #[test]
    fn error_member_next_to_logs_is_an_error() {
        for error in [
            r#""code":3001,"message":"Internal error.""#,
            r#""errors":[1]"#,
            r#""status":"failed""#,
            r#""data":{"code":3001,"message":"Internal error."}"#,
            r#""response":{"result":{"success":false}}"#,
        ] {
            for logs in ["", r#","operation_logs":[]"#, r#","operation_logs":[{"time":"t"}]"#] {
                let body = format!("{{{error}{logs}}}");
                assert_eq!(parse(body.as_bytes(), "").unwrap_err(), PageError::Reported, "{body}");
            }
        }
        for logs in ["{}", r#"{"code":3001,"error":"x","data":{"code":3001},"result":{"success":false}}"#] {
            let body = format!(r#"{{"code":0,"message":"OK","operation_logs":[{logs}]}}"#);
            assert_eq!(parse(body.as_bytes(), "").unwrap().items.len(), 1, "{logs}");
        }
    }

    #[test]
    fn malformed_record_does_not_affect_other_records() {
        for odd in [
            &b"{\"time\":\"2024-01-31T10:00:00Z\",\"a\":\"x\xFFy\"}"[..],
            b"{\"time\":\"2024-01-31T10:00:00Z\",\"a\":\"x\x00y\"}",
            b"{\"time\":\"2024-01-31T10:00:00Z\",\"a\":\"x\x1b[1m\ny\"}",
            b"{\"time\":\"2024-01-31T10:00:00Z\"\x00,\"a\":\"\\q\"}",
            b"{\"time\":\"2024-01-31T10:00:00Z\",\"a\":NaN,\"b\":[01,x]}",
        ] {
            let body = [
                &b"{\"operation_logs\":[{\"b\":\"\xC3\xA9\"},"[..],
                odd,
                b",{\"c\":1}],\"next_page_token\":\"t\"}",
            ];
            let page = parse(&body.concat(), "T").unwrap();
            assert_eq!(
                (page.items[0].raw.as_str(), page.items[2].raw.as_str()),
                ("{\"b\":\"é\"}", "{\"c\":1}")
            );
            assert_eq!(
                page.items.iter().map(|item| item.malformed).collect::<Vec<_>>(),
                [false, true, false]
            );
            assert_eq!((page.items[1].time, page.next.as_deref()), (Some(1_706_695_200_000), Some("t")));
            let kept: Value = serde_json::from_str(&page.items[1].raw).unwrap();
            let bytes = match (kept["raw"].as_str(), kept["raw_base64"].as_str()) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (_, coded) => {
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, coded.unwrap())
                        .unwrap()
                }
            };
            assert_eq!(bytes, odd);
        }
        // A token that is not text cannot be sent back, and a body that is cut is not repaired.
        for body in [
            &b"{\"operation_logs\":[],\"next_page_token\":\"\xFF\"}"[..],
            b"{\"operation_logs\":[{\"a\":\"\xFF",
        ] {
            assert!(parse(body, "").is_err());
        }
    }

    #[test]
    fn record_hash_depends_only_on_content() {
        let id = |raw| PageRecord::new(raw).id;
        assert_eq!(id(r#"{"time":"t","a":"é"}"#), id(r#"{ "a":"\u00e9", "time":"t"}"#));
        assert_ne!(id(r#"{"time":"t"}"#), id(r#"{"time":"u"}"#));
        assert_ne!(id("7"), id("\"7\""));
        assert_eq!(PageRecord::new(r#"{"time":"1970-01-01 00:00:01.5Z"}"#).time, Some(1500));
        assert_eq!(PageRecord::new("[]").time, None);
    }
}
