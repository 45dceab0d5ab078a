//! Iterates over the scalars below a JSON value, each with its path.

use super::iter::Cursor;
use super::text_values::{is_empty_scalar, string};
use super::{positions, skip, skip_space};
use once_cell::sync::Lazy;
use smallvec::SmallVec;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;
use wide::u8x16;

/// The maximum length of the paths of a value together, in bytes. Google's import methods accept no event with more label
/// keys than this; without a limit, a long key before many scalars would give quadratic output.
const MAX_PATH_BYTES: usize = 4_000_000;

/// The maximum number of objects and arrays around a scalar; without a limit, a line of brackets would take ten times its
/// length in memory.
const MAX_DEPTH: usize = 500;

/// The number of objects and arrays around a scalar, of keys of an object with those around it, and of bytes of a path, that
/// few values exceed.
const TYPICAL_DEPTH: usize = 8;
const TYPICAL_KEYS: usize = 32;
const TYPICAL_PATH: usize = 64;

/// The non-empty scalars below a valid JSON value, in order: strings that are not blank, numbers and booleans.
///
/// A path joins keys and positions in arrays, from 0, with `.`. Of equal keys of one object only the last counts. Uses no
/// recursion, and reads the value twice.
pub(crate) struct Leaves<'a> {
    cursor: Cursor<'a>,
    /// The path of the current scalar, after those of the objects and arrays around it.
    path: String,
    open: SmallVec<[Level; TYPICAL_DEPTH]>,
    max_depth: usize,
    /// Where the keys stand that a later equal one replaces, in order.
    replaced: Peekable<IntoIter<u32>>,
    /// Where the scalar that was returned last stands, with its key.
    member: Range<usize>,
    path_bytes: usize,
    is_cut: bool,
    keeps_blank: bool,
    /// Whether the value has no path of its own.
    is_bare: bool,
}

/// An object or array that is being read.
struct Level {
    /// The length of its path.
    path: usize,
    /// The position of its next element, if it is an array.
    element: Option<usize>,
}

impl<'a> Leaves<'a> {
    /// Reads `value`, with `prefix` as its own path, which may be empty. A value that is neither an object nor an array has
    /// none below it.
    pub(crate) fn of(value: &'a str, prefix: &str) -> Self {
        Self::read(value, prefix, MAX_DEPTH)
    }

    /// Reads `value` without a prefix. Each of its members may be as deep as a value.
    pub(crate) fn of_members(value: &'a str) -> Self {
        Self::read(value, "", MAX_DEPTH + 1)
    }

    fn read(value: &'a str, prefix: &str, max_depth: usize) -> Self {
        let mut path = String::with_capacity(prefix.len() + TYPICAL_PATH);
        path.push_str(prefix);
        let mut leaves = Self {
            cursor: Cursor::new(value),
            path,
            open: SmallVec::new(),
            max_depth,
            replaced: replaced_keys(value, max_depth).into_iter().peekable(),
            member: 0..0,
            path_bytes: 0,
            is_cut: false,
            keeps_blank: false,
            is_bare: prefix.is_empty(),
        };
        leaves.enter();
        leaves
    }

    /// Reads `value` like [`Leaves::of`] without a prefix, including scalars that are empty.
    pub(crate) fn with_blank(value: &'a str) -> Self {
        Self { keeps_blank: true, ..Self::of(value, "") }
    }

    /// Returns the path of the scalar that was returned last.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns where the scalar that was returned last stands, with its key.
    pub(crate) fn member(&self) -> Range<usize> {
        self.member.clone()
    }

    /// Returns whether scalars were left out: those that are too deep, and those at the end if all paths together are too
    /// long.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns the next scalar, as written.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        self.next_unless(|_| false)
    }

    /// Returns the next scalar that `skips` is false for, as written. What is skipped does not count towards the limits.
    #[inline]
    pub(crate) fn next_unless(&mut self, skips: impl Fn(&'a str) -> bool) -> Option<&'a str> {
        loop {
            let level = self.open.last_mut()?;
            self.path.truncate(level.path);
            if !self.cursor.next_item() {
                self.open.pop();
                continue;
            }
            let position = self.cursor.position();
            let element = level.element;
            if let Some(next) = &mut level.element {
                *next += 1;
            }
            let key = if element.is_none() { self.cursor.key()? } else { "" };
            if self.is_replaced(position) {
                self.cursor.value()?;
                continue;
            }
            // Only a value with a path of its own needs a dot before its members.
            if self.open.len() > 1 || !self.is_bare {
                self.path.push('.');
            }
            match element {
                Some(element) => write!(self.path, "{element}").ok()?,
                None => self.path.push_str(&string(key)),
            }
            if self.open.len() < self.max_depth && self.enter() {
                continue;
            }
            let value = self.cursor.value()?;
            if skips(value) {
                continue;
            }
            let is_too_deep = value.starts_with(['{', '[']);
            self.is_cut |= is_too_deep;
            if is_too_deep || is_empty_scalar(value) && !self.keeps_blank {
                continue;
            }
            self.path_bytes += self.path.len();
            if self.path_bytes > MAX_PATH_BYTES {
                self.is_cut = true;
                self.open.clear();
                return None;
            }
            self.member = position..self.cursor.position();
            return Some(value);
        }
    }

    /// Enters the object or array at the cursor; returns `false` if there is none.
    fn enter(&mut self) -> bool {
        let is_array = match self.cursor.rest().as_bytes().first() {
            Some(b'{') => false,
            Some(b'[') => true,
            _ => return false,
        };
        self.cursor.enter();
        self.open.push(Level { path: self.path.len(), element: is_array.then_some(0) });
        true
    }

    /// Returns whether the key at this position is replaced. Positions are asked for in order.
    fn is_replaced(&mut self, position: usize) -> bool {
        let position = short(position);
        // Those before it are in values that were skipped.
        while self.replaced.next_if(|&replaced| replaced < position).is_some() {}
        self.replaced.next_if_eq(&position).is_some()
    }
}

/// A key: the fingerprint of its text, and where it stands. Small, because a line may hold a million.
type Key = (u32, u32);

/// Returns a position in 32 bits; lines are shorter than 1 GiB.
fn short(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Where fingerprints start. Secret, so that nobody can choose many short keys with one fingerprint, which must be compared.
static SEED: Lazy<u64> = Lazy::new(|| RandomState::new().hash_one(0));

/// Returns a number that is the same for equal texts, and rarely for other ones.
fn fingerprint(seed: u64, text: &str) -> u32 {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let rest = rest.iter().fold(text.len() as u64, |word, byte| word << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let mixed =
        words.chain([rest]).fold(seed, |mixed, word| mixed.wrapping_mul(SPREAD).rotate_left(29) ^ word);
    (mixed.wrapping_mul(SPREAD) >> 32) as u32
}

/// Returns where the keys of `value` stand, in order, that a later equal key of the same object replaces.
fn replaced_keys(value: &str, max_depth: usize) -> Vec<u32> {
    let (bytes, seed) = (value.as_bytes(), *SEED);
    let (mut keys, mut replaced) = (SmallVec::<[Key; TYPICAL_KEYS]>::new(), Vec::new());
    // For each object and array that is being read, the index of its first key; and the number of those that are too deep.
    let (mut open, mut deeper) = (SmallVec::<[usize; TYPICAL_DEPTH]>::new(), 0_usize);
    let mut end = 0;
    for at in positions(bytes, is_quote_or_bracket) {
        match bytes[at] {
            _ if at < end => {}
            b'"' => {
                let Ok(after) = skip::string(bytes, at) else { break };
                end = after;
                // A string is a key if a colon follows it.
                if deeper == 0 && bytes.get(skip_space(bytes, end)) == Some(&b':') {
                    keys.push((fingerprint(seed, &string(&value[at + 1..end - 1])), short(at)));
                }
            }
            b'{' | b'[' if open.len() < max_depth => open.push(keys.len()),
            b'{' | b'[' => deeper += 1,
            _ if deeper > 0 => deeper -= 1,
            _ => {
                let Some(first) = open.pop() else { break };
                push_replaced(value, &mut keys[first..], &mut replaced);
                keys.truncate(first);
            }
        }
    }
    replaced.sort_unstable();
    replaced
}

/// Marks quotes, brackets and braces. A bracket differs from its brace only in bit 0x20.
fn is_quote_or_bracket(step: u8x16) -> u8x16 {
    let braces = step | u8x16::splat(0x20);
    let [quote, open, close] = [b'"', b'{', b'}'].map(u8x16::splat);
    step.simd_eq(quote) | braces.simd_eq(open) | braces.simd_eq(close)
}

/// Adds the keys of one object that a later equal one replaces.
fn push_replaced(value: &str, keys: &mut [Key], replaced: &mut Vec<u32>) {
    if keys.len() < 2 {
        return;
    }
    let text = |key: &Key| Cursor::at(value, key.1 as usize).key().map(string);
    keys.sort_unstable();
    for alike in keys.chunk_by_mut(|one, other| one.0 == other.0).filter(|alike| alike.len() > 1) {
        // A stable sort of keys that are nearly always equal takes one pass.
        alike.sort_by(|one, other| text(one).cmp(&text(other)));
        let equal = alike.windows(2).filter(|pair| text(&pair[0]) == text(&pair[1]));
        replaced.extend(equal.map(|pair| pair[0].1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(value: &str) -> Vec<(String, &str)> {
        let (mut leaves, mut found) = (Leaves::of(value, "s"), Vec::new());
        while let Some(leaf) = leaves.next() {
            found.push((leaves.path().to_owned(), leaf));
        }
        assert!(!leaves.is_cut());
        found
    }

    #[test]
    fn scalars_have_their_paths_in_order() {
        let value = r#"{ "a" : {"b":[1,"x",{"c" : true}]}, "":-1.50, "\u0064.e":"\n\"", "n":null, "e":" ", "o":{}, "l":[[]] }"#;
        let found = leaves(value);
        let found: Vec<_> = found.iter().map(|(path, leaf)| (path.as_str(), *leaf)).collect();
        let expected = [
            ("s.a.b.0", "1"),
            ("s.a.b.1", "\"x\""),
            ("s.a.b.2.c", "true"),
            ("s.", "-1.50"),
            ("s.d.e", "\"\\n\\\"\""),
        ];
        assert_eq!(found, expected);
        assert_eq!(leaves("[null,7]"), [("s.1".to_owned(), "7")]);
        for none in ["1", "\"x\"", "null", "{}", "[]"] {
            assert_eq!(leaves(none), []);
        }
    }

    #[test]
    fn value_without_prefix_has_paths_without_dot() {
        let value = r#"{"a":{"b":1},"":"x","c":["", null]}"#;
        let all = |mut leaves: Leaves<'static>| {
            std::iter::from_fn(|| leaves.next().map(|leaf| (leaves.path().to_owned(), leaf)))
                .collect::<Vec<_>>()
        };
        let found = |leaves: &[(&str, &'static str)]| {
            leaves.iter().map(|(path, leaf)| ((*path).to_owned(), *leaf)).collect::<Vec<_>>()
        };
        assert_eq!(all(Leaves::of(value, "")), found(&[("a.b", "1"), ("", "\"x\"")]));
        assert_eq!(all(Leaves::of_members(value)), all(Leaves::of(value, "")));
        let with_blank = [("a.b", "1"), ("", "\"x\""), ("c.0", "\"\""), ("c.1", "null")];
        assert_eq!(all(Leaves::with_blank(value)), found(&with_blank));
    }

    #[test]
    fn skipped_values_do_not_count_towards_limits() {
        let long = "k".repeat(MAX_PATH_BYTES);
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        let value = format!(r#"{{"{long}":1,"deep":{deep},"a":2}}"#);
        let mut leaves = Leaves::of(&value, "");
        let next = leaves.next_unless(|value| value.starts_with(['1', '[']));
        assert_eq!((next, leaves.path(), leaves.is_cut()), (Some("2"), "a", false));
    }

    #[test]
    fn last_of_equal_keys_counts() {
        for (value, expected) in [
            (r#"{"a":1,"b":2,"a":3}"#, &[("s.b", "2"), ("s.a", "3")][..]),
            (r#"{"a":{"x":1,"x":2},"\u0061":{"y":3,"y":null}}"#, &[]),
            (r#"[{"a":1,"a":{"c":5}},{"a":2}]"#, &[("s.0.a.c", "5"), ("s.1.a", "2")]),
            (r#"{"a":{"x":1,"x":2,"x":3},"c":{"x":4}}"#, &[("s.a.x", "3"), ("s.c.x", "4")]),
        ] {
            let found = leaves(value);
            let found: Vec<_> = found.iter().map(|(path, leaf)| (path.as_str(), *leaf)).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn depth_and_length_of_paths_are_bounded() {
        let deep = "{\"a\":".repeat(501) + "7" + &"}".repeat(501);
        assert_eq!(Leaves::of_members(&deep).next(), Some("7"));
        let nested = |depth: usize| "{\"a\":".repeat(depth) + "7" + &"}".repeat(depth);
        assert_eq!(leaves(&nested(MAX_DEPTH))[0].0.len(), 1 + 2 * MAX_DEPTH);
        for depth in [MAX_DEPTH + 1, 200_000] {
            let nested = format!("[{},8]", nested(depth));
            let mut cut = Leaves::of(&nested, "");
            assert_eq!((cut.next(), cut.is_cut(), cut.next()), (Some("8"), true, None), "{depth}");
        }
        let long = format!("{{\"{}\":[{}1]}}", "k".repeat(1 << 20), "1,".repeat(1 << 20));
        let mut cut = Leaves::of(&long, "");
        assert_eq!([(); 4].map(|()| cut.next()), [Some("1"), Some("1"), Some("1"), None]);
        assert!(cut.is_cut());
    }
}
