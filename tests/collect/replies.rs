//! Tests of responses that are not a valid page of records.

use testkit::collect::*;

fn world() -> World {
    let world = World::new(NOW);
    world.zoom.add(spread(0, 264, world.now() - 20 * DAY..world.now()));
    world
}

const ERRORS: [&str; 5] = [
    r#"{"code":3001,"message":"Internal error.","operation_logs":[]}"#,
    r#"{"operation_logs":[],"errors":[{"field":"x","message":"Internal error."}]}"#,
    r#"{"operation_logs":[],"status":"error","reason":"Internal error."}"#,
    r#"{"operation_logs":[],"next_page_token":"","error":{"message":"Internal error."}}"#,
    r#"{"data":{"code":3001,"message":"Internal error."},"operation_logs":[]}"#,
];

#[test]
fn error_with_an_empty_list_finalizes_no_day() {
    for error in ERRORS {
        let world = world();
        world.zoom.pages_fail(When::Always, Act::Answer(200, error.into()));
        world.collect(&["--retries", "1"]).assert_failed_with(3, &["Internal error.", "HTTP 200"]);
        world.zoom.clear_faults();
        world.advance(HOUR);
        let run = world.collect(&[]).expect(0);
        assert_eq!(run.count("records_written"), 264, "{error}");
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn error_with_a_list_is_retried() {
    for error in ERRORS {
        let world = world();
        world.zoom.pages_fail(When::Every(2), Act::Answer(200, error.into()));
        world.collect(&[]).expect(0);
        world.assert_bucket_matches_zoom();
    }
}

/// A malformed record does not affect the others of its page and day, and is stored once, byte for byte.
#[test]
fn malformed_record_is_quarantined_once() {
    for odd in [&b"x\xFFy"[..], b"x\x00y", b"x\x1b[31my", b"x\\qy", b"\xE2\x82"] {
        let world = world();
        let time = world.now() - HOUR;
        let raw = [format!("{{\"time\":\"{}\",\"action\":\"", iso(time)).as_bytes(), odd, b"\"}"].concat();
        world.zoom.add([Entry::new(time, raw.clone())]);
        let run = world.collect(&[]).expect(1);
        assert_eq!((run.count("records_written"), run.count("malformed_records")), (264, 1), "{}", run.said);
        assert_eq!(world.balance(Implementation::Ours).missing, 1, "only the malformed record is missing");
        world.advance(3 * HOUR);
        let again = world.collect(&["--full"]).expect(0);
        assert_eq!((again.count("records_written"), again.count("malformed_records")), (0, 0));
        let kept: Vec<_> =
            world.state().into_iter().filter(|(name, _)| name.contains("manifests/")).collect();
        let kept: Vec<Vec<u8>> = kept.iter().flat_map(|(_, bytes)| malformed(bytes)).collect();
        assert_eq!(kept, [raw]);
    }
}

/// Returns the malformed records in a manifest.
fn malformed(manifest: &[u8]) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let manifest: serde_json::Value = serde_json::from_str(&gunzip(manifest)).unwrap();
    let bytes = |reject: &serde_json::Value| match reject["raw"].as_str() {
        Some(raw) => raw.as_bytes().to_vec(),
        None => base64::prelude::BASE64_STANDARD.decode(reject["raw_base64"].as_str().unwrap()).unwrap(),
    };
    manifest["malformed"].as_array().into_iter().flatten().map(bytes).collect()
}

#[test]
fn oversized_page_is_read_in_smaller_pages() {
    for records in [264, 20] {
        let world = World::new(NOW).with("PAGE_SIZE", "20");
        world.zoom.add(spread(0, records, world.now() - 20 * DAY..world.now()));
        // One day has oversized pages. With 264 records, the first page is read before it.
        let busy = world.now() - 10 * DAY;
        world.zoom.add(spread(1000, 20, busy..busy + HOUR));
        world.zoom.behavior(|behavior| behavior.heaviest = Some(6));
        let run = world.collect(&[]).expect(0);
        assert!(run.said.contains("PAGE_SIZE 5"), "{}", run.said);
        world.assert_bucket_matches_zoom();
    }
}

#[test]
fn oversized_record_error_names_the_page_size() {
    let world = World::new(NOW).with("PAGE_SIZE", "3");
    world.zoom.add(spread(0, 1, world.now() - HOUR..world.now()));
    world.zoom.behavior(|behavior| behavior.heaviest = Some(0));
    world
        .collect(&["--retries", "1", "--since", "1d"])
        .assert_failed_with(3, &["67108864 bytes", "PAGE_SIZE is 1"]);
}

#[test]
fn repeated_page_token_is_not_an_endless_loop() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    world.zoom.add(spread(0, 264, world.now() - 20 * DAY..world.now()));
    world.zoom.behavior(|behavior| behavior.one_token = true);
    world.collect(&[]).expect(0);
    world.assert_bucket_matches_zoom();
}

#[test]
fn overlong_page_token_is_reported() {
    let world = world();
    let page = format!(r#"{{"next_page_token":"{}","operation_logs":[]}}"#, "t".repeat(65_534));
    world.zoom.pages_fail(When::Always, Act::Answer(200, page));
    world.collect(&["--since", "2d"]).assert_failed_with(3, &["page token is 65534 bytes", "PAGE_SIZE"]);
}

#[test]
fn html_403_is_retried_without_a_scope_hint() {
    for status in [401, 403, 404] {
        let html = Act::Answer(status, "<html>Access denied by policy</html>".into());
        let world = world();
        world.zoom.rule(RequestFilter::all(), When::Nth(2), html.clone());
        world.collect(&[]).expect(0);
        world.assert_bucket_matches_zoom();
        world.zoom.pages_fail(When::Always, html);
        let code = if status == 404 { 3 } else { 75 };
        let run = world.collect(&["--retries", "1"]).expect(code);
        assert!(run.said.contains("HTML page") && !run.said.contains("scope"), "{}", run.said);
    }
}
