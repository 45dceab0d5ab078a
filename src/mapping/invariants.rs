//! Properties of the template against the typed event and its writer; used by tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::{
    Content, DiagnosticCounts, EventBuffer, MappingOptions, Template, TemplateWriter, Values, map,
    write_from_template,
};
use crate::detail::{Detail, SpliceBuf};
use crate::record::{Record, Scratch};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use once_cell::sync::Lazy;

/// Two writers that differ in everything that a template depends on, with their templates.
static WRITERS: Lazy<[(Writer, Template); 2]> = Lazy::new(|| {
    let feed = IngestionMetadata {
        namespace: Some("a\"b".to_owned()),
        labels: vec![("k".to_owned(), "v\\".to_owned()); 2],
    };
    [Writer::default(), Writer::new(OutputShape::Udm(Case::Snake), &feed)].map(|writer| {
        let template = Template::new(&writer).unwrap();
        (writer, template)
    })
});

/// Both ways write every line of `text` alike, with any values and names.
pub(crate) fn text(text: &str) {
    for ((writer, template), values) in WRITERS.iter().zip([Values::New, Values::Verbatim]) {
        for enrich in [false, true] {
            let rules = MappingOptions { values, enrich, ..MappingOptions::default() };
            compare(text, writer, template, rules);
        }
    }
}

/// Compares both ways for each record that the template accepts, and returns how many it accepted.
pub(super) fn compare(text: &str, writer: &Writer, template: &Template, rules: MappingOptions) -> usize {
    let time = Timestamp::parse("2024-01-31T12:00:00.5Z").unwrap();
    let (mut scratch, mut cut, mut taken) = (Scratch::default(), SpliceBuf::default(), 0);
    for line in text.lines() {
        let Ok(record) = Record::read(line, &mut scratch) else { continue };
        let content = Content::parse(&record, &mut cut);
        // The template writes no webhook events.
        let none = Detail::default();
        let detail = match &content {
            Content::Operation(detail) => detail,
            Content::SignIn => &none,
            Content::Webhook(_) => continue,
        };
        let (mut notes, mut twin_notes) = (DiagnosticCounts::default(), DiagnosticCounts::default());
        let (mut out, mut twin) = (EventBuffer::default(), Vec::new());
        let event = map(&record, line, &content, time, rules, &mut twin_notes, &mut ());
        writer.write(&event, &mut twin);
        let sheet = TemplateWriter { template, source: text.as_bytes(), events: &mut out };
        if let Some(event_type) = write_from_template(&record, detail, &time, rules, &mut notes, sheet) {
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
