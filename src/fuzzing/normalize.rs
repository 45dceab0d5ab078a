//! Inputs, normalized in one of many ways.

use crate::mapping;
use crate::normalize::{Format, MAX_EVENT_BYTES, Options, TemplateCache};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use once_cell::sync::Lazy;

/// Normalizes: the last two bytes select options, the rest is the input.
pub(super) fn normalize(bytes: &[u8]) {
    if let Some((input, how)) = bytes.split_last_chunk::<2>() {
        hold(input, *how);
    }
}

/// Options for each output shape, compiled once.
static SHAPED: Lazy<[Options; 4]> = Lazy::new(|| {
    let feed = IngestionMetadata {
        namespace: Some("n\"".to_owned()),
        labels: vec![("k".to_owned(), "v".to_owned())],
    };
    let writers = [
        Writer::default(),
        Writer::new(OutputShape::Udm(Case::Snake), &feed),
        Writer::new(OutputShape::Parser(Case::Camel), &feed),
        Writer::new(OutputShape::BigQuery, &IngestionMetadata::default()),
    ];
    writers.map(|writer| Options { writer, compiled: TemplateCache::default(), ..Options::default() })
});

/// Checks the properties of one input normalized in one of many ways.
pub(super) fn hold(input: &[u8], [how, more]: [u8; 2]) {
    const LONGEST: [usize; 4] = [4 << 20, 200, 40, 1];
    const PIECES: [usize; 4] = [1, 2, 7, 64];
    let (format, shape) = (how & 3, how >> 2 & 3);
    let options = Options {
        format: [Format::Auto, Format::Ndjson, Format::Json, Format::Csv][usize::from(format)],
        event_id: how & 16 != 0,
        default_time: (how & 32 != 0).then(|| Timestamp::parse("2024-01-31T00:00:00Z")).flatten(),
        rules: mapping::MappingOptions {
            values: if how & 64 == 0 { mapping::Values::New } else { mapping::Values::Verbatim },
            clip: how & 128 != 0,
            enrich: more & 64 != 0,
        },
        max_line_bytes: LONGEST[usize::from(more & 3)],
        max_event_bytes: if more & 16 == 0 { MAX_EVENT_BYTES } else { 300 },
        reject_large_events: more & 32 != 0,
        ..SHAPED[usize::from(shape)].clone()
    };
    crate::normalize::invariants::input(input, &options, PIECES[usize::from(more >> 2 & 3)]);
}
