//! Names of the files that `collect` stores next to its data (state, lease, counts, manifests), and how `ingest`
//! recognizes them.

use once_cell::sync::Lazy;
use regex::Regex;

/// The value of `format` in a state.
pub(crate) const STATE_FORMAT: &str = "zoom-udm-collect";
/// The name of the backfill state.
pub(crate) const BACKFILL: &str = "backfill.json";
/// No state, but what the lease on records without a time is named after.
pub(crate) const UNDATED: &str = "undated.json";
/// The directory of manifests: what each run wrote, by state, day and number.
pub(crate) const MANIFESTS: &str = "manifests";

pub(crate) fn state_stem(state: &str) -> &str {
    state.strip_suffix(".json").unwrap_or(state)
}

/// Returns the name of the previous copy of a state.
pub(crate) fn previous_state_name(state: &str) -> String {
    format!("{}.previous.json", state_stem(state))
}

/// Returns the name of the lease on a state.
pub(crate) fn lease_name(state: &str) -> String {
    format!("{}.lease", state_stem(state))
}

/// Returns the directory of the objects that a state names.
pub(crate) fn work_dir(state: &str) -> String {
    format!("{}.work", state_stem(state))
}

/// Returns the name of a staged object, relative to `work_dir`; `revision` is that of the state that names it first.
pub(crate) fn staged_name(revision: u64, sha256: &str) -> String {
    format!("staged/{revision:08}-{}", &sha256[..16])
}

/// Returns the name of a count list of a day, or of undated records, relative to `work_dir`; `revision` is that of the
/// state that names it first.
pub(crate) fn counts_name(slot: &str, revision: u64, sha256: &str) -> String {
    format!("seen/{slot}-{revision:08}-{}", &sha256[..16])
}

/// The revision in the name of an object of the work; 0 in the names of lists that version 0.1 made, which had none.
pub(crate) fn revision_of(name: &str) -> u64 {
    let digits = name.rsplit(['-', '/']).nth(1).filter(|digits| digits.len() >= 8);
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Returns the name of a manifest. It contains a hash of the content, because a restored state reuses sequence numbers
/// for other manifests.
pub(crate) fn manifest_name(state: &str, day: &str, sequence: u64, sha256: &str) -> String {
    format!("{MANIFESTS}/{}/{day}/{sequence:08}-{}.json.gz", state_stem(state), &sha256[..16])
}

/// Returns whether a name is one of these, for any state. A state and its copy are recognized by content instead.
pub(crate) fn is_collector_file(name: &str) -> bool {
    static COLLECTOR_FILE: Lazy<Regex> = Lazy::new(compile);
    COLLECTOR_FILE.is_match(name)
}

#[expect(clippy::expect_used, reason = "the pattern is a constant that every test compiles")]
fn compile() -> Regex {
    let work = r"[^/]+\.work/(?:staged/[0-9]{8,}|seen/[^/]+)-[0-9a-f]{16}";
    let manifest = r"manifests/[^/]+/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{8,}-[0-9a-f]{16}\.json\.gz";
    Regex::new(&format!("(?:^|/)(?:{work}|{manifest})$")).expect("the pattern is valid")
}

/// Returns whether the content is that of a state.
pub(crate) fn looks_like_state(bytes: &[u8]) -> bool {
    let head =
        bytes.strip_prefix(br#"{"format":""#).and_then(|rest| rest.strip_prefix(STATE_FORMAT.as_bytes()));
    head.is_some_and(|rest| rest.starts_with(br#"","#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collector_files_are_recognized_and_logs_are_not() {
        let sha256 = "0123456789abcdef0123456789abcdef";
        for state in ["state.json", "any name.json", "state"] {
            let work = work_dir(state);
            for name in [
                format!("{work}/{}", staged_name(7, sha256)),
                format!("{work}/{}", staged_name(1_234_567_890, sha256)),
                format!("{work}/{}", counts_name("2024-01-31", 7, sha256)),
                format!("{work}/{}", counts_name("undated", 7, sha256)),
                format!("{work}/seen/2024-01-31-0123456789abcdef"),
                manifest_name(state, "2024/01/31", 7, sha256),
            ] {
                assert!(
                    is_collector_file(&name) && is_collector_file(&format!("zoom/collector/{name}")),
                    "{name}"
                );
                assert!(
                    !is_collector_file(&format!("{name}.gz"))
                        && !is_collector_file(&format!("x{name}").replace('/', "-")),
                    "{name}"
                );
            }
        }
        for name in [
            "zoom/operationlogs/2024/01/31/zoom-operationlogs-0123456789abcdef.json.gz",
            "zoom/webhooks/2024/01/31/zoom-webhooks-01234567-89ab-8def-8123-456789abcdef.json.gz",
            "manifests/2024/01/31/00000007-0123456789abcdef.json.gz",
            "manifests/state/2024/01/31/7-0123456789abcdef.json.gz",
            "state.work/00000007-0123456789abcdef",
            "state.works/staged/00000007-0123456789abcdef",
            "state.json",
        ] {
            assert!(!is_collector_file(name), "{name}");
        }
    }

    #[test]
    fn revision_is_parsed_from_names() {
        let sha256 = "0123456789012345";
        for revision in [0, 7, 99_999_999, 1_234_567_890] {
            for name in [staged_name(revision, sha256), counts_name("2024-01-31", revision, sha256)] {
                assert_eq!(revision_of(&name), revision, "{name}");
            }
            assert_eq!(revision_of(&counts_name("undated", revision, sha256)), revision);
        }
        for name in ["seen/2024-01-31-0123456789012345", "seen/undated-0123456789012345", "x", ""] {
            assert_eq!(revision_of(name), 0, "{name}");
        }
    }

    #[test]
    fn state_is_recognized_by_its_prefix() {
        let head = format!("{{\"format\":\"{STATE_FORMAT}\",\"version\":1");
        assert!(looks_like_state(head.as_bytes()));
        for other in
            ["", "{}", "{\"format\":\"zoom-udm\"", &head[..head.len() - 14], &head.replace("ct\"", "cts\"")]
        {
            assert!(!looks_like_state(other.as_bytes()), "{other}");
        }
    }
}
