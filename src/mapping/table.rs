//! The mapping table: one row per mapped field. The code, `mapping.md`, `zoom-udm mapping` and the coverage test use
//! it.
//!
//! This file holds the rows of all kinds of records, and those of operation logs. The rows of sign-ins (`table_sign_in`) and
//! webhook events (`table_webhook`) follow. Lists are filled in the order of the rows. CONTRIBUTING.md shows how to add a
//! field.

use super::row::Provenance::{Google, Project};
use super::row::Source::{Constant, Detail, FirstUser, FurtherUser, Key};
use super::row::{Row, Setter, Source};
use super::table_enriched::ENRICHED_ROWS;
use super::table_sign_in::SIGN_IN_ROWS;
use super::table_webhook::WEBHOOK_ROWS;
use crate::detail::{Text, TextValues, UserField};
use crate::record::Field;
use crate::udm::{Event, Label};

/// The complete mapping: the rows of the profile `google`, then those that `--enrich` adds.
pub static ROWS: &[Row] = &join::<{ TABLE.len() + ENRICHED_ROWS.len() }>(&[TABLE, ENRICHED_ROWS]);

/// The rows of the profile `google`.
pub(super) const TABLE: &[Row] =
    &join::<{ OPERATION_ROWS.len() + SIGN_IN_ROWS.len() + WEBHOOK_ROWS.len() }>(&[
        OPERATION_ROWS,
        SIGN_IN_ROWS,
        WEBHOOK_ROWS,
    ]);

/// Returns the rows of several tables, which must be so many.
const fn join<const N: usize>(tables: &[&[Row]]) -> [Row; N] {
    let (mut rows, mut count, mut table) = ([tables[0][0]; N], 0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            rows[count] = tables[table][row];
            (count, row) = (count + 1, row + 1);
        }
        table += 1;
    }
    rows
}

const OPERATION_ROWS: &[Row] = &[
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
        rule: "trimmed, if it is exactly a UDM event type's name and the event has the fields that the type \
               requires; otherwise USER_UNCATEGORIZED if operator, email or email2 is present (of a sign-in \
               email, of a webhook event the operator or the object's email); otherwise GENERIC_EVENT",
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
            event.metadata.product_name = Some(value);
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
        put: Setter::Text(|event, value| event.additional.push(("category_type", value))),
    },
    Row {
        source: Source::Field(Field::Operator),
        path: "principal.user.emailAddresses",
        rule: "trimmed, if the entire value is an e-mail address",
        example: ("admin-test%1223+123@duff.dev.co", "admin-test%1223+123@duff.dev.co"),
        basis: Project,
        put: Setter::Element(|event, value| event.principal.user.email_addresses.push(value)),
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
        put: Setter::Element(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Detail("email2"),
        path: "target.user.emailAddresses",
        rule: "the second such address, distinct ignoring case",
        example: ("Transfer a@x.io to b@x.io ", "b@x.io"),
        basis: Project,
        put: Setter::Element(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Key("Email Address"),
        path: "target.user.emailAddresses",
        rule: "after email and email2, distinct ignoring case",
        example: ("Add Contact  - Email Address: c@x.io", "c@x.io"),
        basis: Google,
        put: Setter::Element(|event, value| event.target.user.email_addresses.push(value)),
    },
    Row {
        source: Key("Display Name"),
        path: "target.user.userDisplayName",
        rule: "new value",
        example: ("Update User a@x.io  - Display Name: from A to Ann", "Ann"),
        basis: Google,
        put: Setter::TargetText,
    },
    Row {
        source: Key("First Name"),
        path: "target.user.firstName",
        rule: "new value",
        example: ("Update User a@x.io  - First Name: set to Ann", "Ann"),
        basis: Google,
        put: Setter::TargetText,
    },
    Row {
        source: Key("Last Name"),
        path: "target.user.lastName",
        rule: "new value",
        example: ("Update User a@x.io  - Last Name: from  to Lee", "Lee"),
        basis: Google,
        put: Setter::TargetText,
    },
    Row {
        source: Key("Job Title"),
        path: "target.user.title",
        rule: "new value",
        example: ("x  - Job Title: from A to B to C", "B to C"),
        basis: Google,
        put: Setter::TargetText,
    },
    Row {
        source: Key("Department"),
        path: "target.user.department",
        rule: "new value, as a list of one",
        example: ("Update User a@x.io  - Department: from IT - Helpdesk to Sales", "Sales"),
        basis: Google,
        put: Setter::TargetList,
    },
    Row {
        source: Key("Description"),
        path: "target.user.roleDescription",
        rule: "new value",
        example: ("Add Role Auditor  - Description: reads all", "reads all"),
        basis: Google,
        put: Setter::TargetText,
    },
    Row {
        source: Key("Role Name"),
        path: "target.user.attribute.roles[].name",
        rule: "new value; distinct",
        example: ("Update Role  - Role Name: from A to Auditor", "Auditor"),
        basis: Google,
        put: Setter::Role,
    },
    Row {
        source: Key("User Role"),
        path: "target.user.attribute.roles[].name",
        rule: "new value, after Role Name; distinct",
        example: ("Update User b@x.io  - User Role: from Member to Admin", "Admin"),
        basis: Google,
        put: Setter::Role,
    },
    Row {
        source: Detail("role"),
        path: "target.user.attribute.roles[].name",
        rule: "where HEAD starts with Change Role (any case): the first new value of a change whose KEY is an e-mail address; otherwise the value of Role or role, whichever is last; after the others, distinct",
        example: ("Change Role  - h.s@duff.io: from User to Co-Owner", "Co-Owner"),
        basis: Project,
        put: Setter::Role,
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
        source: FirstUser(UserField::UserId),
        path: "target.user.userid",
        rule: "trimmed; a number or boolean as its JSON text; for a list its first non-empty element",
        example: (r#"x  - K: [{"userId":" u1 "}]"#, "u1"),
        basis: Google,
        put: Setter::First(|event, mut values| event.target.user.userid = values.next()),
    },
    Row {
        source: FirstUser(UserField::Assistant),
        path: "target.user.attribute.labels[]",
        rule: "with the key assistant, after the labels above; a list gives one per element; an object or a nested list its compact JSON text",
        example: (r#"x  - K: [{"assistant":"b@x.io"}]"#, "assistant=b@x.io"),
        basis: Project,
        put: Setter::First(|event, values| push_labels(event, "assistant", values)),
    },
    Row {
        source: FirstUser(UserField::Options),
        path: "target.user.attribute.labels[]",
        rule: "with the key options, after assistant; the same rules",
        example: (r#"x  - K: [{"options":["view","edit"]}]"#, "options=view, options=edit"),
        basis: Project,
        put: Setter::First(|event, values| push_labels(event, "options", values)),
    },
    Row {
        source: FurtherUser(UserField::UserId),
        path: "about[].user.userid",
        rule: "trimmed; an object without user data gives no entry",
        example: (r#"x  - K: [{"userId":"u1"},{"userId":"u2"}]"#, "u2"),
        basis: Google,
        put: Setter::Further(|about, mut values| about.userid = values.next()),
    },
    Row {
        source: FurtherUser(UserField::Assistant),
        path: "about[].user.attribute.labels[]",
        rule: "with the key assistant, as for the first",
        example: (r#"x  - K: [{},{"assistant":"c@x.io"}]"#, "assistant=c@x.io"),
        basis: Project,
        put: Setter::Further(|about, values| about.labels.push(Label { key: "assistant", values })),
    },
    Row {
        source: FurtherUser(UserField::Options),
        path: "about[].user.attribute.labels[]",
        rule: "with the key options, after assistant; as for the first",
        example: (r#"x  - K: [{},{"options":true}]"#, "options=true"),
        basis: Project,
        put: Setter::Further(|about, values| about.labels.push(Label { key: "options", values })),
    },
];

/// Adds labels to the target.
fn push_labels<'a>(event: &mut Event<'a>, key: &'static str, values: TextValues<'a>) {
    event.target.user.labels.push(Label { key, values });
}
