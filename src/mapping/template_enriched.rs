//! Writes the event of an operation log with what `--enrich` adds: up to the principal with the template, and from there
//! member by member. The typed [`Event`](crate::udm::Event) and its writer define the result.

use super::enrich::{Additions, Entry, LabelOwner, typed_role};
use super::row::Source;
use super::row_lookup::{self, KindRows};
use super::row_values::OperationValues;
use super::table::ROWS;
use super::template::{EventCursor, SHORT, Template, TemplateWriter};
use crate::timestamp::Timestamp;
use crate::udm::{Camel, Case, EventType, FieldNames, Role, Snake};

impl TemplateWriter<'_> {
    /// Appends the event of the values of the default table and of what is added, and a newline. No text may need an
    /// escape; most are slices of `source`.
    pub(super) fn write_enriched(
        self,
        time: &Timestamp,
        event_type: EventType,
        found: &OperationValues<'_>,
        additions: &Additions<'_>,
    ) {
        let Self { template, source, events } = self;
        let room = template.operation.room() + found.length + room_of(additions, found.length, template);
        events.write(room, |out| {
            let writer = MemberWriter { source, out, template };
            match template.case {
                Case::Camel => writer.event::<Camel>((time, event_type), found, additions),
                Case::Snake => writer.event::<Snake>((time, event_type), found, additions),
            }
        });
    }
}

/// Returns the maximum size of what is added to an event whose default values have this length: each text, and what stands
/// before it, may be copied as a whole block.
fn room_of(additions: &Additions<'_>, default_length: usize, template: &Template) -> usize {
    /// More than there are members besides labels, roles and detection fields, and more than the length of all words of
    /// tables.
    const MEMBERS: usize = 80;
    /// Each part of the detail and of the category is written at most this often: as the summary, a name, a subtype and a
    /// category; as a key of two labels and a detection field; as a value.
    const COPIES: usize = 6;
    let Additions { user_labels, labels, labels_before, changed, roles, .. } = additions;
    let entries = user_labels.len() + labels.len() + labels_before.len() + changed.texts().len();
    (entries + roles.len() + MEMBERS) * 4 * SHORT
        + COPIES * default_length
        + template.src.len()
        + template.target.len()
}

/// Writes members, each with a comma after it, which closing an object or list overwrites.
struct MemberWriter<'s, 'e> {
    source: &'s [u8],
    out: EventCursor<'e>,
    template: &'s Template,
}

impl MemberWriter<'_, '_> {
    /// Writes the event, and returns its length.
    fn event<D: FieldNames>(
        mut self,
        (time, event_type): (&Timestamp, EventType),
        found: &OperationValues<'_>,
        additions: &Additions<'_>,
    ) -> usize {
        let Template { operation, head, .. } = self.template;
        operation.write_until_target(self.source, (time, event_type), head, found, &mut self.out);
        self.src::<D>(additions);
        self.target::<D>(found, additions);
        self.security_result::<D>(additions);
        self.close("}\n");
        self.out.length
    }

    fn src<D: FieldNames>(&mut self, additions: &Additions<'_>) {
        let Additions { address_before, labels_before, .. } = additions;
        if address_before.is_none() && labels_before.is_empty() {
            return;
        }
        self.out.piece(&self.template.src);
        let owner = additions.label_owner();
        let labels = |of| if owner == of { &labels_before[..] } else { &[] };
        if address_before.is_some() || !labels(LabelOwner::User).is_empty() {
            self.out.text(D::USER);
            self.element(D::EMAIL_ADDRESSES, *address_before);
            self.labels::<D>(labels(LabelOwner::User));
            self.close("},");
        }
        self.only_labels::<D>(D::GROUP, labels(LabelOwner::Group));
        self.only_labels::<D>(D::RESOURCE, labels(LabelOwner::Resource));
        self.close("},");
    }

    /// Writes a member that has nothing but labels, if there are any.
    fn only_labels<D: FieldNames>(&mut self, name: &str, labels: &[Entry<'_>]) {
        if !labels.is_empty() {
            self.out.text(name);
            self.labels::<D>(labels);
            self.close("},");
        }
    }

    fn target<D: FieldNames>(&mut self, found: &OperationValues<'_>, additions: &Additions<'_>) {
        self.out.piece(&self.template.target);
        self.user::<D>(found, additions);
        let owner = additions.label_owner();
        let labels = |of| if owner == of { &additions.labels[..] } else { &[] };
        if additions.group_name.is_some() || !labels(LabelOwner::Group).is_empty() {
            self.out.text(D::GROUP);
            self.text(D::GROUP_DISPLAY_NAME, additions.group_name);
            self.labels::<D>(labels(LabelOwner::Group));
            self.close("},");
        }
        self.resource::<D>(additions, labels(LabelOwner::Resource));
        if let Some((_, name)) = found.each_of(row_lookup::LOCATION).next() {
            self.out.text(D::LOCATION);
            self.text(D::NAME, Some(name));
            self.close("},");
        }
        self.close("},");
    }

    fn resource<D: FieldNames>(&mut self, additions: &Additions<'_>, labels: &[Entry<'_>]) {
        let resource = &additions.resource;
        if resource.has_data() || !labels.is_empty() {
            self.out.text(D::RESOURCE);
            self.text(D::RESOURCE_TYPE, resource.resource_type);
            self.text(D::RESOURCE_SUBTYPE, resource.subtype);
            self.text(D::NAME, resource.name);
            self.text(D::PRODUCT_OBJECT_ID, resource.id.as_deref());
            self.labels::<D>(labels);
            self.close("},");
        }
    }

    fn user<D: FieldNames>(&mut self, found: &OperationValues<'_>, additions: &Additions<'_>) {
        let Additions { userid, authentication_status, roles, user_labels, .. } = additions;
        let has_texts = userid.is_some() || authentication_status.is_some();
        let has_lists = !roles.is_empty() || !user_labels.is_empty();
        if !has_texts && !has_lists && !found.has_any(row_lookup::TARGET_USER) {
            return;
        }
        self.out.text(D::USER);
        self.text(D::USERID, *userid);
        let mut addresses = found.each_of(row_lookup::EMAILS);
        if let Some((_, first)) = addresses.next() {
            self.out.text(D::EMAIL_ADDRESSES);
            self.value(first);
            for (_, further) in addresses {
                self.out.text("\",\"");
                self.value(further);
            }
            self.out.text("\"],");
        }
        for (row, text) in found.each_of(row_lookup::TEXTS_OF_TARGET) {
            let field = &row_lookup::TEXT_FIELDS[KindRows::OPERATION.in_table(row)];
            self.out.raw(field.opener(self.template.case));
            self.value(text);
            self.out.text(field.closer());
        }
        self.text(D::USER_AUTHENTICATION_STATUS, *authentication_status);
        self.user_attribute::<D>(found, additions);
        self.close("},");
    }

    /// Writes the roles and labels of the target's user.
    fn user_attribute<D: FieldNames>(&mut self, found: &OperationValues<'_>, additions: &Additions<'_>) {
        let Additions { roles, user_labels, .. } = additions;
        let has_roles = !roles.is_empty() || found.has_any(row_lookup::ROLES);
        let has_labels = !user_labels.is_empty() || found.has_any(row_lookup::LABELS);
        if !has_roles && !has_labels {
            return;
        }
        self.out.text(D::ATTRIBUTE);
        if has_roles {
            self.out.text(D::ROLES);
            found.each_of(row_lookup::ROLES).for_each(|(_, name)| self.role(typed_role(name)));
            roles.iter().for_each(|role| self.role(*role));
            self.close("],");
        }
        if has_labels {
            self.out.text(D::LABELS);
            for (row, value) in found.each_of(row_lookup::LABELS) {
                if let Source::Key(key) = ROWS[KindRows::OPERATION.in_table(row)].source {
                    self.entry(key, value);
                }
            }
            self.entries(user_labels);
            self.close("],");
        }
        self.close("},");
    }

    fn role(&mut self, role: Role<'_>) {
        self.out.text("{\"name\":\"");
        self.value(role.name);
        if let Some(role_type) = role.role_type {
            self.out.text("\",\"type\":\"");
            self.value(role_type);
        }
        self.out.text("\"},");
    }

    /// Writes an attribute of labels, if there are any.
    fn labels<D: FieldNames>(&mut self, labels: &[Entry<'_>]) {
        if !labels.is_empty() {
            self.out.text(D::ATTRIBUTE);
            self.out.text(D::LABELS);
            self.entries(labels);
            self.close("]},");
        }
    }

    fn security_result<D: FieldNames>(&mut self, additions: &Additions<'_>) {
        let Additions { verb, changed, summary, category, .. } = additions;
        let has_fields = verb.is_some() || !changed.texts().is_empty();
        if !has_fields && summary.is_none() && category.is_none() {
            return;
        }
        self.out.text(D::SECURITY_RESULT);
        if has_fields {
            self.out.text(D::DETECTION_FIELDS);
            if let Some(verb) = verb {
                self.out.text("{\"key\":\"verb\",\"value\":\"");
                self.value(verb);
                self.out.text("\"},");
            }
            for key in changed.texts() {
                self.out.text("{\"key\":\"changed\",\"value\":\"");
                self.value(key);
                self.out.text("\"},");
            }
            self.close("],");
        }
        self.text(D::SUMMARY, *summary);
        self.element(D::CATEGORY_DETAILS, *category);
        self.close("}],");
    }

    fn entries(&mut self, entries: &[Entry<'_>]) {
        entries.iter().for_each(|entry| self.entry(entry.key, entry.value));
    }

    #[expect(clippy::inline_always, reason = "names are constants of the callers")]
    #[inline(always)]
    fn entry(&mut self, key: &str, value: &str) {
        self.out.text("{\"key\":\"");
        self.value(key);
        self.out.text("\",\"value\":\"");
        self.value(value);
        self.out.text("\"},");
    }

    /// Writes a member whose value is a text, if it is present.
    #[expect(clippy::inline_always, reason = "names are constants of the callers")]
    #[inline(always)]
    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.out.text(name);
            self.value(text);
            self.out.text("\",");
        }
    }

    /// Writes a list of one text, if it is present.
    #[expect(clippy::inline_always, reason = "names are constants of the callers")]
    #[inline(always)]
    fn element(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.out.text(name);
            self.value(text);
            self.out.text("\"],");
        }
    }

    #[expect(clippy::inline_always, reason = "names are constants of the callers")]
    #[inline(always)]
    fn value(&mut self, text: &str) {
        self.out.text_of(self.source, text);
    }

    /// Closes an object or list: `end` replaces the comma after its last member.
    #[inline]
    fn close(&mut self, end: &str) {
        self.out.replace_last(end);
    }
}
