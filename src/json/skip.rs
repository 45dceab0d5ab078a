//! Finds where a JSON value ends, in one pass and at any depth.

use super::{skip_space, unescaped_prefix_len};

/// Why no end of a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipError {
    /// The text ends inside the value; more text could complete it.
    Incomplete,
    /// The text is invalid at this position.
    Invalid(usize),
}

/// Tracks which arrays and objects are open.
pub(crate) trait NestingTracker {
    /// Called when an array or object begins at `start` with `opener`, `[` or `{`.
    fn enter(&mut self, start: usize, opener: u8);
    /// Returns the opener of the innermost open container.
    fn top(&self) -> Option<u8>;
    /// Called when the innermost container ends before `end`.
    fn exit(&mut self, end: usize);
}

/// The stack of open containers, one bit per level, because a line may consist of nothing but brackets.
#[derive(Debug)]
pub(crate) struct NestingStack {
    /// Up to 63 innermost levels, the last in the lowest bit, 1 for an object; above them a marker bit 1.
    bits: u64,
    /// The outer levels, in full words.
    around: Vec<u64>,
}

impl NestingStack {
    pub(crate) const fn new() -> Self {
        Self { bits: 1, around: Vec::new() }
    }
}

impl NestingTracker for NestingStack {
    #[inline]
    fn enter(&mut self, _: usize, opener: u8) {
        if self.bits >> 63 == 1 {
            self.around.push(std::mem::replace(&mut self.bits, 1));
        }
        self.bits = self.bits << 1 | u64::from(opener == b'{');
    }

    #[inline]
    fn top(&self) -> Option<u8> {
        (self.bits > 1).then_some(if self.bits & 1 == 1 { b'{' } else { b'[' })
    }

    #[inline]
    fn exit(&mut self, _: usize) {
        self.bits >>= 1;
        if self.bits == 1
            && let Some(around) = self.around.pop()
        {
            self.bits = around;
        }
    }
}

/// Returns the position after the JSON value that begins at `start`; whitespace before it is allowed.
///
/// Follows the grammar of RFC 8259 exactly, without recursion.
#[inline]
pub(crate) fn skip_value(text: &[u8], start: usize) -> Result<usize, SkipError> {
    skip_value_with(text, start, &mut NestingStack::new())
}

/// The same with a caller's tracker, on which nothing is open.
pub(crate) fn skip_value_with<T: NestingTracker>(
    text: &[u8],
    start: usize,
    trail: &mut T,
) -> Result<usize, SkipError> {
    let mut at = start;
    let mut innermost = None;
    loop {
        at = skip_space(text, at);
        at = match byte(text, at)? {
            opener @ (b'{' | b'[') => {
                trail.enter(at, opener);
                innermost = Some(opener);
                let inside = skip_space(text, at + 1);
                let closes = byte(text, inside)? == opener + 2;
                match (closes, opener) {
                    (true, _) => inside,
                    (false, b'{') => {
                        at = key(text, inside)?;
                        continue;
                    }
                    (false, _) => {
                        at = inside;
                        continue;
                    }
                }
            }
            _ => scalar(text, at)?,
        };
        // After a value, or at the end of an empty container: close what ends here, then go on to the next value.
        loop {
            let Some(opener) = innermost else { return Ok(at) };
            at = skip_space(text, at);
            match byte(text, at)? {
                b',' if opener == b'[' => {
                    at += 1;
                    break;
                }
                b',' => {
                    at = key(text, skip_space(text, at + 1))?;
                    break;
                }
                // In ASCII, `]` and `}` are two positions after their openers.
                closer if closer == opener + 2 => {
                    at += 1;
                    trail.exit(at);
                    innermost = trail.top();
                }
                _ => return Err(SkipError::Invalid(at)),
            }
        }
    }
}

fn byte(text: &[u8], at: usize) -> Result<u8, SkipError> {
    text.get(at).copied().ok_or(SkipError::Incomplete)
}

/// Returns the position after a key and its colon.
fn key(text: &[u8], at: usize) -> Result<usize, SkipError> {
    if byte(text, at)? != b'"' {
        return Err(SkipError::Invalid(at));
    }
    let at = skip_space(text, string(text, at)?);
    if byte(text, at)? == b':' { Ok(at + 1) } else { Err(SkipError::Invalid(at)) }
}

/// Returns the position after the value at `at` that is neither array nor object.
#[inline]
pub(crate) fn scalar(text: &[u8], at: usize) -> Result<usize, SkipError> {
    match text[at] {
        b'"' => string(text, at),
        b'-' | b'0'..=b'9' => number(text, at),
        b't' => literal(text, at, b"true"),
        b'f' => literal(text, at, b"false"),
        b'n' => literal(text, at, b"null"),
        _ => Err(SkipError::Invalid(at)),
    }
}

/// Returns the position after the string whose first quote is at `at`.
pub(super) fn string(text: &[u8], at: usize) -> Result<usize, SkipError> {
    let mut at = at + 1;
    loop {
        at += unescaped_prefix_len(&text[at..]);
        match byte(text, at)? {
            b'"' => return Ok(at + 1),
            b'\\' => at = escape(text, at)?,
            _ => return Err(SkipError::Invalid(at)),
        }
    }
}

fn escape(text: &[u8], at: usize) -> Result<usize, SkipError> {
    match byte(text, at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' => hexadecimal(text, at + 2),
        _ => Err(SkipError::Invalid(at + 1)),
    }
}

/// Returns the position after the four hexadecimal digits at `at`.
fn hexadecimal(text: &[u8], at: usize) -> Result<usize, SkipError> {
    for at in at..at + 4 {
        if !byte(text, at)?.is_ascii_hexdigit() {
            return Err(SkipError::Invalid(at));
        }
    }
    Ok(at + 4)
}

fn literal(text: &[u8], at: usize, word: &[u8]) -> Result<usize, SkipError> {
    for (offset, &expected) in word.iter().enumerate() {
        if byte(text, at + offset)? != expected {
            return Err(SkipError::Invalid(at + offset));
        }
    }
    Ok(at + word.len())
}

#[inline]
fn number(text: &[u8], start: usize) -> Result<usize, SkipError> {
    let start = start + usize::from(text[start] == b'-');
    let at = match byte(text, start)? {
        b'0' => start + 1,
        b'1'..=b'9' => digits_on(text, start + 1),
        _ => return Err(SkipError::Invalid(start)),
    };
    // Most numbers are integers.
    match text.get(at) {
        Some(b'.' | b'e' | b'E') => fraction(text, at),
        _ => Ok(at),
    }
}

/// Returns the position after the fraction and exponent of a number, one of which begins at `at`.
fn fraction(text: &[u8], mut at: usize) -> Result<usize, SkipError> {
    if text[at] == b'.' {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        at = digits(text, at)?;
    }
    Ok(at)
}

/// Returns the position after at least one digit.
fn digits(text: &[u8], start: usize) -> Result<usize, SkipError> {
    if !byte(text, start)?.is_ascii_digit() {
        return Err(SkipError::Invalid(start));
    }
    Ok(digits_on(text, start + 1))
}

/// Returns the position after any digits.
#[inline]
fn digits_on(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::invariants;
    use super::*;
    use proptest::prelude::*;

    /// Text that resembles JSON, mostly valid.
    pub(in super::super) fn jsonish() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\u00e9\"",
            "\"\\\"\"",
            "\"",
            "\\",
            "0",
            "-1.5e3",
            "01",
            "1.",
            "true",
            "null",
            "nul",
            " ",
            "\n",
            "{\"k\":1}",
            "[{}]",
            "\u{e9}",
        ]);
        let leaf =
            prop::sample::select(vec!["1", "-0.5", "1e9", "\"x\"", "\"\\n\"", "null", "true", "[]", "{}"]);
        let valid = leaf.prop_map(str::to_owned).prop_recursive(6, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::vec(inner, 0..5).prop_map(|items| {
                    let members: Vec<_> = items.iter().map(|item| format!("\"k\" :{item}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        });
        prop_oneof![prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat()), valid]
    }

    proptest! {
        #[test]
        fn skip_ends_where_serde_json_ends(text in jsonish()) {
            invariants::ends(&text);
        }
    }

    #[test]
    fn deep_nesting_uses_no_stack() {
        let depth = 1_000_000;
        // Alternates both kinds in a period that does not divide the word size.
        let text = "[[{\"\":".repeat(depth) + "1" + &"}]]".repeat(depth);
        assert_eq!(skip_value(text.as_bytes(), 0), Ok(text.len()));
        let crossed = "[[{\"\":".repeat(depth) + "1" + &"}]]".repeat(depth - 1) + "}}]";
        assert_eq!(skip_value(crossed.as_bytes(), 0), Err(SkipError::Invalid(crossed.len() - 2)));
    }
}
