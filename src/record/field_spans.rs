//! The values that the fast readers find.

use super::field::{FIELDS, Field};
use super::kind::{FieldSet, RecordKind, SLOTS};
use super::record::{Record, is_blank};
use crate::json::{unescape_until_quote, unescaped_prefix_len};
use arrayvec::ArrayVec;
use std::ops::Range;

/// The values that a reader found, the last one for each field.
#[derive(Debug, Default)]
pub(super) struct FieldSpans<'a> {
    /// Slices of the text, except for values with escapes.
    pub(super) texts: [Option<&'a str>; FIELDS],
    /// Whether there may be other members.
    pub(super) may_have_others: bool,
    /// Whether some text may consist of whitespace only.
    pub(super) maybe_blank: bool,
    /// The fields with an escape.
    pub(super) escaped: FieldSet,
    /// Where their decoded texts are in the scratch buffer. Usually empty, so that a record costs no initialization.
    decoded: ArrayVec<(Field, Range<usize>), FIELDS>,
    /// Whether a decoded text must be escaped again to be written as JSON.
    needs_escape: bool,
}

impl<'a> FieldSpans<'a> {
    /// Sets a field to the string whose inside begins `text`, decoding it into `scratch` if necessary. Returns the rest
    /// from the closing quote on, or `None` if it is not a string.
    #[expect(clippy::inline_always, reason = "a call a string costs a tenth of reading a record")]
    #[inline(always)]
    pub(super) fn string(&mut self, field: Field, text: &'a str, scratch: &mut String) -> Option<&'a str> {
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
        self.escaped |= field.bit();
        self.decoded.try_push((field, start..scratch.len())).ok()?;
        (!rest.is_empty()).then_some(rest)
    }

    /// Sets a field to a value that is not text, but JSON.
    pub(super) fn json(&mut self, field: Field, value: &'a str) {
        self.texts[field as usize] = Some(value);
        self.needs_escape = true;
    }

    /// Returns the kind of the record; `None` if it is not a record of Zoom. Decoded texts are in `scratch`.
    #[inline]
    pub(super) fn kind(&self, scratch: &str) -> Option<RecordKind> {
        RecordKind::of(|field| {
            let text = if self.escaped & field.bit() == 0 {
                self.texts[field as usize]
            } else {
                self.decoded.iter().find(|text| text.0 == field).and_then(|text| scratch.get(text.1.clone()))
            };
            text.is_some_and(|text| !self.maybe_blank || !is_blank(text))
        })
    }

    /// Returns the record, which is of this kind; decoded texts are in `scratch`.
    #[expect(clippy::inline_always, reason = "moving a record costs a tenth of reading it")]
    #[inline(always)]
    pub(super) fn record(&self, kind: RecordKind, scratch: &'a str) -> Record<'a> {
        // With the fields of each kind as constants, no loop is left.
        let texts = match kind {
            RecordKind::Operation => self.texts_of(RecordKind::Operation),
            RecordKind::SignIn => self.texts_of(RecordKind::SignIn),
            RecordKind::Webhook => self.texts_of(RecordKind::Webhook),
        };
        let mut record = Record {
            kind,
            texts,
            verbatim: !self.needs_escape,
            may_have_others: self.may_have_others,
            non_text_fields: 0,
            surrogates_replaced: 0,
        };
        if self.escaped != 0 || self.maybe_blank {
            self.complete(&mut record, scratch);
        }
        record
    }

    /// Sets the decoded texts of a record, and removes blank texts.
    fn complete(&self, record: &mut Record<'a>, scratch: &'a str) {
        for (field, range) in &self.decoded {
            if let Some(slot) = field.slot(record.kind) {
                record.texts[slot] = scratch.get(range.clone());
            }
        }
        if self.maybe_blank {
            record.texts = record.texts.map(|text| text.filter(|text| !is_blank(text)));
        }
    }

    /// Returns the texts of the fields of a kind that are not decoded, in their slots.
    #[expect(clippy::inline_always, reason = "called with constants, of which a loop would know nothing")]
    #[inline(always)]
    fn texts_of(&self, kind: RecordKind) -> [Option<&'a str>; SLOTS] {
        let mut texts = [None; SLOTS];
        for (slot, field) in kind.fields().iter().enumerate() {
            texts[slot] = self.texts[*field as usize];
        }
        texts
    }
}
