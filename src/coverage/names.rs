//! Names and examples as a report shows them.

use super::characters::Example;
use super::known;
use super::tables::Place;
use crate::email;
use crate::record::RecordKind;
use crate::timestamp::Timestamp;
use std::net::IpAddr;

/// How a report shows names and examples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    /// Whether to hide all that comes from records, except names that our tables know.
    pub(super) redact: bool,
}

impl Names {
    /// Returns a category.
    pub(super) fn category(self, name: &str) -> String {
        self.known_start(name, if known::category(name) { name } else { "" })
    }

    /// Returns an action of records of a kind.
    pub(super) fn action(self, kind: RecordKind, name: &str) -> String {
        self.known_start(name, known::start_of_action(kind, name))
    }

    /// Returns a key at a place.
    pub(super) fn key(self, place: Place, key: &str) -> String {
        let is_known = match place {
            Place::Record => known::field(key),
            Place::Detail => known::detail_key(key),
            Place::DetailJson => known::json_key(key),
            Place::Payload => return self.known_start(key, known::start_of_path(key)),
        };
        self.known_start(key, if is_known { key } else { "" })
    }

    /// Returns a name, of which the report may show the start.
    fn known_start(self, name: &str, start: &str) -> String {
        let hidden = name[start.len()..].chars().count();
        if !self.redact || hidden == 0 {
            return name.to_owned();
        }
        format!("{start}(hidden, length {hidden})")
    }

    /// Returns an example.
    pub(super) fn example(self, example: &Example) -> String {
        if !self.redact {
            return example.text.clone().into();
        }
        format!("({}, length {})", kind_of(&example.text), example.length)
    }
}

/// Returns the kind of a text.
fn kind_of(text: &str) -> &'static str {
    let text = text.trim();
    match text {
        "true" | "false" => "boolean",
        _ if email::is_email(text) => "e-mail address",
        _ if Timestamp::parse(text).is_some() => "time",
        _ if text.parse::<f64>().is_ok() => "number",
        _ if text.parse::<IpAddr>().is_ok() => "IP address",
        _ if text.starts_with(['{', '[']) => "JSON",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_shows_only_known_names() {
        let names = Names { redact: true };
        assert_eq!(names.category("User Group"), "User Group");
        assert_eq!(names.category("Secret"), "(hidden, length 6)");
        for (kind, name, shown) in [
            (RecordKind::Operation, "SCIM API - Update", "SCIM API - Update"),
            (RecordKind::Operation, "Batch Delete", "Batch Delete"),
            (RecordKind::Operation, "Update Ann", "(hidden, length 10)"),
            (RecordKind::SignIn, "Sign in", "Sign in"),
            (RecordKind::SignIn, "x", "(hidden, length 1)"),
            (RecordKind::Webhook, "user.updated", "user.updated"),
            (RecordKind::Webhook, "meeting.x", "meeting.(hidden, length 1)"),
            (RecordKind::Webhook, "x.user.updated", "(hidden, length 14)"),
        ] {
            assert_eq!(names.action(kind, name), shown);
        }
        for (place, key, shown) in [
            (Place::Record, "operator", "operator"),
            (Place::Record, "secret", "(hidden, length 6)"),
            (Place::Detail, "Department", "Department"),
            (Place::Detail, "department", "(hidden, length 10)"),
            (Place::DetailJson, "userId", "userId"),
            (Place::Payload, "object.id", "object.id"),
            (Place::Payload, "object.settings.a.b", "object.settings.(hidden, length 3)"),
            (Place::Payload, "objects", "(hidden, length 7)"),
        ] {
            assert_eq!(names.key(place, key), shown);
        }
        assert_eq!(Names { redact: false }.key(Place::Record, "secret"), "secret");
    }

    #[test]
    fn redacted_example_gives_type_and_length() {
        for (text, kind) in [
            ("a@x.io", "e-mail address"),
            ("2024-01-31T00:00:00Z", "time"),
            ("17", "number"),
            ("192.0.2.1", "IP address"),
            ("true", "boolean"),
            ("[1]", "JSON"),
            ("Ann", "text"),
        ] {
            let shown = Names { redact: true }.example(&Example::new(text));
            assert_eq!(shown, format!("({kind}, length {})", text.len()));
        }
        assert_eq!(Names { redact: false }.example(&Example::new("Ann")), "Ann");
    }
}
