//! Tests of inputs that end in the middle.

use testkit::files::gzip;
use testkit::normalize::{descriptions, record, run_cli};

#[test]
fn truncated_gzip_yields_one_error_in_every_format() {
    let records: Vec<_> =
        (0..3000).map(|index| record(&format!("{index} {}", index * 7919 % 10_007))).collect();
    let forms = [
        (records.join("\n"), true),
        (format!("[\n  {}\n]\n", records.join(",\n  ")), true),
        (format!("{{\n\"operation_logs\":[\n  {}\n]}}\n", records.join(",\n  ")), true),
        // On a single line, so no record is complete.
        (format!("[{}]\n", records.join(",")), false),
    ];
    for (text, has_events) in forms {
        let packed = gzip(text.as_bytes());
        for end in [packed.len() / 2, packed.len() / 2 + 1, packed.len() / 2 + 7, packed.len() - 9] {
            let ran = run_cli(&["normalize", "--rejects", "REJECTS"], &packed[..end]);
            assert_eq!((ran.out.rejects().len(), ran.code), (0, 3), "{}", ran.stderr);
            assert_eq!(ran.stderr.matches("truncated").count(), 1, "{}", ran.stderr);
            assert!(!has_events || ran.out.events().len() > 500, "{}", ran.stderr);
        }
    }
}

#[test]
fn last_complete_line_of_truncated_gzip_is_read() {
    let packed = gzip(format!("{}\n{}", record("a"), record("b")).as_bytes());
    // Only the checksum is missing.
    let ran = run_cli(&["normalize", "--rejects", "REJECTS"], &packed[..packed.len() - 4]);
    assert_eq!((descriptions(&ran.out.events()), ran.out.rejects().len(), ran.code), (vec!["a", "b"], 0, 3));
}
