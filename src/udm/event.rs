//! One typed event: the fields of `google.backstory.UDM` (proto of 2026-08) that the mapping fills.

use super::event_type::EventType;
use super::text_field::UserTextField;
use crate::json::{Leaves, TextValues, leaf_text};
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
    /// What the target was before the operation; only with `--enrich`.
    pub src: Noun<'a>,
    /// The user or object that the operation was performed on.
    pub target: Noun<'a>,
    /// Other users that the event refers to.
    pub about: Vec<About<'a>>,
    /// What the product says of the operation; only with `--enrich`.
    pub security_result: SecurityResult<'a>,
    /// `extensions.auth`: present for events that sign somebody in or out; only with `--enrich`.
    pub auth: Option<Authentication>,
    /// `additional`: what UDM has no field for, by name.
    pub additional: SmallVec<[(&'static str, &'a str); 1]>,
    /// The members of the record that no other row reads; only with `--enrich`. They follow `additional`.
    pub unread: Vec<UnreadMember<'a>>,
    /// Whether all texts can be written unescaped.
    pub verbatim: bool,
}

/// A member of `additional` as the record has it. It is decoded when it is written, because there may be very many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadMember<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value: a string, number or boolean in JSON.
    pub json: &'a str,
}

impl<'a> UnreadMember<'a> {
    /// Returns the value as text.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        leaf_text(self.json)
    }
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
    /// `application`.
    pub application: Option<&'static str>,
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
    /// `attribute.labels`.
    pub labels: TextLabels<'a>,
}

/// `google.backstory.Resource`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// `resourceType`.
    pub resource_type: Option<&'static str>,
    /// `resourceSubtype`.
    pub resource_subtype: Option<&'a str>,
    /// `name`.
    pub name: Option<Cow<'a, str>>,
    /// `productObjectId`.
    pub product_object_id: Option<Cow<'a, str>>,
    /// `attribute.labels`.
    pub labels: TextLabels<'a>,
    /// Further `attribute.labels`.
    pub leaf_labels: SmallVec<[LeafLabels<'a>; 2]>,
}

/// `google.backstory.Label`: a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLabel<'a> {
    /// `key`.
    pub key: &'a str,
    /// `value`.
    pub value: &'a str,
}

/// Labels, as many as an operation usually has changes without an allocation.
pub type TextLabels<'a> = SmallVec<[TextLabel<'a>; 6]>;

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

/// `google.backstory.User`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User<'a> {
    /// `userid`.
    pub userid: Option<Cow<'a, str>>,
    /// `emailAddresses`.
    pub email_addresses: ArrayVec<&'a str, MAX_EMAIL_ADDRESSES>,
    /// The fields that hold a text each, such as `title`, in the order in which they are written.
    pub texts: SmallVec<[(&'static UserTextField, &'a str); 6]>,
    /// `userAuthenticationStatus`.
    pub authentication_status: Option<&'static str>,
    /// `attribute.roles`.
    pub roles: SmallVec<[Role<'a>; 3]>,
    /// `attribute.labels`.
    pub labels: SmallVec<[Label<'a>; 3]>,
    /// Further `attribute.labels`.
    pub text_labels: TextLabels<'a>,
}

/// `google.backstory.Role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role<'a> {
    /// `name`.
    pub name: &'a str,
    /// `type`.
    pub role_type: Option<&'static str>,
}

/// `google.backstory.Label`: one key with one or more values, each written as a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'a> {
    /// `key`: the name of the source field.
    pub key: &'static str,
    /// The values, each of which becomes one label.
    pub values: TextValues<'a>,
}

/// One further user: an entry of `about`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// `user.userid`.
    pub userid: Option<Cow<'a, str>>,
    /// The only element of `user.emailAddresses`.
    pub email_address: Option<Cow<'a, str>>,
    /// `user.attribute.roles`.
    pub roles: SmallVec<[Role<'a>; 1]>,
    /// `user.attribute.labels`.
    pub labels: ArrayVec<Label<'a>, 2>,
    /// Further `user.attribute.labels`.
    pub text_labels: SmallVec<[TextLabel<'a>; 1]>,
}

/// `google.backstory.SecurityResult`: the only element of `securityResult`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityResult<'a> {
    /// `detectionFields`.
    pub detection_fields: SmallVec<[(&'a str, Cow<'a, str>); 6]>,
    /// `summary`.
    pub summary: Option<&'a str>,
    /// The only element of `categoryDetails`.
    pub category: Option<&'a str>,
    /// The only element of `action`.
    pub action: Option<&'static str>,
}

/// `google.backstory.Authentication`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Authentication {
    /// The only element of `mechanism`.
    pub mechanism: Option<&'static str>,
}

impl Noun<'_> {
    /// Returns whether anything is known of the participant.
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        let has_texts = self.application.is_some() || self.location_name.is_some();
        let has_address = self.ip.is_some() || self.asset_ip.is_some();
        has_texts || has_address || self.user.has_data() || self.group.has_data() || self.resource.has_data()
    }
}

impl Group<'_> {
    /// Returns whether anything is known of the group.
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        let has_texts = self.product_object_id.is_some() || self.group_display_name.is_some();
        has_texts || !self.labels.is_empty()
    }
}

impl SecurityResult<'_> {
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        let has_texts = self.summary.is_some() || self.category.is_some() || self.action.is_some();
        has_texts || !self.detection_fields.is_empty()
    }
}

impl Resource<'_> {
    /// Returns whether anything is known of the resource.
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        let has_type = self.resource_type.is_some() || self.resource_subtype.is_some();
        let has_texts = self.name.is_some() || self.product_object_id.is_some();
        has_type || has_texts || !self.labels.is_empty() || !self.leaf_labels.is_empty()
    }
}

impl User<'_> {
    /// Returns whether the user has an e-mail address or a user ID.
    pub(crate) fn is_named(&self) -> bool {
        self.userid.is_some() || !self.email_addresses.is_empty()
    }

    /// Returns whether it is known who the user is.
    pub(crate) fn is_identified(&self) -> bool {
        self.is_named() || self.texts.iter().any(|(field, _)| field.name == "productObjectId")
    }

    /// Returns whether anything is known of the user.
    #[inline]
    pub(crate) fn has_data(&self) -> bool {
        let has_labels = !self.labels.is_empty() || !self.text_labels.is_empty();
        let has_texts = !self.texts.is_empty() || self.authentication_status.is_some();
        self.is_named() || has_texts || has_labels || !self.roles.is_empty()
    }
}

impl Event<'_> {
    /// Creates an event with a time and a type only.
    #[must_use]
    #[inline]
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
            src: Noun::default(),
            target: Noun::default(),
            about: Vec::new(),
            security_result: SecurityResult::default(),
            auth: None,
            additional: SmallVec::new(),
            unread: Vec::new(),
            verbatim: false,
        }
    }
}
