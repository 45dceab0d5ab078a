//! The text values of a JSON value.

use super::iter::Cursor;
use super::{find_byte, minify, unescape_lossy};
use std::borrow::Cow;

/// The texts of a JSON value: one per element for a list, otherwise one. A string gives its text, a number or boolean its JSON
/// text, an object or a nested list its compact JSON text. `null`, empty and blank values give nothing.
///
/// Texts are read lazily, because a list may hold more of them than should be in memory.
#[derive(Debug, Clone, Default)]
pub struct TextValues<'a> {
    /// The first text, if not yet consumed.
    first: Option<Cow<'a, str>>,
    /// For a list, the position after the last element that was read.
    rest: Option<Cursor<'a>>,
}

impl<'a> TextValues<'a> {
    /// Reads the texts of `value`, which must be valid JSON.
    pub(crate) fn of(value: &'a str) -> Self {
        if !value.starts_with('[') {
            return Self { first: scalar_text(value), rest: None };
        }
        let mut list = Cursor::new(value);
        list.enter();
        let mut texts = Self { first: None, rest: Some(list) };
        texts.first = texts.read();
        texts
    }

    /// Iterates over the texts that have not been taken; can be called repeatedly.
    #[must_use]
    pub fn each(&self) -> TextValues<'_> {
        TextValues { first: self.first.as_deref().map(Cow::Borrowed), rest: self.rest.clone() }
    }

    /// Returns whether there are no texts. Call it before taking any.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Returns the next text of the list.
    fn read(&mut self) -> Option<Cow<'a, str>> {
        let list = self.rest.as_mut()?;
        while list.next_item() {
            let text = scalar_text(list.value()?);
            if text.is_some() {
                return text;
            }
        }
        self.rest = None;
        None
    }
}

impl<'a> Iterator for TextValues<'a> {
    type Item = Cow<'a, str>;

    #[inline]
    fn next(&mut self) -> Option<Cow<'a, str>> {
        self.first.take().or_else(|| self.read())
    }
}

/// One text, as given.
impl<'a> From<&'a str> for TextValues<'a> {
    fn from(text: &'a str) -> Self {
        Cow::Borrowed(text).into()
    }
}

/// One text, as given.
impl<'a> From<Cow<'a, str>> for TextValues<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self { first: Some(text), rest: None }
    }
}

impl PartialEq for TextValues<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.each().eq(other.each())
    }
}

impl Eq for TextValues<'_> {}

/// Returns the raw parts of a value that give a text, one per text.
pub(crate) fn non_empty_elements(value: &str) -> impl Iterator<Item = &str> {
    let is_list = value.starts_with('[');
    let list = is_list.then(|| super::elements(value)).into_iter().flatten();
    let whole = (!is_list).then_some(value);
    whole.into_iter().chain(list).filter(|part| scalar_text(part).is_some())
}

/// Returns the text of a value that is not a list, or of a list element.
#[inline]
fn scalar_text(value: &str) -> Option<Cow<'_, str>> {
    let text = match value.as_bytes().first()? {
        b'n' => return None,
        b'"' => string(value.get(1..value.len() - 1)?),
        b'[' | b'{' => {
            let mut text = String::new();
            minify(value, &mut text);
            Cow::Owned(text)
        }
        _ => return Some(Cow::Borrowed(value)),
    };
    Some(text).filter(|text| !text.trim_start().is_empty())
}

/// Returns whether a value that is neither a list nor an object gives no text.
pub(super) fn is_empty_scalar(value: &str) -> bool {
    scalar_text(value).is_none()
}

/// Returns the text of a string, number or boolean: of a string its contents, otherwise as written.
pub(crate) fn leaf_text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => string(inside),
        None => Cow::Borrowed(value),
    }
}

/// Returns the text of a string from the valid text between its quotes. Half of a surrogate pair becomes U+FFFD.
pub(crate) fn string(inside: &str) -> Cow<'_, str> {
    if find_byte(b'\\', inside.as_bytes()).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    unescape_lossy(inside, &mut text);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::{TextValues, non_empty_elements};

    #[test]
    fn empty_values_yield_no_text() {
        let list = r#"["a",null," ",1,{"k": "v"},[2]]"#;
        for (value, texts, parts) in [
            (list, &["a", "1", r#"{"k":"v"}"#, "[2]"][..], &[r#""a""#, "1", r#"{"k": "v"}"#, "[2]"][..]),
            (r#""a\u0062""#, &["ab"], &[r#""a\u0062""#]),
            ("null", &[], &[]),
            ("[]", &[], &[]),
            (r#"" ""#, &[], &[]),
        ] {
            assert!(TextValues::of(value).eq(texts.iter().copied()), "{value}");
            assert!(non_empty_elements(value).eq(parts.iter().copied()), "{value}");
        }
    }

    #[test]
    fn text_values_are_equal_by_content() {
        assert_eq!(TextValues::of("[1,2]"), TextValues::of(r#"["1",null,"2"]"#));
        for other in ["[1]", "[1,3]", "[1,2,3]", "1", "null"] {
            assert_ne!(TextValues::of("[1,2]"), TextValues::of(other));
        }
    }
}
