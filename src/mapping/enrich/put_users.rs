//! Puts the users that an operation log names by their addresses, with their roles.

use super::additions::{Additions, typed_role};
use super::distinct::{Compare, Distinct};
use super::operation::ReadChange;
use super::vocabulary::{PREVIOUS_ROLE, role_type};
use crate::detail::Detail;
use crate::mapping::row_lookup;
use crate::mapping::row_values::OperationValues;
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::{KeyedValue, Trace};
use crate::udm::{About, Event, TextLabel};
use std::borrow::Cow;
use std::collections::HashSet;

/// The users whom a detail names by their addresses: first the target, then the entries of `about`. Entries are built on
/// demand, because there may be more of them than should be in memory.
pub(crate) struct NamedUsers<'a> {
    addresses: Distinct<'a>,
    /// What is said of the users of `about`, with their indices.
    roles: Vec<(usize, RoleText<'a>)>,
    /// The roles of all users, if there are too many to compare with each.
    known: Option<HashSet<(usize, &'a str)>>,
    /// The index of the next user, and of what is said next.
    next: usize,
    next_role: usize,
}

/// A role that somebody has now, or had before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RoleText<'a> {
    Now(&'a str),
    Before(&'a str),
}

/// The number of changes up to which each role is compared with a new one.
const MOST_COMPARED: usize = 32;

impl<'a> NamedUsers<'a> {
    pub(super) fn read(detail: &'a Detail<'_>) -> Self {
        let mut named = Self {
            addresses: Distinct::new(Compare::IgnoringCase),
            roles: Vec::new(),
            known: (detail.changes.len() > MOST_COMPARED).then(HashSet::new),
            next: 1,
            next_role: 0,
        };
        let [first, second] = detail.emails();
        if second.is_some() {
            detail.all_emails().for_each(|address| _ = named.addresses.insert(address));
        } else if let Some(first) = first {
            named.addresses.insert(first);
        }
        named
    }

    /// Returns the address of the target.
    pub(super) fn target(&self) -> Option<&'a str> {
        self.addresses.texts().first().copied()
    }

    /// Adds a change of the role of the user whom its key names.
    pub(super) fn add_role(
        &mut self,
        change: &ReadChange<'a>,
        found: &OperationValues<'a>,
        additions: &mut Additions<'a>,
    ) {
        let Some(user) = self.addresses.index_of(change.key) else { return };
        if let Some(name) = change.new.filter(|name| self.is_new_role(user, name, found, additions)) {
            if user == 0 {
                additions.roles.push(typed_role(name));
            } else {
                self.roles.push((user, RoleText::Now(name)));
            }
        }
        match change.old {
            Some(name) if user == 0 => additions.add_previous_role(name),
            Some(name) => self.roles.push((user, RoleText::Before(name))),
            None => {}
        }
    }

    /// Returns whether a user does not have a role yet.
    fn is_new_role(
        &mut self,
        user: usize,
        name: &'a str,
        found: &OperationValues<'a>,
        additions: &Additions<'a>,
    ) -> bool {
        // The default table gives the target a few roles; the set holds those of addresses.
        let of_table = found.each_of(row_lookup::ROLES).map(|(_, name)| name);
        let of_addresses = additions.roles.iter().take(2 * MOST_COMPARED).map(|role| role.name);
        if user == 0 && of_table.chain(of_addresses).any(|known| known == name) {
            return false;
        }
        match &mut self.known {
            Some(known) => known.insert((user, name)),
            None => !self.roles.contains(&(user, RoleText::Now(name))),
        }
    }

    /// Returns whether there are users besides the target.
    pub(super) fn has_further(&self) -> bool {
        self.addresses.texts().len() > 1
    }

    /// Returns all users but the target, as entries of `about`, if there are any.
    pub(super) fn into_about(mut self) -> Option<Self> {
        self.roles.sort_by_key(|(user, _)| *user);
        self.has_further().then_some(self)
    }

    /// Returns the next entry.
    pub(super) fn next(&mut self, trace: &mut impl Trace) -> Option<About<'a>> {
        let address = *self.addresses.texts().get(self.next)?;
        trace.on_about_entry(false);
        trace.on_fill(EnrichedRow::AboutAddress.row(), address);
        let mut about = About { email_address: Some(Cow::Borrowed(address)), ..About::default() };
        while let Some((user, role)) = self.roles.get(self.next_role)
            && *user == self.next
        {
            match *role {
                RoleText::Now(name) => {
                    let role = typed_role(name);
                    trace.on_fill(EnrichedRow::AboutRole.row(), name);
                    if let Some(role_type) = role.role_type {
                        trace.on_fill(EnrichedRow::AboutRoleType.row(), role_type);
                    }
                    about.roles.push(role);
                }
                RoleText::Before(value) => {
                    about.text_labels.push(TextLabel { key: PREVIOUS_ROLE, value });
                    trace.on_keyed(
                        EnrichedRow::AboutPreviousRole.row(),
                        KeyedValue::new(PREVIOUS_ROLE, value),
                    );
                }
            }
            self.next_role += 1;
        }
        self.next += 1;
        Some(about)
    }
}

/// Says of the target's user which role it had before.
pub(super) fn put_previous_role<'a>(
    row: EnrichedRow,
    value: &'a str,
    event: &mut Event<'a>,
    trace: &mut impl Trace,
) {
    event.target.user.text_labels.push(TextLabel { key: PREVIOUS_ROLE, value });
    trace.on_keyed(row.row(), KeyedValue::new(PREVIOUS_ROLE, value));
}

/// Sets the type of the role that the target's user received last.
pub(super) fn type_last_role(event: &mut Event<'_>, trace: &mut impl Trace) {
    if let Some(role) = event.target.user.roles.last_mut()
        && let Some(role_type) = role_type(role.name)
    {
        role.role_type = Some(role_type);
        trace.on_fill(EnrichedRow::TargetRoleType.row(), role_type);
    }
}
