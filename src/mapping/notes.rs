//! What a mapping did that its user may want to know.

/// A kind of note. None of them loses anything: the description holds the whole detail, the input the whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The record's `event_type` is none of UDM's and was passed over.
    EventTypeUnknown,
    /// The record's `event_type` needs what the event does not have, and was passed over.
    EventTypeUnmet,
    /// A field held an object or array where text belongs and counts as absent.
    FieldNotText,
    /// A text that is read held half of a surrogate pair, which became U+FFFD.
    SurrogateReplaced,
    /// An element of a detail's JSON is no object.
    JsonSkipped,
    /// A record without a usable time got the default.
    DefaultTime,
    /// A text was cut to the length that UDM documents.
    Clipped,
    /// An object is a page and also has a record's own fields, which were ignored.
    PageHasFields,
    /// An event is longer than Google's import methods accept.
    EventTooLarge,
}

impl Note {
    /// Every kind, in the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::EventTypeUnknown,
        Self::EventTypeUnmet,
        Self::FieldNotText,
        Self::SurrogateReplaced,
        Self::JsonSkipped,
        Self::DefaultTime,
        Self::Clipped,
        Self::PageHasFields,
        Self::EventTooLarge,
    ];

    /// The name that summaries carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EventTypeUnknown => "event_type_unknown",
            Self::EventTypeUnmet => "event_type_unmet",
            Self::FieldNotText => "field_not_text",
            Self::SurrogateReplaced => "surrogate_replaced",
            Self::JsonSkipped => "json_skipped",
            Self::DefaultTime => "default_time",
            Self::Clipped => "clipped",
            Self::PageHasFields => "page_has_fields",
            Self::EventTooLarge => "event_too_large",
        }
    }

    /// What it says, for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::EventTypeUnknown => "the record's event_type is none of UDM's and was passed over",
            Self::EventTypeUnmet => {
                "the record's event_type needs what the event does not have and was passed over"
            }
            Self::SurrogateReplaced => "a text holds half of a surrogate pair, which became U+FFFD",
            Self::FieldNotText => "a field holds an object or array where text belongs and counts as absent",
            Self::JsonSkipped => "an element of the detail's JSON is no object and was passed over",
            Self::DefaultTime => "the record has no usable time and got the default",
            Self::Clipped => "a text was cut to the length that UDM documents",
            Self::PageHasFields => {
                "an object is a page and also has a record's own fields, which were ignored"
            }
            Self::EventTooLarge => "the event is longer than Google's import methods accept",
        }
    }
}

/// How often each kind of note was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes([u64; Note::ALL.len()]);

impl Notes {
    /// Counts `times` more of a kind.
    #[inline]
    pub fn add(&mut self, note: Note, times: u32) {
        self.0[note as usize] += u64::from(times);
    }

    /// How often a kind was noted.
    #[must_use]
    pub fn count(&self, note: Note) -> u64 {
        self.0[note as usize]
    }

    /// Adds another's counts to these.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}
