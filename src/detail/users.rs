//! The users in the JSON value of an `operation_detail`.

use super::Text;
use crate::json::compact;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;
use std::fmt;

/// One object of the JSON value: what it says of a user. All is absent where it is `null`, empty or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonUser<'a> {
    /// `userId`, trimmed; of a list the first that says something.
    pub userid: Option<Text<'a>>,
    /// `assistant`: a list gives one text for each element.
    pub assistant: SmallVec<[Text<'a>; 1]>,
    /// `options`, likewise.
    pub options: SmallVec<[Text<'a>; 1]>,
}

/// The objects of a JSON value, in order: a lone object counts as an array of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonUsers<'a> {
    /// One for the first object, even if it says nothing.
    pub first: Option<JsonUser<'a>>,
    /// The further objects that say something.
    pub further: Vec<JsonUser<'a>>,
    /// How many elements are no objects.
    pub skipped: u32,
}

/// Reads the users of `json`, a whole JSON value that is an array or an object.
pub(super) fn users(json: &str) -> JsonUsers<'_> {
    let mut users = JsonUsers::default();
    if json.starts_with('{') {
        users.push(json);
    } else if let Ok(Elements(elements)) = serde_json::from_str(json) {
        elements.into_iter().for_each(|element| users.push(element));
    }
    users
}

impl<'a> JsonUsers<'a> {
    fn push(&mut self, element: &'a str) {
        let Ok(Members { values: [userid, assistant, options] }) = serde_json::from_str(element) else {
            self.skipped += 1;
            return;
        };
        let user = JsonUser {
            userid: texts(userid).into_iter().next().map(trimmed),
            assistant: texts(assistant),
            options: texts(options),
        };
        if self.first.is_none() {
            self.first = Some(user);
        } else if user != JsonUser::default() {
            self.further.push(user);
        }
    }
}

/// What a member says: each element of a list for itself, anything else as a whole.
fn texts(value: Option<&str>) -> SmallVec<[Text<'_>; 1]> {
    let Some(value) = value else { return SmallVec::new() };
    match value.starts_with('[').then(|| serde_json::from_str(value)) {
        Some(Ok(Elements(elements))) => elements.into_iter().filter_map(text).collect(),
        _ => text(value).into_iter().collect(),
    }
}

/// A string says its text, a number or boolean its JSON text, a list or object its compact text; `null` and what is
/// empty or blank nothing.
fn text(value: &str) -> Option<Text<'_>> {
    let text = match value.as_bytes().first()? {
        b'n' => return None,
        b'"' => serde_json::from_str::<Borrowed<'_>>(value).ok()?.0,
        b'[' | b'{' => {
            let mut text = String::new();
            compact(value, &mut text)?;
            Text::Owned(text)
        }
        _ => Text::Borrowed(value),
    };
    Some(text).filter(|text| !text.trim_start().is_empty())
}

fn trimmed(text: Text<'_>) -> Text<'_> {
    match text {
        Text::Borrowed(text) => Text::Borrowed(text.trim()),
        Text::Owned(text) => Text::Owned(text.trim().to_owned()),
    }
}

/// A string that is borrowed where it can be.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Text<'a>);

/// The elements of an array, each as its text.
struct Elements<'a>(Vec<&'a str>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
                let mut texts = Vec::new();
                while let Some(element) = elements.next_element::<&RawValue>()? {
                    texts.push(element.get());
                }
                Ok(Elements(texts))
            }
        }
        deserializer.deserialize_seq(Texts)
    }
}

/// The members of an object that say something of a user, as they stand in the text; the last of each counts.
#[derive(Default)]
struct Members<'a> {
    values: [Option<&'a str>; 3],
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
                let mut found = Members::default();
                while let Some(Borrowed(name)) = members.next_key()? {
                    match ["userId", "assistant", "options"].iter().position(|known| *known == name) {
                        Some(index) => found.values[index] = Some(members.next_value::<&RawValue>()?.get()),
                        None => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Names)
    }
}
