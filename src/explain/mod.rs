//! One raw record explained: its event, which rule filled each field from which text, and what was not mapped.
//!
//! Records are read, and events written, by [`normalize`](crate::normalize) itself. The mapping then tells (`fills`)
//! which row puts what where; `sources` finds where that stands in the record, `left` what nothing was taken from. The
//! list is complete: put together again, it is the event.

mod fills;
mod leaves;
mod left;
mod refused;
mod sources;

use crate::detail::{Cut, Detail};
use crate::mapping::{Note, Notes};
use crate::normalize::{Error, Input, Looked, Options, Part, Summary, each};
use crate::record::{Field, Record, Scratch};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io;

pub use fills::{Fill, Rule};
pub use left::{Left, Member};
pub use refused::Refused;
pub use sources::Origin;

/// One record, and what became of it. As JSON, one object.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The name of its input.
    pub input: String,
    /// The line of the input it begins on, from 1.
    pub line: u64,
    /// The byte of the (unpacked) input it begins at, from 0.
    pub offset: u64,
    /// The header that it stands below, where it is a rejected row of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Its text, as it came; of a row of CSV that became an event, the JSON object that it was converted to.
    #[serde(flatten)]
    pub record: Raw,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A record as it came.
#[derive(Debug, Serialize)]
pub enum Raw {
    /// The text.
    #[serde(rename = "record")]
    Text(String),
    /// Bytes that are no UTF-8, as base64.
    #[serde(rename = "record_base64")]
    Base64(String),
    /// How what is longer than the limit for a line begins, as base64.
    #[serde(rename = "record_start_base64")]
    Start(String),
}

/// What became of a record.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// An event.
    Event(Box<Story>),
    /// A reject.
    Reject {
        /// Why, and what to do.
        reject: Refused,
    },
}

/// How a record became its event.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The members of the record, in order.
    pub members: Vec<Member>,
    /// The event, byte for byte as normalize writes it.
    pub event: Box<RawValue>,
    /// What fills each of its fields, in the event's order.
    pub fills: Vec<Fill>,
    /// What of the record went into no field but, as part of the whole detail, the description.
    pub unmapped: Vec<Left>,
    /// What the mapping noted.
    pub notes: Vec<Noted>,
}

/// One kind of note.
#[derive(Debug, Serialize)]
pub struct Noted {
    /// The name that summaries carry.
    pub note: &'static str,
    /// How often.
    pub times: u64,
    /// What it says.
    pub words: &'static str,
}

/// Where a text stands, in characters from 0: where it begins and where it ends.
pub type Span = [usize; 2];

/// Explains every record of the inputs, in order, to `tell`. Events are bare: of the writer's shape only its case
/// counts. Reads on one thread, a block at a time.
///
/// # Errors
/// [`Error::Output`] with what `tell` returned. What cannot be read is among the [`Summary::failures`].
pub fn run(
    inputs: impl Iterator<Item = Input> + Send,
    options: &Options,
    tell: &mut dyn FnMut(Explained) -> io::Result<()>,
) -> Result<Summary, Error> {
    let options = Options { writer: options.writer.bare(), ..options.clone() };
    each(inputs, &options, &mut |looked| match looked.part {
        // How it begins was told.
        Part::Middle | Part::Last => Ok(()),
        Part::Whole | Part::First => tell(explained(looked, &options)?),
    })
}

/// Explains records in memory.
///
/// ```
/// let record = br#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","operation_detail":"Add User x@y.com "}"#;
/// let told = zoom_udm::explain::slice(record, &Default::default());
/// let json = serde_json::to_value(&told[0])?;
/// assert_eq!(json["event"]["target"]["user"]["emailAddresses"][0], "x@y.com");
/// let fill = json["fills"].as_array().unwrap().last().unwrap();
/// assert_eq!(fill["path"], "target.user.emailAddresses[0]");
/// assert_eq!(fill["source"]["field"], "operation_detail");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn slice(bytes: &[u8], options: &Options) -> Vec<Explained> {
    let mut all = Vec::new();
    let input = Input::new("memory", io::Cursor::new(bytes.to_vec()));
    // Memory takes all.
    let _ = run(std::iter::once(input), options, &mut |told| {
        all.push(told);
        Ok(())
    });
    all
}

fn explained(looked: &Looked<'_>, options: &Options) -> io::Result<Explained> {
    let (mut raw, mut offset) = (looked.raw, looked.offset);
    let outcome = match looked.outcome {
        Ok(event) => {
            let start = raw.len() - raw.trim_ascii_start().len();
            (raw, offset) = (raw.trim_ascii(), offset + start as u64);
            Outcome::Event(Box::new(story(std::str::from_utf8(raw).unwrap_or_default(), event, options)?))
        }
        Err(refusal) => Outcome::Reject { reject: Refused::new(refusal) },
    };
    let record = refused::raw(raw, looked.outcome.err());
    let header = looked.header.filter(|_| looked.outcome.is_err()).map(str::to_owned);
    Ok(Explained { input: looked.input.to_owned(), line: looked.line, offset, header, record, outcome })
}

/// How the record in `text` became the event that normalize wrote.
fn story(text: &str, event: &[u8], options: &Options) -> io::Result<Story> {
    let (mut scratch, mut cut, mut notes) = (Scratch::default(), Cut::default(), Notes::default());
    // What normalize read can be read again.
    let record = Record::read(text, &mut scratch).map_err(|refusal| io::Error::other(refusal.message))?;
    let own_time = record.time();
    let time =
        own_time.or(options.default_time).ok_or_else(|| io::Error::other("an event without a time"))?;
    notes.add(Note::DefaultTime, u32::from(own_time.is_none()));
    let (detail, places) = Detail::placed(record.get(Field::OperationDetail).unwrap_or_default(), &mut cut);
    let sources = sources::Sources::new(&record, &detail, &places);
    notes.add(Note::EventTooLarge, u32::from(event.len() > options.max_event_bytes));
    let event = String::from_utf8_lossy(event).into_owned();
    let fills = fills::fills(&sources, time, options, (text, &event), &mut notes);
    let (members, unmapped) = left::left(text, &sources, &fills, own_time.is_none());
    let fills = fills.into_iter().map(|filled| filled.fill).collect();
    let told = |note: Note| Noted { note: note.name(), times: notes.count(note), words: note.words() };
    let notes = Note::ALL.map(told).into_iter().filter(|noted| noted.times > 0).collect();
    Ok(Story { members, event: RawValue::from_string(event)?, fills, unmapped, notes })
}
