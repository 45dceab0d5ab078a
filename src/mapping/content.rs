//! What a record says beyond its fields, by its kind.

use crate::detail::{Detail, SpliceBuf};
use crate::json::trim;
use crate::record::{Field, Record, RecordKind};
use crate::timestamp::Timestamp;
use crate::webhook::{Payload, PayloadField};

/// The parsed content of a record.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "most records are operations, and boxing their detail would allocate"
)]
pub enum Content<'a> {
    /// The detail of an operation.
    Operation(Detail<'a>),
    /// A sign-in has no content beyond its fields.
    SignIn,
    /// The payload of a webhook event.
    Webhook(Box<Payload<'a>>),
}

/// Where a time is in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeSource {
    Field(Field),
    Payload(PayloadField),
}

impl<'a> Content<'a> {
    /// Parses the content of a record.
    #[must_use]
    pub fn parse(record: &Record<'a>, cut: &'a mut SpliceBuf) -> Self {
        let text = |field| record.get(field).unwrap_or_default();
        match record.kind {
            RecordKind::Operation => Self::Operation(Detail::parse(text(Field::OperationDetail), cut)),
            RecordKind::SignIn => Self::SignIn,
            RecordKind::Webhook => Self::Webhook(Box::new(Payload::parse(text(Field::Payload)))),
        }
    }

    /// Returns the detail of an operation.
    pub(crate) fn detail(&self) -> Option<&Detail<'a>> {
        if let Self::Operation(detail) = self { Some(detail) } else { None }
    }

    /// Returns the payload of a webhook event.
    pub(crate) fn payload(&self) -> Option<&Payload<'a>> {
        if let Self::Webhook(payload) = self { Some(payload) } else { None }
    }

    /// Returns the time of the record whose content this is. A webhook event has it in one of several places: the first
    /// usable one counts.
    #[must_use]
    pub fn time(&self, record: &Record<'_>) -> Option<Timestamp> {
        self.time_and_source(record).map(|(time, _)| time)
    }

    /// The same, with its place.
    pub(crate) fn time_and_source(&self, record: &Record<'_>) -> Option<(Timestamp, TimeSource)> {
        match self {
            Self::Webhook(payload) => time_of_webhook(record, payload),
            _ => own_time(record),
        }
    }
}

fn own_time(record: &Record<'_>) -> Option<(Timestamp, TimeSource)> {
    Some((record.time()?, TimeSource::Field(Field::Time)))
}

/// Returns the time of a webhook event, with its place.
pub(super) fn time_of_webhook(record: &Record<'_>, payload: &Payload<'_>) -> Option<(Timestamp, TimeSource)> {
    let event_ts = record.get(Field::EventTs).and_then(|text| Timestamp::parse(trim(text)));
    let in_payload = |field| Some((payload.time(field)?, TimeSource::Payload(field)));
    event_ts
        .map(|time| (time, TimeSource::Field(Field::EventTs)))
        .or_else(|| in_payload(PayloadField::TimeStamp))
        .or_else(|| in_payload(PayloadField::DateTime))
        .or_else(|| own_time(record))
}
