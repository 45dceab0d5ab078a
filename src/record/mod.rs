//! One raw record, borrowed from its text.
//!
//! `fast` reads the shape that nearly every record has; whatever it is not sure of goes to `plain`, which reads with
//! `serde_json` and is the definition. A property test holds the two equal.

mod fast;
mod id;
mod plain;

use crate::json::decode;
use crate::refusal::Refusal;

pub use id::id;
pub(crate) use plain::{elements, object, page};

/// The fields of a record that are read; all others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// When it happened.
    Time,
    /// Who did it: an e-mail address or a name.
    Operator,
    /// What was done to: `User`, `Account`, ….
    CategoryType,
    /// `Add`, `Update`, `Delete`, ….
    Action,
    /// What was done, in Zoom's own grammar: see [`crate::detail`].
    OperationDetail,
    /// A UDM event type that a collector added.
    EventType,
}

impl Field {
    /// Every field, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Time,
        Self::Operator,
        Self::CategoryType,
        Self::Action,
        Self::OperationDetail,
        Self::EventType,
    ];

    /// The field's name in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Operator => "operator",
            Self::CategoryType => "category_type",
            Self::Action => "action",
            Self::OperationDetail => "operation_detail",
            Self::EventType => "event_type",
        }
    }

    /// The field of that name, if it is one that is read.
    #[inline]
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"time" => Self::Time,
            b"operator" => Self::Operator,
            b"category_type" => Self::CategoryType,
            b"action" => Self::Action,
            b"operation_detail" => Self::OperationDetail,
            b"event_type" => Self::EventType,
            _ => return None,
        })
    }
}

const FIELDS: usize = Field::ALL.len();

/// One record: the text of each field that is there. A field that is missing, `null`, empty or blank is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    texts: [Option<&'a str>; FIELDS],
    /// Whether every text stands in the input just as it may stand in JSON: nothing was unescaped, so nothing needs
    /// escaping on the way out.
    pub verbatim: bool,
    /// How many fields held an object or array where text belongs and count as absent.
    pub not_text: u32,
}

/// Room for texts that do not stand in the input as they are read. Keep one and lend it to every record: it grows to
/// the longest and then allocates no more.
#[derive(Debug, Default)]
pub struct Scratch(String);

impl<'a> Record<'a> {
    /// Reads one record from the JSON object in `text`.
    ///
    /// # Errors
    /// [`Reason::NotJson`](crate::Reason::NotJson) or [`Reason::NotObject`](crate::Reason::NotObject). A record without
    /// a usable time is refused later, where it is known whether a default is to be used.
    pub fn read(text: &'a str, scratch: &'a mut Scratch) -> Result<Self, Refusal> {
        let mut spans = [Span::Absent; FIELDS];
        match Self::found(text, &mut spans, scratch) {
            Some(found) => Ok(Self::new(&found, spans, &scratch.0)),
            None => plain::object(text)?.record(scratch),
        }
    }

    /// The same where the text is sure to be an ordinary record; `None` where it is for [`object`] or [`elements`].
    #[inline]
    pub(crate) fn read_ordinary(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        let mut spans = [Span::Absent; FIELDS];
        let found = Self::found(text, &mut spans, scratch)?;
        Some(Self::new(&found, spans, &scratch.0))
    }

    #[inline]
    fn found(text: &'a str, spans: &mut [Span; FIELDS], scratch: &mut Scratch) -> Option<Found<'a>> {
        let found = fast::scan(text)?;
        found.decode(spans, &mut scratch.0)?;
        Some(found)
    }

    fn new(found: &Found<'a>, spans: [Span; FIELDS], scratch: &'a str) -> Self {
        let mut texts = [None; FIELDS];
        for (text, (raw, span)) in texts.iter_mut().zip(found.texts.iter().zip(spans)) {
            *text = match span {
                Span::Absent => None,
                Span::Input => raw.map(|raw| raw.inside),
                Span::Scratch(start, end) => scratch.get(start..end),
            }
            .filter(|text| !is_blank(text));
        }
        Self { texts, verbatim: !found.escaped, not_text: 0 }
    }

    /// The text of a field, if it is there.
    #[must_use]
    #[inline]
    pub fn get(&self, field: Field) -> Option<&'a str> {
        self.texts[field as usize]
    }
}

/// Whether a text counts as absent: nothing but white space (Unicode's `White_Space`).
#[inline]
fn is_blank(text: &str) -> bool {
    !text.bytes().next().is_some_and(|first| first.is_ascii_graphic()) && text.trim_start().is_empty()
}

/// A string as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
struct Raw<'a> {
    inside: &'a str,
    escaped: bool,
}

/// What [`fast`] found: the last value of each field.
#[derive(Debug, Default)]
struct Found<'a> {
    texts: [Option<Raw<'a>>; FIELDS],
    escaped: bool,
}

/// Where the text of a field is.
#[derive(Debug, Clone, Copy)]
enum Span {
    Absent,
    Input,
    Scratch(usize, usize),
}

impl Found<'_> {
    /// Decodes what is escaped into `scratch`; `None` where that cannot be done.
    #[inline]
    fn decode(&self, spans: &mut [Span; FIELDS], scratch: &mut String) -> Option<()> {
        scratch.clear();
        for (span, raw) in spans.iter_mut().zip(&self.texts) {
            *span = match raw {
                None => Span::Absent,
                Some(raw) if !raw.escaped => Span::Input,
                Some(raw) => {
                    let start = scratch.len();
                    decode(raw.inside, scratch)?;
                    Span::Scratch(start, scratch.len())
                }
            };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
