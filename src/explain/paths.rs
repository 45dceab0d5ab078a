//! The paths of all values in an event's JSON.

use crate::json::{elements, members};
use std::collections::HashMap;

/// Returns the position of each path in the event, such as `target.user.emailAddresses[0]`, from 0.
pub(super) fn path_order(event: &str) -> HashMap<String, usize> {
    let mut order = HashMap::new();
    walk(event, &mut String::new(), &mut order);
    order
}

/// Appends the name of a member, as JSON has it between quotes, to a path. Names that are not simple, which only members of
/// `additional` have, are quoted.
pub(super) fn push_name(path: &mut String, name: &str) {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        path.push_str("[\"");
        path.push_str(name);
        path.push_str("\"]");
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Recursion is bounded, because the writer nests at most seven levels.
fn walk(value: &str, path: &mut String, order: &mut HashMap<String, usize>) {
    let length = path.len();
    match value.as_bytes().first() {
        Some(b'{') if value != "{}" => members(value).for_each(|(name, value)| {
            push_name(path, name);
            walk(value, path, order);
            path.truncate(length);
        }),
        Some(b'[') => elements(value).enumerate().for_each(|(index, value)| {
            path.push_str(&format!("[{index}]"));
            walk(value, path, order);
            path.truncate(length);
        }),
        _ => {
            let place = order.len();
            order.insert(path.clone(), place);
        }
    }
}
