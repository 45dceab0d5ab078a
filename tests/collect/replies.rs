//! Replies that are not a good page of records: what a run makes of each.

use crate::collecting::*;

fn world() -> World {
    let world = World::new(NOW);
    world.zoom.add(spread(0, 264, world.now() - 20 * DAY..world.now()));
    world
}

const ERRORS: [&str; 4] = [
    r#"{"code":3001,"message":"Internal error.","operation_logs":[]}"#,
    r#"{"operation_logs":[],"errors":[{"field":"x","message":"Internal error."}]}"#,
    r#"{"operation_logs":[],"status":"error","reason":"Internal error."}"#,
    r#"{"operation_logs":[],"next_page_token":"","error":{"message":"Internal error."}}"#,
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
