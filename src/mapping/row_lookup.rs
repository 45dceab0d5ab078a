//! The indices of rows, computed from the table at compile time, and the limits that the table must keep.

use super::row::{Row, Setter, Source};
use super::table::{ROWS, TABLE};
use crate::record::Field;
use crate::udm::{MAX_EMAIL_ADDRESSES, MAX_ROLES, UserTextField};
use std::ops::Range;

/// The number of rows.
pub(super) const COUNT: usize = TABLE.len();

/// A bit for each row, named `$index`, that meets a condition.
macro_rules! rows_where {
    (|$index:ident| $condition:expr) => {{
        let (mut rows, mut $index) = (0_u64, 0);
        while $index < COUNT {
            rows |= ($condition as u64) << $index;
            $index += 1;
        }
        rows
    }};
}

pub(super) const TIME: usize = first(rows_where!(|row| is_field(row, Field::Time)));
pub(super) const EVENT_TYPE: usize = first(rows_where!(|row| is_field(row, Field::EventType)));
pub(super) const ACTION: usize = first(rows_where!(|row| is_field(row, Field::Action)));
pub(super) const DESCRIPTION: usize = first(rows_where!(|row| is_field(row, Field::OperationDetail)));
pub(super) const CATEGORY_TYPE: usize = first(rows_where!(|row| is_field(row, Field::CategoryType)));
pub(super) const OPERATOR_EMAIL: usize =
    first(OPERATOR & rows_where!(|row| matches!(TABLE[row].put, Setter::Element(_))));
pub(super) const OPERATOR_USERID: usize = first(OPERATOR & !(1 << OPERATOR_EMAIL));
pub(super) const EMAIL: usize = first(rows_where!(|row| is_detail(row, "email")));
pub(super) const EMAIL2: usize = first(rows_where!(|row| is_detail(row, "email2")));
pub(super) const ROLE: usize = first(rows_where!(|row| is_detail(row, "role")));

/// The rows that take the operator.
pub(super) const OPERATOR: u64 = rows_where!(|row| is_field(row, Field::Operator));

pub(super) const EMAILS_PATH: &str = "target.user.emailAddresses";
const ROLES_PATH: &str = "target.user.attribute.roles[].name";
const EMAILS: u64 = rows_where!(|row| same(TABLE[row].path, EMAILS_PATH));
const ROLES: u64 = rows_where!(|row| same(TABLE[row].path, ROLES_PATH));

/// The rows of lists that several rows fill; only these can repeat a value.
pub(super) const MAY_REPEAT: u64 = EMAILS | ROLES;

const TARGET_USER_PATH: &str = "target.user.";

/// The rows that put a text of the record into the target's user.
pub(super) const TARGET_USER: u64 = TEXTS & rows_where!(|row| starts(TABLE[row].path, TARGET_USER_PATH));

/// The rows that put a text of the record.
const TEXTS: u64 = rows_where!(|row| {
    matches!(TABLE[row].put, Setter::Text(_) | Setter::Element(_)) || is_text_field(row)
});

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
            let name = TABLE[row].path.split_at(TARGET_USER_PATH.len()).1;
            fields[row] = UserTextField::new(name, matches!(TABLE[row].put, Setter::TargetList));
        }
        row += 1;
    }
    fields
};

const _: () = {
    assert!(COUNT <= 64, "the table has over 64 rows, but RowValues has one bit of a u64 for each; widen it");
    assert!(
        EMAILS.count_ones() as usize <= MAX_EMAIL_ADDRESSES,
        "too many rows for the target's e-mail addresses; raise udm::MAX_EMAIL_ADDRESSES"
    );
    assert!(
        ROLES.count_ones() as usize <= MAX_ROLES,
        "more rows fill the target's roles than fit; raise udm::MAX_ROLES"
    );
    let mut row = 0;
    while row < COUNT {
        assert!(
            row == 0 || TEXTS & (1 << row) == 0 || rank(row - 1) <= rank(row),
            "rows with a text of the record stand in the order of the event; see index::ORDER for the place of this path"
        );
        assert!(
            !is_text_field(row) || starts(TABLE[row].path, TARGET_USER_PATH),
            "Setter::TargetText and TargetList need a path that begins with target.user."
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
    matches!(TABLE[row].put, Setter::TargetText | Setter::TargetList)
}

/// Returns the first of a set of rows.
const fn first(rows: u64) -> usize {
    assert!(rows != 0, "the table lacks a row that the mapping needs; see the constant for its source");
    rows.trailing_zeros() as usize
}

/// Returns the range of a set of rows.
const fn contiguous(rows: u64) -> Range<usize> {
    let (start, count) = (first(rows), rows.count_ones() as usize);
    assert!(
        rows >> start == (1 << count) - 1,
        "rows with the same kind of Setter must be next to each other"
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

/// Returns the row that takes the value of a change with this key.
pub(crate) fn row_of_key(key: &str) -> Option<&'static Row> {
    of_key(key).map(|index| &ROWS[index])
}

/// Returns the index of the row that takes the value of a change with this key. For most keys the length alone decides
/// that there is none.
#[inline]
pub(super) fn of_key(key: &str) -> Option<usize> {
    let rows = BY_LENGTH.get(key.len())?;
    let row = rows.iter().take_while(|&&row| row != NONE).find(|&&row| KEYS[usize::from(row)] == key);
    row.map(|&row| usize::from(row)).or_else(|| matches!(key, "Role" | "role").then_some(ROLE))
}

/// The key of each row; empty for rows without one.
static KEYS: [&str; COUNT] = KEYS_OF_TABLE;

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
