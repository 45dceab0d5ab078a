//! Counts the records that one thread reads.

use super::analysis::Analysis;
use super::tables::{PROFILES, Tables};
use crate::detail::{Detail, SpliceBuf};
use crate::explain::{Filled, Sources};
use crate::mapping::{Content, MappingOptions};
use crate::normalize::{Options, RecordObserver};
use crate::record::{Field, Record, RecordKind};
use crate::udm::EventType;

/// Counts records.
#[derive(Debug, Default)]
pub(super) struct Observer {
    pub(super) tables: Tables,
    cut: SpliceBuf,
    /// A buffer for names.
    name: String,
}

/// The number of names that are collected before they are merged.
const MANY: usize = 2000;

impl RecordObserver for Observer {
    fn observe(&mut self, record: &Record<'_>, text: &str, options: &Options) -> Option<EventType> {
        let Self { tables, cut, name } = self;
        let mut nothing = SpliceBuf::default();
        let detail_text = record.get(Field::OperationDetail).unwrap_or_default();
        let (detail, spans) = Detail::parse_with_spans(detail_text, cut);
        let content = match record.kind {
            RecordKind::Operation => Content::Operation(detail),
            _ => Content::parse(record, &mut nothing),
        };
        let own_time = content.time_and_source(record);
        let time = own_time.map(|(time, _)| time).or(options.default_time)?;
        let sources = Sources::new(record, &content, &spans, own_time.map(|(_, source)| source));
        let filled = PROFILES.map(|enrich| {
            Filled::map(&sources, text, time, MappingOptions { enrich, ..MappingOptions::default() })
        });
        Analysis { tables, name, sources: &sources, filled: &filled }.add(text);
        Some(filled[0].event_type)
    }

    fn is_full(&self) -> bool {
        self.tables.len() > MANY
    }
}
