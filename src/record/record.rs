//! One record.

use super::field::Field;
use super::kind::{RecordKind, SLOTS};
use crate::json::trim;
use crate::timestamp::Timestamp;

/// One record: the text of each field of its kind. A field that is missing, `null`, empty or blank is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its kind.
    pub kind: RecordKind,
    /// The texts of the fields of its kind, in their slots.
    pub(super) texts: [Option<&'a str>; SLOTS],
    /// Whether all texts can be written to JSON unescaped.
    pub verbatim: bool,
    /// Whether it may have members that are not fields of its kind.
    pub may_have_others: bool,
    /// The number of fields of its kind that held an object or array instead of text, and count as absent.
    pub non_text_fields: u32,
    /// How many fields of its kind held half of a surrogate pair, which became U+FFFD.
    pub surrogates_replaced: u16,
}

/// A buffer for decoded texts. Reuse one for all records: it grows to the size of the longest and then allocates no
/// more.
#[derive(Debug, Default)]
pub struct Scratch(pub(super) String);

impl Scratch {
    pub(super) fn cleared(&mut self) -> &mut String {
        self.0.clear();
        &mut self.0
    }
}

impl<'a> Record<'a> {
    /// Returns the time in the field `time`, trimmed, if it is valid. Webhook events have their time elsewhere as a rule: see
    /// [`Content::time`](crate::mapping::Content::time).
    #[must_use]
    #[inline]
    pub fn time(&self) -> Option<Timestamp> {
        let text = self.get(Field::Time)?;
        // Trimmed only if it cannot be read as it is, because nearly every time has no space around it.
        Timestamp::parse(text).or_else(|| Timestamp::parse(trim(text)))
    }

    /// Returns the text of a field, if a record of its kind has the field.
    #[must_use]
    #[inline]
    pub fn get(&self, field: Field) -> Option<&'a str> {
        field.slot(self.kind).and_then(|slot| self.texts[slot])
    }
}

/// Returns whether a text counts as absent: only whitespace (Unicode's `White_Space`).
#[inline]
pub(super) fn is_blank(text: &str) -> bool {
    !text.bytes().next().is_some_and(|first| first.is_ascii_graphic()) && text.trim_start().is_empty()
}
