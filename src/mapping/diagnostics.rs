//! Notes about an event that a user may want to know.

/// A kind of note. No data is lost: the description holds the whole detail, and the input holds the whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnostic {
    /// The record's `event_type` is not a UDM event type, and was ignored.
    EventTypeUnknown,
    /// The record's `event_type` needs what the event does not have, and was passed over.
    EventTypeUnmet,
    /// A field held an object or array instead of text, and counts as absent.
    FieldNotText,
    /// A text that is read held half of a surrogate pair, which became U+FFFD.
    SurrogateReplaced,
    /// An element of the embedded JSON is not an object.
    JsonSkipped,
    /// A record without a usable time received the default time.
    DefaultTime,
    /// A text was cut to UDM's documented length.
    Clipped,
    /// An object is a page and also has a record's own fields, which were ignored.
    PageHasFields,
    /// An event is longer than Google's import methods accept.
    EventTooLarge,
    /// The address of a sign-in is not an IP address.
    IpAddressInvalid,
    /// Some settings of a webhook event have no label.
    LabelsCut,
    /// A member that no row reads holds an object or array; only with `--enrich`.
    MemberNested,
}

impl Diagnostic {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 12] = [
        Self::EventTypeUnknown,
        Self::EventTypeUnmet,
        Self::FieldNotText,
        Self::SurrogateReplaced,
        Self::JsonSkipped,
        Self::DefaultTime,
        Self::Clipped,
        Self::PageHasFields,
        Self::EventTooLarge,
        Self::IpAddressInvalid,
        Self::LabelsCut,
        Self::MemberNested,
    ];

    /// Returns the name in summaries.
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
            Self::IpAddressInvalid => "ip_address_invalid",
            Self::LabelsCut => "labels_cut",
            Self::MemberNested => "member_nested",
        }
    }

    /// Returns the message for people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::EventTypeUnknown => "the record's event_type is not a UDM event type and was ignored",
            Self::EventTypeUnmet => {
                "the event lacks fields required by the record's event_type, which was ignored"
            }
            Self::SurrogateReplaced => {
                "a value contains an unpaired surrogate, which was replaced with \
                                        U+FFFD"
            }
            Self::FieldNotText => "a field holds an object or array instead of text and counts as absent",
            Self::JsonSkipped => "an element of the embedded JSON is not an object and was skipped",
            Self::DefaultTime => "the record has no usable time; the default was used",
            Self::Clipped => "a value was truncated to UDM's documented maximum length",
            Self::PageHasFields => {
                "an object is a page and also has a record's own fields, which were ignored"
            }
            Self::EventTooLarge => "the event is longer than Google's import methods accept",
            Self::IpAddressInvalid => {
                "the ip_address is not an IP address; it is in additional instead of principal.ip"
            }
            Self::LabelsCut => {
                "some settings have no label: they are too deep, or the paths before them are too long"
            }
            Self::MemberNested => "an unknown member holds an object or array and is not in additional",
        }
    }
}

/// How often each kind of note occurred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiagnosticCounts([u64; Diagnostic::ALL.len()]);

impl DiagnosticCounts {
    /// Adds `times` occurrences of a kind.
    #[inline]
    pub fn add(&mut self, note: Diagnostic, times: u32) {
        self.0[note as usize] += u64::from(times);
    }

    /// Returns how often a kind occurred.
    #[must_use]
    pub fn count(&self, note: Diagnostic) -> u64 {
        self.0[note as usize]
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}
