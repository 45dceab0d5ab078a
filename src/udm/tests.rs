//! What a caller of the library may put together by hand, and the mapping never makes.

use super::{
    About, Case, Event, EventType, FLUSH_THRESHOLD, IngestionMetadata, Label, OutputShape, StreamTarget,
    Writer,
};
use crate::json::TextValues;
use crate::timestamp::Timestamp;
use serde_json::{Value, json};

const SHAPES: [OutputShape; 5] = [
    OutputShape::Udm(Case::Camel),
    OutputShape::Udm(Case::Snake),
    OutputShape::Parser(Case::Camel),
    OutputShape::Parser(Case::Snake),
    OutputShape::BigQuery,
];

fn event(about: Vec<About<'_>>) -> Event<'_> {
    let time = Timestamp::parse("2024-01-02T03:04:05Z").unwrap();
    Event { about, ..Event::new(time, EventType::GENERIC_EVENT) }
}

fn written(shape: OutputShape, namespace: Option<&str>, about: Vec<About<'_>>) -> Value {
    let event = event(about);
    let feed = IngestionMetadata { namespace: namespace.map(Into::into), ..IngestionMetadata::default() };
    let mut out = Vec::new();
    Writer::new(shape, &feed).write(&event, &mut out);
    let value: Value = serde_json::from_slice(&out).unwrap_or_else(|why| panic!("{why}: {out:?}"));
    value
        .pointer("/events/0/event/idm/readOnlyUdm")
        .or(value.pointer("/events/0/event/idm/read_only_udm"))
        .unwrap_or(&value)
        .clone()
}

#[test]
fn empty_about_entries_are_omitted() {
    let empty = || About::default();
    let unsaid = || {
        let mut about = About::default();
        about.labels.push(Label { key: "options", values: TextValues::of("[null,\"\"]") });
        about
    };
    let user = || About { userid: Some("u1".into()), ..About::default() };
    for shape in SHAPES {
        for namespace in [None, Some("zoom")] {
            let bare = written(shape, namespace, Vec::new());
            assert_eq!(written(shape, namespace, vec![empty(), unsaid()]), bare, "{shape:?}");
            let one = written(shape, namespace, vec![user()]);
            let user_alone = namespace.map_or(
                json!({"user": {"userid": "u1"}}),
                |namespace| json!({"namespace": namespace, "user": {"userid": "u1"}}),
            );
            assert_eq!(one["about"], json!([user_alone]), "{shape:?}");
            assert_eq!(written(shape, namespace, vec![empty(), user(), unsaid()]), one, "{shape:?}");
        }
    }
}

#[test]
fn each_label_value_becomes_its_own_label() {
    let mut about = About::default();
    about.labels.push(Label { key: "options", values: TextValues::of("[1,null,2,3]") });
    let labels: Vec<_> = ["1", "2", "3"].map(|value| json!({"key": "options", "value": value})).into();
    for shape in SHAPES {
        let event = written(shape, None, vec![about.clone()]);
        assert_eq!(event["about"], json!([{"user": {"attribute": {"labels": labels}}}]), "{shape:?}");
    }
}

#[test]
fn streamed_event_equals_the_whole_event() {
    let labelled = |userid: &str, values| {
        let mut about = About { userid: Some(userid.to_owned().into()), ..About::default() };
        about.labels.push(Label { key: "options", values: TextValues::of(values) });
        about
    };
    let long = format!("[{}]", vec!["\"of twenty bytes or so\""; 20].join(","));
    let nothing = About::default;
    // What remains after the last part has each length once, so also that of what stands before the first entry.
    for length in 1..=FLUSH_THRESHOLD {
        let last = labelled(&"u".repeat(length), "[null]");
        let further = [nothing(), labelled("u1", &long), nothing(), labelled("u2", "[1,2]"), last];
        for shape in SHAPES {
            let writer = Writer::new(shape, &IngestionMetadata::default());
            let mut whole = Vec::new();
            writer.write(&event(further.to_vec()), &mut whole);
            let (mut parts, mut out) = (Vec::new(), Vec::new());
            let spill = &mut |out: &mut Vec<u8>| {
                let last = out.pop();
                parts.push(std::mem::take(out));
                out.extend(last);
            };
            let about = &mut further.iter().cloned();
            writer.write_in_parts(&event(Vec::new()), StreamTarget { about, out: &mut out, spill });
            assert!(
                parts.len() > 4 && parts.iter().all(|part| part.len() >= FLUSH_THRESHOLD - 1),
                "{shape:?}"
            );
            assert_eq!([parts.concat(), out].concat(), whole, "{shape:?}, {length}");
        }
    }
}

#[test]
fn feed_label_requires_key_and_value() {
    assert_eq!(IngestionMetadata::label("team=a=b"), Some(("team".into(), "a=b".into())));
    assert_eq!(["team", "team=", "=a", "="].map(IngestionMetadata::label), [const { None }; 4]);
}
