//! The two loops that every byte of a record goes through: plain text inside a string, and space between tokens.

/// How many bytes are looked at together. A word is the widest step that needs neither `unsafe` nor a check of what
/// the processor can do.
const STEP: usize = size_of::<u64>();
const ONES: u64 = u64::from_le_bytes([0x01; STEP]);
const HIGHS: u64 = u64::from_le_bytes([0x80; STEP]);

/// The length of the prefix of `bytes` that may stand between the quotes of a JSON string as it is: up to the first
/// quote, backslash or control character (RFC 8259 section 7), or all of it.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<STEP>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return index * STEP + (found.trailing_zeros() / 8) as usize;
        }
    }
    let done = bytes.len() - rest.len();
    done + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

/// Whether `byte` ends a run of plain text.
#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < b' '
}

/// The high bit of each special byte of a word. Bits above the lowest one set may be wrong (borrows travel upwards);
/// the lowest is exact.
#[inline]
fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero = (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash);
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (zero | control) & HIGHS
}

/// The first position from `at` on that holds no JSON white space.
#[inline]
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
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
        fn plain_len_sees_one_special_byte_among_letters(at in 0usize..64, special in prop::sample::select(b"\"\\\0\x1f\n".to_vec())) {
            let mut bytes = vec![b'\x7f'; 70];
            bytes[at] = special;
            prop_assert_eq!(plain_len(&bytes), at);
        }
    }
}
