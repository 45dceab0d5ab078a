//! Counts the records that one thread reads.

use super::analysis::{Analysis, Profile};
use super::tables::Tables;
use crate::detail::{Detail, SpliceBuf};
use crate::explain::{Filled, Sources, is_mapped_by_enrich};
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

/// Returns whether `--enrich` maps all of the record but fields and JSON that the default does not map either; `false` also if
/// that must be found out by mapping it.
fn is_mapped_but_as_default(record: &Record<'_>, content: &Content<'_>) -> bool {
    !record.may_have_others
        && match content {
            Content::Operation(detail) => is_mapped_by_enrich(detail),
            Content::SignIn => true,
            Content::Webhook(_) => false,
        }
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
        let options = |enrich| MappingOptions { enrich, ..MappingOptions::default() };
        let filled = Filled::map(&sources, text, time, options(false));
        let default = Profile { event_type: filled.event_type, filled: Some(&filled) };
        let mut analysis = Analysis { tables, name, sources: &sources, profiles: [default; 2] };
        if is_mapped_but_as_default(record, &content) {
            let build = || Filled::event_type(&sources, text, time, options(true));
            let event_type = filled.enriched_type.unwrap_or_else(build);
            analysis.profiles[1] = Profile { event_type, filled: None };
            analysis.add(text);
        } else {
            let enriched = Filled::map(&sources, text, time, options(true));
            analysis.profiles[1] = Profile { event_type: enriched.event_type, filled: Some(&enriched) };
            analysis.add(text);
        }
        Some(filled.event_type)
    }

    fn is_full(&self) -> bool {
        self.tables.len() > MANY
    }
}
