//! The template against the typed event and its writer, which define what must come out.

use super::*;
use crate::detail::SpliceBuf;
use crate::record::{Field, Record, Scratch};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use testdata::Kind;

fn compare(text: &str, writer: &Writer, rules: MappingOptions) -> usize {
    invariants::compare(text, writer, &Template::new(writer).unwrap(), rules)
}

/// The lines of a corpus that are records.
fn corpus(kind: Kind) -> String {
    let mut bytes = Vec::new();
    testdata::write(kind, 20_000, 3, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns an operation log in Zoom's layout, if it needs no escape.
fn in_zoom_layout(line: &str) -> Option<String> {
    let mut scratch = Scratch::default();
    let record = Record::read(line, &mut scratch).ok().filter(|record| record.verbatim)?;
    let fields = ["time", "operator", "category_type", "action", "operation_detail"];
    let members = fields.map(|name| {
        let field = Field::ALL.into_iter().find(|field| field.name() == name);
        format!("\"{name}\":\"{}\"", field.and_then(|field| record.get(field)).unwrap_or_default())
    });
    Some(format!("{{{}}}\n", members.join(",")))
}

#[test]
fn template_output_matches_the_typed_event() {
    let feeds = [
        IngestionMetadata::default(),
        IngestionMetadata {
            namespace: Some("a\"b".to_owned()),
            labels: vec![("k".to_owned(), "v\\".to_owned()); 2],
        },
    ];
    for kind in [Kind::Hostile, Kind::Realistic] {
        let text = corpus(kind);
        let text = text.clone() + &text.lines().filter_map(in_zoom_layout).collect::<String>();
        for (case, feed, values) in [
            (Case::Camel, &feeds[0], Values::New),
            (Case::Snake, &feeds[0], Values::New),
            (Case::Camel, &feeds[1], Values::Verbatim),
            (Case::Snake, &feeds[1], Values::Verbatim),
        ] {
            for enrich in [false, true] {
                let rules = MappingOptions { values, enrich, ..MappingOptions::default() };
                let taken = compare(&text, &Writer::new(OutputShape::Udm(case), feed), rules);
                assert!(taken > 6_000, "{taken} of 20,000 took the template: {rules:?}");
            }
        }
    }
}

#[test]
fn template_writes_every_row_of_a_plain_detail() {
    let keys = ROWS.iter().filter_map(|row| if let Source::Key(key) = row.source { Some(key) } else { None });
    let changes = keys.fold(String::new(), |changes, key| changes + " - " + key + ": new " + key);
    let line = format!(
        r#"{{"time":"x","operator":"o@x.io","category_type":"c","action":"a","operation_detail":"Change Role a@x.io B@X.io  - c@x.io: x{changes} - Email Address: A@x.io"}}"#
    );
    for line in [&line, &line.replace("o@x.io", "SCIM")] {
        assert_eq!(compare(line, &Writer::default(), MappingOptions::default()), 1);
    }
}

#[test]
fn enriched_template_writes_operations_of_every_class() {
    let keys = ROWS.iter().filter_map(|row| if let Source::Key(key) = row.source { Some(key) } else { None });
    let changes = keys.fold(String::new(), |changes, key| changes + " - " + key + ": from old to new " + key);
    let rules = MappingOptions { enrich: true, ..MappingOptions::default() };
    let mut taken = 0;
    for category in ["", "User", "Group", "Role", "Account", "Phone Number", "Recording", "x"] {
        for head in [
            "",
            "Update a@x.io",
            "Deactivate User Ann",
            "Change Role",
            "Change account setting A from B to C",
            "Delete recording for meeting 1 2",
            "Assign Phone Number +1 from Ann to Bob",
            "Security",
        ] {
            for detail in [
                head.to_owned(),
                format!("{head}  - moved - a@x.io: from User to Admin{changes} - Email Address: from c to d"),
            ] {
                let line = format!(
                    r#"{{"time":"x","operator":"o@x.io","category_type":"{category}","action":"a","operation_detail":"{detail}"}}"#
                );
                taken += compare(&line, &Writer::default(), rules);
            }
        }
    }
    assert_eq!(taken, 8 * 8 * 2);
}

#[test]
fn buffer_has_room_for_any_long_event() {
    let long = "x".repeat(10_000);
    let feed =
        IngestionMetadata { namespace: Some(long.clone()), labels: vec![("k".to_owned(), long.clone())] };
    for (feed, text) in [(IngestionMetadata::default(), &*long), (feed.clone(), "x"), (feed, &long)] {
        for detail in [
            format!("Add a@x.io  - Type: from {text} to y{text}"),
            format!("Change account setting {text} from {text} to y{text}"),
            format!("{text}  - {text}: from {text} to y{text}"),
            format!("Delete recording for meeting {}", "1 ".repeat(text.len())),
        ] {
            for category in [text, "User", "Group", "Account", "Recording"] {
                let line = format!(
                    r#"{{"time":"x","operator":"o","category_type":"{category}","action":"{text}","operation_detail":"{detail}"}}"#
                );
                for enrich in [false, true] {
                    let rules = MappingOptions { enrich, ..MappingOptions::default() };
                    let writer = Writer::new(OutputShape::Udm(Case::Camel), &feed);
                    assert_eq!(compare(&line, &writer, rules), 1);
                }
            }
        }
    }
}

#[test]
fn template_rejects_detail_with_json() {
    let line = r#"{"operation_detail":"X  - Display Name: a [{}] b"}"#;
    assert_eq!(compare(line, &Writer::default(), MappingOptions::default()), 0);
}

fn event(record: &str) -> serde_json::Value {
    event_by(MappingOptions::default(), record)
}

fn event_by(rules: MappingOptions, record: &str) -> serde_json::Value {
    event_and_notes(rules, record).0
}

/// The event of a record, as the typed event's writer has it, and what was noted.
fn event_and_notes(rules: MappingOptions, text: &str) -> (serde_json::Value, DiagnosticCounts) {
    let (mut scratch, mut cut, mut line) = (Scratch::default(), SpliceBuf::default(), Vec::new());
    let mut notes = DiagnosticCounts::default();
    let record = Record::read(text, &mut scratch).unwrap();
    let content = Content::parse(&record, &mut cut);
    let time = Timestamp::parse("2024-01-31T12:00:00Z").unwrap();
    let event = map(&record, text, &content, time, rules, &mut notes, &mut ());
    Writer::default().write(&event, &mut line);
    (serde_json::from_slice(&line).unwrap(), notes)
}

#[test]
fn only_values_over_udm_limits_are_clipped() {
    let rules = MappingOptions { clip: true, ..MappingOptions::default() };
    for (of_action, of_detail, cut) in [(64, 1024, 0), (65, 1024, 1), (64, 1025, 1), (100, 2000, 2)] {
        let (action, detail) = ("a".repeat(of_action), "d".repeat(of_detail));
        let record = serde_json::json!({"action": action, "operation_detail": detail}).to_string();
        let (event, notes) = event_and_notes(rules, &record);
        assert_eq!(event["metadata"]["productEventType"], action[..64]);
        assert_eq!(event["metadata"]["description"], detail[..1024]);
        assert_eq!(notes.count(Diagnostic::Clipped), cut, "{of_action}, {of_detail}");
    }
}

#[test]
fn typed_event_contains_the_record_values() {
    let event = event(
        r#"{"operator":"o@x.io","action":"Update","operation_detail":"Update a@x.io  - Email Address: A@x.io - Display Name: set to Ann - User Role: Admin [{\"userId\":\"u1\",\"assistant\":\"b@x.io\",\"options\":[1]},{\"assistant\":\"c\"}]"}"#,
    );
    assert_eq!(event["metadata"]["productEventType"], "Update");
    assert_eq!(event["principal"]["user"]["emailAddresses"], serde_json::json!(["o@x.io"]));
    let labels =
        serde_json::json!([{"key": "assistant", "value": "b@x.io"}, {"key": "options", "value": "1"}]);
    let expected = serde_json::json!({
        "userid": "u1", "emailAddresses": ["a@x.io"], "userDisplayName": "Ann",
        "attribute": {"roles": [{"name": "Admin"}], "labels": labels},
    });
    assert_eq!(event["target"]["user"], expected);
    let about =
        serde_json::json!([{"user": {"attribute": {"labels": [{"key": "assistant", "value": "c"}]}}}]);
    assert_eq!(event["about"], about);
}

#[test]
fn empty_value_clears_an_earlier_value() {
    for values in [Values::New, Values::Verbatim] {
        let event = event_by(
            MappingOptions { values, ..MappingOptions::default() },
            r#"{"operation_detail":"Update a@x.io  - First Name: - Display Name: Ann - Display Name:"}"#,
        );
        assert_eq!(event["target"]["user"], serde_json::json!({"emailAddresses": ["a@x.io"]}));
    }
}

#[test]
fn equal_roles_are_merged_and_others_kept() {
    for (role, roles) in
        [("B", serde_json::json!([{"name": "B"}])), ("C", serde_json::json!([{"name": "B"}, {"name": "C"}]))]
    {
        let event = event(&format!(
            r#"{{"operation_detail":"Change Role  - a@x.io: from A to {role} - User Role: B"}}"#
        ));
        assert_eq!(event["target"]["user"]["attribute"]["roles"], roles);
    }
}

#[test]
fn event_naming_a_user_gets_a_user_event_type() {
    for (record, expected) in [
        (r#"{"operator":"o@x.io"}"#, "USER_UNCATEGORIZED"),
        (r#"{"operator":"SCIM"}"#, "USER_UNCATEGORIZED"),
        (r#"{"operation_detail":"Add a@x.io"}"#, "USER_UNCATEGORIZED"),
        (r#"{"operation_detail":"Add Group"}"#, "GENERIC_EVENT"),
        (r#"{"operator":"o@x.io","event_type":"STATUS_UPDATE"}"#, "STATUS_UPDATE"),
        (r#"{"operator":"o@x.io","event_type":"USER_LOGIN"}"#, "USER_UNCATEGORIZED"),
    ] {
        assert_eq!(event(record)["metadata"]["eventType"], expected, "{record}");
    }
}

#[test]
fn rows_are_found_by_key_and_messages_are_unique() {
    assert!(matches!(row_of_key("Display Name").unwrap().source, Source::Key("Display Name")));
    assert!(row_of_key("Passcode").is_none());
    for (index, note) in Diagnostic::ALL.into_iter().enumerate() {
        assert!(note.message().len() > 20);
        assert!(
            Diagnostic::ALL[..index]
                .iter()
                .all(|other| other.message() != note.message() && other.name() != note.name())
        );
    }
}

#[test]
fn non_user_elements_are_counted_and_skipped() {
    let text = r#"{"time":"2024-01-01T00:00:00Z","operation_detail":"x [{\"userId\":1},5,{},[],{\"userId\":2},null]"}"#;
    let (mut scratch, mut cut, mut notes) = <(Scratch, SpliceBuf, DiagnosticCounts)>::default();
    let record = Record::read(text, &mut scratch).unwrap();
    let content = Content::parse(&record, &mut cut);
    let time = content.time(&record).unwrap();
    let event = map(&record, text, &content, time, MappingOptions::default(), &mut notes, &mut ());
    assert_eq!(notes.count(Diagnostic::JsonSkipped), 3);
    assert_eq!(event.target.user.userid.as_deref(), Some("1"));
    assert!(event.about.iter().map(|about| about.userid.as_deref()).eq([Some("2")]));
}

#[test]
fn diagnostic_counts_add_and_merge() {
    let (mut notes, mut others) = (DiagnosticCounts::default(), DiagnosticCounts::default());
    notes.add(Diagnostic::Clipped, 2);
    notes.add(Diagnostic::Clipped, 3);
    notes.add(Diagnostic::DefaultTime, 0);
    others.add(Diagnostic::Clipped, 4);
    others.add(Diagnostic::JsonSkipped, 1);
    notes.merge(&others);
    let counts =
        [Diagnostic::Clipped, Diagnostic::DefaultTime, Diagnostic::JsonSkipped].map(|note| notes.count(note));
    assert_eq!(counts, [9, 0, 1]);
}

#[test]
fn event_buffer_appends_in_order() {
    let mut events = EventBuffer::default();
    for text in ["first", "", "2nd"] {
        events.append(|out| out.extend_from_slice(text.as_bytes()));
    }
    let mut all = events.take();
    assert_eq!(events.as_bytes(), b"");
    all.extend_from_slice(b"3rd");
    events.put(all);
    events.append(|out| out.extend_from_slice(b"4th"));
    assert_eq!(events.as_bytes(), b"first2nd3rd4th");
}
