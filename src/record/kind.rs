//! The kinds of records.

use super::field::{FIELDS, Field};

/// The kind of a record: which of Zoom's logs it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// An operation log: an administrator changed something.
    Operation,
    /// A sign-in or sign-out, from Zoom's activity report.
    SignIn,
    /// An event that Zoom sent to a webhook.
    Webhook,
}

impl RecordKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Operation, Self::SignIn, Self::Webhook];

    /// Returns the name in summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::SignIn => "sign_in",
            Self::Webhook => "webhook",
        }
    }

    /// Returns the fields that are read of a record of this kind.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        use Field::{
            Action, CategoryType, ClientType, Email, Event, EventTs, EventType, IpAddress, OperationDetail,
            Operator, Payload, Time, Type, Version,
        };
        match self {
            Self::Operation => &[Time, EventType, Operator, CategoryType, Action, OperationDetail],
            Self::SignIn => &[Time, EventType, Type, Email, IpAddress, ClientType, Version],
            Self::Webhook => &[Time, EventType, Event, EventTs, Payload],
        }
    }

    /// Returns the kind of a record of which some fields are present; `None` if it is not a record of Zoom.
    #[inline]
    pub(super) fn of(is_present: impl Fn(Field) -> bool) -> Option<Self> {
        use Field::{Action, CategoryType, Email, Event, OperationDetail, Operator, Payload, Type};
        if [Operator, CategoryType, Action, OperationDetail].into_iter().any(&is_present) {
            return Some(Self::Operation);
        }
        let kind = if is_present(Event) && is_present(Payload) { Self::Webhook } else { Self::SignIn };
        (kind == Self::Webhook || is_present(Type) && is_present(Email)).then_some(kind)
    }
}

/// The maximum number of fields of a kind. A record holds the texts of the fields of its kind, in their order.
pub(super) const SLOTS: usize = 7;

/// For each field, the only kind that has it, unless all do, and its slot in a record of that kind.
const SLOT_OF_FIELD: [(Option<RecordKind>, usize); FIELDS] = {
    let mut slots = [(None, 0); FIELDS];
    let mut kind = 0;
    while kind < RecordKind::ALL.len() {
        let fields = RecordKind::ALL[kind].fields();
        assert!(fields.len() <= SLOTS, "raise SLOTS: a record has a slot for each of its fields");
        let mut slot = 0;
        while slot < fields.len() {
            let owner = if slot < COMMON { None } else { Some(RecordKind::ALL[kind]) };
            slots[fields[slot] as usize] = (owner, slot);
            slot += 1;
        }
        kind += 1;
    }
    slots
};

/// How many fields every kind has; they come first, in the same order.
const COMMON: usize = 2;

/// A set of fields, a bit for each.
pub(super) type FieldSet = u16;

const _: () = assert!(FIELDS <= FieldSet::BITS as usize, "widen FieldSet: it has a bit for each field");

impl Field {
    /// Returns the slot of this field in a record, if a record of this kind has the field.
    #[inline]
    pub(super) fn slot(self, kind: RecordKind) -> Option<usize> {
        let (owner, slot) = SLOT_OF_FIELD[self as usize];
        owner.is_none_or(|owner| owner == kind).then_some(slot)
    }

    /// Returns the bit of this field.
    #[inline]
    pub(super) const fn bit(self) -> FieldSet {
        1 << self as FieldSet
    }
}
