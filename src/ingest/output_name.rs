//! Names of outputs: derived from the source's name and generation, so that each version has one name forever.

use super::content_id::ContentId;
use sha2::{Digest as _, Sha256};

/// The suffixes of outputs and of rejects.
pub(super) const EVENTS: &str = ".ndjson.gz";
pub(super) const REJECTS: &str = ".rejects.ndjson.gz";

/// How many digits of a content's hash are in a name.
pub(super) const HASH: usize = 32;

/// Returns the stem of the outputs of a part of a local file; `content` is the file up to the end of the part.
pub(super) fn content_stem(name: &str, content: &ContentId) -> String {
    versioned(name, &format!("{}-{}", content.length, &content.sha256[..HASH]))
}

/// Returns stem, length and hash from the name of an output that [`content_stem`] named.
pub(super) fn parse_content(output: &str) -> Option<(&str, u64, &str)> {
    let stem = output.strip_suffix(REJECTS).or_else(|| output.strip_suffix(EVENTS))?;
    let (rest, hash) = stem.rsplit_once('-')?;
    let (_, length) = rest.rsplit_once('-')?;
    (hash.len() == HASH).then_some((stem, length.parse().ok()?, hash))
}

/// Returns the common stem of an object's outputs. `NAME.json.gz` of generation 17 gives `NAME-17`. A generation that
/// is not a number is replaced by a hash of itself and the name.
pub(super) fn stem(name: &str, generation: &str) -> String {
    let number = !generation.is_empty() && generation.bytes().all(|byte| byte.is_ascii_digit());
    let generation = if number { generation.to_owned() } else { hash(&format!("{name}\0{generation}")) };
    versioned(name, &generation)
}

fn versioned(name: &str, version: &str) -> String {
    let bare = name.strip_suffix(".gz").unwrap_or(name);
    let bare = bare.strip_suffix(".ndjson").or_else(|| bare.strip_suffix(".json")).unwrap_or(bare);
    let parts: Vec<_> = format!("{bare}-{version}").split('/').map(part).collect();
    short(parts.join("/"))
}

/// The longest stem, in bytes: Cloud Storage takes names of 1,024, and a place and an extension are parts of them.
const LONGEST: usize = 960;

/// Shortens a stem that is too long. A shortened one gets a hash, so that two of them never collide.
fn short(stem: String) -> String {
    if stem.len() <= LONGEST {
        return stem;
    }
    format!("{}~{}", start_of(&stem, LONGEST - 40), hash(&stem))
}

/// Returns the longest start of a text with at most this many bytes, in whole characters.
fn start_of(text: &str, mut length: usize) -> &str {
    length = length.min(text.len());
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

fn hash(text: &str) -> String {
    crate::checksummed::hex(&Sha256::digest(text)[..8])
}

/// Returns a part of a name in a form that every file system accepts: not empty, `.` or `..`, no control characters,
/// short enough for an extension. Changed parts get a hash, so that two of them never collide.
fn part(part: &str) -> String {
    let odd = matches!(part, "" | "." | "..")
        || part.chars().any(char::is_control)
        || part.starts_with(".zoom-udm-");
    if !odd && part.len() <= 220 {
        return part.to_owned();
    }
    let plain: String = part.chars().filter(|c| !c.is_control()).collect();
    let plain = plain.trim_start_matches('.');
    format!("_{}~{}", start_of(plain, 180), hash(part))
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn output_name_is_source_and_generation() {
        assert_eq!(stem("2024/01/a.json.gz", "17"), "2024/01/a-17");
        assert_eq!(stem("a.ndjson", "17"), "a-17");
        assert_eq!(stem("a", "17"), "a-17");
        assert!(stem("a.json", "1f-2").starts_with("a-"));
        assert_ne!(stem("a.json", "1f-2"), stem("a.json.gz", "1f-2"));
    }

    #[test]
    fn long_output_names_leave_room_for_extension() {
        let long = "ü/".repeat(341);
        let (one, other) = (stem(&format!("{long}a"), "17"), stem(&format!("{long}b"), "17"));
        assert!(one != other && one.len() <= 960 && one.starts_with("ü/ü/"), "{one}");
        assert_eq!(one, stem(&format!("{long}a"), "17"));
    }

    #[test]
    fn special_names_stay_in_the_prefix_and_unique() {
        for name in ["../../etc/passwd", "/a", "a//b", "a/./b", "a\nb", &"x".repeat(900)] {
            let stem = stem(name, "1");
            assert!(
                stem.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() < 240),
                "{stem}"
            );
        }
        assert_ne!(stem("a//b", "1"), stem("a/b", "1"));
    }
}
