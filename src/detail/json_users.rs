//! The users in the embedded JSON value of an `operation_detail`.

use super::text::Text;
use crate::json::{Cursor, TextValues, has_lone_surrogate, string};

/// One user: the members of one object. A member that is `null`, empty or blank is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonUser<'a> {
    /// The object, as written.
    pub json: &'a str,
    /// `userId`, trimmed; for a list, its first non-empty element.
    pub userid: Option<Text<'a>>,
    /// `assistant`.
    pub assistant: TextValues<'a>,
    /// `options`.
    pub options: TextValues<'a>,
}

/// The members that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserField {
    /// `userId`.
    UserId,
    /// `assistant`.
    Assistant,
    /// `options`.
    Options,
}

impl UserField {
    /// All members.
    pub const ALL: [Self; 3] = [Self::UserId, Self::Assistant, Self::Options];

    /// Returns the name of the member in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::Assistant => "assistant",
            Self::Options => "options",
        }
    }
}

/// Iterates over the objects of a JSON value, lazily, because a value may hold more of them than should be in memory. A
/// single object counts as an array of one. The first object is returned even if it is empty, further ones only if they
/// are not.
#[derive(Debug, Clone, Default)]
pub struct JsonUsers<'a> {
    /// The position before the next element of the array, or the single object; `None` at the end.
    cursor: Option<Cursor<'a>>,
    is_lone: bool,
    has_first: bool,
    skipped: u32,
    surrogates_replaced: u32,
}

impl<'a> JsonUsers<'a> {
    /// Returns the users of `json`, a complete JSON array or object.
    pub(super) fn of(json: &'a str) -> Self {
        let mut cursor = Cursor::new(json);
        let is_lone = json.starts_with('{');
        if !is_lone {
            cursor.enter();
        }
        Self { cursor: Some(cursor), is_lone, ..Self::default() }
    }

    /// Returns how many of the elements read so far were not objects.
    #[must_use]
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// How many members that are read held half of a surrogate pair, which became U+FFFD, of those read by now.
    #[must_use]
    pub fn surrogates_replaced(&self) -> u32 {
        self.surrogates_replaced
    }

    /// Returns the next object.
    fn object(&mut self) -> Option<JsonUser<'a>> {
        let mut cursor = self.cursor.take()?;
        if self.is_lone {
            return Some(JsonUser::read(&mut cursor, &mut self.surrogates_replaced));
        }
        while cursor.next_item() {
            if cursor.rest().starts_with('{') {
                let user = JsonUser::read(&mut cursor, &mut self.surrogates_replaced);
                self.cursor = Some(cursor);
                return Some(user);
            }
            cursor.value()?;
            self.skipped += 1;
        }
        None
    }
}

impl<'a> Iterator for JsonUsers<'a> {
    type Item = JsonUser<'a>;

    fn next(&mut self) -> Option<JsonUser<'a>> {
        loop {
            let user = self.object()?;
            if !std::mem::replace(&mut self.has_first, true) || user.has_data() {
                return Some(user);
            }
        }
    }
}

impl<'a> JsonUser<'a> {
    /// Reads the object at the cursor and moves the cursor past it. Counts the members that hold half of a
    /// surrogate pair.
    fn read(cursor: &mut Cursor<'a>, surrogates_replaced: &mut u32) -> Self {
        let object = cursor.rest();
        let [mut userid, mut assistant, mut options] = [None; 3];
        cursor.enter();
        // If a member is given twice, the last one counts.
        while cursor.next_item() {
            let Some((key, value)) = cursor.member() else { break };
            match &*string(key) {
                "userId" => userid = Some(value),
                "assistant" => assistant = Some(value),
                "options" => options = Some(value),
                _ => {}
            }
        }
        let read = [userid, assistant, options].into_iter().flatten();
        *surrogates_replaced += read.map(|value| u32::from(has_lone_surrogate(value))).sum::<u32>();
        Self {
            json: &object[..object.len() - cursor.rest().len()],
            userid: texts(userid).next().map(trimmed),
            assistant: texts(assistant),
            options: texts(options),
        }
    }

    /// Moves the texts of a member out.
    pub(crate) fn take(&mut self, member: UserField) -> TextValues<'a> {
        match member {
            UserField::UserId => self.userid.take().map(TextValues::from).unwrap_or_default(),
            UserField::Assistant => std::mem::take(&mut self.assistant),
            UserField::Options => std::mem::take(&mut self.options),
        }
    }

    /// Whether any of it is there.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.userid.is_some() || !self.assistant.is_empty() || !self.options.is_empty()
    }
}

fn texts(value: Option<&str>) -> TextValues<'_> {
    value.map(TextValues::of).unwrap_or_default()
}

fn trimmed(text: Text<'_>) -> Text<'_> {
    match text {
        Text::Borrowed(text) => Text::Borrowed(text.trim()),
        Text::Owned(text) => Text::Owned(text.trim().to_owned()),
    }
}
