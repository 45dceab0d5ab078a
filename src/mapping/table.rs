//! The mapping table: one row per mapped field. The code, `mapping.md`, `zoom-udm mapping` and the coverage test use
//! it.
//!
//! Lists are filled in the order of the rows. CONTRIBUTING.md shows how to add a field.

use super::push_labels;
use crate::detail::{Member, Text, TextValues};
use crate::record::Field;
use crate::udm::{About, Event, Label};

/// One mapped field.
#[derive(Debug)]
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

/// UDM fields that are lists of strings; paths do not mark them with `[]`.
const LISTS: [&str; 2] = ["emailAddresses", "department"];

impl Row {
    /// Returns whether the path ends in a list of strings, to which the value is appended.
    pub(crate) fn is_element(&self) -> bool {
        self.path.rsplit('.').next().is_some_and(|name| LISTS.contains(&name))
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
    FirstUser(Member),
    /// A member of each further object.
    FurtherUser(Member),
}

/// Who defined a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Google's published mapping of Zoom operation logs.
    Google,
    /// This project, where Google's table names the fields but not the conversion.
    Project,
}

/// How a value is written to the event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setter {
    /// The event is created with it.
    Preset,
    Constant(&'static str, fn(&mut Event<'_>, &'static str)),
    Text(for<'a> fn(&mut Event<'a>, &'a str)),
    First(for<'a> fn(&mut Event<'a>, TextValues<'a>)),
    Further(for<'a> fn(&mut About<'a>, TextValues<'a>)),
}

use Provenance::{Google, Project};
use Source::{Constant, Detail, FirstUser, FurtherUser, Key};

/// The complete mapping.
pub static ROWS: [Row; COUNT] = TABLE;

const COUNT: usize = 32;

const TABLE: [Row; COUNT] = [
    Row {
        source: Source::Field(Field::Time),
        path: "metadata.eventTimestamp",
        rule: "trimmed; RFC 3339 with up to 9 fractional digits, also with a space for the T, without a zone (UTC) or with +hhmm; or 10 or 13 digits since the epoch",
        example: ("2022-12-16 18:15:38", "2022-12-16T18:15:38Z"),
        basis: Project,
        put: Setter::Preset,
    },
    Row {
        source: Source::Field(Field::EventType),
        path: "metadata.eventType",
        rule: "trimmed, if it is exactly a UDM event type's name and the event has what the type needs; otherwise USER_UNCATEGORIZED if operator, email or email2 is there; otherwise GENERIC_EVENT",
        example: (" STATUS_UPDATE ", "STATUS_UPDATE"),
        basis: Project,
        put: Setter::Preset,
    },
    Row {
        source: Constant,
        path: "metadata.logType",
        rule: "constant",
        example: ("", "ZOOM_OPERATION_LOGS"),
        basis: Google,
        put: Setter::Constant("ZOOM_OPERATION_LOGS", |event, value| event.metadata.log_type = Some(value)),
    },
    Row {
        source: Constant,
        path: "metadata.productName",
        rule: "constant",
        example: ("", "ZOOM_OPERATION_LOGS"),
        basis: Google,
        put: Setter::Constant("ZOOM_OPERATION_LOGS", |event, value| {
            event.metadata.product_name = Some(value)
        }),
    },
    Row {
        source: Constant,
        path: "metadata.vendorName",
        rule: "constant",
        example: ("", "ZOOM"),
        basis: Google,
        put: Setter::Constant("ZOOM", |event, value| event.metadata.vendor_name = Some(value)),
    },
    Row {
        source: Source::Field(Field::Action),
        path: "metadata.productEventType",
        rule: "verbatim",
        example: ("Batch Update", "Batch Update"),
        basis: Google,
        put: Setter::Text(|event, value| event.metadata.product_event_type = Some(value)),
    },
    Row {
        source: Source::Field(Field::OperationDetail),
        path: "metadata.description",
        rule: "verbatim, including trailing spaces",
        example: ("Edit Group Recruiting ", "Edit Group Recruiting "),
        basis: Google,
        put: Setter::Text(|event, value| event.metadata.description = Some(value)),
    },
    Row {
        source: Source::Field(Field::CategoryType),
        path: "additional.category_type",
        rule: "verbatim",
        example: ("User Group", "User Group"),
        basis: Google,
        put: Setter::Text(|event, value| event.category_type = Some(value)),
    },
    Row {
        source: Source::Field(Field::Operator),
        path: "principal.user.emailAddresses",
        rule: "trimmed, if it is an e-mail address as a whole",
        example: ("admin-test%1223+123@duff.dev.co", "admin-test%1223+123@duff.dev.co"),
        basis: Project,
        put: Setter::Text(|event, value| event.principal.user.email_addresses.push(value)),
    },
    Row {
        source: Source::Field(Field::Operator),
        path: "principal.user.userid",
        rule: "trimmed, if it is not an e-mail address",
        example: ("SCIM@Okta", "SCIM@Okta"),
        basis: Project,
        put: Setter::Text(|event, value| event.principal.user.userid = Some(Text::Borrowed(value))),
    },
    Row {
        source: Detail("email"),
        path: "target.user.emailAddresses",
        rule: "the first e-mail address in HEAD, in an unkeyed piece, or in a KEY",
        example: ("Add User homer@simpson.io  - User Type: Basic", "homer@simpson.io"),
        basis: Project,
        put: Setter::Text(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Detail("email2"),
        path: "target.user.emailAddresses",
        rule: "the second such address, distinct ignoring case",
        example: ("Transfer a@x.io to b@x.io ", "b@x.io"),
        basis: Project,
        put: Setter::Text(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Key("Email Address"),
        path: "target.user.emailAddresses",
        rule: "after email and email2, distinct ignoring case",
        example: ("Add Contact  - Email Address: c@x.io", "c@x.io"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Key("Display Name"),
        path: "target.user.userDisplayName",
        rule: "new value",
        example: ("Update User a@x.io  - Display Name: from A to Ann", "Ann"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.user_display_name = Some(value)),
    },
    Row {
        source: Key("First Name"),
        path: "target.user.firstName",
        rule: "new value",
        example: ("Update User a@x.io  - First Name: set to Ann", "Ann"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.first_name = Some(value)),
    },
    Row {
        source: Key("Last Name"),
        path: "target.user.lastName",
        rule: "new value",
        example: ("Update User a@x.io  - Last Name: from  to Lee", "Lee"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.last_name = Some(value)),
    },
    Row {
        source: Key("Job Title"),
        path: "target.user.title",
        rule: "new value",
        example: ("x  - Job Title: from A to B to C", "B to C"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.title = Some(value)),
    },
    Row {
        source: Key("Department"),
        path: "target.user.department",
        rule: "new value, as a list of one",
        example: ("Update User a@x.io  - Department: from IT - Helpdesk to Sales", "Sales"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.department = Some(value)),
    },
    Row {
        source: Key("Description"),
        path: "target.user.roleDescription",
        rule: "new value",
        example: ("Add Role Auditor  - Description: reads all", "reads all"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.role_description = Some(value)),
    },
    Row {
        source: Key("Role Name"),
        path: "target.user.attribute.roles[].name",
        rule: "new value; distinct",
        example: ("Update Role  - Role Name: from A to Auditor", "Auditor"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.roles.push(value)),
    },
    Row {
        source: Key("User Role"),
        path: "target.user.attribute.roles[].name",
        rule: "new value, after Role Name; distinct",
        example: ("Update User b@x.io  - User Role: from Member to Admin", "Admin"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.user.roles.push(value)),
    },
    Row {
        source: Detail("role"),
        path: "target.user.attribute.roles[].name",
        rule: "where HEAD starts with Change Role (any case): the first new value of a change whose KEY is an e-mail address; otherwise the value of Role or role, whichever is last; after the others, distinct",
        example: ("Change Role  - h.s@duff.io: from User to Co-Owner", "Co-Owner"),
        basis: Project,
        put: Setter::Text(|event, value| event.target.user.roles.push(value)),
    },
    Row {
        source: Key("Room Name"),
        path: "target.user.attribute.labels[]",
        rule: "new value, with the key Room Name",
        example: ("Add Room  - Room Name: Atrium", "Room Name=Atrium"),
        basis: Project,
        put: Setter::Text(|event, value| push_labels(event, "Room Name", value.into())),
    },
    Row {
        source: Key("Type"),
        path: "target.user.attribute.labels[]",
        rule: "new value, with the key Type",
        example: ("Add Room  - Type: Kiosk", "Type=Kiosk"),
        basis: Project,
        put: Setter::Text(|event, value| push_labels(event, "Type", value.into())),
    },
    Row {
        source: Key("User Type"),
        path: "target.user.attribute.labels[]",
        rule: "new value, with the key User Type",
        example: ("Add User a@x.io  - User Type: Basic", "User Type=Basic"),
        basis: Project,
        put: Setter::Text(|event, value| push_labels(event, "User Type", value.into())),
    },
    Row {
        source: Key("Location"),
        path: "target.location.name",
        rule: "new value",
        example: ("Update Room  - Location: set to Oslo", "Oslo"),
        basis: Google,
        put: Setter::Text(|event, value| event.target.location_name = Some(value)),
    },
    Row {
        source: FirstUser(Member::UserId),
        path: "target.user.userid",
        rule: "trimmed; a number or boolean as its JSON text; for a list its first non-empty element",
        example: (r#"x  - K: [{"userId":" u1 "}]"#, "u1"),
        basis: Google,
        put: Setter::First(|event, mut values| event.target.user.userid = values.next()),
    },
    Row {
        source: FirstUser(Member::Assistant),
        path: "target.user.attribute.labels[]",
        rule: "with the key assistant, after the labels above; a list gives one per element; an object or a nested list its compact JSON text",
        example: (r#"x  - K: [{"assistant":"b@x.io"}]"#, "assistant=b@x.io"),
        basis: Project,
        put: Setter::First(|event, values| push_labels(event, "assistant", values)),
    },
    Row {
        source: FirstUser(Member::Options),
        path: "target.user.attribute.labels[]",
        rule: "with the key options, after assistant; the same rules",
        example: (r#"x  - K: [{"options":["view","edit"]}]"#, "options=view, options=edit"),
        basis: Project,
        put: Setter::First(|event, values| push_labels(event, "options", values)),
    },
    Row {
        source: FurtherUser(Member::UserId),
        path: "about[].user.userid",
        rule: "trimmed; an object without user data gives no entry",
        example: (r#"x  - K: [{"userId":"u1"},{"userId":"u2"}]"#, "u2"),
        basis: Google,
        put: Setter::Further(|about, mut values| about.userid = values.next()),
    },
    Row {
        source: FurtherUser(Member::Assistant),
        path: "about[].user.attribute.labels[]",
        rule: "with the key assistant, as for the first",
        example: (r#"x  - K: [{},{"assistant":"c@x.io"}]"#, "assistant=c@x.io"),
        basis: Project,
        put: Setter::Further(|about, values| about.labels.push(Label { key: "assistant", values })),
    },
    Row {
        source: FurtherUser(Member::Options),
        path: "about[].user.attribute.labels[]",
        rule: "with the key options, after assistant; as for the first",
        example: (r#"x  - K: [{},{"options":true}]"#, "options=true"),
        basis: Project,
        put: Setter::Further(|about, values| about.labels.push(Label { key: "options", values })),
    },
];

/// The indices of rows.
pub(super) mod row {
    use super::{COUNT, Setter, Source, TABLE};
    use std::ops::Range;

    /// The range of rows that are written in one way; they must be adjacent.
    macro_rules! together {
        ($put:pat) => {{
            let (mut start, mut end, mut index) = (COUNT, 0, 0);
            while index < COUNT {
                if matches!(TABLE[index].put, $put) {
                    start = if index < start { index } else { start };
                    end = index + 1;
                }
                index += 1;
            }
            start..end
        }};
    }

    pub(in super::super) const TIME: usize = at("metadata.eventTimestamp", 0);
    pub(in super::super) const EVENT_TYPE: usize = at("metadata.eventType", 0);
    pub(in super::super) const ACTION: usize = at("metadata.productEventType", 0);
    pub(in super::super) const DESCRIPTION: usize = at("metadata.description", 0);
    pub(in super::super) const CATEGORY_TYPE: usize = at("additional.category_type", 0);
    pub(in super::super) const OPERATOR_EMAIL: usize = at("principal.user.emailAddresses", 0);
    pub(in super::super) const OPERATOR_USERID: usize = at("principal.user.userid", 0);
    pub(in super::super) const EMAILS_PATH: &str = "target.user.emailAddresses";
    pub(in super::super) const EMAIL: usize = at(EMAILS_PATH, 0);
    pub(in super::super) const EMAIL2: usize = at(EMAILS_PATH, 1);
    pub(in super::super) const ROLES_PATH: &str = "target.user.attribute.roles[].name";
    pub(in super::super) const ROLE: usize = at(ROLES_PATH, 2);

    /// One bit for each row of a list that several rows fill; only these can repeat a value.
    pub(in super::super) const MAY_REPEAT: u64 = {
        let (mut rows, mut index) = (0, 0);
        while index < COUNT {
            if same(TABLE[index].path, EMAILS_PATH) || same(TABLE[index].path, ROLES_PATH) {
                rows |= 1 << index;
            }
            index += 1;
        }
        rows
    };

    /// A bit for each row that puts the operator.
    pub(in super::super) const OPERATOR: u64 = 1 << OPERATOR_EMAIL | 1 << OPERATOR_USERID;

    /// A bit for each row that puts a text of the record into the target's user.
    pub(in super::super) const TARGET_USER: u64 = {
        let (mut rows, mut index) = (0, 0);
        while index < COUNT {
            if matches!(TABLE[index].put, Setter::Text(_)) && starts(TABLE[index].path, "target.user.") {
                rows |= 1 << index;
            }
            index += 1;
        }
        rows
    };

    /// The rows whose value is the same for every record.
    pub(in super::super) const CONSTANTS: Range<usize> = together!(Setter::Constant(..));
    /// The rows for the first object of the embedded JSON.
    pub(in super::super) const FIRST_USER: Range<usize> = together!(Setter::First(_));
    /// The rows for further objects.
    pub(in super::super) const FURTHER_USER: Range<usize> = together!(Setter::Further(_));

    /// Returns the `nth` row (from 0) that fills `path`.
    const fn at(path: &str, nth: usize) -> usize {
        let (mut seen, mut index) = (0, 0);
        // If no row matches, constant evaluation fails, and so does the build.
        loop {
            if same(TABLE[index].path, path) {
                if seen == nth {
                    return index;
                }
                seen += 1;
            }
            index += 1;
        }
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

    /// Returns the row that takes the value of a change with this key. For most keys the length alone decides that
    /// there is none.
    #[inline]
    pub(in super::super) fn of_key(key: &str) -> Option<usize> {
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

    /// For each length of a key, the rows whose keys have that length.
    static BY_LENGTH: [[u8; 8]; 16] = {
        let (mut rows, mut counts, mut index) = ([[NONE; 8]; 16], [0; 16], 0_u8);
        while (index as usize) < COUNT {
            let length = KEYS_OF_TABLE[index as usize].len();
            if length > 0 {
                rows[length][counts[length]] = index;
                counts[length] += 1;
            }
            index += 1;
        }
        rows
    };
}
