//! One typed event: the fields of `google.backstory.UDM` (proto of 2026-08) that the mapping fills.

use super::event_type::EventType;
use super::text_field::UserTextField;
use crate::json::{Leaves, TextValues};
use crate::timestamp::Timestamp;
use arrayvec::{ArrayString, ArrayVec};
use smallvec::SmallVec;
use std::borrow::Cow;

/// A UDM event. Fields that are `None` or empty are not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// When what happened, and which product reports it.
    pub metadata: Metadata<'a>,
    /// Who performed the operation.
    pub principal: Noun<'a>,
    /// The user or object that the operation was performed on.
    pub target: Noun<'a>,
    /// Other users that the event refers to.
    pub about: Vec<About<'a>>,
    /// `additional`: what UDM has no field for, by name.
    pub additional: SmallVec<[(&'static str, &'a str); 1]>,
    /// Whether all texts can be written unescaped.
    pub verbatim: bool,
}

/// `google.backstory.Metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// `eventTimestamp`.
    pub event_timestamp: Timestamp,
    /// `eventType`.
    pub event_type: EventType,
    /// `logType`.
    pub log_type: Option<&'static str>,
    /// `productName`.
    pub product_name: Option<&'static str>,
    /// `vendorName`.
    pub vendor_name: Option<&'static str>,
    /// `productEventType`: at most 64 bytes by UDM's documentation.
    pub product_event_type: Option<&'a str>,
    /// `productVersion`: at most 32 bytes by UDM's documentation.
    pub product_version: Option<&'a str>,
    /// `description`: at most 1024 bytes by UDM's documentation.
    pub description: Option<&'a str>,
    /// `productLogId`: 64 hexadecimal digits.
    pub product_log_id: Option<ArrayString<64>>,
}

/// `google.backstory.Noun`: a participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noun<'a> {
    /// `user`.
    pub user: User<'a>,
    /// `group`.
    pub group: Group<'a>,
    /// `resource`.
    pub resource: Resource<'a>,
    /// The only element of `ip`.
    pub ip: Option<&'a str>,
    /// The only element of `asset.ip`.
    pub asset_ip: Option<&'a str>,
    /// `location.name`.
    pub location_name: Option<&'a str>,
}

/// `google.backstory.Group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group<'a> {
    /// `productObjectId`.
    pub product_object_id: Option<&'a str>,
    /// `groupDisplayName`.
    pub group_display_name: Option<&'a str>,
}

/// `google.backstory.Resource`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// `name`.
    pub name: Option<&'a str>,
    /// `productObjectId`.
    pub product_object_id: Option<&'a str>,
    /// `attribute.labels`.
    pub labels: SmallVec<[LeafLabels<'a>; 2]>,
}

/// Labels for the scalars below a JSON value, one for each. They are read when they are written, because there may be more
/// of them than should be in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafLabels<'a> {
    prefix: &'static str,
    value: &'a str,
}

impl<'a> LeafLabels<'a> {
    /// Creates labels for `value`, which must be valid JSON, with `prefix` before the path in each key.
    pub(crate) fn new(prefix: &'static str, value: &'a str) -> Self {
        Self { prefix, value }
    }

    /// Returns the scalars.
    pub(crate) fn leaves(&self) -> Leaves<'a> {
        Leaves::of(self.value, self.prefix)
    }
}

/// The maximum number of e-mail addresses of a user.
pub const MAX_EMAIL_ADDRESSES: usize = 3;
/// The maximum number of roles of a user.
pub const MAX_ROLES: usize = 3;

/// `google.backstory.User`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User<'a> {
    /// `userid`.
    pub userid: Option<Cow<'a, str>>,
    /// `emailAddresses`.
    pub email_addresses: ArrayVec<&'a str, MAX_EMAIL_ADDRESSES>,
    /// The fields that hold a text each, such as `title`, in the order in which they are written.
    pub texts: SmallVec<[(&'static UserTextField, &'a str); 6]>,
    /// The names of `attribute.roles`.
    pub roles: ArrayVec<&'a str, MAX_ROLES>,
    /// `attribute.labels`.
    pub labels: SmallVec<[Label<'a>; 3]>,
}

/// `google.backstory.Label`: one key with one or more values, each written as a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'a> {
    /// `key`: the name of the source field.
    pub key: &'static str,
    /// The values, each of which becomes one label.
    pub values: TextValues<'a>,
}

/// One further user: an entry of `about` with `user.userid` and `user.attribute.labels`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// `user.userid`.
    pub userid: Option<Cow<'a, str>>,
    /// `user.attribute.labels`.
    pub labels: ArrayVec<Label<'a>, 2>,
}

impl User<'_> {
    /// Returns whether nothing is known of the user.
    pub(crate) fn is_empty(&self) -> bool {
        let is_named = self.userid.is_some() || !self.email_addresses.is_empty();
        !is_named && self.texts.is_empty() && self.roles.is_empty() && self.labels.is_empty()
    }
}

impl Event<'_> {
    /// Creates an event with a time and a type only.
    #[must_use]
    pub fn new(event_timestamp: Timestamp, event_type: EventType) -> Self {
        Self {
            metadata: Metadata {
                event_timestamp,
                event_type,
                log_type: None,
                product_name: None,
                vendor_name: None,
                product_event_type: None,
                product_version: None,
                description: None,
                product_log_id: None,
            },
            principal: Noun::default(),
            target: Noun::default(),
            about: Vec::new(),
            additional: SmallVec::new(),
            verbatim: false,
        }
    }
}
