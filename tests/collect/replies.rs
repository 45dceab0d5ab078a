//! Replies that are not a good page of records: what a run makes of each.

use crate::collecting::*;

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
fn error_beside_an_empty_list_finalizes_no_day() {
    for error in ERRORS {
        let world = world();
        world.zoom.pages_fail(When::Always, Act::Answer(200, error.into()));
        world.collect(&["--retries", "1"]).failed_saying(3, &["Internal error.", "HTTP 200"]);
        world.zoom.heal();
        world.advance(HOUR);
        let run = world.collect(&[]).expect(0);
        assert_eq!(run.count("records_written"), 264, "{error}");
        world.even();
    }
}

#[test]
fn error_beside_a_list_is_retried() {
    for error in ERRORS {
        let world = world();
        world.zoom.pages_fail(When::Every(2), Act::Answer(200, error.into()));
        world.collect(&[]).expect(0);
        world.even();
    }
}

/// Whatever a record on a page has in it, the others of its page and day come in, and it is kept once, byte for byte.
#[test]
fn malformed_record_is_kept_aside_once() {
    for odd in [&b"x\xFFy"[..], b"x\x00y", b"x\x1b[31my", b"x\\qy", b"\xE2\x82"] {
        let world = world();
        let time = world.now() - HOUR;
        let raw = [format!("{{\"time\":\"{}\",\"action\":\"", iso(time)).as_bytes(), odd, b"\"}"].concat();
        world.zoom.add([Entry::new(time, raw.clone())]);
        let run = world.collect(&[]).expect(1);
        assert_eq!((run.count("records_written"), run.count("malformed_records")), (264, 1), "{}", run.said);
        assert_eq!(world.balance(By::Ours).missing, 1, "all but the malformed one");
        world.advance(3 * HOUR);
        let again = world.collect(&["--full"]).expect(0);
        assert_eq!((again.count("records_written"), again.count("malformed_records")), (0, 0));
        let kept: Vec<_> =
            world.state().into_iter().filter(|(name, _)| name.contains("manifests/")).collect();
        let kept: Vec<Vec<u8>> = kept.iter().flat_map(|(_, bytes)| malformed(bytes)).collect();
        assert_eq!(kept, [raw]);
    }
}

/// The malformed records that a manifest keeps.
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
fn page_that_is_too_long_is_read_in_smaller_ones() {
    for records in [264, 20] {
        let world = World::new(NOW).with("PAGE_SIZE", "20");
        world.zoom.add(spread(0, records, world.now() - 20 * DAY..world.now()));
        // One day has pages that are too long; with 264 records the first page is read before.
        let busy = world.now() - 10 * DAY;
        world.zoom.add(spread(1000, 20, busy..busy + HOUR));
        world.zoom.manners(|manners| manners.heaviest = Some(6));
        let run = world.collect(&[]).expect(0);
        assert!(run.said.contains("PAGE_SIZE 5"), "{}", run.said);
        world.even();
    }
}

#[test]
fn record_that_is_too_long_names_the_page_size() {
    let world = World::new(NOW).with("PAGE_SIZE", "3");
    world.zoom.add(spread(0, 1, world.now() - HOUR..world.now()));
    world.zoom.manners(|manners| manners.heaviest = Some(0));
    world
        .collect(&["--retries", "1", "--since", "1d"])
        .failed_saying(3, &["67108864 bytes", "PAGE_SIZE is 1"]);
}

#[test]
fn one_token_for_all_pages_is_no_loop() {
    let world = World::new(NOW).with("PAGE_SIZE", "10");
    world.zoom.add(spread(0, 264, world.now() - 20 * DAY..world.now()));
    world.zoom.manners(|manners| manners.one_token = true);
    world.collect(&[]).expect(0);
    world.even();
}

#[test]
fn page_token_that_no_request_carries_ends_with_its_cause() {
    let world = world();
    let page = format!(r#"{{"next_page_token":"{}","operation_logs":[]}}"#, "t".repeat(65_534));
    world.zoom.pages_fail(When::Always, Act::Answer(200, page));
    world.collect(&["--since", "2d"]).failed_saying(3, &["page token is 65534 bytes", "PAGE_SIZE"]);
}

#[test]
fn html_403_is_retried_and_blames_no_scope() {
    for status in [401, 403, 404] {
        let html = Act::Answer(status, "<html>Access denied by policy</html>".into());
        let world = world();
        world.zoom.rule(Only::all(), When::Nth(2), html.clone());
        world.collect(&[]).expect(0);
        world.even();
        world.zoom.pages_fail(When::Always, html);
        let code = if status == 404 { 3 } else { 75 };
        let run = world.collect(&["--retries", "1"]).expect(code);
        assert!(run.said.contains("HTML page") && !run.said.contains("scope"), "{}", run.said);
    }
}
