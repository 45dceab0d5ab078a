//! `serve --collect` with operation logs and sign-ins: one push collects both.

use serde_json::json;
use testkit::collect::*;
use testkit::serve::Server;
use testkit::serve::pushes::envelope;

const BOTH: &str = "operation,sign-in";

fn world() -> World {
    let world = World::new(NOW).with("COLLECT_LOGS", BOTH);
    let now = world.now();
    world.zoom.add(spread(0, 25, now - 20 * HOUR..now - HOUR));
    world.zoom.add_sign_ins(spread_sign_ins(0, 15, now - 20 * HOUR..now - HOUR));
    world
}

fn collector(world: &World) -> Server {
    let mut command = world.program(&["serve", "--collect", "--run-deadline", "20s"]);
    command.env("COLLECT_FLAGS", "--first-pause 1ms --since 2d");
    Server::start(command)
}

#[test]
fn push_collects_both_reports() {
    let world = world();
    let server = collector(&world);
    let push = envelope(b"", &json!({}));
    assert!(
        server.get("/metrics").text().contains("zoom_udm_collect_records_written_total{log=\"sign_in\"} 0\n")
    );
    let answer = server.push("/collect", &push).expect(200, "done").json();
    for (name, written) in [("operation", 25), ("sign_in", 15)] {
        assert_eq!(answer[name]["records_written"], written, "{answer}");
        assert_eq!(answer[name]["outcome"], "done");
        let metric = format!("zoom_udm_collect_records_written_total{{log=\"{name}\"}} {written}\n");
        assert!(server.get("/metrics").text().contains(&metric), "{metric}");
    }
    world.assert_both_match_zoom();
    assert_eq!(world.zoom.counts().0, 1, "one token for both");
    let line = server.wait_for("POST /collect 200");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("operation: collected") && message.contains("sign_in: collected"), "{line}");
}

#[test]
fn push_reports_trouble_of_one_report() {
    let world = world();
    world.zoom.behavior(|behavior| behavior.sign_in_scope = false);
    let server = collector(&world);
    let push = envelope(b"", &json!({}));
    let answer = server.push("/collect", &push).expect(500, "error").json();
    assert_eq!(answer["operation"]["outcome"], "done", "{answer}");
    assert_eq!(answer["sign_in"]["outcome"], "error", "{answer}");
    world.assert_bucket_matches_zoom();
    let line = server.wait_for("POST /collect 500");
    assert!(line["message"].as_str().unwrap().contains("user_activities:admin"), "{line}");
    // The lag of the one grows, that of the other does not.
    let lag = |name: &str| server.metric(&format!("zoom_udm_collect_lag_seconds{{log=\"{name}\"}} "));
    assert!(lag("operation") < 60.0 && lag("sign_in") > 3600.0);

    world.zoom.behavior(|behavior| behavior.sign_in_scope = true);
    world.zoom.rule(RequestFilter::report(Report::SignIns), When::Always, Act::Daily(Wait::IsoMidnight));
    let answer = server.push("/collect", &push).expect(200, "done").json();
    assert_eq!(answer["sign_in"]["stopped_early"], true, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("limit is used up"), "{answer}");
    world.clear_faults();
    world.zoom.rule(RequestFilter::report(Report::SignIns), When::Always, Act::Busy(120));
    let answer = server.push("/collect", &push).expect(503, "retry").json();
    assert_eq!(answer["operation"]["outcome"], "done", "{answer}");
    world.clear_faults();
    server.push("/collect", &push).expect(200, "done");
    world.assert_both_match_zoom();
}

#[test]
fn source_of_both_reports_must_be_named() {
    let world = world();
    let said = |variables: &[(&str, &str)]| {
        let mut command = world.program(&["serve", "--collect", "--ingest", "--listen", "127.0.0.1:0"]);
        command.env("GCS_PREFIX", "zoom/operationlogs/").env("STATE_KEY", "own/state.json");
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told =
        "operation logs and sign-ins have a directory each; set INGEST_FROM to their parent, gs://zoom/zoom/";
    assert!(said(&[]).contains(told), "{}", said(&[]));
    assert!(said(&[("COLLECT_LOGS", ""), ("COLLECT_FLAGS", "--logs operation,sign-in")]).contains(told));
    for variables in [&[("COLLECT_LOGS", "sign-in")][..], &[("COLLECT_LOGS", "operation")]] {
        let said = said(variables);
        assert!(!said.contains("INGEST_FROM") && said.contains("INGEST_TO is not set"), "{said}");
    }
}
