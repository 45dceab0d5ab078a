//! Tells logs from the files that a collector stores among them. Asked once for each object, when it is listed.

use crate::collector_files;
use crate::store::ObjectMeta;

/// What an object is, as far as its name and size show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A log.
    Log,
    /// A placeholder for a directory.
    Placeholder,
    /// A file that a collector stores next to its data.
    CollectorFile,
    /// A log, or the state of a collector under an unusual name: the content decides.
    MaybeState,
    /// The same, with the name of a state or lease.
    NamedAsState,
}

/// The maximum size of a state in bytes; one of half a year of open days has some hundred thousand.
const LARGEST_STATE: u64 = 1 << 20;

/// Classifies an object by its metadata.
pub(super) fn classify(listed: &ObjectMeta) -> Class {
    if collector_files::is_collector_file(&listed.name) {
        return Class::CollectorFile;
    }
    if listed.size == 0 && listed.name.ends_with('/') {
        return Class::Placeholder;
    }
    match split_extension(&listed.name) {
        Some((stem, extension @ ("json" | "lease"))) if listed.size <= LARGEST_STATE => {
            if extension == "lease" || is_state_stem(stem) { Class::NamedAsState } else { Class::MaybeState }
        }
        _ => Class::Log,
    }
}

impl Class {
    /// Returns whether only the content can show what the object is.
    pub(super) fn needs_content(self) -> bool {
        matches!(self, Self::MaybeState | Self::NamedAsState)
    }

    /// Returns whether this content makes the object a file of a collector: a state of ours, a lease, or the state of
    /// Google's reference collector (one JSON object with a cursor that is not a record).
    pub(super) fn is_collector_state(self, bytes: &[u8]) -> bool {
        if self.needs_content() && collector_files::looks_like_state(bytes) {
            return true;
        }
        if self != Self::NamedAsState {
            return false;
        }
        let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(bytes) else { return false };
        let record = ["operation_detail", "operation_logs", "activity_logs", "event", "time"]
            .iter()
            .any(|key| members.contains_key(*key));
        let lease = members.len() == 2 && members.contains_key("holder") && members.contains_key("until");
        !record && (lease || members.contains_key("cursor_date"))
    }
}

fn is_state_stem(stem: &str) -> bool {
    stem.contains("state")
        || stem == collector_files::state_stem(collector_files::BACKFILL)
        || stem.ends_with(".previous")
}

/// Splits a name without its directories into stem and extension.
fn split_extension(name: &str) -> Option<(&str, &str)> {
    name.rsplit('/').next().unwrap_or_default().rsplit_once('.')
}

#[cfg(test)]
mod tests {
    use super::{Class, ObjectMeta, classify};

    fn class(name: &str, size: u64) -> Class {
        classify(&ObjectMeta { name: name.into(), size, modified: 0, tag: String::new() })
    }

    #[test]
    fn names_and_sizes_decide_what_needs_a_look() {
        for (name, size, expected) in [
            ("2024/01/a.json.gz", 9, Class::Log),
            ("a.ndjson", 9, Class::Log),
            ("2024/01/31/zoom-webhooks-01234567-89ab-8def-8123-456789abcdef.json.gz", 9, Class::Log),
            ("directory/", 0, Class::Placeholder),
            ("state.work/staged/00000001-0123456789abcdef", 9, Class::CollectorFile),
            ("a.json", 9, Class::MaybeState),
            ("a.json", 2 << 20, Class::Log),
            ("zoom/state.json", 9, Class::NamedAsState),
            ("backfill.json", 9, Class::NamedAsState),
            ("x.previous.json", 9, Class::NamedAsState),
            ("x.lease", 9, Class::NamedAsState),
        ] {
            assert_eq!(class(name, size), expected, "{name} of {size} bytes");
        }
    }

    #[test]
    fn content_decides_for_small_json_files() {
        let state = br#"{"format":"zoom-udm-collect","version":1}"#;
        let reference = br#"{"cursor_date":"2024-01-31"}"#;
        let lease = br#"{"holder":null,"until":0}"#;
        let record = br#"{"time":"2024-01-31T00:00:00Z","cursor_date":"x"}"#;
        for (class, contents) in [
            (Class::Log, [false, false, false, false]),
            (Class::MaybeState, [true, false, false, false]),
            (Class::NamedAsState, [true, true, true, false]),
        ] {
            let found = [&state[..], reference, lease, record].map(|bytes| class.is_collector_state(bytes));
            assert_eq!(found, contents, "{class:?}");
        }
    }
}
