//! Finds the rows of a table of words by the first letter, so that most rows are never compared.

use std::num::NonZero;

/// For each letter, ignoring case, the rows whose word begins with it, a bit for each; the last element is for all other
/// bytes.
pub(super) struct FirstLetters([u32; LETTERS + 1]);

const LETTERS: usize = 26;

impl FirstLetters {
    /// Creates the index of no words.
    pub(super) const fn new() -> Self {
        Self([0; LETTERS + 1])
    }

    /// Adds the word of a row.
    pub(super) const fn with(mut self, row: usize, word: &str) -> Self {
        assert!(row < 32, "the table has over 32 rows; widen FirstLetters");
        self.0[index(word.as_bytes())] |= 1 << row;
        self
    }

    /// Returns the rows whose word begins as `text` does, in order.
    #[inline]
    pub(super) fn rows(&self, text: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mut rows = self.0[index(text)];
        std::iter::from_fn(move || {
            let lowest = NonZero::new(rows)?.trailing_zeros();
            rows &= rows - 1;
            Some(lowest as usize)
        })
    }
}

/// Returns the element for the first byte of a text.
const fn index(text: &[u8]) -> usize {
    let Some(first) = text.first() else { return LETTERS };
    // Only letters become lower-case letters by this.
    let letter = (*first | 0x20).wrapping_sub(b'a') as usize;
    if letter < LETTERS { letter } else { LETTERS }
}

#[cfg(test)]
mod tests {
    use super::FirstLetters;

    #[test]
    fn rows_begin_with_the_same_letter() {
        let words = FirstLetters::new().with(0, "add").with(1, "create").with(2, "Assign").with(3, "9");
        let rows = |text: &str| words.rows(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!((rows("ADD"), rows("c"), rows("x")), (vec![0, 2], vec![1], vec![]));
        assert_eq!((rows("9"), rows("")), (vec![3], vec![3]));
    }
}
