//! One row of the mapping table.

use crate::detail::{TextValues, UserField};
use crate::record::{Field, RecordKind};
use crate::udm::{About, Event, LeafLabels};
use crate::webhook::PayloadField;

/// One mapped field.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The source of the value.
    pub source: Source,
    /// The destination: a JSON path in UDM.
    pub path: &'static str,
    /// The rule, in words.
    pub rule: &'static str,
    /// A source text and the value that it gives.
    pub example: (&'static str, &'static str),
    /// Whether Google or this project defined the row.
    pub basis: Provenance,
    pub(super) put: Setter,
}

impl Row {
    /// Returns the kinds of records that the row applies to.
    #[must_use]
    pub fn kinds(&self) -> &'static [RecordKind] {
        self.source.kinds()
    }

    /// Returns the profile that the row belongs to.
    #[must_use]
    pub fn profile(&self) -> Profile {
        match self.put {
            Setter::Enriched | Setter::EnrichedElement => Profile::Enriched,
            _ => Profile::Google,
        }
    }

    /// Returns whether the path ends in a list of strings, to which the value is appended.
    pub(crate) fn is_element(&self) -> bool {
        matches!(self.put, Setter::Element(_) | Setter::TargetList | Setter::EnrichedElement)
    }
}

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The same for every record.
    Constant,
    /// A field of the record.
    Field(Field),
    /// Derived from the whole `operation_detail`: `email`, `email2` or `role`.
    Detail(&'static str),
    /// The new value of the change with this key in `operation_detail`.
    Key(&'static str),
    /// A member of the first object of the embedded JSON.
    FirstUser(UserField),
    /// A member of each further object.
    FurtherUser(UserField),
    /// A value in the payload of a webhook event.
    Payload {
        /// The start of the names of the events that the row applies to; empty for all.
        events: &'static str,
        /// The value.
        field: PayloadField,
        /// Which values the row takes, and what of them.
        take: Take,
    },
    /// The scalars below the settings of the object in the payload, or of the old object.
    Settings(SettingsOf),
    /// What `--enrich` reads.
    Enriched {
        /// The kinds of records that have it.
        kinds: &'static [RecordKind],
        /// Its name, as docs/mapping-rules.md defines it.
        name: &'static str,
    },
}

/// Which values of a payload a row takes, and what of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Any value, as it is.
    Any,
    /// An e-mail address, trimmed.
    Email,
    /// A value that is not an e-mail address, trimmed.
    NotEmail,
    /// An IP address, trimmed.
    Ip,
    /// A version: any value but `-`.
    Version,
    /// A type of login: any value; the number that Zoom documents for a login with a password as words.
    LoginType,
}

/// The object of a payload whose settings are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsOf {
    /// `object`: the settings after the event.
    Object,
    /// `old_object`: the settings before it.
    OldObject,
}

impl SettingsOf {
    /// Returns the path of the settings below `payload`.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Object => "object.settings",
            Self::OldObject => "old_object.settings",
        }
    }

    /// Returns what precedes the path of a setting in the key of its label.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Object => "settings",
            Self::OldObject => "old_object.settings",
        }
    }
}

impl Source {
    /// Returns the kinds of records that have this source.
    const fn kinds(self) -> &'static [RecordKind] {
        match self {
            Self::Constant | Self::Field(Field::EventType) => &RecordKind::ALL,
            Self::Field(Field::Time) => &[RecordKind::Operation, RecordKind::SignIn],
            Self::Field(Field::Operator | Field::CategoryType | Field::Action | Field::OperationDetail)
            | Self::Detail(_)
            | Self::Key(_)
            | Self::FirstUser(_)
            | Self::FurtherUser(_) => &[RecordKind::Operation],
            Self::Field(
                Field::Type | Field::Email | Field::IpAddress | Field::ClientType | Field::Version,
            ) => &[RecordKind::SignIn],
            Self::Field(Field::Event | Field::EventTs | Field::Payload)
            | Self::Payload { .. }
            | Self::Settings(_) => &[RecordKind::Webhook],
            Self::Enriched { kinds, .. } => kinds,
        }
    }

    /// Returns whether only records of this kind have this source.
    pub(super) const fn is_only_of(self, kind: RecordKind) -> bool {
        matches!(self.kinds(), [only] if *only as usize == kind as usize)
    }
}

/// Who defined a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Google's published mapping of Zoom operation logs.
    Google,
    /// This project, where Google's table names the fields but not the conversion.
    Project,
}

/// Which rows fill an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Google's table with the decisions of this project: the default.
    Google,
    /// The rows that `--enrich` adds.
    Enriched,
}

impl Profile {
    /// Returns the name of the profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Enriched => "enriched",
        }
    }
}

/// How a value is written to the event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setter {
    /// The event is created with it.
    Preset,
    Constant(&'static str, fn(&mut Event<'_>, &'static str)),
    Text(for<'a> fn(&mut Event<'a>, &'a str)),
    /// The text is appended to a list of strings.
    Element(for<'a> fn(&mut Event<'a>, &'a str)),
    /// The text is the field of the target's user that the path names.
    TargetText,
    /// The same for a field that is a list of strings, of which the text is the only one.
    TargetList,
    /// The text is the field of the principal's user that the path names.
    PrincipalText,
    /// The text is the name of a role of the target's user.
    Role,
    /// The scalars below a JSON value become labels.
    Leaves(for<'a> fn(&mut Event<'a>, LeafLabels<'a>)),
    First(for<'a> fn(&mut Event<'a>, TextValues<'a>)),
    Further(for<'a> fn(&mut About<'a>, TextValues<'a>)),
    /// `enrich` writes it.
    Enriched,
    /// The same; the value is appended to a list of strings.
    EnrichedElement,
}
