//! Follows the mapping, and finds the source of each value that it reports.

use super::sources::{SourceSpan, Sources};
use crate::detail::{UserField, span_within};
use crate::json::Leaves;
use crate::mapping::{Row, SettingsOf, Source};
use crate::record::Field;

/// Finds the sources of values in the order in which the mapping reports them.
pub(super) struct SourceTracker<'s, 'r, 'a> {
    pub(super) sources: &'s Sources<'r, 'a>,
    /// The number of entries of `about` so far that are users in the detail's JSON.
    json_users: usize,
    /// The member that was searched last, of the user of this entry, and where its next value is.
    member: Option<(usize, UserField)>,
    said: std::vec::IntoIter<SourceSpan>,
    /// The settings that are being read.
    settings: Option<(SettingsOf, Leaves<'a>)>,
}

impl<'s, 'r, 'a> SourceTracker<'s, 'r, 'a> {
    pub(super) fn new(sources: &'s Sources<'r, 'a>) -> Self {
        Self { sources, json_users: 0, member: None, said: Vec::new().into_iter(), settings: None }
    }

    /// The following values are those of the next entry of `about`.
    pub(super) fn on_about_entry(&mut self, is_json_user: bool) {
        self.json_users += usize::from(is_json_user);
    }

    /// Returns the source of `value`, which `row` wrote; see [`next_setting`](Self::next_setting) for settings.
    pub(super) fn find(&mut self, row: &Row, value: &str) -> Option<SourceSpan> {
        match row.source {
            Source::FirstUser(member) | Source::FurtherUser(member) => self.next_value(member, value),
            _ => self.sources.find(row, value),
        }
    }

    /// Returns where the current user's member holds `value`. Searches each member once, because its list may be as
    /// long as the record.
    fn next_value(&mut self, member: UserField, value: &str) -> Option<SourceSpan> {
        // The first user precedes the entries, so their number is the index of the user.
        let asked = Some((self.json_users, member));
        if std::mem::replace(&mut self.member, asked) != asked {
            self.said = self.sources.member(self.json_users, member).into_iter();
        }
        self.said.next().map(|found| self.sources.narrow_to(found, value))
    }

    /// Returns the next setting, as written, and its source.
    pub(super) fn next_setting(&mut self, of: SettingsOf) -> Option<(&'a str, Option<SourceSpan>)> {
        let sources = self.sources;
        let json = sources.payload()?.settings[of as usize]?;
        if self.settings.as_ref().is_none_or(|(open, _)| *open != of) {
            self.settings = Some((of, Leaves::of(json, of.prefix())));
        }
        let (_, leaves) = self.settings.as_mut()?;
        let leaf = leaves.next()?;
        let (member, text) = (leaves.member(), sources.text(Field::Payload));
        let found = span_within(text, json).zip(span_within(text, leaf)).and_then(|(settings, leaf)| {
            sources.member_of_payload(settings.start + member.start..leaf.end, leaf)
        });
        Some((leaf, found))
    }

    /// Returns the key of the setting that was returned last.
    pub(super) fn setting_key(&self) -> &str {
        self.settings.as_ref().map_or("", |(_, leaves)| leaves.path())
    }
}
