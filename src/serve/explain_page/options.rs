//! The options in the query of `POST /explain`.

use crate::mapping::{MappingOptions, Values};
use crate::normalize::Options;
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};

/// The maximum length of a line. Explaining a record with very many parts takes 250 times its size in memory.
const MAX_LINE_BYTES: usize = 512 << 10;

/// Parses the mapping options, which are named like the flags.
pub(super) fn parse(query: &[(String, String)]) -> Result<Options, String> {
    let mut options = Options { max_line_bytes: MAX_LINE_BYTES, ..Options::default() };
    let (mut metadata, mut case) = (IngestionMetadata::default(), Case::Camel);
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("values", "new") | ("clip" | "event_id" | "enrich", "0") | ("case", "camel") | (_, "") => {}
            ("values", "verbatim") => {
                options.rules = MappingOptions { values: Values::Verbatim, ..options.rules }
            }
            ("clip", "1") => options.rules.clip = true,
            ("enrich", "1") => options.rules.enrich = true,
            ("event_id", "1") => options.event_id = true,
            ("case", "snake") => case = Case::Snake,
            ("namespace", namespace) => metadata.namespace = Some(namespace.to_owned()),
            ("label", label) => {
                metadata
                    .labels
                    .push(IngestionMetadata::label(label).ok_or("a label is KEY=VALUE, like env=prod")?);
            }
            ("default_time", time) => {
                let wrong = || "the default time is a time like 2024-01-31T00:00:00Z".to_owned();
                options.default_time = Some(Timestamp::parse(time).ok_or_else(wrong)?);
            }
            _ => {
                return Err(
                    "an option is values, case, clip, enrich, event_id, namespace, label or default_time"
                        .to_owned(),
                );
            }
        }
    }
    options.writer = Writer::new(OutputShape::Udm(case), &metadata);
    Ok(options)
}
