//! Tests of replaying rejects.

use serde_json::json;
use testkit::files::gzip;
use testkit::normalize::{CliOutput, descriptions, record, run_cli};

/// Returns the rejects of an input, and asserts that replaying them produces the same bytes.
pub(crate) fn rejects_twice(input: &[u8], flags: &[&str]) -> CliOutput {
    let run = |source: &[&str], input: &[u8]| {
        run_cli(&[&["normalize", "--rejects", "REJECTS", "--summary", "none"], source, flags].concat(), input)
    };
    let first = run(&[], input);
    let again = run(&["--from-rejects", "-"], &first.out.rejects);
    let shown = String::from_utf8_lossy(&input[..input.len().min(200)]).into_owned();
    assert_eq!(
        String::from_utf8_lossy(&again.out.rejects),
        String::from_utf8_lossy(&first.out.rejects),
        "{shown}"
    );
    assert!(again.out.events.is_empty(), "{shown}: {}", String::from_utf8_lossy(&again.out.events));
    first
}

#[test]
fn unchanged_rejects_replay_to_the_same_rejects() {
    let (a, mark) = (record("a"), "\u{feff}");
    for (input, rejects) in [
        (format!("{{\"operation_logs\":[[],[{a}],[[{a}]],[5],5,null,\"x\"]}}\n"), 7),
        (format!("{{\"operation_logs\":[\n  [\n{a}],\n  [ ]\n]\n}}\n"), 2),
        (format!("{{\"operation_logs\":[{{\"operation_logs\":[[{a}],{{}}]}}]}}\n"), 2),
        (format!("[{{\"operation_logs\":[[{a}],{{\"operation_logs\":[{{}}]}}]}}]"), 2),
        (format!("{mark}{mark}{a}\n{mark}{mark}{mark}{a}\n{mark} {mark}{a}\n"), 3),
        (format!("{mark}{a}x\n{mark}\u{a0}\n[[{a}]]\n [{a},5]\n"), 4),
        (format!("{a}{{\"a\":{a}\n{a}[5]{{}}\n"), 3),
        (format!("{{\"operation_logs\":[{a},{{\"action\":{a}\n"), 2),
    ] {
        let first = rejects_twice(input.as_bytes(), &[]);
        assert_eq!((first.out.rejects().len(), first.code), (rejects, 1), "{input}");
    }
}

#[test]
fn rejects_of_long_pages_replay_unchanged() {
    let long = record(&"x".repeat(300));
    let elements = format!("[{long}],\n  [],\n  {long},\n  {{}},\n  [5],\n  {}", record("a"));
    for input in [
        format!("{{\"operation_logs\":[\n  {elements}\n]}}\n"),
        format!("[\n  {elements}\n]\n"),
        format!("{{\n \"x\": {},\n \"y\": [\n  {elements}\n]}}\n", "1".repeat(500)),
    ] {
        for max in ["150", "200", "360"] {
            let first = rejects_twice(input.as_bytes(), &["--max-line-bytes", max]);
            assert!(first.out.rejects().len() > 2, "{max}: {input}");
        }
    }
}

#[test]
fn fixed_rejects_replay_to_events() {
    let raw = |raw: &str| {
        let (line, message) = (1, "element 2 of the array is a number, but a record is an object");
        json!({"input": "i", "line": line, "offset": 0, "reason": "not_object", "message": message, "raw": raw})
    };
    let fixed = format!("{}\n{}\n", raw(&format!("[{}]", record("a"))), raw(&record("b")));
    let ran = run_cli(&["normalize", "--from-rejects", "-"], fixed.as_bytes());
    assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["a", "b"], 0));
    // With a higher limit, a line that was too long is accepted.
    let long = record(&"x".repeat(200));
    let flags = ["normalize", "--rejects", "REJECTS", "--max-line-bytes", "100"];
    let short = testkit::normalize::run_cli(&flags, long.as_bytes());
    let read = testkit::normalize::run_cli(&["normalize", "--from-rejects", "-"], &short.out.rejects);
    assert_eq!((read.out.events().len(), read.code), (1, 0), "{}", read.stderr);
}

#[test]
fn rejects_file_may_begin_with_a_byte_order_mark() {
    let first = run_cli(&["normalize", "--rejects", "REJECTS"], b"5\n{}\n");
    let marked = [b"\xEF\xBB\xBF", &first.out.rejects[..]].concat().repeat(2);
    for input in [marked.clone(), gzip(&marked)] {
        let again = run_cli(&["normalize", "--from-rejects", "-", "--rejects", "REJECTS"], &input);
        assert_eq!((again.code, &again.out.rejects), (1, &first.out.rejects.repeat(2)), "{}", again.stderr);
    }
}
