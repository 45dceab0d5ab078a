//! Tests every case in `fixtures/`, and what the cases cover together.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use testkit::files::root;
use testkit::fixtures::{Case, cases, members};
use testkit::normalize::{Out, json_lines, run_chunked};
use zoom_udm::detail::SpliceBuf;
use zoom_udm::mapping::{
    self, Content, KeyedValue, MappingOptions, Profile, ROWS, Row, SettingsOf, Source, Trace,
};
use zoom_udm::normalize::{Options, slice};
use zoom_udm::record::{Field, Record, RecordKind, Scratch};

#[test]
fn each_case_matches_its_snapshot() {
    let mut topics: BTreeMap<String, Results> = BTreeMap::new();
    for case in cases("").iter().filter(|case| case.has_extension("json")) {
        let (topic, name) = case.topic();
        let out = normalized(case);
        let result = json!({"events": out.events(), "rejects": out.rejects()});
        topics.entry(topic.to_owned()).or_default().insert(name.to_owned(), result);
    }
    for (topic, results) in topics {
        let path = root().join("fixtures").join(&topic);
        let differing = differing(&path.with_extension("snap"), &results);
        if !differing.is_empty() {
            eprintln!("{topic}: these cases differ from the snapshot: {}", differing.join(", "));
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().expect("the path has a parent"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = path.file_name().expect("the topic has a name").to_string_lossy();
        settings.bind(|| insta::assert_json_snapshot!(&*name, results));
    }
}

/// The events and rejects of each case of a topic.
type Results = BTreeMap<String, Value>;

/// Returns the cases whose results differ from those of a snapshot, or that only one of both has.
fn differing(snapshot: &Path, results: &Results) -> Vec<String> {
    let text = std::fs::read_to_string(snapshot).unwrap_or_default();
    // The results follow a header between two lines of hyphens.
    let known = text.splitn(3, "---\n").nth(2).unwrap_or("{}");
    let known: Results = serde_json::from_str(known).expect("the snapshot is JSON");
    let names: BTreeSet<_> = known.keys().chain(results.keys()).collect();
    names.into_iter().filter(|name| known.get(*name) != results.get(*name)).cloned().collect()
}

/// Normalizes a case, and asserts that the result is the same in every way of reading it.
fn normalized(Case { name, bytes }: &Case) -> Out {
    let (expected, summary) = run_chunked(name, bytes, usize::MAX, 1, &Options::default());
    assert!(summary.failures.is_empty(), "{name}: {:?}", summary.failures);
    assert_eq!(summary.records, summary.events + summary.rejects, "{name}");
    for piece in [1, 7, 4096, usize::MAX] {
        for threads in [1, 4] {
            let (found, _) = run_chunked(name, bytes, piece, threads, &Options::default());
            assert!(
                found == expected,
                "{name}: {threads} threads and reads of {piece} bytes give another result"
            );
        }
    }
    expected
}

#[test]
fn members_of_an_archive_keep_their_bytes() {
    let archive = b"A comment.\n\n-- a.json --\n{}\n\n-- b--\n-- empty.json --\n-- c.json --\n\xff";
    let found = members(Path::new("x/y"), archive);
    let found: Vec<_> = found.iter().map(|case| (case.topic(), &*case.bytes)).collect();
    let expected: [((&str, &str), &[u8]); 3] =
        [(("x/y", "a.json"), b"{}\n\n-- b--\n"), (("x/y", "empty.json"), b""), (("x/y", "c.json"), b"\xff")];
    assert_eq!(found, expected);
}

#[test]
fn ndjson_fixtures_contain_exactly_the_real_records() {
    let (lines, families): (Vec<_>, Vec<_>) =
        cases("real").into_iter().partition(|case| case.has_extension("ndjson"));
    let sorted = |cases: Vec<Case>| {
        let values = cases.iter().flat_map(|case| json_lines(&case.bytes));
        let mut texts: Vec<_> = values.map(|value| value.to_string()).collect();
        texts.sort();
        texts
    };
    assert_eq!(sorted(families), sorted(lines));
}

#[test]
fn every_mapping_row_is_filled_by_a_fixture() {
    let mut filled = BTreeSet::new();
    for case in cases("") {
        for record in records(&case.bytes) {
            for enrich in [false, true] {
                let rules = MappingOptions { enrich, ..MappingOptions::default() };
                fill(&record.to_string(), rules, &mut filled);
            }
        }
    }
    let bare: Vec<_> = (0..ROWS.len()).filter(|row| !filled.contains(row)).map(|row| &ROWS[row]).collect();
    assert!(bare.is_empty(), "no fixture fills these rows: {bare:#?}");
}

/// Returns the records of a case, up to the first invalid JSON.
fn records(bytes: &[u8]) -> Vec<Value> {
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>().map_while(Result::ok) {
        match value {
            Value::Array(elements) => records.extend(elements),
            Value::Object(mut object) => {
                let lists = ["operation_logs", "activity_logs"].map(|list| object.remove(list));
                let before = records.len();
                for list in lists {
                    if let Some(Value::Array(elements)) = list {
                        records.extend(elements);
                    }
                }
                if records.len() == before {
                    records.push(Value::Object(object));
                }
            }
            _ => {}
        }
    }
    records
}

/// Adds the rows of the mapping that fill the event of a record.
fn fill(text: &str, rules: MappingOptions, filled: &mut BTreeSet<usize>) {
    let (mut scratch, mut cut) = (Scratch::default(), SpliceBuf::default());
    let Ok(record) = Record::read(text, &mut scratch) else { return };
    let content = Content::parse(&record, &mut cut);
    let Some(time) = content.time(&record) else { return };
    let mut rows = Filled(Vec::new());
    let event = mapping::map(
        &record,
        text,
        &content,
        time,
        rules,
        &mut mapping::DiagnosticCounts::default(),
        &mut rows,
    );
    filled.extend(rows.0.iter().map(|(row, _)| *row));
    // These two are set when the event is created, not by a row.
    let of_field = |field| ROWS.iter().position(|row| row.source == Source::Field(field));
    filled.extend(of_field(if record.kind == RecordKind::Webhook { Field::EventTs } else { Field::Time }));
    filled.extend(
        of_field(Field::EventType).filter(|_| {
            record.get(Field::EventType).map(str::trim) == Some(event.metadata.event_type.name())
        }),
    );
}

/// The rows that filled an event, each with its value.
struct Filled(Vec<(usize, String)>);

impl Trace for Filled {
    fn on_fill(&mut self, row: &'static Row, value: &str) {
        let index =
            ROWS.iter().position(|known| std::ptr::eq(known, row)).expect("every row is in the table");
        self.0.push((index, value.to_owned()));
    }

    fn on_keyed(&mut self, row: &'static Row, entry: KeyedValue<'_>) {
        self.on_fill(row, entry.value);
    }
}

/// Returns the options with which a row applies.
fn rules(row: &Row) -> MappingOptions {
    MappingOptions { enrich: row.profile() == Profile::Enriched, ..MappingOptions::default() }
}

#[test]
fn each_row_example_yields_its_value_at_its_path() {
    for row in ROWS {
        let (text, value) = row.example;
        let options = Options { rules: rules(row), ..Options::default() };
        let (events, summary) = slice(example(row, text).to_string().as_bytes(), &options);
        assert_eq!(summary.events, 1, "{row:?}");
        let event = json_lines(&events).remove(0);
        let found = texts_at(&event, row.path);
        assert!(
            found.join(", ") == value || found.iter().any(|found| found == value),
            "{row:?}: found {found:?} in {event:#}"
        );
    }
}

#[test]
fn each_row_example_is_filled_by_that_row() {
    for (index, row) in ROWS.iter().enumerate() {
        let mut filled = BTreeSet::new();
        fill(&example(row, row.example.0).to_string(), rules(row), &mut filled);
        assert!(filled.contains(&index), "{row:?}");
    }
}

/// Returns a record that contains the example of a row.
fn example(row: &Row, text: &str) -> Value {
    if row.profile() == Profile::Enriched {
        let mut record: Value =
            serde_json::from_str(text).expect("the example of an enriched row is a record");
        record["time"] = testkit::normalize::TIME.into();
        return record;
    }
    let is_of = |kind| row.kinds() == [kind];
    let mut record = match row.source {
        Source::Payload { events, .. } => json!({"event": format!("{events}x"), "payload": {}}),
        _ if is_of(RecordKind::Webhook) => json!({"event": "x", "payload": {}}),
        _ if is_of(RecordKind::SignIn) => json!({"type": "Sign in", "email": "a@x.io"}),
        // A category that no row uses for anything else.
        _ => json!({"category_type": "x"}),
    };
    record["time"] = testkit::normalize::TIME.into();
    match row.source {
        Source::Constant | Source::Enriched { .. } => {}
        Source::Field(field) => record[field.name()] = text.into(),
        Source::Detail(_) | Source::Key(_) | Source::FirstUser(_) | Source::FurtherUser(_) => {
            record["operation_detail"] = text.into();
        }
        Source::Payload { field, .. } => put(&mut record["payload"], field.path(), text.into()),
        Source::Settings(of) => {
            let path = if of == SettingsOf::Object { "object.settings" } else { "old_object.settings" };
            put(&mut record["payload"], path, serde_json::from_str(text).expect("settings are JSON"));
        }
    }
    record
}

/// Puts a value below an object.
fn put(object: &mut Value, path: &str, value: Value) {
    *path.split('.').fold(object, |object, key| &mut object[key]) = value;
}

/// Returns the texts at a path of the mapping: all elements of a list, and labels as `key=value`.
fn texts_at(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(|element| texts_at(element, path)).collect(),
        Value::Object(members) if path.is_empty() && members.is_empty() => vec!["{}".to_owned()],
        Value::Object(label) if path.is_empty() => {
            vec![format!("{}={}", text(&label["key"]), text(&label["value"]))]
        }
        _ if path.is_empty() => vec![text(value)],
        Value::Object(members) if path == "*" => members.values().map(text).collect(),
        _ => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            value
                .get(name.trim_end_matches("[]").trim_end_matches("[0]"))
                .map(|inner| texts_at(inner, rest))
                .unwrap_or_default()
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("the leaf is a string").to_owned()
}
