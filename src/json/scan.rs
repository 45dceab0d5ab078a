//! The two loops that every byte of a record goes through: plain text inside a string, and space between tokens.

use wide::u8x16;

/// How many bytes are looked at together: the widest vector that every 64-bit processor has.
const STEP: usize = 16;

/// The length of the prefix of `bytes` that may stand between the quotes of a JSON string as it is: up to the first
/// quote, backslash or control character (RFC 8259 section 7), or all of it.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for (index, step) in steps.iter().enumerate() {
        let special = special(*step);
        if special != 0 {
            return index * STEP + special.trailing_zeros() as usize;
        }
    }
    // What is left is looked at together with bytes before it that are known to be plain.
    match bytes.last_chunk::<STEP>() {
        Some(last) => bytes.len() - STEP + first(special(*last)),
        None => rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len()),
    }
}

/// The index of the lowest bit set, [`STEP`] if none is.
#[inline]
fn first(bits: u32) -> usize {
    (bits | 1 << STEP).trailing_zeros() as usize
}

/// Whether `byte` ends a run of plain text.
#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// A bit for each byte of a step that ends a run of plain text.
#[inline]
fn special(step: [u8; STEP]) -> u32 {
    let bytes = u8x16::new(step);
    let quote = bytes.simd_eq(u8x16::splat(b'"'));
    let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
    let control = bytes.simd_eq(bytes.min(u8x16::splat(b' ' - 1)));
    (quote | backslash | control).to_bitmask()
}

/// The first position from `at` on that holds no JSON white space.
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

/// `text` without Unicode's white space at both ends, as [`str::trim`]; quick where there is none.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn plain_len_is_the_position_of_the_first_special_byte(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let plain = bytes.iter().position(|&b| is_special(b)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_len(&bytes), plain);
        }

        #[test]
        fn plain_len_sees_one_special_byte_among_letters(
            at in 0usize..70, special in prop::sample::select(b"\"\\\0\x1f\n".to_vec()), length in 0usize..70
        ) {
            let mut bytes = vec![b'\x7f'; 70];
            bytes[at] = special;
            prop_assert_eq!(plain_len(&bytes[..length]), at.min(length));
        }

        #[test]
        fn trim_is_the_standard_trim(text in "[ \t\u{a0}\u{2003}a\u{e9}]{0,6}") {
            prop_assert_eq!(trim(&text), text.trim());
        }
    }
}
