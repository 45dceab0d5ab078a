//! The paths of the scalars in a payload.

use crate::json::{scalar, skip_space, string};

/// Iterates over the paths of all scalars in a JSON value, in order. A path joins keys with `.`; `[]` stands for any element
/// of an array. Paths are cut in deep values and after long keys.
pub(super) struct PayloadPaths<'j> {
    json: &'j str,
    at: usize,
    /// The path of the current object or array; with that of the current scalar, if there is one.
    path: String,
    /// The length of the path without that of the current scalar.
    base: usize,
    open: Vec<Level>,
    /// The number of open objects and arrays that have no level.
    deeper: usize,
    key: Option<&'j str>,
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
        Self { json, at: 0, path: String::new(), base: 0, open: Vec::new(), deeper: 0, key: None }
    }

    /// Returns the path of the next scalar.
    pub(super) fn next(&mut self) -> Option<&str> {
        self.path.truncate(self.base);
        let bytes = self.json.as_bytes();
        loop {
            match *bytes.get(self.at)? {
                open @ (b'{' | b'[') => self.enter(open == b'['),
                b'}' | b']' => self.leave(),
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    let start = self.at;
                    self.at = scalar(bytes, start).ok()?;
                    // A string is a key if a colon follows it.
                    if bytes.get(skip_space(bytes, self.at)) == Some(&b':') {
                        self.key = self.json.get(start + 1..self.at - 1);
                        continue;
                    }
                    self.push_part();
                    return Some(&self.path);
                }
            }
            self.at += 1;
        }
    }

    /// Appends the last part of the path of the value at this place.
    fn push_part(&mut self) {
        let key = self.key.take();
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

    fn enter(&mut self, is_array: bool) {
        let around = self.path.len();
        if self.open.len() == MAX_LEVELS {
            (self.deeper, self.key) = (self.deeper + 1, None);
            return;
        }
        self.push_part();
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
        let found: Vec<_> = std::iter::from_fn(|| paths.next().map(str::to_owned)).collect();
        assert_eq!(found.len(), scalars(json).count());
        found
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
