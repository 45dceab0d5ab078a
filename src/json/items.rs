//! What a JSON array or object holds, each part as the text it is.

use super::skip_space;
use super::walk::{string, walk};

/// The elements of `array`, which must be a valid JSON array; of anything else there are none, or fewer.
pub(crate) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut cursor = Cursor::new(array);
    cursor.enter();
    std::iter::from_fn(move || if cursor.item() { cursor.value() } else { None })
}

/// The members of `object`, which must be a valid JSON object: what stands between a key's quotes, and the value.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut cursor = Cursor::new(object);
    cursor.enter();
    std::iter::from_fn(move || if cursor.item() { cursor.member() } else { None })
}

/// A place in a text that is valid JSON. Where the text is not, there is less to be found in it.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the first value of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: skip_space(text.as_bytes(), 0) }
    }

    /// What begins here.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Into the array or object that begins here.
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// On to the next item of the array or object, or behind its end: then there is none.
    pub(crate) fn item(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        match bytes.get(self.at) {
            Some(b',') => self.at = skip_space(bytes, self.at + 1),
            Some(b']' | b'}') => {
                self.at += 1;
                return false;
            }
            _ => {}
        }
        self.at < bytes.len()
    }

    /// The value that begins here, and behind it.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let end = match bytes.get(start) {
            Some(b'"') => string::<()>(bytes, start),
            _ => walk(bytes, start, &mut ()),
        };
        self.at = end.ok()?;
        self.text.get(start..self.at)
    }

    /// The key that begins here, without its quotes, and its value; and behind them.
    pub(crate) fn member(&mut self) -> Option<(&'a str, &'a str)> {
        let key = self.value()?;
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, skip_space(bytes, self.at) + 1);
        Some((key.get(1..key.len() - 1)?, self.value()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties;
    use super::super::walk::tests::jsonish;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn items_are_those_that_serde_json_reads(text in jsonish()) {
            properties::parts(&text);
        }
    }
}
