//! The spelling of field names.

/// Spelling of field names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Case {
    /// lowerCamelCase, as Google's tools write it.
    #[default]
    Camel,
    /// `snake_case`, as in the proto definition.
    Snake,
}

impl Case {
    /// Returns a lowerCamelCase name, or a path of names, in this case.
    pub(crate) fn spelled(self, name: &str) -> String {
        let mut spelled = String::with_capacity(name.len() + 8);
        for character in name.chars() {
            if self == Self::Snake && character.is_ascii_uppercase() {
                spelled.push('_');
                spelled.push(character.to_ascii_lowercase());
            } else {
                spelled.push(character);
            }
        }
        spelled
    }
}

/// Returns the length of [`snake`] of a text.
pub(super) const fn snake_len(camel: &str) -> usize {
    let (mut length, mut at) = (0, 0);
    while at < camel.len() {
        length += 1 + camel.as_bytes()[at].is_ascii_uppercase() as usize;
        at += 1;
    }
    length
}

/// Returns a text with its lowerCamelCase names in `snake_case`, followed by zeros.
pub(super) const fn snake<const N: usize>(camel: &str) -> [u8; N] {
    let (mut snake, mut length, mut at) = ([0; N], 0, 0);
    while at < camel.len() {
        let byte = camel.as_bytes()[at];
        if byte.is_ascii_uppercase() {
            snake[length] = b'_';
            length += 1;
        }
        snake[length] = byte.to_ascii_lowercase();
        length += 1;
        at += 1;
    }
    snake
}
