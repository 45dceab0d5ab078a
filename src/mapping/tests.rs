//! The template against the typed event and its writer, which define what must come out.

use super::*;
use crate::corpus::{self, Kind};
use crate::detail::Cut;
use crate::record::Scratch;
use crate::udm::{Case, Feed, Shape, Writer};

/// The lines of a corpus that are records.
fn corpus(kind: Kind) -> String {
    let mut bytes = Vec::new();
    corpus::write(kind, 20_000, 3, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Both ways of writing the event of each record, wherever the template takes it; how many it took.
fn compare(text: &str, writer: &Writer, rules: Rules) -> usize {
    let template = Template::new(writer).unwrap();
    let time = Timestamp::parse("2024-01-31T12:00:00.5Z").unwrap();
    let (mut scratch, mut cut, mut taken) = (Scratch::default(), Cut::default(), 0);
    for line in text.lines() {
        let Ok(record) = Record::read(line, &mut scratch) else { continue };
        let detail = record.get(Field::OperationDetail).map(|text| Detail::parse(text, &mut cut));
        let detail = detail.unwrap_or_default();
        let (mut notes, mut twin_notes) = (Notes::default(), Notes::default());
        let (mut out, mut twin) = (Events::default(), Vec::new());
        let event = map(&record, &detail, time, rules, &mut twin_notes, &mut ());
        writer.write(&event, &mut twin);
        let sheet = Sheet { template: &template, source: text.as_bytes(), events: &mut out };
        if let Some(event_type) = write(&record, &detail, &time, rules, &mut notes, sheet) {
            assert_eq!(
                std::str::from_utf8(out.as_bytes()).unwrap(),
                std::str::from_utf8(&twin).unwrap(),
                "{line}"
            );
            assert_eq!((event_type, notes), (event.metadata.event_type, twin_notes));
            taken += 1;
        }
    }
    taken
}

#[test]
fn the_template_writes_what_the_typed_event_writes() {
    let feeds = [
        Feed::default(),
        Feed { namespace: Some("a\"b".to_owned()), labels: vec![("k".to_owned(), "v\\".to_owned()); 2] },
    ];
    for kind in [Kind::Hostile, Kind::Realistic] {
        let text = corpus(kind);
        for (case, feed, values) in [
            (Case::Camel, &feeds[0], Values::New),
            (Case::Snake, &feeds[0], Values::New),
            (Case::Camel, &feeds[1], Values::Verbatim),
            (Case::Snake, &feeds[1], Values::Verbatim),
        ] {
            let rules = Rules { values, clip: false };
            let taken = compare(&text, &Writer::new(Shape::Udm(case), feed), rules);
            assert!(taken > 8_000, "{taken} of 20,000 took the template");
        }
    }
}

#[test]
fn every_row_that_a_plain_detail_fills_is_written_by_the_template() {
    let keys = ROWS.iter().filter_map(|row| if let Source::Key(key) = row.source { Some(key) } else { None });
    let changes = keys.fold(String::new(), |changes, key| changes + " - " + key + ": new " + key);
    let line = format!(
        r#"{{"time":"x","operator":"o@x.io","category_type":"c","action":"a","operation_detail":"Change Role a@x.io B@X.io  - c@x.io: x{changes} - Email Address: A@x.io"}}"#
    );
    assert_eq!(compare(&line, &Writer::default(), Rules::default()), 1);
    let other = line.replace("o@x.io", "SCIM");
    assert_eq!(compare(&other, &Writer::default(), Rules::default()), 1);
}
