//! E-mail addresses: the pattern that defines them, and a fast matcher that tests hold equal to it.
//!
//! The pattern is the definition (docs/mapping-rules.md, section 2). Matching it costs more than all other work on a record, so plain ASCII
//! addresses are found around their `@` with a table. Addresses that touch a character beyond ASCII are left to the
//! pattern.

use crate::json::find_byte;
use once_cell::sync::Lazy;
use regex::Regex;
use std::num::NonZero;
use std::ops::Range;
use wide::u8x16;

/// `local @ label ( . label )+`: `\w` includes Unicode letters and digits; a label begins and ends with a letter or digit.
pub const PATTERN: &str = r"[\w+%][\w.!#$%&'*+/=?^~-]*@[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)+";

static ANYWHERE: Lazy<Regex> = Lazy::new(|| compile(PATTERN));
static WHOLE: Lazy<Regex> = Lazy::new(|| compile(&format!(r"\A(?:{PATTERN})\z")));

#[expect(clippy::expect_used, reason = "the pattern is a constant that every test compiles")]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the e-mail pattern is valid")
}

/// Returns whether the whole of `text` is one e-mail address.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let signs = AtSigns::of(text.as_bytes());
    let Some(at) = signs.next(0) else { return false };
    match signs.around(0, at) {
        AddressMatch::Email(found) => found == (0..text.len()),
        AddressMatch::Nothing => false,
        AddressMatch::Unsure => WHOLE.is_match(text),
    }
}

/// Returns the first e-mail address in `text` that begins at `from` or later: the leftmost match of [`PATTERN`].
#[must_use]
pub fn find(text: &str, from: usize) -> Option<Range<usize>> {
    let signs = AtSigns::of(text.as_bytes());
    let mut at = from;
    loop {
        at = signs.next(at)?;
        match signs.around(from, at) {
            AddressMatch::Email(found) => return Some(found),
            AddressMatch::Nothing => at += 1,
            AddressMatch::Unsure => return ANYWHERE.find_at(text, from).map(|found| found.range()),
        }
    }
}

/// The result of matching around one `@`.
enum AddressMatch {
    Email(Range<usize>),
    Nothing,
    /// A character beyond ASCII touches the address; the pattern must decide.
    Unsure,
}

/// A text and the positions of its `@` characters.
struct AtSigns<'t> {
    bytes: &'t [u8],
    classes: Option<CharClasses>,
}

impl<'t> AtSigns<'t> {
    #[inline]
    fn of(bytes: &'t [u8]) -> Self {
        Self { bytes, classes: CharClasses::of(bytes) }
    }

    /// Returns the first `@` at or after a position.
    #[inline]
    fn next(&self, from: usize) -> Option<usize> {
        match &self.classes {
            Some(classes) if from < 64 => {
                NonZero::new(classes.at >> from).map(|at| from + at.trailing_zeros() as usize)
            }
            Some(_) => None,
            None => find_byte(b'@', self.bytes.get(from..)?).map(|at| from + at),
        }
    }

    /// Returns the address around the `@` at `at` that begins at or after `from`. A local part contains no `@`, so the leftmost match is
    /// the longest run of local characters before the `@`, from the first character that may begin one.
    #[inline]
    fn around(&self, from: usize, at: usize) -> AddressMatch {
        match self.classes.as_ref().and_then(|classes| classes.around(self.bytes, from, at)) {
            Some(found) => AddressMatch::Email(found),
            None => match_at_bytewise(self.bytes, from, at),
        }
    }
}

/// Character classes of each byte of a text of 16 to 64 bytes, one bit per byte; enough for nearly every address.
#[derive(Default)]
struct CharClasses {
    at: u64,
    alnum: u64,
    dot: u64,
    /// Letters, digits, `_`, `-` and dots; and the same with `+`.
    domain: u64,
    local: u64,
}

impl CharClasses {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut classes = Self::default();
        let last = bytes.last_chunk::<16>().filter(|_| bytes.len() <= 64)?;
        for (index, step) in bytes.as_chunks::<16>().0.iter().enumerate() {
            classes.add(*step, index * 16);
        }
        // Some of the last bytes are read twice; they give the same bits.
        classes.add(*last, bytes.len() - 16);
        Some(classes)
    }

    #[inline]
    fn add(&mut self, step: [u8; 16], at: usize) {
        let bytes = u8x16::new(step);
        let within = |bytes: u8x16, first: u8, count: u8| {
            let place = bytes - u8x16::splat(first);
            place.simd_eq(place.min(u8x16::splat(count - 1)))
        };
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        let bits = |marked: u8x16| u64::from(marked.to_bitmask()) << at;
        let alnum = within(bytes | u8x16::splat(0x20), b'a', 26) | within(bytes, b'0', 10);
        let domain = alnum | is(b'_') | within(bytes, b'-', 2);
        self.at |= bits(is(b'@'));
        self.alnum |= bits(alnum);
        self.dot |= bits(is(b'.'));
        self.domain |= bits(domain);
        self.local |= bits(domain | is(b'+'));
    }

    /// Returns the address around the `@` at `at` if it is a simple one; `None` means undecided.
    #[inline]
    fn around(&self, bytes: &[u8], from: usize, at: usize) -> Option<Range<usize>> {
        if at <= from || at + 1 >= bytes.len() {
            return None;
        }
        let start = at - ((self.local << (64 - at)).leading_ones() as usize).min(at - from);
        let edge = start > from && (is(bytes[start - 1], LOCAL) || !bytes[start - 1].is_ascii());
        let [alnum, domain, dot] = [self.alnum, self.domain, self.dot].map(|class| class >> (at + 1));
        let run = domain.trailing_ones();
        let end = at + 1 + run as usize;
        let within = (1_u64 << run.min(63)) - 1;
        let (alnum, dot) = (alnum & within, dot & within);
        // Letters or digits begin and end the domain and surround each dot, and there is a dot.
        let both = (dot << 1 | 1) & !alnum == 0 && dot >> 1 & !alnum == 0 && alnum << 1 >> run & 1 == 1;
        let plain = start < at && self.alnum >> start & 1 == 1 && !edge && dot != 0 && both;
        (plain && bytes.get(end).is_none_or(u8::is_ascii)).then_some(start..end)
    }
}

/// The same, byte by byte.
fn match_at_bytewise(bytes: &[u8], from: usize, at: usize) -> AddressMatch {
    let mut start = at;
    while start > from && is(bytes[start - 1], LOCAL) {
        start -= 1;
    }
    if start > from && !bytes[start - 1].is_ascii() {
        return AddressMatch::Unsure;
    }
    while !is(bytes[start], LEAD) {
        // `@` is not a local character, so without a local part there is no address.
        if start == at {
            return AddressMatch::Nothing;
        }
        start += 1;
    }
    match domain_end(bytes, at + 1) {
        Some(0) => AddressMatch::Nothing,
        Some(end) => AddressMatch::Email(start..end),
        None => AddressMatch::Unsure,
    }
}

/// Returns the end of two or more labels from `start` on; 0 if there are none, `None` if the pattern must decide. A label ends at the last
/// letter or digit of its run; only a run that ends with one can be followed by another label.
fn domain_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut end, mut labels) = (start, 0, 0);
    loop {
        let label = at;
        while bytes.get(at).is_some_and(|&byte| is(byte, LABEL)) {
            at += 1;
        }
        if bytes.get(at).is_some_and(|byte| !byte.is_ascii()) {
            return None;
        }
        if at == label || !is(bytes[label], ALNUM) {
            break;
        }
        labels += 1;
        end = at;
        while !is(bytes[end - 1], ALNUM) {
            end -= 1;
        }
        if end < at || bytes.get(at) != Some(&b'.') {
            break;
        }
        at += 1;
    }
    Some(if labels > 1 { end } else { 0 })
}

const LEAD: u8 = 1;
const LOCAL: u8 = 2;
const LABEL: u8 = 4;
const ALNUM: u8 = 8;

/// The classes of each ASCII byte in an address.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let alnum = byte.is_ascii_alphanumeric();
        let word = alnum || byte == b'_';
        let punctuation = matches!(
            byte,
            b'.' | b'!'
                | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'~'
                | b'-'
        );
        classes[byte as usize] = if word || matches!(byte, b'+' | b'%') { LEAD } else { 0 }
            | if word || punctuation { LOCAL } else { 0 }
            | if word || byte == b'-' { LABEL } else { 0 }
            | if alnum { ALNUM } else { 0 };
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Compares the fast matcher with the pattern; used by property tests and fuzz targets.
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants {
    use super::{ANYWHERE, WHOLE, find, is_email};

    /// Both find the same addresses in `text`, and agree whether it is one.
    pub(crate) fn text(text: &str) {
        let mut from = 0;
        let all = std::iter::from_fn(|| find(text, from).inspect(|found| from = found.end));
        assert!(all.eq(ANYWHERE.find_iter(text).map(|found| found.range())), "{text:?}");
        assert_eq!(is_email(text), WHOLE.is_match(text), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spec_examples_match_as_documented() {
        for email in [
            "admin-test%1223+123@duff.dev.co",
            "müller@bücher.example",
            "a@b.co",
            "+@0.a-_-b",
            "日本@例え.テスト",
        ] {
            assert!(is_email(email), "{email}");
        }
        for other in [
            "SCIM@Okta",
            "a@b",
            "John Smith",
            "",
            "@",
            "a@.b",
            "a@b.",
            "a@-b.co",
            "a@b-.co",
            ".a@b.co",
            "a@b.c ",
            "a@b@c.d",
            "a@b_.co",
        ] {
            assert!(!is_email(other), "{other}");
        }
    }

    /// What the vectorized matcher for up to 64 bytes says about the first `@`.
    fn quick(text: &str) -> Option<Range<usize>> {
        CharClasses::of(text.as_bytes())?.around(text.as_bytes(), 0, text.find('@')?)
    }

    #[test]
    fn plain_addresses_match_without_regex() {
        for text in [
            "Ann.Lee_9+x@mail-2.example.co is gone",
            "of all users z0@a.zz alone is still there to be seen",
            "see (A9-Z@Zb.y9) somewhere there",
            "it was changed, not long ago, for u-1@sub.dom.example.org",
            "az09@AZ-az.09_x.b",
        ] {
            let expected = ANYWHERE.find(text).map(|found| found.range());
            assert!(expected.is_some());
            assert_eq!(quick(text), expected, "{text}");
            assert!(
                matches!(
                    match_at_bytewise(text.as_bytes(), 0, text.find('@').unwrap()),
                    AddressMatch::Email(_)
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn fast_match_agrees_with_regex() {
        for text in [
            "\u{e9}ann@example.co is a user",
            "ann@example.co\u{e9} is a user",
            "xy%ann@example.co is a user",
            "xy{ann@example.co is a user",
            "XY[ann@example.co is a user",
            "xy:ann@example.co is a user",
            "xy`ann@example.co is a user",
            "-ann@example.co is a user",
            "ann@-example.co is a user",
            "ann@example-.co is a user",
            "ann@exam..ple.co is a user",
            "ann@exam.-ple.co is a user",
            "ann@example. is no user",
            "ann@example is no user, see x.y",
            "ann@.example.co is no user",
            "ann@example.co_ is a user",
            "ann@exa:mple.co{ is no user",
            "everything up to the last of sixty-four bytes stands before an @",
        ] {
            let expected = ANYWHERE.find(text).map(|found| found.range());
            assert!(quick(text).is_none_or(|found| Some(found) == expected), "{text}");
            assert_eq!(find(text, 0), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn hand_search_agrees_with_regex(text in "[ab0@@@..._\\- +%!/:()\u{e9}\u{301}\u{203f}\u{2028}\u{0661}]{0,24}") {
            invariants::text(&text);
        }

        #[test]
        fn plain_address_search_agrees_with_regex(
            before in "[ (<.+a\u{e9}]{0,9}", text in "[a-z.+_-]{1,12}@[a-z0-9-]{1,8}(\\.[a-z0-9_-]{1,6}){0,3}", after in "[ )>.@_\u{e9}-]{0,3}[a-z ]{0,9}"
        ) {
            let text = before + &text + &after;
            invariants::text(&text);
        }

        #[test]
        fn any_text_matches_like_regex(text in "\\PC{0,12}@\\PC{0,6}\\.\\PC{0,6}") {
            invariants::text(&text);
        }
    }
}
