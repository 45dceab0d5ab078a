//! How an output shape spells names, timestamps and event types.

use super::case::{snake, snake_len};
use super::event_type::EventType;
use super::field_names::{Camel, FieldNames, Snake, snake_case};
use crate::timestamp::Timestamp;

/// A spelling of names, and of values that proto3 JSON and its other readers write differently.
pub(super) trait JsonFlavor {
    type Names: FieldNames;

    /// The text before the event's time, and between the time and the event's type.
    const TIMESTAMP: (&str, &str);

    /// The text after the event's type.
    const EVENT_TYPE_END: &str = "\",";

    /// The text before and after the members of `additional`.
    const ADDITIONAL: (&str, &str) = ("", "},");
    /// The text before, within and after a member of it: before its name, and before and after its value.
    const MEMBER: (&str, &str, &str) = ("\"", "\":\"", "\",");

    #[inline]
    fn timestamp(time: &Timestamp, out: &mut Vec<u8>) {
        out.extend_from_slice(time.as_bytes());
    }

    #[inline]
    fn event_type(event_type: EventType, out: &mut Vec<u8>) {
        out.extend_from_slice(event_type.name().as_bytes());
    }
}

impl JsonFlavor for Camel {
    type Names = Self;
    const TIMESTAMP: (&str, &str) = ("{\"metadata\":{\"eventTimestamp\":\"", "\",\"eventType\":\"");
}

impl JsonFlavor for Snake {
    type Names = Self;
    const TIMESTAMP: (&str, &str) = (snake_case!(Camel::TIMESTAMP.0), snake_case!(Camel::TIMESTAMP.1));
}

/// The export to BigQuery.
pub(super) struct BigQuery;

impl JsonFlavor for BigQuery {
    type Names = Snake;
    const TIMESTAMP: (&str, &str) = ("{\"metadata\":{\"event_timestamp\":{", "},\"event_type\":");
    const EVENT_TYPE_END: &str = ",";
    const ADDITIONAL: (&str, &str) = ("\"fields\":[", "]},");
    const MEMBER: (&str, &str, &str) = ("{\"key\":\"", "\",\"value\":{\"string_value\":\"", "\"}},");

    fn timestamp(time: &Timestamp, out: &mut Vec<u8>) {
        let (seconds, nanos) = time.seconds_and_nanos();
        out.extend_from_slice(format!("\"seconds\":{seconds},\"nanos\":{nanos}").as_bytes());
    }

    fn event_type(event_type: EventType, out: &mut Vec<u8>) {
        out.extend_from_slice(event_type.number().to_string().as_bytes());
    }
}
