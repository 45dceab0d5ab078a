//! The names that our tables know, which a redacted report may show.

use crate::detail::UserField;
use crate::mapping::{
    is_known_action, is_known_category, is_known_sign_in, known_start_of_event, row_of_key,
};
use crate::record::{Field, RecordKind};
use crate::webhook::PayloadField;

/// Returns whether a category is known.
pub(super) fn category(name: &str) -> bool {
    is_known_category(name)
}

/// Returns the start of an action that is known.
pub(super) fn start_of_action(kind: RecordKind, name: &str) -> &str {
    let is_known = match kind {
        RecordKind::Operation => is_known_action(name),
        RecordKind::SignIn => is_known_sign_in(name),
        RecordKind::Webhook => return known_start_of_event(name),
    };
    if is_known { name } else { "" }
}

/// Returns whether a change with this key is known.
pub(super) fn detail_key(key: &str) -> bool {
    key == super::analysis::ADDRESS_KEY || row_of_key(key).is_some()
}

/// Returns whether a member of a user in the JSON is known.
pub(super) fn json_key(key: &str) -> bool {
    UserField::ALL.iter().any(|member| member.name() == key)
}

/// Returns whether a member of a record is known.
pub(super) fn field(name: &str) -> bool {
    Field::ALL.iter().any(|field| field.name() == name)
}

/// The objects of a payload that are read.
const OBJECTS: [&str; 7] = [
    "object.settings.",
    "object.participant.",
    "object.members[].",
    "object.admins[].",
    "object.",
    "old_object.settings.",
    "old_object.",
];

/// Returns the start of a path in a payload that is known.
pub(super) fn start_of_path(path: &str) -> &str {
    let is_known = PayloadField::ALL.iter().any(|field| field.path() == path);
    let objects = || OBJECTS.into_iter().find(|object| path.starts_with(object)).unwrap_or_default();
    if is_known { path } else { &path[..objects().len()] }
}
