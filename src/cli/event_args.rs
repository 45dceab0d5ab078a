//! The mapping flags, shared by all commands that produce events.

use super::clock;
use super::error::CliError;
use crate::mapping::{MappingOptions, Values};
use crate::normalize::{DEFAULT_MAX_LINE_BYTES, Format, Limits, Options, RequestFormat};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// How records become events, and the output format.
#[derive(Args, PartialEq)]
pub(super) struct EventArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: EventFormat,
    #[command(flatten)]
    rules: MappingArgs,
    /// With --format batch-create: SecOps customer ID
    #[arg(long, value_name = "ID", required_if_eq("format", "batch-create"), value_parser = NonEmptyStringValueParser::new())]
    customer_id: Option<String>,
    /// With --format import or batch-create: maximum events per request [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    request_events: Option<u64>,
    /// With --format import or batch-create: maximum bytes per request [default: 2000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    request_bytes: Option<u64>,
}

/// How records become events.
#[derive(Args, PartialEq)]
pub(super) struct MappingArgs {
    /// Spelling of field names
    #[arg(long, value_enum, default_value_t)]
    case: CaseFlag,
    /// Map a change's new value, or Zoom's full text
    #[arg(long, value_enum, default_value_t)]
    values: ValuesFlag,
    /// Truncate values to UDM's documented maximum lengths
    #[arg(long)]
    clip: bool,
    /// Map all text, and refine event types
    #[arg(long)]
    enrich: bool,
    /// Namespace to set on every principal, target and about
    #[arg(long, value_name = "NS", value_parser = NonEmptyStringValueParser::new())]
    namespace: Option<String>,
    /// Ingestion label for every event; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Set metadata.productLogId to a stable ID of the record
    #[arg(long)]
    event_id: bool,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// How records are read.
#[derive(Args, PartialEq)]
pub(super) struct ReadingArgs {
    /// Timestamp for records without a usable time: `now` or a time like 2024-01-31T00:00:00Z
    #[arg(long, value_name = "now|TIME")]
    default_time: Option<String>,
    /// How inputs are split into records
    #[arg(long, value_enum, default_value_t)]
    input_format: InputFormat,
    /// Longest accepted line in bytes
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES as u64, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_line_bytes: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EventFormat {
    /// One event per line
    #[default]
    Udm,
    /// One events:import request per line
    Import,
    /// One udmevents:batchCreate request per line
    BatchCreate,
    /// Output format of Google's runParser
    Parser,
    /// Rows as in the BigQuery export, in snake_case
    Bigquery,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum CaseFlag {
    #[default]
    Camel,
    Snake,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ValuesFlag {
    #[default]
    New,
    Verbatim,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    #[default]
    Auto,
    Ndjson,
    Json,
    /// Zoom's export of operation logs
    Csv,
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    IngestionMetadata::label(text).ok_or_else(|| "expected KEY=VALUE, like env=prod".to_owned())
}

impl EventArgs {
    /// Returns the options of normalize that these flags determine.
    pub(super) fn options(&self) -> Result<Options, CliError> {
        self.validate()?;
        let case = self.rules.case();
        let options = self.rules.with_shape(match self.format {
            EventFormat::Udm | EventFormat::Import | EventFormat::BatchCreate => OutputShape::Udm(case),
            EventFormat::Parser => OutputShape::Parser(case),
            EventFormat::Bigquery => OutputShape::BigQuery,
        })?;
        Ok(Options { reject_large_events: self.requests().is_some(), ..options })
    }

    /// Refuses flags that the format does not use.
    fn validate(&self) -> Result<(), CliError> {
        let batches = self.format == EventFormat::BatchCreate;
        let requests = batches || self.format == EventFormat::Import;
        for (given, used, flag, formats) in [
            (self.customer_id.is_some(), batches, "--customer-id", "batch-create"),
            (self.request_events.is_some(), requests, "--request-events", "import or batch-create"),
            (self.request_bytes.is_some(), requests, "--request-bytes", "import or batch-create"),
        ] {
            if given && !used {
                return Err(CliError::Usage(format!(
                    "{flag} requires --format {formats}; pass that, or omit the flag"
                )));
            }
        }
        Ok(())
    }

    /// Returns the format and size of requests, if events are grouped.
    pub(super) fn requests(&self) -> Option<(RequestFormat, Limits)> {
        let size = |limit: Option<u64>, usual| {
            limit.map_or(usual, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
        };
        let usual = Limits::default();
        let limits = Limits {
            events: size(self.request_events, usual.events),
            bytes: size(self.request_bytes, usual.bytes),
        };
        match self.format {
            EventFormat::Import => Some((RequestFormat::Import, limits)),
            EventFormat::BatchCreate => Some((
                RequestFormat::BatchCreate { customer_id: self.customer_id.clone().unwrap_or_default() },
                limits,
            )),
            EventFormat::Udm | EventFormat::Parser | EventFormat::Bigquery => None,
        }
    }

    #[cfg(feature = "cloud")]
    /// Whether records without a usable time get the current time.
    pub(super) fn defaults_to_now(&self) -> bool {
        self.rules.reading.default_time.as_deref() == Some("now")
    }
}

impl MappingArgs {
    /// Returns the options of normalize for events without a wrapper.
    pub(super) fn options(&self) -> Result<Options, CliError> {
        self.with_shape(OutputShape::Udm(self.case()))
    }

    fn case(&self) -> Case {
        match self.case {
            CaseFlag::Camel => Case::Camel,
            CaseFlag::Snake => Case::Snake,
        }
    }

    fn with_shape(&self, shape: OutputShape) -> Result<Options, CliError> {
        let values = match self.values {
            ValuesFlag::New => Values::New,
            ValuesFlag::Verbatim => Values::Verbatim,
        };
        let feed = IngestionMetadata { namespace: self.namespace.clone(), labels: self.label.clone() };
        self.reading.apply(Options {
            rules: MappingOptions { values, clip: self.clip, enrich: self.enrich },
            writer: Writer::new(shape, &feed),
            event_id: self.event_id,
            ..Options::default()
        })
    }
}

impl ReadingArgs {
    /// Returns options with these settings.
    pub(super) fn apply(&self, options: Options) -> Result<Options, CliError> {
        Ok(Options {
            default_time: self.default_time.as_deref().map(default_time).transpose()?,
            format: match self.input_format {
                InputFormat::Auto => Format::Auto,
                InputFormat::Ndjson => Format::Ndjson,
                InputFormat::Json => Format::Json,
                InputFormat::Csv => Format::Csv,
            },
            max_line_bytes: usize::try_from(self.max_line_bytes).unwrap_or(usize::MAX),
            ..options
        })
    }
}

pub(super) fn default_time(text: &str) -> Result<Timestamp, CliError> {
    if text == "now" {
        return Timestamp::from_chrono(clock::now()?)
            .ok_or_else(|| CliError::Usage("the clock is out of range".into()));
    }
    Timestamp::parse(text).ok_or_else(|| {
        CliError::Usage(format!(
            "--default-time is {text:?}; expected a time like 2024-01-31T00:00:00Z (or now)"
        ))
    })
}
