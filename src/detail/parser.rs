//! The grammar of `operation_detail`: HEAD, a space, then ` - CHANGE` for each change.
//!
//! One scan finds every byte that matters to the grammar; the rules work on these positions.

use super::change::Change;
use super::detail::Detail;
use super::embedded_json;
use super::splice_buf::SpliceBuf;
use crate::json::{for_each_position, trim};
use wide::u8x16;

impl<'a> Detail<'a> {
    /// Parses an `operation_detail`. Every text is valid: what matches no rule is head.
    #[must_use]
    #[inline]
    pub fn parse(text: &'a str, cut: &'a mut SpliceBuf) -> Self {
        let mut detail = Self::default();
        detail.fill(text, cut);
        detail
    }

    /// The same for an empty detail, which is not moved.
    #[expect(clippy::inline_always, reason = "a call and a move cost a tenth of parsing")]
    #[inline(always)]
    pub(crate) fn fill(&mut self, text: &'a str, cut: &'a mut SpliceBuf) {
        let text = trim(text);
        if read(text, self, ()) {
            self.find_json(text, cut);
        }
    }

    /// Parses a trimmed text again without the JSON in it, if there is any.
    #[inline(never)]
    fn find_json(&mut self, text: &'a str, cut: &'a mut SpliceBuf) {
        let Some(found) = embedded_json::find(text) else { return };
        *self = Self { json: Some(&text[found.json.clone()]), ..Self::default() };
        let (rest, seams) = cut.without(text, &found);
        read(trim(rest), self, seams);
    }
}

/// Where something was cut out of a text. Two spaces, one on each side of a seam, do not count as two; three do.
trait Seams: Copy {
    /// Whether something was cut out at this position.
    fn part(self, at: usize) -> bool;
}

/// Nothing was.
impl Seams for () {
    #[inline]
    fn part(self, _: usize) -> bool {
        false
    }
}

impl Seams for [usize; 2] {
    fn part(self, at: usize) -> bool {
        self.contains(&at)
    }
}

/// Splits a trimmed text into HEAD, unkeyed piece and changes. Returns whether it contains a bracket or brace that
/// could begin a JSON value.
#[expect(clippy::inline_always, reason = "as with its caller")]
#[inline(always)]
fn read<'a, S: Seams>(text: &'a str, detail: &mut Detail<'a>, seams: S) -> bool {
    let bytes = text.as_bytes();
    detail.head = text;
    let mut pieces =
        Segmenter { text, seams, head: None, piece: 0, colon: None, start: 0, key: None, detail };
    let mut brackets = false;
    for_each_position(bytes, is_delimiter, |at| match bytes[at] {
        b':' => pieces.colon = pieces.colon.or(Some(at)),
        b'-' if bytes.get(at + 1) == Some(&b' ') => pieces.dash(at),
        b'-' => {}
        b'@' => pieces.at_sign(),
        _ => brackets = true,
    });
    pieces.end();
    brackets
}

/// Returns whether the grammar depends on this byte.
#[inline]
fn is_delimiter(step: u8x16) -> u8x16 {
    // `[` and `{` differ only in bit 0x20, which is also the lower-case bit.
    let brackets = (step | u8x16::splat(0x20)).simd_eq(u8x16::splat(b'{'));
    step.simd_eq(u8x16::splat(b'-'))
        | step.simd_eq(u8x16::splat(b':'))
        | step.simd_eq(u8x16::splat(b'@'))
        | brackets
}

/// The state of splitting a text.
struct Segmenter<'a, 'd, S> {
    text: &'a str,
    seams: S,
    /// The dash that ends HEAD, once known.
    head: Option<usize>,
    /// The start of the current piece, and its first colon.
    piece: usize,
    colon: Option<usize>,
    /// The start of the text that is being collected: the value of `key`, or the unkeyed piece.
    start: usize,
    key: Option<&'a str>,
    detail: &'d mut Detail<'a>,
}

impl<S: Seams> Segmenter<'_, '_, S> {
    /// Handles a dash followed by a space: if a space also precedes it, it separates two pieces.
    #[inline]
    fn dash(&mut self, at: usize) {
        let bytes = self.text.as_bytes();
        let behind_space = at == 0 || bytes[at - 1] == b' ';
        if !behind_space {
            return;
        }
        match self.head {
            Some(head) if head < at => {
                // A space that belongs to the previous dash does not count again.
                if at > self.piece {
                    self.close_piece(at - 1);
                    (self.piece, self.colon) = (at + 2, None);
                }
            }
            known => {
                let head = known.unwrap_or_else(|| head_end(bytes, at, self.seams));
                self.head = Some(head);
                if head == at {
                    self.detail.head = trim(&self.text[..at]);
                    (self.piece, self.start, self.colon) = (at + 2, at + 2, None);
                }
            }
        }
    }

    #[inline]
    fn at_sign(&mut self) {
        self.detail.at_signs += 1;
        self.detail.has_at_sign_after_head |= self.head.is_some();
    }

    /// Handles the piece that ends at `end`: `KEY: VALUE` or `KEY:` begins a change; any other piece belongs to the
    /// text that is being collected.
    #[inline]
    fn close_piece(&mut self, end: usize) {
        let Some(colon) = self.colon else { return };
        let key = trim(&self.text[self.piece..colon]);
        // The colon must be followed by a space, or end the piece.
        if key.is_empty() || colon + 1 < end && self.text.as_bytes()[colon + 1] != b' ' {
            return;
        }
        // The dash and its spaces precede the piece.
        self.close(self.piece.saturating_sub(" - ".len()));
        // Nearly always one space, and nothing to trim after it.
        (self.start, self.key) = ((colon + 2).min(end), Some(key));
    }

    /// Ends the text that is being collected.
    #[inline]
    fn close(&mut self, end: usize) {
        let text = trim(self.text.get(self.start..end).unwrap_or_default());
        match self.key {
            Some(key) => self.detail.changes.push(Change { key, value: text }),
            None if text.is_empty() => {}
            None => self.detail.unkeyed = Some(text),
        }
    }

    /// Ends the whole text.
    #[inline]
    fn end(mut self) {
        if self.head.is_some() {
            self.close_piece(self.text.len());
            self.close(self.text.len());
        }
    }
}

/// Returns the dash that ends HEAD, given the first dash with a space on both sides: a dash at the very start,
/// otherwise the first one after two spaces, otherwise the given one.
#[inline]
fn head_end(bytes: &[u8], dash: usize, seams: impl Seams) -> usize {
    match bytes[..dash] {
        [] => dash,
        [.., b' ', b' '] if counts_as_two(bytes, dash, seams) => dash,
        _ => after_double_space(bytes, dash, seams).unwrap_or(dash),
    }
}

/// Returns whether the two spaces before a dash count as two: unless they are all there are, with a seam between them.
#[inline]
fn counts_as_two(bytes: &[u8], dash: usize, seams: impl Seams) -> bool {
    !seams.part(dash - 1) || dash > 2 && bytes[dash - 3] == b' '
}

/// The first dash from `from` on that stands after two spaces and before one.
#[cold]
fn after_double_space(bytes: &[u8], from: usize, seams: impl Seams) -> Option<usize> {
    let mut at = from;
    // Two spaces over a seam may overlap two that are not: the search goes on within them.
    while let Some(length) = memchr::memmem::find(&bytes[at..], b"  - ") {
        at += length + 1;
        if counts_as_two(bytes, at + 1, seams) {
            return Some(at + 1);
        }
    }
    None
}
