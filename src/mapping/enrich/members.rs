//! The members and administrators of a group in a webhook event.

use crate::email;
use crate::json::{elements, leaf_text, members, string, trim};
use crate::webhook::Payload;
use std::borrow::Cow;

/// Returns the e-mail addresses in a list of users: each as written, and as text.
pub(super) fn addresses_of_members(list: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let list = Some(list).filter(|list| list.starts_with('['));
    list.into_iter().flat_map(elements).filter(|user| user.starts_with('{')).filter_map(|user| {
        // Of equal keys the last counts.
        let (_, raw) = members(user).filter(|(key, _)| string(key) == "email").last()?;
        let text = Some(raw).filter(|raw| raw.starts_with('"')).map(leaf_text)?;
        let address = match text {
            Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
            Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
        };
        email::is_email(&address).then_some((raw, address))
    })
}

/// Iterates over the addresses of a group's members, then of its administrators.
#[derive(Default)]
pub(crate) struct GroupUsers<'a>(Option<Box<dyn Iterator<Item = Cow<'a, str>> + 'a>>);

impl<'a> GroupUsers<'a> {
    pub(super) fn of(payload: &Payload<'a>) -> Self {
        let lists = payload.group_users.into_iter().flatten();
        Self(Some(Box::new(lists.flat_map(addresses_of_members).map(|(_, address)| address))))
    }
}

impl<'a> Iterator for GroupUsers<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next()
    }
}
