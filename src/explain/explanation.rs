//! The explanation of one record.

use super::fills::Fill;
use super::raw::Raw;
use super::reject::RejectExplanation;
use super::unmapped::{RecordMember, Unmapped};
use serde::Serialize;
use serde_json::value::RawValue;

/// One record and its result. Serializes to one JSON object.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The name of the input.
    pub input: String,
    /// The line on which the record begins, from 1.
    pub line: u64,
    /// The offset in the (decompressed) input, from 0.
    pub offset: u64,
    /// The header that it stands below, where it is a rejected row of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Its text, as it came; of a row of CSV that became an event, the JSON object that it was converted to.
    #[serde(flatten)]
    pub record: Raw,
    /// The result.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The result of a record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// An event.
    Event(Box<EventExplanation>),
    /// A reject.
    Reject {
        /// Why it was rejected, and what to do.
        reject: RejectExplanation,
    },
}

/// How a record became its event.
#[derive(Debug, Serialize)]
pub struct EventExplanation {
    /// The name of the record's kind, as in summaries.
    pub kind: &'static str,
    /// The members of the record, in order.
    pub members: Vec<RecordMember>,
    /// The event, byte for byte as normalize writes it.
    pub event: Box<RawValue>,
    /// What fills each field, in the order of the event.
    pub fills: Vec<Fill>,
    /// The parts of the record that reached no field except the description.
    pub unmapped: Vec<Unmapped>,
    /// The notes of the mapping.
    pub notes: Vec<DiagnosticCount>,
}

/// One kind of note.
#[derive(Debug, Serialize)]
pub struct DiagnosticCount {
    /// The name in summaries.
    pub note: &'static str,
    /// How often it occurred.
    pub times: u64,
    /// The message.
    pub words: &'static str,
}
