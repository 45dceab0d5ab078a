//! Writes who and what an event is about: nouns with their users, groups and resources, and the entries of `about`.

use super::event::{About, Group, Label, LeafLabels, Noun, Resource, Role, TextLabel, User};
use super::field_names::FieldNames;
use super::flavor::JsonFlavor;
use super::writer::JsonWriter;
use crate::json::{escape_into, leaf_text};
use std::borrow::Cow;

/// The members of `attribute`.
#[derive(Clone, Copy, Default)]
struct Attribute<'t, 'a> {
    roles: &'t [Role<'a>],
    /// Its labels, in three forms that follow each other.
    labels: &'t [Label<'a>],
    text_labels: &'t [TextLabel<'a>],
    leaf_labels: &'t [LeafLabels<'a>],
}

impl<D: JsonFlavor, const VERBATIM: bool> JsonWriter<'_, '_, '_, D, VERBATIM> {
    #[inline]
    pub(super) fn noun(&mut self, name: &str, noun: &Noun<'_>) {
        let before = self.position();
        self.raw(name);
        self.raw(self.writer.namespace());
        let empty = self.position();
        self.text(D::Names::APPLICATION, noun.application);
        self.user(&noun.user);
        self.group(&noun.group);
        self.resource(&noun.resource);
        self.only_element(D::Names::IP, noun.ip);
        if noun.asset_ip.is_some() {
            self.raw(D::Names::ASSET);
            self.only_element(D::Names::IP, noun.asset_ip);
            self.close("},");
        }
        if let Some(location) = noun.location_name {
            self.raw(D::Names::LOCATION);
            self.text(D::Names::NAME, Some(location));
            self.close("},");
        }
        self.close_unless(empty, before, "},");
    }

    #[inline]
    fn group(&mut self, group: &Group<'_>) {
        if !group.has_data() {
            return;
        }
        self.raw(D::Names::GROUP);
        self.text(D::Names::PRODUCT_OBJECT_ID, group.product_object_id);
        self.text(D::Names::GROUP_DISPLAY_NAME, group.group_display_name);
        self.attribute(Attribute { text_labels: &group.labels, ..Attribute::default() });
        self.close("},");
    }

    #[inline]
    fn resource(&mut self, resource: &Resource<'_>) {
        if !resource.has_data() {
            return;
        }
        // Labels of settings that are all empty leave nothing of it.
        let before = self.position();
        self.raw(D::Names::RESOURCE);
        let empty = self.position();
        self.text(D::Names::RESOURCE_TYPE, resource.resource_type);
        self.text(D::Names::RESOURCE_SUBTYPE, resource.resource_subtype);
        self.text(D::Names::NAME, resource.name.as_deref());
        self.text(D::Names::PRODUCT_OBJECT_ID, resource.product_object_id.as_deref());
        let (text_labels, leaf_labels) = (&resource.labels[..], &resource.leaf_labels[..]);
        self.attribute(Attribute { text_labels, leaf_labels, ..Attribute::default() });
        self.close_unless(empty, before, "},");
    }

    /// Writes a label for each scalar. If its path is empty, it has no key.
    fn leaf_labels(&mut self, labels: &LeafLabels<'_>) {
        let mut leaves = labels.leaves();
        while let Some(leaf) = leaves.next() {
            if leaves.path().is_empty() {
                self.raw("{\"value\":\"");
            } else {
                self.raw("{\"key\":\"");
                escape_into(self.out, leaves.path());
                self.raw("\",\"value\":\"");
            }
            escape_into(self.out, &leaf_text(leaf));
            self.raw("\"},");
            self.flush_if_full();
        }
    }

    #[inline]
    pub(super) fn key_value(&mut self, key: &str, value: &str) {
        self.raw("{\"key\":\"");
        self.string_contents(key);
        self.raw("\",\"value\":\"");
        self.string_contents(value);
        self.raw("\"},");
        self.flush_if_full();
    }

    #[inline]
    fn user(&mut self, user: &User<'_>) {
        let before = self.position();
        self.raw(D::Names::USER);
        let empty = self.position();
        self.text(D::Names::USERID, user.userid.as_deref());
        if let Some((first, further)) = user.email_addresses.split_first() {
            self.raw(D::Names::EMAIL_ADDRESSES);
            self.string_contents(first);
            for email in further {
                self.raw("\",\"");
                self.string_contents(email);
            }
            self.raw("\"],");
        }
        for (field, text) in &user.texts {
            self.out.extend_from_slice(field.opener(D::Names::CASE));
            self.string_contents(text);
            self.raw(field.closer());
        }
        self.text(D::Names::USER_AUTHENTICATION_STATUS, user.authentication_status);
        let (roles, labels, text_labels) = (&user.roles[..], &user.labels[..], &user.text_labels[..]);
        self.attribute(Attribute { roles, labels, text_labels, ..Attribute::default() });
        self.close_unless(empty, before, "},");
    }

    #[inline]
    fn attribute(&mut self, attribute: Attribute<'_, '_>) {
        let Attribute { roles, labels, text_labels, leaf_labels } = attribute;
        if roles.is_empty() && labels.is_empty() && text_labels.is_empty() && leaf_labels.is_empty() {
            return;
        }
        let before = self.position();
        self.raw(D::Names::ATTRIBUTE);
        let empty = self.position();
        if !roles.is_empty() {
            self.roles(roles);
        }
        let before_labels = self.position();
        self.raw(D::Names::LABELS);
        let no_labels = self.position();
        labels.iter().for_each(|label| self.label(label));
        text_labels.iter().for_each(|label| self.key_value(label.key, label.value));
        leaf_labels.iter().for_each(|labels| self.leaf_labels(labels));
        self.close_unless(no_labels, before_labels, "],");
        self.close_unless(empty, before, "},");
    }

    #[inline]
    fn roles(&mut self, roles: &[Role<'_>]) {
        self.raw(D::Names::ROLES);
        for role in roles {
            self.raw("{\"name\":\"");
            self.string_contents(role.name);
            match role.role_type {
                Some(role_type) => {
                    ["\",\"type\":\"", role_type, "\"},"].iter().for_each(|part| self.raw(part));
                }
                None => self.raw("\"},"),
            }
        }
        self.close("],");
    }

    #[inline]
    fn label(&mut self, label: &Label<'_>) {
        let head = ["{\"key\":\"", label.key, "\",\"value\":\""];
        let mut values = label.values.each();
        let Some(first) = values.next() else { return };
        head.iter().for_each(|part| self.raw(part));
        self.string_contents(&first);
        if let Some(second) = values.next() {
            self.further_labels(&head, std::iter::once(second).chain(values));
        }
        self.raw("\"},");
    }

    /// Writes the labels after the first of several with one key, up to the last value.
    fn further_labels<'t>(&mut self, head: &[&str; 3], values: impl Iterator<Item = Cow<'t, str>>) {
        // The key is escaped once, because there may be a million values.
        let between = format!("\"}},{}", head.concat());
        for value in values {
            self.raw(&between);
            self.string_contents(&value);
            self.flush_if_full();
        }
    }

    pub(super) fn about(&mut self, about: &About<'_>) {
        let before = self.position();
        self.raw("{");
        self.raw(self.writer.namespace());
        self.raw(D::Names::USER);
        let empty = self.position();
        self.text(D::Names::USERID, about.userid.as_deref());
        self.only_element(D::Names::EMAIL_ADDRESSES, about.email_address.as_deref());
        let (roles, labels, text_labels) = (&about.roles[..], &about.labels[..], &about.text_labels[..]);
        self.attribute(Attribute { roles, labels, text_labels, ..Attribute::default() });
        self.close_unless(empty, before, "}},");
        self.flush_if_full();
    }
}
