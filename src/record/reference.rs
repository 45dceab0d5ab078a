//! The reference reader, built on `serde_json`. It defines what a record is.

use super::field::{FIELDS, Field, PAGE_LISTS, ValueType, page_list};
use super::kind::{FieldSet, RecordKind, SLOTS};
use super::record::{Record, Scratch, is_blank};
use super::unknown;
use crate::json::{self, minify, skip_space, unescape_lossy};
use crate::reject::{RejectReason, Rejection};
#[cfg(feature = "cloud")]
use crate::timestamp::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// One JSON object: the values of the fields that are read, as slices of the text.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    text: &'a str,
    values: [Option<&'a RawValue>; FIELDS],
    /// The arrays of records in an API page; if one is present, this is a page and not a record.
    lists: [Option<&'a str>; PAGE_LISTS.len()],
}

/// Reads `text` as one JSON object.
///
/// # Errors
/// `not_json`, or `not_object` for any other JSON value.
pub(crate) fn object(text: &str) -> Result<Object<'_>, Rejection> {
    let value = text.trim_ascii_start();
    if !value.starts_with('{') && is_json(text) {
        return Err(not_an_object(value));
    }
    let mut object: Object<'_> = serde_json::from_str(text).map_err(|error| rejection(&error))?;
    // Rejects control characters in keys, which `serde_json` accepts because keys are read as bytes.
    must_be_json::<IgnoredAny>(text)?;
    object.text = text;
    Ok(object)
}

/// Rejects invalid JSON with the message of `serde_json`, which has the last word.
fn must_be_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<(), Rejection> {
    if is_json(text) {
        return Ok(());
    }
    serde_json::from_str::<T>(text).map(drop).map_err(|error| rejection(&error))
}

fn is_json(text: &str) -> bool {
    json::skip_value(text.as_bytes(), 0).is_ok_and(|end| skip_space(text.as_bytes(), end) == text.len())
}

/// Returns the time in the field `time` of a JSON object, trimmed, if it is valid. The object may be of any kind, or of none.
#[cfg(feature = "cloud")]
pub(crate) fn time_of(text: &str) -> Option<Timestamp> {
    let value = object(text).ok()?.values[Field::Time as usize]?;
    let mut time = String::new();
    push_text(Field::Time, value.get(), &mut time);
    Timestamp::parse(json::trim(&time))
}

/// Returns the elements of the JSON array `text`, each as its text. They are read lazily, and are known to be valid.
///
/// # Errors
/// `not_json`, or `not_object` if an element is not an object.
pub(crate) fn elements(text: &str) -> Result<impl Iterator<Item = &str>, Rejection> {
    must_be_json::<Vec<IgnoredAny>>(text)?;
    match json::elements(text).enumerate().find(|(_, element)| !element.starts_with('{')) {
        None => Ok(json::elements(text)),
        Some((index, element)) => {
            const ADVICE: &str = ", but a record is an object like {\"time\":…}; remove it and retry";
            let message = format!("element {} of the array is {}{ADVICE}", index + 1, kind(element).0);
            Err(Rejection::new(RejectReason::NotObject, message, ADVICE))
        }
    }
}

/// What was expected instead of another JSON value.
macro_rules! expected_object {
    () => {
        ", expected one JSON object per line (or an array of them): a record like {\"time\":…}"
    };
}

/// Returns the rejection of a valid JSON value that is not an object.
#[cold]
pub(crate) fn not_an_object(value: &str) -> Rejection {
    Rejection::new(RejectReason::NotObject, kind(value).1, expected_object!())
}

/// Returns the values of a text that holds several objects and arrays, one after the other, all of them valid.
///
/// # Errors
/// `rejection`, for which the text was refused as one value; where a later value is wrong, one that says so.
pub(crate) fn values(text: &str, rejection: Rejection) -> Result<impl Iterator<Item = &str>, Rejection> {
    if text.is_empty() {
        return Err(rejection);
    }
    let mut at = 0;
    while at < text.len() {
        match value_at(text, at) {
            Some(value) => at = skip_space(text.as_bytes(), value.end),
            None if at > 0 && text[at..].starts_with(['{', '[']) => return Err(later_value(text, rejection)),
            None => return Err(rejection),
        }
    }
    let mut at = 0;
    Ok(std::iter::from_fn(move || {
        let value = value_at(text, at)?;
        at = value.end;
        text.get(value)
    }))
}

/// Returns whether a text is one value, or several objects and arrays.
pub(crate) fn is_whole(text: &str) -> bool {
    let nothing = Rejection::new(RejectReason::NotJson, "", "");
    is_json(text) || values(text.trim_ascii_start(), nothing).is_ok()
}

/// Returns where the object or array stands that begins at `at`, after any space.
fn value_at(text: &str, at: usize) -> Option<Range<usize>> {
    let start = skip_space(text.as_bytes(), at);
    text.get(start..)?
        .starts_with(['{', '['])
        .then(|| json::skip_value(text.as_bytes(), start).ok())
        .flatten()
        .map(|end| start..end)
}

/// Returns the rejection of the first broken value of several, in the words of `serde_json`.
#[cold]
fn later_value(text: &str, first: Rejection) -> Rejection {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.find_map(Result::err).map_or(first, |error| rejection(&error))
}

/// Converts an error of `serde_json` to a rejection.
fn rejection(error: &serde_json::Error) -> Rejection {
    let said = error.to_string();
    let said = match said.split(" at line ").next().unwrap_or_default() {
        "expected ident" => "not the start of a JSON value",
        said => said,
    };
    // Input whose first line is a complete value is read line by line, whatever follows.
    let why = if error.is_eof() { ", or does it span lines (see --input-format)" } else { " or edited" };
    let advice = format!("; expected one JSON object per line (was it truncated{why}?)");
    let (line, column) = (error.line(), error.column());
    let message =
        format!("invalid JSON at line {line}, column {column} of the rejected text: {said}{advice}");
    Rejection::new(RejectReason::NotJson, message, &advice)
}

/// The kind of a JSON value that is not an object, with its article, and the complete message. Precomputed, because a
/// line may consist of nothing but such values.
fn kind(value: &str) -> (&'static str, &'static str) {
    macro_rules! kind {
        ($kind:literal) => {
            ($kind, concat!("found ", $kind, expected_object!()))
        };
    }
    match value.as_bytes().first() {
        Some(b'[') => kind!("an array"),
        Some(b'"') => kind!("a string"),
        Some(b't' | b'f') => kind!("a boolean"),
        Some(b'n') => kind!("null"),
        _ => kind!("a number"),
    }
}

impl<'a> Object<'a> {
    /// Returns whether the object has a record's own fields, whatever their values.
    pub(crate) fn has_fields(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }

    /// Returns whether this is a page and not a record.
    pub(crate) fn is_page(&self) -> bool {
        self.lists.iter().any(Option::is_some)
    }

    /// Returns the arrays of records of a page, in the order in which they stand in it.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &'a str> {
        let mut lists = self.lists;
        lists.sort_unstable_by_key(|list| list.map(str::as_ptr));
        lists.into_iter().flatten()
    }

    /// Returns the record that this object holds.
    ///
    /// # Errors
    /// `unknown_record`.
    pub(crate) fn record(&self, scratch: &'a mut Scratch) -> Result<Record<'a>, Rejection> {
        let (mut spans, mut not_text, mut replaced): (_, FieldSet, FieldSet) = ([(0, 0); FIELDS], 0, 0);
        let Scratch(buffer) = scratch;
        buffer.clear();
        for (field, value) in Field::ALL.into_iter().zip(self.values) {
            let Some(value) = value else { continue };
            let start = buffer.len();
            match push_text(field, value.get(), buffer) {
                Pushed::Text { replaced: 0 } => {}
                Pushed::Text { .. } => replaced |= field.bit(),
                Pushed::NotText => not_text |= field.bit(),
            }
            spans[field as usize] = (start, buffer.len());
        }
        let texts = spans.map(|(start, end)| Some(&buffer[start..end]).filter(|text| !is_blank(text)));
        let Some(kind) = RecordKind::of(|field| texts[field as usize].is_some()) else {
            return Err(unknown::rejection(self.text));
        };
        let mut own_texts = [None; SLOTS];
        for (slot, field) in kind.fields().iter().enumerate() {
            own_texts[slot] = texts[*field as usize];
        }
        let own = kind.fields().iter().fold(0, |own, field| own | field.bit());
        Ok(Record {
            kind,
            texts: own_texts,
            verbatim: false,
            may_have_others: true,
            non_text_fields: (not_text & own).count_ones(),
            surrogates_replaced: u16::try_from((replaced & own).count_ones()).unwrap_or_default(),
        })
    }
}

/// What became of a value.
enum Pushed {
    /// A text, which may be empty; how many halves of surrogate pairs were replaced.
    Text { replaced: u32 },
    /// It is an object or array, and counts as absent.
    NotText,
}

/// Appends what `value` counts as in a field; nothing where it counts as absent.
fn push_text(field: Field, value: &str, out: &mut String) -> Pushed {
    let value = value.trim_ascii();
    let replaced = match (value.as_bytes().first(), field.value_type()) {
        (Some(b'{'), ValueType::Object) => {
            out.push_str(value);
            0
        }
        (Some(b'"'), ValueType::Scalar | ValueType::String | ValueType::Any) => {
            match serde_json::from_str::<String>(value) {
                Ok(text) => {
                    out.push_str(&text);
                    0
                }
                // Known to be JSON: it holds half of a surrogate pair, which a `String` cannot.
                Err(_) => unescape_lossy(&value[1..value.len() - 1], out),
            }
        }
        (Some(b'{' | b'['), ValueType::Any) => minify(value, out),
        (Some(b'{' | b'['), _) => return Pushed::NotText,
        (Some(b'n') | None, _) | (_, ValueType::String | ValueType::Object) => 0,
        (Some(_), ValueType::Scalar | ValueType::Any) => {
            out.push_str(value);
            0
        }
    };
    Pushed::Text { replaced }
}

/// The key of a member: a field, a page's list, or any other.
enum Key {
    Field(Field),
    List(usize),
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_bytes<E: serde::de::Error>(self, name: &[u8]) -> Result<Key, E> {
                let list = || page_list(name).map_or(Key::Other, Key::List);
                Ok(Field::named(name).map_or_else(list, Key::Field))
            }
        }
        // Keys are read as bytes, because a key with half of a surrogate pair is not text, but does not name a field
        // either.
        deserializer.deserialize_bytes(Names)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
                let mut object = Object::default();
                while let Some(key) = members.next_key()? {
                    match key {
                        Key::Field(field) => object.values[field as usize] = Some(members.next_value()?),
                        Key::List(list) => object.lists[list] = array(members.next_value()?),
                        Key::Other => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Returns a value if it is an array.
fn array(value: &RawValue) -> Option<&str> {
    let text = value.get();
    text[skip_space(text.as_bytes(), 0)..].starts_with('[').then_some(text)
}
