//! The rows that `--enrich` adds. Examples are whole records.

use super::row::Provenance::Project;
use super::row::{Row, Setter, Source};
use crate::record::RecordKind;

/// Declares each row once: its name, the kinds of records that it applies to, where its value comes from and goes to, its rule,
/// an example, and how it is written.
macro_rules! rows {
    ($($name:ident: $kinds:ident $from:literal => $path:literal $setter:ident $rule:literal ($text:literal, $value:literal))*) => {
        /// A row that `--enrich` adds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum EnrichedRow {
            $($name,)*
        }

        pub(super) const ENRICHED_ROWS: &[Row] = &[$(Row {
            source: source($kinds, $from),
            path: $path,
            rule: $rule,
            example: ($text, $value),
            basis: Project,
            put: Setter::$setter,
        },)*];
    };
}

/// Returns the source of a row.
const fn source(kinds: &'static [RecordKind], name: &'static str) -> Source {
    if matches!(name.as_bytes(), b"constant") { Source::Constant } else { Source::Enriched { kinds, name } }
}

const ALL: &[RecordKind] = &RecordKind::ALL;
const OPERATION: &[RecordKind] = &[RecordKind::Operation];
const WEBHOOK: &[RecordKind] = &[RecordKind::Webhook];
const SIGN_INS: &[RecordKind] = &[RecordKind::SignIn, RecordKind::Webhook];

/// The application of every target.
pub(super) const APPLICATION: &str = "Zoom";

rows! {
    Application: ALL "constant" => "target.application" Enriched
        "constant"
        (r#"{"category_type":"Account"}"#, "Zoom")
    EventType: ALL "type" => "metadata.eventType" Enriched
        "the first type that fits and whose needs are met, unless the record has a usable event_type; the tables are in docs/mapping-rules.md"
        (r#"{"category_type":"User","operation_detail":"Delete User a@x.io"}"#, "USER_DELETION")

    AboutAddress: OPERATION "address" => "about[].user.emailAddresses" EnrichedElement
        "each further e-mail address in HEAD, an unkeyed piece or a KEY, distinct ignoring case; it replaces email2"
        (r#"{"operation_detail":"Transfer a@x.io to b@x.io"}"#, "b@x.io")
    TargetRole: OPERATION "role of an address" => "target.user.attribute.roles[].name" Enriched
        "where HEAD starts with Change Role: the new value of a change whose KEY is the target's address; it replaces role"
        (r#"{"operation_detail":"Change Role  - a@x.io: from User to Admin"}"#, "Admin")
    TargetRoleType: ALL "role" => "target.user.attribute.roles[].type" Enriched
        "ADMINISTRATOR for the roles Owner, Co-Owner, Admin and those that end in Admin"
        (r#"{"operation_detail":"Change Role  - a@x.io: from User to Billing Admin"}"#, "ADMINISTRATOR")
    PreviousRole: OPERATION "old role" => "target.user.attribute.labels[]" Enriched
        "with the key Previous Role: the old value of the target's role"
        (r#"{"operation_detail":"Change Role  - a@x.io: from User to Admin"}"#, "Previous Role=User")
    AboutRole: OPERATION "role of an address" => "about[].user.attribute.roles[].name" Enriched
        "the same for further addresses"
        (r#"{"operation_detail":"Change Role  - a@x.io: from A to B - b@x.io: from C to D"}"#, "D")
    AboutRoleType: OPERATION "role" => "about[].user.attribute.roles[].type" Enriched
        "as for the target"
        (r#"{"operation_detail":"Change Role  - a@x.io: from A to B - b@x.io: from C to Owner"}"#, "ADMINISTRATOR")
    AboutPreviousRole: OPERATION "old role" => "about[].user.attribute.labels[]" Enriched
        "as for the target"
        (r#"{"operation_detail":"Change Role  - a@x.io: from A to B - b@x.io: from C to D"}"#, "Previous Role=C")
    UserName: OPERATION "name" => "target.user.userid" Enriched
        "the name in HEAD, for users without an e-mail address and a userid"
        (r#"{"category_type":"User","operation_detail":"Delete User ann"}"#, "ann")
    AuthenticationStatus: OPERATION "verb" => "target.user.userAuthenticationStatus" Enriched
        "for users: ACTIVE after activate or unlock, SUSPENDED after deactivate or lock, DELETED after a deletion"
        (r#"{"category_type":"User","operation_detail":"Deactivate User a@x.io"}"#, "SUSPENDED")
    AddressBefore: OPERATION "old Email Address" => "src.user.emailAddresses" EnrichedElement
        "the old value of the last change of Email Address"
        (r#"{"operation_detail":"Update  - Email Address: from a@x.io to b@x.io"}"#, "a@x.io")
    GroupName: OPERATION "name" => "target.group.groupDisplayName" Enriched
        "for groups: the name in HEAD"
        (r#"{"category_type":"User Group","operation_detail":"Edit Group Springfield"}"#, "Springfield")
    ResourceType: OPERATION "category_type" => "target.resource.resourceType" Enriched
        "by the class of the category; for users only if the event is USER_RESOURCE_UPDATE_CONTENT"
        (r#"{"category_type":"Role","operation_detail":"Add Role Auditor"}"#, "ACCESS_POLICY")
    ResourceSubtype: OPERATION "section" => "target.resource.resourceSubtype" Enriched
        "for settings HEAD, if it begins with no verb; otherwise the category"
        (r#"{"category_type":"Account","operation_detail":"Security  - Passcode: from On to Off"}"#, "Security")
    ResourceName: OPERATION "name" => "target.resource.name" Enriched
        "the name in HEAD; for settings without one the only KEY, otherwise the section; for users the first e-mail address"
        (r#"{"category_type":"Account","operation_detail":"Security  - Passcode: from On to Off"}"#, "Passcode")
    MeetingId: OPERATION "name" => "target.resource.productObjectId" Enriched
        "for recordings: the name, if it is digits and spaces, without its spaces"
        (r#"{"category_type":"Recording","operation_detail":"Delete recording for meeting 111 2222 3333"}"#, "11122223333")
    UserDetail: OPERATION "unkeyed piece" => "target.user.attribute.labels[]" Enriched
        "with the key detail, for users, unless it is only e-mail addresses"
        (r#"{"category_type":"User","operation_detail":"Update User a@x.io  - by SCIM"}"#, "detail=by SCIM")
    GroupDetail: OPERATION "unkeyed piece" => "target.group.attribute.labels[]" Enriched
        "the same for groups"
        (r#"{"category_type":"Group","operation_detail":"Edit Group Staff  - moved"}"#, "detail=moved")
    ResourceDetail: OPERATION "unkeyed piece" => "target.resource.attribute.labels[]" Enriched
        "the same for others"
        (r#"{"category_type":"Webinar","operation_detail":"Update Webinar Town  - moved"}"#, "detail=moved")
    PhoneNumberMove: OPERATION "from, to" => "target.resource.attribute.labels[]" Enriched
        "for phone numbers: what follows from and to in HEAD, with the keys From and To"
        (r#"{"category_type":"Phone Number","operation_detail":"Delete Phone Number +1 From abc.zoom.us"}"#, "From=abc.zoom.us")
    UserAfter: OPERATION "change" => "target.user.attribute.labels[]" Enriched
        "for users: the new value of each change, with its KEY, unless another row puts it into the event"
        (r#"{"category_type":"User","operation_detail":"Edit User a@x.io  - Change Type: from Basic to Licensed"}"#, "Change Type=Licensed")
    GroupAfter: OPERATION "change" => "target.group.attribute.labels[]" Enriched
        "for groups: the new value of each change, with its KEY"
        (r#"{"category_type":"Group","operation_detail":"Edit Group Staff  - Passcode: from On to Off"}"#, "Passcode=Off")
    ResourceAfter: OPERATION "change" => "target.resource.attribute.labels[]" Enriched
        "the same for others"
        (r#"{"category_type":"Account","operation_detail":"Security  - Passcode: from On to Off"}"#, "Passcode=Off")
    UserBefore: OPERATION "change" => "src.user.attribute.labels[]" Enriched
        "for users: the old value of each change, with its KEY"
        (r#"{"category_type":"User","operation_detail":"Edit User a@x.io  - Change Type: from Basic to Licensed"}"#, "Change Type=Basic")
    GroupBefore: OPERATION "change" => "src.group.attribute.labels[]" Enriched
        "the same for groups"
        (r#"{"category_type":"Group","operation_detail":"Edit Group Staff  - Passcode: from On to Off"}"#, "Passcode=On")
    ResourceBefore: OPERATION "change" => "src.resource.attribute.labels[]" Enriched
        "the same for others"
        (r#"{"category_type":"Account","operation_detail":"Security  - Passcode: from On to Off"}"#, "Passcode=On")
    Verb: OPERATION "verb" => "securityResult[0].detectionFields[]" Enriched
        "with the key verb: the verb of HEAD, in lower case"
        (r#"{"category_type":"User","operation_detail":"Delete User a@x.io"}"#, "verb=delete")
    Changed: OPERATION "change" => "securityResult[0].detectionFields[]" Enriched
        "with the key changed: each KEY that is not an e-mail address, distinct"
        (r#"{"category_type":"Account","operation_detail":"Security  - Passcode: set to"}"#, "changed=Passcode")
    Summary: OPERATION "HEAD" => "securityResult[0].summary" Enriched
        "trimmed"
        (r#"{"category_type":"User","operation_detail":"Delete User a@x.io  - K: v"}"#, "Delete User a@x.io")
    CategoryDetails: OPERATION "category_type" => "securityResult[0].categoryDetails" EnrichedElement
        "trimmed"
        (r#"{"category_type":"User"}"#, "User")

    PrincipalAddress: SIGN_INS "email" => "principal.user.emailAddresses" EnrichedElement
        "of a sign-in and a sign-out: the target's, unless somebody else is the operator"
        (r#"{"type":"Sign in","email":"a@x.io"}"#, "a@x.io")
    PrincipalUserid: SIGN_INS "email" => "principal.user.userid" Enriched
        "the same, if it is not an e-mail address"
        (r#"{"type":"Sign in","email":"ann"}"#, "ann")
    Auth: SIGN_INS "type" => "extensions.auth" Enriched
        "present for a sign-in and a sign-out"
        (r#"{"type":"Sign in","email":"a@x.io"}"#, "{}")
    Mechanism: WEBHOOK "login_type" => "extensions.auth.mechanism" EnrichedElement
        "USERNAME_PASSWORD for the login type 101"
        (r#"{"event":"user.signed_in","payload":{"object":{"email":"a@x.io","login_type":101}}}"#, "USERNAME_PASSWORD")
    Action: SIGN_INS "type" => "securityResult[0].action" EnrichedElement
        "ALLOW for a sign-in and a sign-out"
        (r#"{"type":"Sign out","email":"a@x.io"}"#, "ALLOW")

    WebhookStatus: WEBHOOK "event" => "target.user.userAuthenticationStatus" Enriched
        "ACTIVE, SUSPENDED or DELETED, if the event says so"
        (r#"{"event":"user.activated","payload":{"object":{"email":"a@x.io"}}}"#, "ACTIVE")
    WebhookPreviousRole: WEBHOOK "old_object.role_name" => "target.user.attribute.labels[]" Enriched
        "with the key Previous Role: the old role_name, otherwise the old role, of a user whose role changed"
        (r#"{"event":"user.updated","payload":{"object":{"id":"u","role":"1"},"old_object":{"role":"2"}}}"#, "Previous Role=2")
    OldAddress: WEBHOOK "old_object.email" => "src.user.emailAddresses" EnrichedElement
        "trimmed, if the entire value is an e-mail address"
        (r#"{"event":"user.updated","payload":{"old_object":{"email":"old@x.io"}}}"#, "old@x.io")
    OldUserid: WEBHOOK "old_object.email" => "src.user.userid" Enriched
        "trimmed, if it is not an e-mail address"
        (r#"{"event":"user.updated","payload":{"old_object":{"email":"old"}}}"#, "old")
    OldFirstName: WEBHOOK "old_object.first_name" => "src.user.firstName" Enriched
        "verbatim"
        (r#"{"event":"user.updated","payload":{"old_object":{"first_name":"Jill"}}}"#, "Jill")
    OldLastName: WEBHOOK "old_object.last_name" => "src.user.lastName" Enriched
        "verbatim"
        (r#"{"event":"user.updated","payload":{"old_object":{"last_name":"Chill"}}}"#, "Chill")
    OldDisplayName: WEBHOOK "old_object.display_name" => "src.user.userDisplayName" Enriched
        "verbatim"
        (r#"{"event":"user.updated","payload":{"old_object":{"display_name":"Jill Chill"}}}"#, "Jill Chill")
    OldDept: WEBHOOK "old_object.dept" => "src.user.department" EnrichedElement
        "verbatim, as a list of one"
        (r#"{"event":"user.updated","payload":{"old_object":{"dept":"Sales"}}}"#, "Sales")
    WebhookResourceType: WEBHOOK "event" => "target.resource.resourceType" Enriched
        "by the event: USER, SETTING or CLOUD_ORGANIZATION"
        (r#"{"event":"account.updated","payload":{"object":{}}}"#, "SETTING")
    WebhookResourceName: WEBHOOK "object" => "target.resource.name" Enriched
        "the e-mail address of a user, the account_name of an account, or the only setting that changed"
        (r#"{"event":"user.updated","payload":{"object":{"email":"a@x.io"}}}"#, "a@x.io")
    WebhookResourceId: WEBHOOK "object.id" => "target.resource.productObjectId" Enriched
        "of a user or an account that is the resource; it replaces account_id"
        (r#"{"event":"account.created","payload":{"object":{"id":"a1"}}}"#, "a1")
    SettingAfter: WEBHOOK "object.settings" => "target.resource.attribute.labels[]" Enriched
        "one for each string, number or boolean below it; the key is its path without settings"
        (r#"{"event":"x","payload":{"object":{"settings":{"in_meeting":{"chat":true}}}}}"#, "in_meeting.chat=true")
    SettingBefore: WEBHOOK "old_object.settings" => "src.resource.attribute.labels[]" Enriched
        "the same"
        (r#"{"event":"x","payload":{"old_object":{"settings":{"in_meeting":{"chat":false}}}}}"#, "in_meeting.chat=false")
    SettingChanged: WEBHOOK "object.settings" => "securityResult[0].detectionFields[]" Enriched
        "with the key changed: the path of each setting that is new or has another value than in old_object"
        (r#"{"event":"x","payload":{"object":{"settings":{"chat":true}},"old_object":{"settings":{"chat":false}}}}"#, "changed=chat")
    GroupUser: WEBHOOK "object.members" => "about[].user.emailAddresses" EnrichedElement
        "the e-mail address of each member of a group, then of each element of admins"
        (r#"{"event":"group.created","payload":{"object":{"members":[{"email":"m@x.io"}]}}}"#, "m@x.io")
    ParticipantAddress: WEBHOOK "object.participant.email" => "principal.user.emailAddresses" EnrichedElement
        "trimmed, if it is an e-mail address, the event begins with meeting. and operator is absent"
        (r#"{"event":"meeting.x","payload":{"object":{"participant":{"email":"p@x.io"}}}}"#, "p@x.io")
    UnreadOfPayload: WEBHOOK "payload" => "additional.*" Enriched
        "each string, number or boolean that no other row uses, under its path; those outside object and old_object under payload. and their path"
        (r#"{"event":"x","payload":{"object":{"a":{"b":1}}}}"#, "1")

    Unread: ALL "any other member" => "additional.*" Enriched
        "each string, number or boolean that no other row reads, under its name; of equal names the last"
        (r#"{"category_type":"Account","number":1.5}"#, "1.5")
}
