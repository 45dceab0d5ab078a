//! One payload.

use super::field::PayloadField;
use crate::json::{has_lone_surrogate, leaf_text, members, string, trim};
use crate::timestamp::Timestamp;
use std::borrow::Cow;

const FIELDS: usize = PayloadField::ALL.len();

/// The payload of a webhook event. A value that is missing, `null`, blank, an object or an array is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The JSON object, as written.
    pub json: &'a str,
    /// Each key, without its quotes, and value, as written.
    members: [Option<(&'a str, &'a str)>; FIELDS],
    /// Each value as text.
    texts: [Option<Cow<'a, str>>; FIELDS],
    /// The object, as JSON, and the old object, if they are present.
    pub(crate) objects: [Option<&'a str>; 2],
    /// The settings of the object, as JSON, and those of the old object.
    pub settings: [Option<&'a str>; 2],
    /// The participant of a meeting, as JSON.
    pub(crate) participant: Option<&'a str>,
    /// The members of a group and its administrators, as JSON.
    pub(crate) group_users: [Option<&'a str>; 2],
    /// The number of values that are read and are an object or array instead of a scalar.
    pub non_text_fields: u32,
    /// How many values that are read hold half of a surrogate pair, which became U+FFFD.
    pub surrogates_replaced: u32,
}

/// The name of the member with settings, in an object and in an old object.
const SETTINGS: &str = "settings";

impl<'a> Payload<'a> {
    /// Reads a payload, which must be a valid JSON object.
    #[must_use]
    pub fn parse(json: &'a str) -> Self {
        let mut payload = Self {
            json,
            members: [None; FIELDS],
            texts: [const { None }; FIELDS],
            objects: [None; 2],
            settings: [None; 2],
            participant: None,
            group_users: [None; 2],
            non_text_fields: 0,
            surrogates_replaced: 0,
        };
        payload.objects = payload.read_object(json, "", ["object", "old_object"]);
        let [object, old_object] = payload.objects;
        if let Some(object) = object {
            let names = [SETTINGS, "participant", "members", "admins"];
            let [settings, participant, members, admins] = payload.read_object(object, "object.", names);
            payload.settings[0] = settings;
            (payload.participant, payload.group_users) = (participant, [members, admins]);
            if let Some(participant) = participant {
                payload.read_object(participant, "object.participant.", []);
            }
        }
        if let Some(old_object) = old_object {
            [payload.settings[1]] = payload.read_object(old_object, "old_object.", [SETTINGS]);
        }
        payload.convert();
        payload
    }

    /// Reads the values of one object, if it is one, and returns those of its members that have these names.
    fn read_object<const N: usize>(
        &mut self,
        json: &'a str,
        path: &str,
        names: [&str; N],
    ) -> [Option<&'a str>; N] {
        let mut found = [None; N];
        if !json.starts_with('{') {
            return found;
        }
        // Of equal keys the last counts.
        for (raw_key, value) in members(json) {
            let key = string(raw_key);
            if let Some(field) = PayloadField::named(path, &key) {
                self.members[field as usize] = Some((raw_key, value));
            } else if let Some(index) = names.iter().position(|name| *name == key) {
                found[index] = Some(value);
            }
        }
        found
    }

    /// Converts the values to texts.
    fn convert(&mut self) {
        for (field, (member, text)) in PayloadField::ALL.iter().zip(self.members.iter().zip(&mut self.texts))
        {
            let Some((_, value)) = member else { continue };
            // Without `--enrich`, nobody reads the others.
            let counts = !field.is_enriched();
            if value.starts_with(['{', '[']) {
                self.non_text_fields += u32::from(counts);
            } else if *value != "null" {
                self.surrogates_replaced += u32::from(counts && has_lone_surrogate(value));
                *text = Some(leaf_text(value)).filter(|text| !trim(text).is_empty());
            }
        }
        let settings = self.settings.iter().flatten();
        self.surrogates_replaced += settings.map(|json| u32::from(has_lone_surrogate(json))).sum::<u32>();
    }

    /// Returns the text of a value.
    #[must_use]
    pub fn get(&self, field: PayloadField) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }

    /// Returns the key of a value, without its quotes, and the value, both as written, if it is present.
    pub(crate) fn member(&self, field: PayloadField) -> Option<(&'a str, &'a str)> {
        self.members[field as usize].filter(|_| self.texts[field as usize].is_some())
    }

    /// Returns whether it names who did something, or whom it was done to.
    pub(crate) fn names_user(&self) -> bool {
        [PayloadField::Operator, PayloadField::Email].into_iter().any(|field| self.get(field).is_some())
    }

    /// Returns a value as a time, if it is one.
    pub(crate) fn time(&self, field: PayloadField) -> Option<Timestamp> {
        self.get(field).and_then(|text| Timestamp::parse(trim(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_at_their_paths() {
        let json = r#"{"operator":"a","account_id":7,"operator_id":" ","id":"no",
            "object":{"id":"old"},"object":{ "id" : 1.50,"email":"\u00e9\ud800","role":{},"dept":[1],"settings":{"a":1},
              "participant":{"id":"p","user_name":null,"user_id":true}},
            "old_object":{"id":"x","settings":[2]}}"#;
        let payload = Payload::parse(json);
        for (field, expected) in [
            (PayloadField::Operator, Some("a")),
            (PayloadField::AccountId, Some("7")),
            (PayloadField::OperatorId, None),
            (PayloadField::Id, Some("1.50")),
            (PayloadField::Email, Some("\u{e9}\u{fffd}")),
            (PayloadField::Role, None),
            (PayloadField::ParticipantId, Some("p")),
            (PayloadField::UserName, None),
            (PayloadField::UserId, Some("true")),
            (PayloadField::Topic, None),
        ] {
            assert_eq!(payload.get(field), expected, "{}", field.path());
            assert_eq!(payload.member(field).is_some(), expected.is_some(), "{}", field.path());
        }
        assert_eq!(payload.settings, [Some(r#"{"a":1}"#), Some("[2]")]);
        assert_eq!((payload.non_text_fields, payload.surrogates_replaced), (2, 1));
    }

    #[test]
    fn payload_with_other_values_has_no_texts() {
        for json in [
            "{}",
            r#"{"object":"x","old_object":[]}"#,
            r#"{"object":[{"id":1}],"old_object":{"settings":null}}"#,
            r#"{"object.email":"a@x.io","object":{"participant.id":"p"}}"#,
        ] {
            let payload = Payload::parse(json);
            assert!(PayloadField::ALL.iter().all(|field| payload.get(*field).is_none()), "{json}");
        }
    }
}
