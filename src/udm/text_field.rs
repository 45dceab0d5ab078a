//! Fields that differ only in their name.

use super::case::{Case, snake, snake_len};

/// A field of `google.backstory.User` that holds a text, or a list of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserTextField {
    /// The name in lowerCamelCase.
    pub name: &'static str,
    is_list: bool,
    camel: Opener,
    snake: Opener,
}

impl UserTextField {
    /// Creates a field from its name in lowerCamelCase.
    pub(crate) const fn new(name: &'static str, is_list: bool) -> Self {
        let start = if is_list { "\":[\"" } else { "\":\"" };
        let camel = Opener::EMPTY.with("\"").with(name).with(start);
        let snake = Opener { bytes: snake(camel.text()), length: snake_len(camel.text()) };
        Self { name, is_list, camel, snake }
    }

    /// Returns the name with its colon and the start of its value.
    #[inline]
    pub(crate) fn opener(&self, case: Case) -> &[u8] {
        let Opener { bytes, length } = if matches!(case, Case::Camel) { &self.camel } else { &self.snake };
        &bytes[..*length]
    }

    /// Returns the end of the value, with a comma.
    #[inline]
    pub(crate) fn closer(&self) -> &'static str {
        if self.is_list { "\"]," } else { "\"," }
    }
}

/// The maximum length of an opener; a longer name fails the build.
const MAX_OPENER: usize = 48;

/// A name with its colon and the start of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Opener {
    bytes: [u8; MAX_OPENER],
    length: usize,
}

impl Opener {
    const EMPTY: Self = Self { bytes: [0; MAX_OPENER], length: 0 };

    const fn with(mut self, text: &str) -> Self {
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.length] = text.as_bytes()[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
