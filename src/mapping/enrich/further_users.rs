//! Users besides the target, as entries of `about` that are built on demand.

use super::members::GroupUsers;
use super::put_users::NamedUsers;
use crate::mapping::table_enriched::EnrichedRow;
use crate::mapping::trace::Trace;
use crate::udm::About;

/// The users whom a record names besides the target.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and plain records must not allocate")]
pub(in crate::mapping) enum FurtherUsers<'a> {
    /// By their addresses in a detail.
    Named(NamedUsers<'a>),
    /// As users of a group.
    Group(GroupUsers<'a>),
}

impl<'a> FurtherUsers<'a> {
    /// Returns the next entry.
    pub(in crate::mapping) fn next(&mut self, trace: &mut impl Trace) -> Option<About<'a>> {
        match self {
            Self::Named(users) => users.next(trace),
            Self::Group(addresses) => {
                let address = addresses.next()?;
                trace.on_about_entry(false);
                trace.on_fill(EnrichedRow::GroupUser.row(), &address);
                Some(About { email_address: Some(address), ..About::default() })
            }
        }
    }
}
