//! Compares the settings of a webhook event with those before it.

use crate::json::{Leaves, leaf_text, trim};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

/// Returns the paths of the settings in `new` whose value is another one in `old`, in order. An empty value and none are the
/// same.
pub(super) fn changed_paths(new: &str, old: Option<&str>) -> Vec<String> {
    let old = old.map(last_values).unwrap_or_default();
    let mut last = has_equal_paths(new).then(|| last_values(new));
    let (mut leaves, mut changed) = (Leaves::with_blank(new), Vec::new());
    while let Some(leaf) = leaves.next() {
        // Of equal paths the last value counts, at the place of the first.
        let value = match &mut last {
            None => leaf,
            Some(last) => match last.remove(leaves.path()) {
                Some(value) => value,
                None => continue,
            },
        };
        let before = old.get(leaves.path()).copied().unwrap_or("null");
        if text(value) != text(before) {
            changed.push(leaves.path().to_owned());
        }
    }
    changed
}

/// Returns the last value of each path of a JSON value, as written.
fn last_values(json: &str) -> HashMap<String, &str> {
    let (mut leaves, mut values) = (Leaves::with_blank(json), HashMap::new());
    while let Some(leaf) = leaves.next() {
        values.insert(leaves.path().to_owned(), leaf);
    }
    values
}

/// Returns whether several scalars of a JSON value may have one path, which needs keys with dots.
fn has_equal_paths(json: &str) -> bool {
    let hasher = RandomState::new();
    let (mut leaves, mut paths) = (Leaves::with_blank(json), HashSet::new());
    while leaves.next().is_some() {
        // Equal hashes of other paths only cost time.
        if !paths.insert(hasher.hash_one(leaves.path())) {
            return true;
        }
    }
    false
}

/// Returns the text of a scalar; that of `null` and of a blank one is empty.
fn text(json: &str) -> Cow<'_, str> {
    if json == "null" {
        return Cow::Borrowed("");
    }
    let text = leaf_text(json);
    if trim(&text).is_empty() { Cow::Borrowed("") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_settings_are_new_or_have_another_value() {
        let changed = |new, old| changed_paths(new, Some(old));
        assert_eq!(changed(r#"{"a":1,"b":{"c":[2,3]}}"#, r#"{"a":"1","b":{"c":[2,4]},"d":5}"#), ["b.c.1"]);
        assert_eq!(
            changed(r#"{"a":"","b":null,"c":" ","d":1}"#, r#"{"a":"x","b":2,"c":null}"#),
            ["a", "b", "d"]
        );
        assert_eq!(changed(r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a":{"b":2}}"#), [""; 0]);
        assert_eq!(changed_paths(r#"{"a":1,"b":""}"#, None), ["a"]);
    }
}
