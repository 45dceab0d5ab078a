//! The rows that take a member of a user in the embedded JSON.

use super::row::{Row, Setter, Source};
use super::row_lookup;
use super::table::ROWS;
use super::trace::Trace;
use crate::detail::{JsonUser, TextValues};
use crate::udm::{About, Event};

/// Puts the first user of the detail's JSON into the target.
#[cold]
pub(super) fn put_first_user<'a>(mut first: JsonUser<'a>, event: &mut Event<'a>, trace: &mut impl Trace) {
    for row in &ROWS[row_lookup::FIRST_USER] {
        if let (Source::FirstUser(member), Setter::First(put)) = (row.source, row.put) {
            put_texts(row, first.take(member), trace, |texts| put(event, texts));
        }
    }
}

/// Returns the entry of `about` for a further user.
pub(super) fn about<'a>(mut user: JsonUser<'a>, trace: &mut impl Trace) -> About<'a> {
    trace.on_about_entry(true);
    let mut about = About::default();
    for row in &ROWS[row_lookup::FURTHER_USER] {
        if let (Source::FurtherUser(member), Setter::Further(put)) = (row.source, row.put) {
            put_texts(row, user.take(member), trace, |texts| put(&mut about, texts));
        }
    }
    about
}

/// Writes the value of a user's member, if it is not empty.
fn put_texts<'a, T: Trace>(
    row: &'static Row,
    texts: TextValues<'a>,
    trace: &mut T,
    put: impl FnOnce(TextValues<'a>),
) {
    if T::ENABLED {
        texts.each().for_each(|text| trace.on_fill(row, &text));
    }
    if !texts.is_empty() {
        put(texts);
    }
}
