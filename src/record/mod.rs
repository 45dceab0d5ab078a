//! One raw record, borrowed from its text.
//!
//! Three readers, each falling back to the next: `usual` reads Zoom's exact layout, `fast` reads ordinary records in
//! any layout, and `plain` reads everything with `serde_json` and defines the result. Property tests hold them equal.

mod canonical;
mod fast;
mod fingerprint;
mod pages;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod reference;

use crate::json::{members, string, trim, unescape_until_quote, unescaped_prefix_len};
use crate::reject::Rejection;
use crate::timestamp::Timestamp;

pub use fingerprint::fingerprint;
pub(crate) use pages::Elements;
pub(crate) use reference::{Object, elements, is_whole, not_an_object, object, values};

/// The fields of a record that are read; others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// When the operation happened.
    Time,
    /// Who performed it: an e-mail address or a name.
    Operator,
    /// The kind of object: `User`, `Account`, ….
    CategoryType,
    /// The operation: `Add`, `Update`, `Delete`, ….
    Action,
    /// What was done, in Zoom's own notation: see [`crate::detail`].
    OperationDetail,
    /// A UDM event type, if a collector added one.
    EventType,
}

impl Field {
    /// All fields, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Time,
        Self::Operator,
        Self::CategoryType,
        Self::Action,
        Self::OperationDetail,
        Self::EventType,
    ];

    /// Returns the name of the field in the record.
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

    /// Returns the field with this name.
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

/// Returns whether an object, which must be valid JSON, has a member with the name of a field.
pub(crate) fn has_fields(object: &str) -> bool {
    members(object).any(|(key, _)| Field::named(string(key).as_bytes()).is_some())
}

const FIELDS: usize = Field::ALL.len();

/// One record: the text of each field. A field that is missing, `null`, empty or blank is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    texts: [Option<&'a str>; FIELDS],
    /// Whether all texts can be written to JSON unescaped.
    pub verbatim: bool,
    /// The number of fields that held an object or array instead of text, and count as absent.
    pub non_text_fields: u32,
    /// How many fields held half of a surrogate pair, which became U+FFFD.
    pub surrogates_replaced: u16,
}

/// A buffer for decoded texts. Reuse one for all records: it grows to the size of the longest and then allocates no
/// more.
#[derive(Debug, Default)]
pub struct Scratch(String);

impl Scratch {
    fn cleared(&mut self) -> &mut String {
        self.0.clear();
        &mut self.0
    }
}

impl<'a> Record<'a> {
    /// Reads one record from the JSON object in `text`.
    ///
    /// # Errors
    /// [`Reason::NotJson`](crate::Reason::NotJson) or [`Reason::NotObject`](crate::Reason::NotObject). A record without
    /// a usable time is rejected later, where the default time is known.
    pub fn read(text: &'a str, scratch: &'a mut Scratch) -> Result<Self, Rejection> {
        let mut found = FieldSpans::default();
        if found.read_quickly(text, scratch) {
            return Ok(found.record(&scratch.0));
        }
        Ok(reference::object(text)?.record(scratch))
    }

    /// The same if the text is sure to be a record and no page, and `None` otherwise.
    pub(crate) fn read_quickly(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        let mut found = FieldSpans::default();
        found.read_quickly(text, scratch).then(|| found.record(&scratch.0))
    }

    /// The same for ordinary records; returns `None` for those that [`object`] or [`elements`] must read.
    pub(crate) fn read_fast(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        let mut found = FieldSpans::default();
        fast::scan(text, &mut found, scratch.cleared())?;
        Some(found.record(&scratch.0))
    }

    /// Reads the record on the line that begins at `start`, and returns where the line ends; returns `None` for any
    /// other layout.
    #[expect(clippy::inline_always, reason = "moving a record from call to call costs as much as reading it")]
    #[inline(always)]
    pub(crate) fn read_canonical(
        text: &'a str,
        start: usize,
        scratch: &'a mut Scratch,
    ) -> Option<(Self, usize)> {
        let mut found = FieldSpans::default();
        let end = canonical::read(text, start, &mut found, scratch.cleared())?;
        Some((found.record(&scratch.0), end))
    }

    /// The record's time, white space around it aside, if it has one that can be read.
    #[must_use]
    #[inline]
    pub fn time(&self) -> Option<Timestamp> {
        let text = self.get(Field::Time)?;
        // Trimmed only if it cannot be read as it is, because nearly every time has no space around it.
        Timestamp::parse(text).or_else(|| Timestamp::parse(trim(text)))
    }

    /// Returns the text of a field.
    #[must_use]
    #[inline]
    pub fn get(&self, field: Field) -> Option<&'a str> {
        self.texts[field as usize]
    }
}

/// Returns whether a text counts as absent: only whitespace (Unicode's `White_Space`).
#[inline]
fn is_blank(text: &str) -> bool {
    !text.bytes().next().is_some_and(|first| first.is_ascii_graphic()) && text.trim_start().is_empty()
}

/// The values that a reader found, the last one for each field.
#[derive(Debug, Default)]
struct FieldSpans<'a> {
    /// Slices of the text, except for values with escapes.
    texts: [Option<&'a str>; FIELDS],
    /// Whether some text may consist of whitespace only.
    maybe_blank: bool,
    /// For each field with an escape, a bit, and the range of the decoded text in the scratch buffer.
    escaped: u8,
    decoded: [(usize, usize); FIELDS],
    /// Whether a decoded text must be escaped again to be written as JSON.
    needs_escape: bool,
}

impl<'a> FieldSpans<'a> {
    /// Reads a record by one of the quick readings; `false` where neither is sure.
    fn read_quickly(&mut self, text: &'a str, scratch: &mut Scratch) -> bool {
        if canonical::read(text, 0, self, scratch.cleared()) == Some(text.len()) {
            return true;
        }
        *self = Self::default();
        fast::scan(text, self, scratch.cleared()).is_some()
    }

    /// Sets a field to the string whose inside begins `text`, decoding it into `scratch` if necessary. Returns the rest
    /// from the closing quote on, or `None` if it is not a string.
    #[expect(clippy::inline_always, reason = "a call a string costs a tenth of reading a record")]
    #[inline(always)]
    fn string(&mut self, field: Field, text: &'a str, scratch: &mut String) -> Option<&'a str> {
        let plain = unescaped_prefix_len(text.as_bytes());
        match *text.as_bytes().get(plain)? {
            b'"' => {
                let (inside, rest) = text.split_at_checked(plain)?;
                self.maybe_blank |= !inside.as_bytes().first().is_some_and(u8::is_ascii_graphic);
                self.texts[field as usize] = Some(inside);
                Some(rest)
            }
            b'\\' => self.escaped_string(field, text, plain, scratch),
            _ => None,
        }
    }

    /// The same if the first escape is at `escape`.
    fn escaped_string(
        &mut self,
        field: Field,
        text: &'a str,
        escape: usize,
        scratch: &mut String,
    ) -> Option<&'a str> {
        let start = scratch.len();
        let (plain, escaped) = text.split_at_checked(escape)?;
        scratch.push_str(plain);
        let (verbatim, rest) = unescape_until_quote(escaped, scratch)?;
        self.needs_escape |= !verbatim;
        self.maybe_blank |= !scratch.as_bytes().get(start).is_some_and(u8::is_ascii_graphic);
        self.escaped |= 1 << field as u8;
        self.decoded[field as usize] = (start, scratch.len());
        (!rest.is_empty()).then_some(rest)
    }

    /// Returns the record; decoded texts are in `scratch`.
    #[inline]
    fn record(&self, scratch: &'a str) -> Record<'a> {
        let mut texts = self.texts;
        if self.escaped != 0 {
            for (index, text) in texts.iter_mut().enumerate() {
                if self.escaped & (1 << index) != 0 {
                    let (start, end) = self.decoded[index];
                    *text = scratch.get(start..end);
                }
            }
        }
        if self.maybe_blank {
            texts = texts.map(|text| text.filter(|text| !is_blank(text)));
        }
        Record { texts, verbatim: !self.needs_escape, non_text_fields: 0, surrogates_replaced: 0 }
    }
}

#[cfg(test)]
mod tests;
