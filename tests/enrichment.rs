//! Tests `--enrich` with the cases of the conformance tests, with fixtures, and against the default.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testdata::Kind;
use testkit::files::root;
use testkit::fixtures::cases;
use testkit::normalize::{TIME, json_lines, run_cli};
use zoom_udm::explain::{self, Outcome};
use zoom_udm::mapping::{MappingOptions, Values};
use zoom_udm::normalize::{Options, slice};
use zoom_udm::timestamp::Timestamp;
use zoom_udm::udm::{EventType, Needs};

/// The time of records of the conformance tests that have none.
const CASE_TIME: &str = "2024-06-07T10:00:00Z";

fn options(enrich: bool) -> Options {
    let rules = MappingOptions { enrich, ..MappingOptions::default() };
    Options { rules, default_time: Timestamp::parse(CASE_TIME), ..Options::default() }
}

/// Returns the events of a text.
fn events(text: &[u8], options: &Options) -> Vec<Value> {
    json_lines(&slice(text, options).0)
}

fn enriched(record: &Value) -> Value {
    events(record.to_string().as_bytes(), &options(true)).remove(0)
}

#[test]
fn each_case_gives_its_event() {
    let path = root().join("tests/conformance/enrichment_cases.json");
    let cases: Vec<Value> =
        serde_json::from_slice(&std::fs::read(path).expect("the cases are readable")).expect("valid JSON");
    let mut wrong = Vec::new();
    for case in &cases {
        let mut options = options(true);
        if case["options"]["values"] == "verbatim" {
            options.rules.values = Values::Verbatim;
        }
        let event = events(case["record"].to_string().as_bytes(), &options).remove(0);
        let (found, wanted) = decided(event, case);
        if found != wanted {
            wrong.push(format!("{}: {}\nfound  {found}\nwanted {wanted}", case["rule"], case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

/// Returns the part of an event that a case states, and what it states.
fn decided(mut event: Value, case: &Value) -> (Value, Value) {
    let mut wanted = case["event"].clone();
    wanted["eventType"] = case["eventType"].clone();
    wanted["target"]["application"] = "Zoom".into();
    event["eventType"] = event["metadata"]["eventType"].clone();
    let (Some(members), Some(wanted_members)) = (event.as_object_mut(), wanted.as_object_mut()) else {
        return (event, wanted);
    };
    members.remove("metadata");
    for name in ["principal", "additional"] {
        if !wanted_members.contains_key(name) {
            members.remove(name);
        }
    }
    // A member that is null must be absent.
    wanted_members.retain(|_, value| !value.is_null());
    (event, wanted)
}

#[test]
fn each_fixture_matches_its_snapshot() {
    let found = cases("enriched");
    assert!(found.len() > 3);
    for case in found {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(root().join("fixtures/enriched"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let (_, name) = case.topic();
        let events = events(&case.bytes, &options(true));
        settings.bind(|| insta::assert_json_snapshot!(name.trim_end_matches(".ndjson"), events));
    }
}

/// Records of every kind: all fixtures, and generated ones.
fn records() -> Vec<Value> {
    let mut records = Vec::new();
    for case in cases("") {
        let lines = String::from_utf8_lossy(&case.bytes).into_owned();
        records.extend(lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    for kind in [Kind::Hostile, Kind::Realistic, Kind::SignIns, Kind::Webhooks] {
        let mut bytes = Vec::new();
        testdata::write(kind, 1000, 5, &mut bytes).expect("writing to memory cannot fail");
        let lines = String::from_utf8_lossy(&bytes).into_owned();
        records.extend(lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    records.retain(Value::is_object);
    records
}

#[test]
fn no_text_of_published_records_is_unmapped() {
    let mut unmapped = Vec::new();
    for case in cases("real") {
        for told in explain::slice(&case.bytes, &options(true)) {
            let Outcome::Event(story) = told.outcome else { continue };
            let left = story.unmapped.into_iter().filter(|left| left.kind != "empty");
            unmapped.extend(left.map(|left| format!("{}: {left:?}", case.name)));
        }
    }
    assert!(unmapped.is_empty(), "{unmapped:#?}");
}

#[test]
fn each_event_meets_the_needs_of_its_type() {
    let mut types = BTreeSet::new();
    for record in records() {
        for event in events(record.to_string().as_bytes(), &options(true)) {
            let name = event["metadata"]["eventType"].as_str().expect("every event has a type").to_owned();
            let needs = EventType::named(&name).expect("the type is known").needs();
            assert!(meets(&event, needs), "{needs:?} of {event}\n{record}");
            types.insert(name);
        }
    }
    assert!(types.len() > 12, "{types:?}");
}

fn meets(event: &Value, needs: Needs) -> bool {
    let (principal, target) = (event["principal"]["user"].is_object(), event["target"]["user"].is_object());
    let has_principal = event["principal"].is_object();
    match needs {
        Needs::Nothing => true,
        Needs::User => principal || target,
        Needs::TargetUser => target,
        Needs::Resource => principal && event["target"]["resource"].is_object(),
        Needs::Group => principal && event["target"]["group"]["groupDisplayName"].is_string(),
        Needs::Login => has_principal && target && event["extensions"]["auth"].is_object(),
        Needs::Setting => has_principal && event["target"]["resource"]["resourceType"] == "SETTING",
    }
}

#[test]
fn enriched_events_keep_what_the_default_says() {
    for record in records() {
        let text = record.to_string();
        let (Some(mut plain), Some(mut rich)) =
            (events(text.as_bytes(), &options(false)).pop(), events(text.as_bytes(), &options(true)).pop())
        else {
            continue;
        };
        for event in [&mut plain, &mut rich] {
            let metadata = event["metadata"].as_object_mut().expect("every event has metadata");
            metadata.remove("eventType");
        }
        assert_eq!(plain["metadata"], rich["metadata"], "{record}");
        // A participant's address, and who signed in, are added.
        assert!(contains(&rich["principal"], &plain["principal"]), "{record}\n{plain}\n{rich}");
        assert!(contains(&rich["additional"], &plain["additional"]), "{record}\n{plain}\n{rich}");
        let names = ["userDisplayName", "firstName", "lastName", "title", "department", "roleDescription"];
        for name in names {
            assert_eq!(plain["target"]["user"][name], rich["target"]["user"][name], "{record}");
        }
        assert_eq!(plain["target"]["location"], rich["target"]["location"], "{record}");
        assert_eq!(rich["target"]["application"], "Zoom");
    }
}

/// Returns whether a value has everything that another has.
fn contains(value: &Value, other: &Value) -> bool {
    match (value, other) {
        (_, Value::Null) => true,
        (Value::Object(value), Value::Object(other)) => {
            other.iter().all(|(name, other)| value.get(name).is_some_and(|value| contains(value, other)))
        }
        _ => value == other,
    }
}

#[test]
fn many_addresses_roles_and_members_take_linear_time() {
    let roles =
        |n: usize| (0..n).map(|n| format!("a{}@x.io: from A{n} to B{n}", n % 1000)).collect::<Vec<_>>();
    let changes = (0..50_000).map(|n| format!("Type: A{n}")).collect::<Vec<_>>();
    for detail in [
        format!("Change Role  - {}", roles(50_000).join(" - ")),
        format!("Change Role  - {}", vec!["a@x.io: from A to B"; 50_000].join(" - ")),
        format!("Update User a@x.io  - {}", changes.join(" - ")),
        (0..50_000).map(|n| format!("a{n}@x.io")).collect::<Vec<_>>().join(" "),
        format!("Change account setting {}", "x from y to z ".repeat(20_000)),
    ] {
        let record =
            json!({"time": TIME, "operator": "o@x.io", "category_type": "User", "operation_detail": detail});
        assert_eq!(enriched(&record)["target"]["application"], "Zoom");
    }
    let members = (0..100_000).map(|n| format!("\"m{n}\":{n}")).collect::<Vec<_>>().join(",");
    let record = format!(r#"{{"time":"{TIME}","operator":"o@x.io",{members}}}"#);
    let event = events(record.as_bytes(), &options(true)).remove(0);
    assert_eq!(event["additional"].as_object().map(serde_json::Map::len), Some(100_000));
}

#[test]
fn flag_enriches_on_the_command_line() {
    let record = json!({"time": TIME, "operator": "o@x.io", "category_type": "User", "operation_detail": "Delete User a@x.io"});
    let record = record.to_string();
    let seen = run_cli(&["normalize", "--enrich"], record.as_bytes());
    assert_eq!(seen.out.events(), events(record.as_bytes(), &options(true)));
    let told = run_cli(&["explain", "--enrich", "--format", "json"], record.as_bytes()).out.events();
    assert_eq!(told[0]["event"]["metadata"]["eventType"], "USER_DELETION");
    let rules: Vec<&Value> = told[0]["fills"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|fill| fill["path"] == "metadata.eventType")
        .map(|fill| &fill["rule"]["source"])
        .collect();
    assert_eq!(rules, ["enriched"]);
}
