//! Tests of malformed fields.

use super::{assert_read, assert_refused};
use serde_json::{Value, json};
use testkit::normalize::{TIME, json_lines, record, run_cli};

/// Returns the notes in the summary of an input.
pub(crate) fn notes(input: &str) -> Value {
    let ran = run_cli(&["normalize", "--summary", "json"], input.as_bytes());
    json_lines(ran.stderr.as_bytes()).remove(0)["notes"].clone()
}

#[test]
fn lone_surrogate_is_replaced_and_counted() {
    for (bad, text) in [
        ("\\ud800", "\u{fffd}"),
        ("\\udc00", "\u{fffd}"),
        ("x\\ud83dy", "x\u{fffd}y"),
        ("\\ude00\\ud83d", "\u{fffd}\u{fffd}"),
        ("\\ud83d\\ud83d\\ude00\\n", "\u{fffd}\u{1f600}\n"),
    ] {
        let line = record("@@").replace("@@", bad);
        assert_eq!(assert_read(line.as_bytes())["metadata"]["description"], text);
        assert_eq!(notes(&line), json!({"surrogate_replaced": 1}));
        let ignored = record("kept").replace('}', &format!(",\"other\":\"{bad}\"}}"));
        assert_eq!(assert_read(ignored.as_bytes())["metadata"]["description"], "kept");
        assert_eq!(notes(&ignored), json!({}));
    }
    assert_eq!(
        assert_read(record("@@").replace("@@", "\\ud83d\\ude00").as_bytes())["metadata"]["description"],
        "😀"
    );
}

#[test]
fn lone_surrogate_is_replaced_in_every_field() {
    for (field, at) in [
        ("operator", "/principal/user/userid"),
        ("category_type", "/additional/category_type"),
        ("action", "/metadata/productEventType"),
        ("operation_detail", "/metadata/description"),
    ] {
        let line = format!(r#"{{"time":"{TIME}","{field}":"Caf\ud83d"}}"#);
        assert_eq!(assert_read(line.as_bytes()).pointer(at), Some(&json!("Caf\u{fffd}")), "{field}");
        assert_eq!(notes(&line), json!({"surrogate_replaced": 1}), "{field}");
    }
    let object = format!(r#"{{"time":"{TIME}","operation_detail":{{"\udc00": ["\ud800"]}}}}"#);
    let event = assert_read(object.as_bytes());
    assert_eq!(event["metadata"]["description"], "{\"\u{fffd}\":[\"\u{fffd}\"]}");
    let in_time = format!(r#"{{"time":"{TIME}\ud83d","action":"x"}}"#);
    assert_refused(in_time.as_bytes(), "no_time", "\u{fffd}");
}

#[test]
fn lone_surrogate_in_json_data_is_replaced() {
    let detail =
        r#"x  - K: [{"userId":"u\ud83d","options":["\udc00",1],"x":"\ud800"},{"assistant":{"a":"\ud83d"}}]"#;
    let line = record(detail);
    let event = assert_read(line.as_bytes());
    assert_eq!(event["target"]["user"]["userid"], "u\u{fffd}");
    assert_eq!(event["target"]["user"]["attribute"]["labels"][0]["value"], "\u{fffd}");
    assert_eq!(event["about"][0]["user"]["attribute"]["labels"][0]["value"], "{\"a\":\"\u{fffd}\"}");
    // One note for each member that is read. The detail itself contains escapes, but no surrogate.
    assert_eq!(notes(&line), json!({"surrogate_replaced": 3}));
}

#[test]
fn space_around_a_time_is_trimmed() {
    for time in [" 2024-05-01T10:00:00Z ", "\u{a0}1714557600\u{3000}", "\\t2024-05-01 10:00:00\\n"] {
        let line = format!(r#"{{"time":"{time}","operator":"a@b.co"}}"#);
        let event = assert_read(line.as_bytes());
        assert_eq!(event["metadata"]["eventTimestamp"], "2024-05-01T10:00:00Z", "{time}");
    }
    let without_seconds = br#"{"time":" 2024-05-01T10:00Z ","action":"x"}"#;
    assert_refused(without_seconds, "no_time", "expected RFC 3339");
}

#[test]
fn event_type_with_unmet_needs_is_counted_and_ignored() {
    let typed = |name: &str, more: &str| {
        let line = format!(r#"{{"time":"{TIME}","category_type":"x","event_type":"{name}"{more}}}"#);
        let event = assert_read(line.as_bytes());
        (event["metadata"]["eventType"].as_str().expect("the field is a string").to_owned(), notes(&line))
    };
    let operator = r#","operator":"Ann""#;
    let target = r#","operation_detail":"x  - Job Title: y""#;
    let in_json = r#","operation_detail":"x [{\"userId\":\"u\"}]""#;
    let unmet = json!({"event_type_unmet": 1});
    for (name, more, expected, noted) in [
        ("USER_LOGIN", operator, "USER_UNCATEGORIZED", &unmet),
        ("USER_LOGOUT", target, "GENERIC_EVENT", &unmet),
        ("SETTING_MODIFICATION", operator, "USER_UNCATEGORIZED", &unmet),
        ("GROUP_CREATION", operator, "USER_UNCATEGORIZED", &unmet),
        ("USER_RESOURCE_ACCESS", operator, "USER_UNCATEGORIZED", &unmet),
        ("USER_CREATION", operator, "USER_UNCATEGORIZED", &unmet),
        ("USER_CREATION", target, "USER_CREATION", &json!({})),
        (" USER_DELETION\\t", in_json, "USER_DELETION", &json!({})),
        ("USER_CHANGE_PASSWORD", r#","operation_detail":"x [{}]""#, "GENERIC_EVENT", &unmet),
        ("USER_UNCATEGORIZED", "", "GENERIC_EVENT", &unmet),
        ("USER_UNCATEGORIZED", target, "USER_UNCATEGORIZED", &json!({})),
        ("STATUS_UPDATE", "", "STATUS_UPDATE", &json!({})),
        ("GENERIC_EVENT", operator, "GENERIC_EVENT", &json!({})),
        ("EVENTTYPE_UNSPECIFIED", operator, "USER_UNCATEGORIZED", &json!({"event_type_unknown": 1})),
        ("user_login", operator, "USER_UNCATEGORIZED", &json!({"event_type_unknown": 1})),
    ] {
        assert_eq!(typed(name, more), (expected.to_owned(), noted.clone()), "{name} {more}");
    }
}
