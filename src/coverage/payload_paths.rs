//! The paths of the scalars in a payload.

use crate::json::{scalar, string};
use smallvec::SmallVec;
use std::ops::Range;

/// Finds the paths of scalars in a JSON value, which are passed in order. A path joins keys with `.`; `[]` stands for any
/// element of an array. Paths are cut in deep values and after long keys.
pub(super) struct PayloadPaths<'j> {
    json: &'j str,
    at: usize,
    /// The path of the current object or array; with that of the current scalar, if there is one.
    path: String,
    /// The length of the path without that of the current scalar.
    base: usize,
    open: SmallVec<[Level; 8]>,
    /// The number of open objects and arrays that have no level.
    deeper: usize,
}

/// An open object or array.
struct Level {
    /// The length of the path around it.
    around: usize,
    is_array: bool,
}

/// The maximum number of levels in a path.
const MAX_LEVELS: usize = 64;
/// The length in bytes that a path does not exceed by more than one key.
const MAX_PATH: usize = 200;

impl<'j> PayloadPaths<'j> {
    /// `json` must be valid.
    pub(super) fn of(json: &'j str) -> Self {
        let path = String::with_capacity(MAX_PATH);
        Self { json, at: 0, path, base: 0, open: SmallVec::new(), deeper: 0 }
    }

    /// Returns the path of the scalar with this member and length. The member is the scalar itself if it has no key.
    pub(super) fn of_scalar(&mut self, member: &Range<usize>, length: usize) -> &str {
        self.path.truncate(self.base);
        self.advance(member.start);
        // Only a colon and white space stand between a key and its value.
        let before = &self.json[member.start..member.end - length];
        let quote = before.as_bytes().iter().rposition(|byte| *byte == b'"');
        self.push_part(quote.and_then(|quote| before.get(1..quote)));
        self.at = member.end;
        &self.path
    }

    /// Enters and leaves the objects and arrays that begin or end before a position.
    fn advance(&mut self, end: usize) {
        let (bytes, mut key) = (self.json.as_bytes(), None);
        while self.at < end {
            match bytes[self.at] {
                open @ (b'{' | b'[') => self.enter(open == b'[', key.take()),
                b'}' | b']' => self.leave(),
                b'"' => {
                    let start = self.at;
                    self.at = scalar(bytes, start).unwrap_or(end);
                    // If it is not a key, another one or the end follows.
                    key = self.json.get(start + 1..self.at - 1);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Appends the last part of the path of a value, which is the member of an object with this key, or an element.
    fn push_part(&mut self, key: Option<&str>) {
        if self.deeper > 0 || self.path.len() > MAX_PATH {
            return;
        }
        match (self.open.last(), key) {
            (Some(Level { is_array: true, .. }), _) => self.path.push_str("[]"),
            (Some(_), Some(key)) => {
                if !self.path.is_empty() {
                    self.path.push('.');
                }
                self.path.push_str(&string(start_of(key)));
            }
            _ => {}
        }
    }

    fn enter(&mut self, is_array: bool, key: Option<&str>) {
        let around = self.path.len();
        if self.open.len() == MAX_LEVELS {
            self.deeper += 1;
            return;
        }
        self.push_part(key);
        self.open.push(Level { around, is_array });
        self.base = self.path.len();
    }

    fn leave(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(level) = self.open.pop() {
            self.path.truncate(level.around);
            self.base = level.around;
        }
    }
}

/// Returns a raw key, or the start of a long one, which ends before an escape.
fn start_of(key: &str) -> &str {
    if key.len() <= MAX_PATH {
        return key;
    }
    let end = (0..=MAX_PATH).rev().find(|&end| key.is_char_boundary(end)).unwrap_or(0);
    let start = &key[..end];
    start.split_once('\\').map_or(start, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scalars;

    fn paths(json: &str) -> Vec<String> {
        let mut paths = PayloadPaths::of(json);
        scalars(json).map(|scalar| paths.of_scalar(&scalar.member, scalar.value.len()).to_owned()).collect()
    }

    #[test]
    fn scalars_have_their_paths_in_order() {
        let json = r#"{ "a" : [1, "x:y" , {"b":null}, [2]] , "c\u0022":{"d": true,"e":[{}, "f"]},"a":-1.5e3,"":{"":0} }"#;
        let expected = ["a[]", "a[]", "a[].b", "a[][]", "c\".d", "c\".e[]", "a", "", ""];
        assert_eq!(paths(json)[..8], expected[..8]);
        assert_eq!(paths("[1,{}]"), ["[]"]);
        assert_eq!(paths("7"), [""]);
    }

    #[test]
    fn deep_and_long_paths_are_cut() {
        let deep = "{\"a\":".repeat(1000) + "7" + &"}".repeat(1000);
        assert_eq!(
            paths(&format!("[{deep},8]")),
            [format!("[]{}", ".a".repeat(MAX_LEVELS - 2)), "[]".to_owned()]
        );
        let long = format!("{{\"{}\":{{\"b\":1}},\"c\":2}}", "é".repeat(1000));
        let found = paths(&long);
        assert!(found[0].len() < 2 * MAX_PATH && found[1] == "c", "{found:?}");
    }
}
