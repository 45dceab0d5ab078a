//! The indices of rows, computed from the table at compile time, and the limits that the table must keep.

use super::row::{Row, Setter, Source};
use super::table::{ROWS, TABLE};
use super::table_enriched::EnrichedRow;
use crate::record::{Field, RecordKind};
use crate::udm::{MAX_EMAIL_ADDRESSES, UserTextField};
use std::ops::Range;

/// The number of rows of the profile `google`.
const COUNT: usize = TABLE.len();

/// A set of rows, a bit for each.
type Rows = u128;

/// The set of the rows, named `$index`, that meet a condition.
macro_rules! rows_where {
    (|$index:ident| $condition:expr) => {{
        let (mut rows, mut $index) = (0 as Rows, 0);
        while $index < COUNT {
            rows |= ($condition as Rows) << $index;
            $index += 1;
        }
        rows
    }};
}

/// The rows of operation logs alone.
const OPERATIONS: Range<usize> =
    contiguous(rows_where!(|row| TABLE[row].source.is_only_of(RecordKind::Operation)));
/// The rows of sign-ins alone.
const SIGN_INS: Range<usize> =
    contiguous(rows_where!(|row| TABLE[row].source.is_only_of(RecordKind::SignIn)));
/// The rows of webhook events alone.
pub(super) const WEBHOOKS: Range<usize> =
    contiguous(rows_where!(|row| TABLE[row].source.is_only_of(RecordKind::Webhook)));

/// The number of rows that come before those of one kind.
pub(super) const SHARED: usize = OPERATIONS.start;

/// The rows that a record of one kind can fill, the shared ones first: they are numbered as if the rows of other kinds
/// were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindRows {
    /// The number of rows of other kinds between the shared ones and its own.
    pub(super) skipped: usize,
    pub(super) count: usize,
}

impl KindRows {
    pub(super) const OPERATION: Self = Self::of(&OPERATIONS);
    pub(super) const SIGN_IN: Self = Self::of(&SIGN_INS);

    const fn of(own: &Range<usize>) -> Self {
        Self { skipped: own.start - SHARED, count: SHARED + own.end - own.start }
    }

    /// Returns the index in the table of a row.
    #[inline]
    pub(super) const fn in_table(self, row: usize) -> usize {
        if row < SHARED { row } else { row + self.skipped }
    }
}

/// The maximum number of rows that a record of a kind with a template can fill.
pub(super) const MAX_COUNT: usize = KindRows::OPERATION.count;

pub(super) const TIME: usize = first(rows_where!(|row| is_field(row, Field::Time)));
pub(super) const EVENT_TYPE: usize = first(rows_where!(|row| is_field(row, Field::EventType)));
pub(super) const ACTION: usize = first(rows_where!(|row| is_field(row, Field::Action)));
pub(super) const DESCRIPTION: usize = first(rows_where!(|row| is_field(row, Field::OperationDetail)));
pub(super) const CATEGORY_TYPE: usize = first(rows_where!(|row| is_field(row, Field::CategoryType)));
pub(super) const OPERATOR_EMAIL: usize =
    first(OPERATOR as Rows & rows_where!(|row| matches!(TABLE[row].put, Setter::Element(_))));
pub(super) const OPERATOR_USERID: usize = first(OPERATOR as Rows & !(1 << OPERATOR_EMAIL));
pub(super) const EMAIL: usize = first(rows_where!(|row| is_detail(row, "email")));
pub(super) const EMAIL2: usize = first(rows_where!(|row| is_detail(row, "email2")));
pub(super) const ROLE: usize = first(rows_where!(|row| is_detail(row, "role")));

pub(super) const WEBHOOK_TIME: usize = first(rows_where!(|row| is_field(row, Field::EventTs)));
pub(super) const EVENT: usize = first(rows_where!(|row| is_field(row, Field::Event)));
pub(super) const VERSION_OF_OBJECT: usize =
    first(rows_where!(|row| WEBHOOKS.start <= row && same(TABLE[row].path, PRODUCT_VERSION_PATH)));

/// The rows that take a field of a sign-in, numbered among those of [`KindRows::SIGN_IN`].
pub(super) mod sign_in {
    use super::{COUNT, Field, KindRows, PRODUCT_EVENT_TYPE_PATH, Rows, TABLE, first, is_field, starts};

    pub(in super::super) const TYPE: usize = row(Field::Type, PRODUCT_EVENT_TYPE_PATH);
    pub(in super::super) const VERSION: usize = row(Field::Version, "metadata.");
    pub(in super::super) const OTHER_ADDRESS: usize = row(Field::IpAddress, "additional.");
    pub(in super::super) const CLIENT_TYPE: usize = row(Field::ClientType, "additional.");
    pub(in super::super) const ADDITIONAL_TYPE: usize = row(Field::Type, "additional.");
    pub(in super::super) const IP: usize = row(Field::IpAddress, "principal.ip");
    pub(in super::super) const ASSET_IP: usize = row(Field::IpAddress, "principal.asset.");
    pub(in super::super) const EMAIL: usize = row(Field::Email, super::EMAILS_PATH);
    pub(in super::super) const USERID: usize = row(Field::Email, "target.user.userid");

    /// The row that takes a field to a path that starts so.
    const fn row(field: Field, path: &str) -> usize {
        let rows = rows_where!(|row| is_field(row, field) && starts(TABLE[row].path, path));
        first(rows) - KindRows::SIGN_IN.skipped
    }
}

const PRODUCT_EVENT_TYPE_PATH: &str = "metadata.productEventType";
const PRODUCT_VERSION_PATH: &str = "metadata.productVersion";

/// The rows that take the operator.
pub(super) const OPERATOR: u64 = operations(rows_where!(|row| is_field(row, Field::Operator)));

pub(super) const EMAILS_PATH: &str = "target.user.emailAddresses";
const ROLES_PATH: &str = "target.user.attribute.roles[].name";
/// The rows of the target's e-mail addresses.
pub(super) const EMAILS: u64 = operations(rows_where!(|row| same(TABLE[row].path, EMAILS_PATH)));
/// The rows of the target's roles.
pub(super) const ROLES: u64 = operations(rows_where!(|row| same(TABLE[row].path, ROLES_PATH)));

/// The rows of lists that several rows fill; only these can repeat a value.
pub(super) const MAY_REPEAT: u64 = EMAILS | ROLES;

const TARGET_USER_PATH: &str = "target.user.";
const PRINCIPAL_USER_PATH: &str = "principal.user.";

/// The rows that put a text of the record into the target's user.
pub(super) const TARGET_USER: u64 =
    operations(TEXTS & rows_where!(|row| starts(TABLE[row].path, TARGET_USER_PATH)));

/// The rows of the target's user that name it, and those that say who it is.
pub(super) const NAMES_TARGET: u64 = EMAILS | rows_at("target.user.userid");
pub(super) const IDENTIFIES_TARGET: u64 = NAMES_TARGET | rows_at("target.user.productObjectId");

/// The rows that put a text of an operation log into labels of the target's user, into a text field of it, and into the
/// target's location.
pub(super) const LABELS: u64 = rows_at("target.user.attribute.labels[]");
pub(super) const TEXTS_OF_TARGET: u64 = TARGET_USER & operations(rows_where!(|row| is_text_field(row)));
pub(super) const LOCATION: u64 = rows_at("target.location.name");

/// The rows of operation logs that stand before the target.
pub(super) const BEFORE_TARGET: u64 = (1 << EMAIL) - 1;

/// The rows that put a text of an operation log where the template for `--enrich` does not write one.
pub(super) const NOT_IN_ENRICHED_TEMPLATE: u64 =
    operations(TEXTS) & !(BEFORE_TARGET | EMAILS | ROLES | LABELS | TEXTS_OF_TARGET | LOCATION);

/// Returns the rows of operation logs that put a text at a path.
const fn rows_at(path: &str) -> u64 {
    operations(TEXTS & rows_where!(|row| same(TABLE[row].path, path)))
}

/// The rows that put a text of the record.
const TEXTS: Rows = rows_where!(|row| {
    matches!(TABLE[row].put, Setter::Text(_) | Setter::Element(_) | Setter::Role) || is_text_field(row)
});

/// Returns those of a set that are rows of operation logs.
const fn operations(rows: Rows) -> u64 {
    (rows & ((1 << OPERATIONS.end) - (1 << OPERATIONS.start))) as u64
}

/// The rows whose value is the same for every record.
pub(super) const CONSTANTS: Range<usize> =
    contiguous(rows_where!(|row| matches!(TABLE[row].put, Setter::Constant(..))));
/// The rows for the first object of the embedded JSON.
pub(super) const FIRST_USER: Range<usize> =
    contiguous(rows_where!(|row| matches!(TABLE[row].put, Setter::First(_))));
/// The rows for further objects.
pub(super) const FURTHER_USER: Range<usize> =
    contiguous(rows_where!(|row| matches!(TABLE[row].put, Setter::Further(_))));

/// The field of each row that puts a text field; for other rows, a field without a name.
pub(super) static TEXT_FIELDS: [UserTextField; COUNT] = {
    let (mut fields, mut row) = ([UserTextField::new("", false); COUNT], 0);
    while row < COUNT {
        if is_text_field(row) {
            let noun = if is_principal(row) { PRINCIPAL_USER_PATH } else { TARGET_USER_PATH };
            let name = TABLE[row].path.split_at(noun.len()).1;
            fields[row] = UserTextField::new(name, matches!(TABLE[row].put, Setter::TargetList));
        }
        row += 1;
    }
    fields
};

const _: () = {
    assert!(COUNT <= 128, "the table has over 128 rows; widen Rows");
    assert!(
        OPERATIONS.end <= 64,
        "operation logs have over 64 rows, but MappedValues has one bit of a u64 for each; widen it"
    );
    assert!(
        KindRows::SIGN_IN.count <= MAX_COUNT,
        "sign-ins have more rows than operation logs; raise MAX_COUNT"
    );
    assert!(
        OPERATIONS.end == SIGN_INS.start && SIGN_INS.end == WEBHOOKS.start && WEBHOOKS.end == COUNT,
        "the table has first the rows of all kinds, then those of operation logs, sign-ins and webhook events"
    );
    assert!(
        EMAILS.count_ones() as usize <= MAX_EMAIL_ADDRESSES,
        "too many rows for the target's e-mail addresses; raise udm::MAX_EMAIL_ADDRESSES"
    );
    let mut row = 0;
    while row < COUNT {
        assert!(
            row == 0
                || row == SIGN_INS.start
                || row >= WEBHOOKS.start
                || TEXTS & (1 << row) == 0
                || rank(row - 1) <= rank(row),
            "rows with a text of the record stand in the order of the event; see index::ORDER for the place of this path"
        );
        assert!(
            !is_text_field(row) || is_principal(row) || starts(TABLE[row].path, TARGET_USER_PATH),
            "Setter::TargetText and TargetList need a path that begins with target.user."
        );
        assert!(
            !is_principal(row) || starts(TABLE[row].path, PRINCIPAL_USER_PATH),
            "Setter::PrincipalText needs a path that begins with principal.user."
        );
        row += 1;
    }
};

/// The order in which the writer writes the texts of a record: the starts of their paths. A more specific one applies.
const ORDER: [&str; 8] = [
    "metadata.",
    "additional.",
    "principal.",
    EMAILS_PATH,
    TARGET_USER_PATH,
    ROLES_PATH,
    "target.user.attribute.labels[]",
    "target.location.",
];

/// Returns the position of a row's path in [`ORDER`].
const fn rank(row: usize) -> usize {
    let (mut rank, mut at) = (0, 0);
    while at < ORDER.len() {
        if starts(TABLE[row].path, ORDER[at]) && (rank == 0 || ORDER[at].len() > ORDER[rank].len()) {
            rank = at;
        }
        at += 1;
    }
    rank
}

const fn is_field(row: usize, field: Field) -> bool {
    matches!(TABLE[row].source, Source::Field(source) if source as usize == field as usize)
}

const fn is_detail(row: usize, name: &str) -> bool {
    matches!(TABLE[row].source, Source::Detail(source) if same(source, name))
}

const fn is_text_field(row: usize) -> bool {
    matches!(TABLE[row].put, Setter::TargetText | Setter::TargetList | Setter::PrincipalText)
}

const fn is_principal(row: usize) -> bool {
    matches!(TABLE[row].put, Setter::PrincipalText)
}

/// Returns the first of a set of rows.
const fn first(rows: Rows) -> usize {
    assert!(rows != 0, "the table lacks a row that the mapping needs; see the constant for its source");
    rows.trailing_zeros() as usize
}

/// Returns the range of a set of rows.
const fn contiguous(rows: Rows) -> Range<usize> {
    let (start, count) = (first(rows), rows.count_ones() as usize);
    assert!(
        rows >> start == (1 << count) - 1,
        "rows of one kind of records, or with one kind of Setter, must be next to each other"
    );
    start..start + count
}

const fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && starts(one, other)
}

const fn starts(text: &str, start: &str) -> bool {
    let (text, start) = (text.as_bytes(), start.as_bytes());
    let mut index = 0;
    while index < text.len() && index < start.len() && text[index] == start[index] {
        index += 1;
    }
    index == start.len()
}

impl EnrichedRow {
    /// Returns the row in the table.
    pub(super) fn row(self) -> &'static Row {
        &ROWS[COUNT + self as usize]
    }
}

/// Returns the row that takes the value of a change with this key.
pub(crate) fn row_of_key(key: &str) -> Option<&'static Row> {
    of_key(key).map(|index| &ROWS[index])
}

/// Returns the index of the row that takes the value of a change with this key. For most keys the length alone decides
/// that there is none.
#[inline]
pub(super) fn of_key(key: &str) -> Option<usize> {
    let rows = BY_LENGTH.get(key.len())?;
    let ends = ends(key.as_bytes())?;
    let row = rows.iter().take_while(|&&row| row != NONE).find(|&&row| ENDS[usize::from(row)] == ends);
    row.map(|&row| usize::from(row)).or_else(|| matches!(key, "Role" | "role").then_some(ROLE))
}

/// Returns the two ends of a key, each as a number: together, all bytes of a key of 4 to 16 bytes. Comparing numbers takes no
/// call. `None` if the key is shorter than those of the table.
#[inline]
const fn ends(key: &[u8]) -> Option<[u64; 2]> {
    if let (Some(first), Some(last)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        Some([u64::from_le_bytes(*first), u64::from_le_bytes(*last)])
    } else if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        Some([u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64])
    } else {
        None
    }
}

/// The ends of the key of each row; zeros for rows without one.
static ENDS: [[u64; 2]; COUNT] = {
    let (mut all, mut index) = ([[0; 2]; COUNT], 0);
    while index < COUNT {
        let key = KEYS_OF_TABLE[index].as_bytes();
        if !key.is_empty() {
            assert!(
                key.len() >= 4 && key.len() <= 16,
                "a key of the table is too short or too long to be compared by its ends"
            );
            if let Some(ends) = ends(key) {
                all[index] = ends;
            }
        }
        index += 1;
    }
    all
};

/// The key of each row; empty for rows without one.
const KEYS_OF_TABLE: [&str; COUNT] = {
    let (mut keys, mut index) = ([""; COUNT], 0);
    while index < COUNT {
        if let Source::Key(key) = TABLE[index].source {
            keys[index] = key;
        }
        index += 1;
    }
    keys
};

/// No row.
const NONE: u8 = u8::MAX;

/// Keys are shorter than this.
const MAX_KEY: usize = 16;
/// The maximum number of keys of one length.
const MAX_ALIKE: usize = 8;

/// For each length of a key, the rows whose keys have that length.
static BY_LENGTH: [[u8; MAX_ALIKE]; MAX_KEY] = {
    let (mut rows, mut counts, mut index) = ([[NONE; MAX_ALIKE]; MAX_KEY], [0; MAX_KEY], 0_u8);
    while (index as usize) < COUNT {
        let length = KEYS_OF_TABLE[index as usize].len();
        assert!(length < MAX_KEY, "a key of the table is too long; raise index::MAX_KEY");
        if length > 0 {
            assert!(counts[length] < MAX_ALIKE, "too many keys have the same length; raise index::MAX_ALIKE");
            rows[length][counts[length]] = index;
            counts[length] += 1;
        }
        index += 1;
    }
    rows
};
