//! Tests of several values on a line, and of pages within other values.

use super::{assert_read, assert_refused, run_between_good_records};
use serde_json::json;
use testkit::files::line_ends;
use testkit::normalize::{TIME, descriptions, json_lines, raw, record, run_cli};

#[test]
#[expect(clippy::many_single_char_names, reason = "records are named by letters")]
fn several_values_on_a_line_are_each_read() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let [a, b, c, d, e, f] = names.map(record);
    let line = format!("{a}{b} [{c},{d}]\t{{\"operation_logs\":[{e}]}}{f}\n");
    for format in ["auto", "ndjson", "json"] {
        for input in [line.repeat(2), format!("{a}\n{line}"), format!("\u{feff}{}", line.trim_end())] {
            let ran = run_cli(&["normalize", "--input-format", format], input.as_bytes());
            let expected = names.repeat(input.len() / line.len());
            assert!(descriptions(&ran.out.events()).ends_with(&expected), "{format}: {}", ran.stderr);
            assert_eq!(ran.code, 0);
        }
    }
    let ran = run_between_good_records(format!("{a}[5]{{}} {b}").as_bytes());
    assert_eq!(descriptions(&ran.out.events()), ["before", "a", "b", "after"]);
    let places: Vec<_> =
        ran.out.rejects().iter().map(|reject| (reject["offset"].clone(), raw(reject))).collect();
    let start = record("before").len() + 1 + a.len();
    assert_eq!(places, [(json!(start), b"[5]".to_vec()), (json!(start + 3), b"{}".to_vec())]);
}

#[test]
fn malformed_value_rejects_the_whole_line() {
    for (tail, message) in
        [("{\"a\" 1}", "column"), ("[1", "column"), ("5", "column"), ("\u{feff}{}", "column")]
    {
        assert_refused(format!("{}{tail}", record("a")).as_bytes(), "not_json", message);
    }
}

#[test]
fn page_is_read_as_records_at_any_nesting() {
    let [one, two] = ["one", "two"].map(record);
    let inner = format!("{{\"time\":\"{TIME}\",\"operation_logs\":[{one},{{\"operation_logs\":[{two}]}}]}}");
    for input in [
        inner.clone(),
        format!("[{inner}]"),
        format!("{{\"operation_logs\":[{inner}]}}"),
        format!("[{{\"operation_logs\":[{{\"operation_logs\":[{inner}]}}]}}]"),
        format!("{{\"operation_logs\":[\n  {inner}\n]}}"),
        format!("[\n {{\n \"operation_logs\":[\n  {inner}\n]}}\n]"),
    ] {
        for format in ["auto", "json"] {
            let flags = ["normalize", "--input-format", format, "--summary", "json", "--rejects", "REJECTS"];
            let ran = run_cli(&flags, input.as_bytes());
            assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["one", "two"], 0), "{input}");
            assert_eq!(
                json_lines(ran.stderr.as_bytes())[0]["notes"],
                json!({"page_has_fields": 1}),
                "{input}"
            );
        }
    }
}

#[test]
fn deep_pages_and_many_values_take_linear_time() {
    const MANY: usize = 150_000;
    let deep = format!("{}{}{}", "{\"operation_logs\":[".repeat(MANY), record("deep"), "]}".repeat(MANY));
    let ran = run_between_good_records(deep.as_bytes());
    assert_eq!(descriptions(&ran.out.events()), ["before", "deep", "after"]);
    for (line, rejects) in [
        ("{}".repeat(MANY), MANY),
        ("[[]]".repeat(MANY), MANY),
        ("{}".repeat(MANY) + "x", 1),
        ("{}".repeat(MANY) + "{", 1),
        (format!("{}{}", "{\"operation_logs\":[1,".repeat(MANY), "]}".repeat(MANY - 1)), 1),
    ] {
        let ran = testkit::normalize::run_cli(
            &["normalize", "--summary", "json", "--rejects", "REJECTS"],
            line.as_bytes(),
        );
        assert_eq!(line_ends(&ran.out.rejects), rejects, "{}", &line[..10]);
    }
    // Each of these could be the start of JSON in the detail.
    let detail = "from {} to {\"a\" ".repeat(MANY);
    assert_eq!(assert_read(record(&detail).as_bytes())["metadata"]["description"], detail);
}
