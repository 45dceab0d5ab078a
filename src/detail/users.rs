//! The users in the JSON value of an `operation_detail`.

use super::Text;
use crate::json::{compact, decode, elements, members};
use smallvec::SmallVec;

/// One object of the JSON value: what it says of a user. All is absent where it is `null`, empty or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonUser<'a> {
    /// The object, as it stands in the detail.
    pub json: &'a str,
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
    } else {
        elements(json).for_each(|element| users.push(element));
    }
    users
}

impl<'a> JsonUsers<'a> {
    fn push(&mut self, element: &'a str) {
        if !element.starts_with('{') {
            self.skipped += 1;
            return;
        }
        let [mut userid, mut assistant, mut options] = [None; 3];
        // Of a member given twice the last counts.
        for (key, value) in members(element) {
            match &*string(key) {
                "userId" => userid = Some(value),
                "assistant" => assistant = Some(value),
                "options" => options = Some(value),
                _ => {}
            }
        }
        let user = JsonUser {
            json: element,
            userid: texts(userid).into_iter().next().map(trimmed),
            assistant: texts(assistant),
            options: texts(options),
        };
        if self.first.is_none() {
            self.first = Some(user);
        } else if user.userid.is_some() || !user.assistant.is_empty() || !user.options.is_empty() {
            self.further.push(user);
        }
    }
}

/// What a member says: each element of a list for itself, anything else as a whole.
fn texts(value: Option<&str>) -> SmallVec<[Text<'_>; 1]> {
    match value {
        None => SmallVec::new(),
        Some(list) if list.starts_with('[') => elements(list).filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
    }
}

/// A string says its text, a number or boolean its JSON text, a list or object its compact text; `null` and what is
/// empty or blank nothing.
fn text(value: &str) -> Option<Text<'_>> {
    let text = match value.as_bytes().first()? {
        b'n' => return None,
        b'"' => string(value.get(1..value.len() - 1)?),
        b'[' | b'{' => {
            let mut text = String::new();
            compact(value, &mut text)?;
            Text::Owned(text)
        }
        _ => Text::Borrowed(value),
    };
    Some(text).filter(|text| !text.trim_start().is_empty())
}

/// The text of a string, given what stands between its quotes, which is valid: the search for JSON saw to it.
fn string(inside: &str) -> Text<'_> {
    if !inside.contains('\\') {
        return Text::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    decode(inside, &mut text).map_or(Text::Borrowed(inside), |_| Text::Owned(text))
}

fn trimmed(text: Text<'_>) -> Text<'_> {
    match text {
        Text::Borrowed(text) => Text::Borrowed(text.trim()),
        Text::Owned(text) => Text::Owned(text.trim().to_owned()),
    }
}
