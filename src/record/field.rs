//! The fields of a record.

/// The fields of records of all kinds that are read; others are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The time of the operation, or of the sign-in.
    Time,
    /// Who performed the operation: an e-mail address or a name.
    Operator,
    /// The kind of object: `User`, `Account`, ….
    CategoryType,
    /// The operation: `Add`, `Update`, `Delete`, ….
    Action,
    /// What was done, in Zoom's own notation: see [`crate::detail`].
    OperationDetail,
    /// A UDM event type, if a collector added one.
    EventType,
    /// Whether somebody signed in or out: `Sign in`, `Sign out`.
    Type,
    /// Who signed in or out.
    Email,
    /// The address from which somebody signed in.
    IpAddress,
    /// The client with which somebody signed in: `Browser`, `Mac`, ….
    ClientType,
    /// The version of that client.
    Version,
    /// The name of a webhook event: `user.updated`, ….
    Event,
    /// The time of a webhook event.
    EventTs,
    /// What happened in a webhook event, as JSON: see [`crate::webhook`].
    Payload,
}

/// What the value of a field must be. Any other value counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueType {
    /// A string, number or boolean.
    Scalar,
    /// A string: only that shows the kind of a record.
    String,
    /// An object.
    Object,
    /// Any value; an object or array counts as its compact JSON text.
    Any,
}

impl Field {
    /// All fields, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Time,
        Self::Operator,
        Self::CategoryType,
        Self::Action,
        Self::OperationDetail,
        Self::EventType,
        Self::Type,
        Self::Email,
        Self::IpAddress,
        Self::ClientType,
        Self::Version,
        Self::Event,
        Self::EventTs,
        Self::Payload,
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
            Self::Type => "type",
            Self::Email => "email",
            Self::IpAddress => "ip_address",
            Self::ClientType => "client_type",
            Self::Version => "version",
            Self::Event => "event",
            Self::EventTs => "event_ts",
            Self::Payload => "payload",
        }
    }

    /// Returns the field with this name.
    #[inline]
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"time" => Self::Time,
            b"operator" => Self::Operator,
            b"category_type" => Self::CategoryType,
            b"action" => Self::Action,
            b"operation_detail" => Self::OperationDetail,
            b"event_type" => Self::EventType,
            b"type" => Self::Type,
            b"email" => Self::Email,
            b"ip_address" => Self::IpAddress,
            b"client_type" => Self::ClientType,
            b"version" => Self::Version,
            b"event" => Self::Event,
            b"event_ts" => Self::EventTs,
            b"payload" => Self::Payload,
            _ => return None,
        })
    }

    /// Returns what the value of the field must be.
    #[inline]
    pub(super) const fn value_type(self) -> ValueType {
        match self {
            Self::Type | Self::Email | Self::Event => ValueType::String,
            Self::Payload => ValueType::Object,
            Self::OperationDetail => ValueType::Any,
            _ => ValueType::Scalar,
        }
    }
}

/// The names of the lists of records in a page of Zoom's API: of operation logs, and of sign-ins.
pub(crate) const PAGE_LISTS: [&str; 2] = ["operation_logs", "activity_logs"];

/// Returns the index of the list of records with this name.
#[inline]
pub(crate) fn page_list(name: &[u8]) -> Option<usize> {
    PAGE_LISTS.iter().position(|list| list.as_bytes() == name)
}

/// The number of fields.
pub(super) const FIELDS: usize = Field::ALL.len();
