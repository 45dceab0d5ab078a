//! What is known of an event once its values are put.

use super::further_users::FurtherUsers;
use crate::mapping::row::Row;
use crate::udm::EventType;

/// What is known of an event once its values are put, besides them.
pub(in crate::mapping) struct Enriched<'a> {
    pub(in crate::mapping) event_type: EventType,
    /// The row that gives the type.
    pub(in crate::mapping) row: &'static Row,
    /// The users for `about`, before those of the detail's JSON.
    pub(in crate::mapping) users: Option<FurtherUsers<'a>>,
}
