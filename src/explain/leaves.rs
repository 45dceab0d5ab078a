//! The leaves of an event's JSON, each by its path.

use crate::json::{elements, members};
use std::collections::HashMap;

/// Where in the event each path stands: `target.user.emailAddresses[0]`, …, counted from 0.
pub(super) fn order(event: &str) -> HashMap<String, usize> {
    let mut order = HashMap::new();
    walk(event, &mut String::new(), &mut order);
    order
}

/// Events are seven levels deep at the most: what the writer writes bounds the recursion.
fn walk(value: &str, path: &mut String, order: &mut HashMap<String, usize>) {
    let length = path.len();
    match value.as_bytes().first() {
        Some(b'{') => members(value).for_each(|(name, value)| {
            if length > 0 {
                path.push('.');
            }
            // The names of UDM need no escape.
            path.push_str(name);
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
