//! The two loops that read every byte of a record: plain text inside a string, and whitespace between tokens.

use wide::u8x16;

/// Bytes compared at a time: the widest vector that every 64-bit processor has.
pub(super) const LANES: usize = 16;

/// Returns the length of the prefix of `bytes` that may appear unescaped in a JSON string: up to the first quote, backslash or
/// control character (RFC 8259 section 7), or all of it.
#[inline]
pub(crate) fn unescaped_prefix_len(bytes: &[u8]) -> usize {
    for (index, step) in bytes.as_chunks::<LANES>().0.iter().enumerate() {
        let special = special(*step);
        if special != 0 {
            return index * LANES + special.trailing_zeros() as usize;
        }
    }
    // The remainder is compared together with preceding bytes, which are known to be plain.
    match bytes.last_chunk::<LANES>() {
        Some(last) => bytes.len() - LANES + unescaped_prefix_len_of_chunk(last),
        None => short_unescaped_prefix_len(bytes),
    }
}

/// The same for fewer than [`LANES`] bytes: the first and the last half, which may overlap, are compared as one vector.
#[inline]
fn short_unescaped_prefix_len(bytes: &[u8]) -> usize {
    let mut step = [b' '; LANES];
    let half = if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        step[..8].copy_from_slice(first);
        step[8..].copy_from_slice(last);
        8
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        step[..4].copy_from_slice(first);
        step[4..8].copy_from_slice(last);
        4
    } else {
        return bytes.iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len());
    };
    match unescaped_prefix_len_of_chunk(&step) {
        LANES => bytes.len(),
        plain if plain < half => plain,
        plain => bytes.len() + plain - 2 * half,
    }
}

/// The same for exactly [`LANES`] bytes.
#[inline]
pub(super) fn unescaped_prefix_len_of_chunk(step: &[u8; LANES]) -> usize {
    first(special(*step))
}

/// Returns the index of the lowest set bit, or [`LANES`] if there is none.
#[inline]
fn first(bits: u32) -> usize {
    (bits | 1 << LANES).trailing_zeros() as usize
}

/// Returns whether `byte` ends a run of plain text.
#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// Returns a bit mask of the bytes that end a run of plain text.
#[inline]
fn special(step: [u8; LANES]) -> u32 {
    let bytes = u8x16::new(step);
    let quote = bytes.simd_eq(u8x16::splat(b'"'));
    let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
    let control = bytes.simd_eq(bytes.min(u8x16::splat(b' ' - 1)));
    (quote | backslash | control).to_bitmask()
}

/// Returns the first position of `byte` in `bytes`. For the short texts of a record this is faster than a search that first
/// selects an implementation for the processor.
#[inline]
pub(crate) fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    positions(bytes, |step| step.simd_eq(u8x16::splat(byte))).next()
}

/// Returns the positions of the bytes that `select` marks, in order.
#[inline]
pub(crate) fn positions(bytes: &[u8], select: impl Fn(u8x16) -> u8x16) -> impl Iterator<Item = usize> {
    let (mut start, mut marked) = (0, marks(bytes, 0, &select));
    std::iter::from_fn(move || {
        while marked == 0 {
            start += LANES;
            if start >= bytes.len() {
                return None;
            }
            marked = marks(bytes, start, &select);
        }
        let position = start + marked.trailing_zeros() as usize;
        marked &= marked - 1;
        Some(position)
    })
}

/// Calls `f` with each of these positions. Faster than the iterator if all positions are needed.
#[inline]
pub(crate) fn for_each_position(bytes: &[u8], select: impl Fn(u8x16) -> u8x16, mut f: impl FnMut(usize)) {
    let mut start = 0;
    while start < bytes.len() {
        let mut marked = marks(bytes, start, &select);
        while marked != 0 {
            f(start + marked.trailing_zeros() as usize);
            marked &= marked - 1;
        }
        start += LANES;
    }
}

/// Returns a bit mask of the bytes that `select` marks in the step at `start`; the last step may be short.
#[inline]
fn marks(bytes: &[u8], start: usize, select: &impl Fn(u8x16) -> u8x16) -> u32 {
    let rest = &bytes[start..];
    if let Some(step) = rest.first_chunk::<LANES>() {
        select(u8x16::new(*step)).to_bitmask()
    } else if let Some(last) = bytes.last_chunk::<LANES>() {
        // The remainder is compared together with preceding bytes.
        select(u8x16::new(*last)).to_bitmask() >> (LANES - rest.len())
    } else {
        let mut padded = [0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        select(u8x16::new(padded)).to_bitmask() & ((1 << rest.len()) - 1)
    }
}

/// Returns the first position at or after `at` that is not JSON whitespace.
#[inline]
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at)
        && byte <= b' '
        && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
    {
        at += 1;
    }
    at
}

/// Trims Unicode whitespace like [`str::trim`], with a fast path for text without any.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => trim_slowly(text),
    }
}

#[inline(never)]
fn trim_slowly(text: &str) -> &str {
    // The common case is one or two spaces at the end: HEAD has them before the dash.
    let spaces = text.bytes().rev().take_while(|&byte| byte == b' ').count();
    let text = &text[..text.len() - spaces];
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::invariants;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unescaped_prefix_ends_at_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            invariants::plain(&bytes);
        }

        #[test]
        fn unescaped_prefix_finds_a_single_special_byte(
            at in 0usize..70, special in prop::sample::select(b"\"\\\0\x1f\n".to_vec()), length in 0usize..70
        ) {
            let mut bytes = [b'\x7f'; 70];
            bytes[at] = special;
            prop_assert_eq!(unescaped_prefix_len(&bytes[..length]), at.min(length));
        }

        #[test]
        fn positions_cover_every_matching_byte(bytes in prop::collection::vec(0u8..4, 0..60)) {
            invariants::marked(&bytes, 0);
        }

        #[test]
        fn trim_matches_the_standard_trim(text in "[ \t\u{a0}\u{2003}a\u{e9}]{0,6}") {
            prop_assert_eq!(trim(&text), text.trim());
        }
    }
}
