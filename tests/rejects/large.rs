//! Tests of events that exceed the import limit.

use super::fields::notes;
use super::readback::rejects_twice;
use serde_json::json;
use testkit::files::line_ends;
use testkit::normalize::{raw, record, run_cli};

/// Returns records, each with whether its event is too large: one with a long text, one with many users, and one just
/// below the limit.
fn large_records() -> [(String, bool); 3] {
    let users = format!("x [{}{{}}]", "{\"userId\":\"u\"},".repeat(200_000));
    [(record(&"x".repeat(4_050_000)), true), (record(&users), true), (record(&"x".repeat(3_900_000)), false)]
}

#[test]
fn event_too_large_for_import_is_rejected() {
    let input = large_records().map(|(record, _)| record + "\n").concat();
    for flags in [&["--format", "import"][..], &["--format", "batch-create", "--customer-id", "c"]] {
        let rejected = rejects_twice(input.as_bytes(), flags);
        assert_eq!((line_ends(&rejected.out.events), rejected.code), (1, 1));
        assert!(rejected.out.events.len() < 4_000_000);
        let rejects = rejected.out.rejects();
        assert_eq!(rejects.len(), 2);
        for (reject, line) in rejects.iter().zip(1..) {
            assert_eq!((&reject["reason"], &reject["line"]), (&json!("event_too_large"), &json!(line)));
            let message = reject["message"].as_str().expect("the field is a string");
            assert!(message.contains("bytes, more than 3999000; shorten"), "{message}");
        }
        assert_eq!(raw(&rejects[0]), large_records()[0].0.as_bytes());
        // Another output format has no such limit.
        let bare = run_cli(&["normalize", "--from-rejects", "-"], &rejected.out.rejects);
        assert_eq!((line_ends(&bare.out.events), bare.code), (2, 0));
        let sizes = String::from_utf8_lossy(&bare.out.events).lines().map(str::len).collect::<Vec<_>>();
        for (reject, size) in rejects.iter().zip(sizes) {
            assert!(reject["message"].as_str().is_some_and(|said| said.contains(&format!(": {size} bytes"))));
        }
    }
}

#[test]
fn event_too_large_for_import_is_counted_elsewhere() {
    for (record, is_large) in large_records() {
        let expected = if is_large { json!({"event_too_large": 1}) } else { json!({}) };
        assert_eq!(notes(&record), expected);
    }
}
