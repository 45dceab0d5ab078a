//! A straightforward implementation of the mapping with `serde_json::Value`, regular expressions and `chrono`.
//!
//! `serde_value MAPPING FILE` prints one event per line and counts rejected values on standard error. It reads one JSON
//! value per line, and supports neither values that span lines nor gzip.

use anyhow::{Context, Result};
use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

const EMAIL: &str = r"[\w+%][\w.!#$%&'*+/=?^~-]*@[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)+";
const EVENT_TYPES: &str = include_str!("../../../src/udm/event_types.tsv");

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (rows, path) = arguments.next().zip(arguments.next()).context("usage: serde_value MAPPING FILE")?;
    let mapper = Mapper::new(&serde_json::from_reader(File::open(rows)?)?)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut refused = 0;
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Ok(value) = serde_json::from_slice(&line) else {
            refused += 1;
            continue;
        };
        for record in records(value) {
            match mapper.event(&record) {
                Some(event) => {
                    serde_json::to_writer(&mut out, &event)?;
                    out.write_all(b"\n")?;
                }
                None => refused += 1,
            }
        }
    }
    out.flush()?;
    if refused > 0 {
        eprintln!("{refused} refused");
    }
    Ok(())
}

/// Returns the records of a line: a single record, an array of records, or an API page.
fn records(value: Value) -> Vec<Value> {
    match value {
        Value::Array(records) => records,
        Value::Object(mut page) if page.get("operation_logs").is_some_and(Value::is_array) => {
            records(page.remove("operation_logs").unwrap_or_default())
        }
        record => vec![record],
    }
}

struct Mapper {
    email: Regex,
    whole_email: Regex,
    event_types: HashSet<&'static str>,
    /// The keys that become labels.
    labels: Vec<String>,
    fields: Vec<Field>,
}

/// A key that fills one field of the target.
struct Field {
    key: String,
    path: Vec<String>,
    is_list: bool,
}

impl Mapper {
    /// `rows` is the output of `zoom-udm mapping --format json`; only rows that map a key to a field are used.
    fn new(rows: &Vec<Value>) -> Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (mut labels, mut fields) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| row["source"] == "key") {
            let (key, path) = (text(&row["name"]), text(&row["path"]));
            if path == "target.user.attribute.labels[]" {
                labels.push(key);
            } else if !path.contains("[]") && !path.ends_with("emailAddresses") {
                let path = path.split('.').skip(1).map(str::to_owned).collect();
                fields.push(Field { key, path, is_list: row["list"] == true });
            }
        }
        Ok(Self {
            email: Regex::new(EMAIL)?,
            whole_email: Regex::new(&format!(r"\A(?:{EMAIL})\z"))?,
            event_types: EVENT_TYPES.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect(),
            labels,
            fields,
        })
    }

    /// Returns the event of a record, or `None` if it is not an object or has no valid time.
    fn event(&self, record: &Value) -> Option<Value> {
        let record = record.as_object()?;
        let detail_text = match record.get("operation_detail") {
            Some(value @ (Value::Object(_) | Value::Array(_))) => Some(value.to_string()),
            _ => field(record, "operation_detail"),
        };
        let time = timestamp(&field(record, "time")?)?;
        let detail = self.detail(detail_text.as_deref().unwrap_or_default());

        let mut principal = json!({});
        if let Some(operator) = field(record, "operator") {
            let operator = operator.trim();
            principal = if self.whole_email.is_match(operator) {
                json!({"user": {"emailAddresses": [operator]}})
            } else {
                json!({"user": {"userid": operator}})
            };
        }
        let names_user = principal["user"].is_object() || !detail.emails.is_empty();
        let event_type = field(record, "event_type").filter(|name| self.event_types.contains(name.as_str()));
        let default_type = if names_user { "USER_UNCATEGORIZED" } else { "GENERIC_EVENT" };

        let mut event = json!({
            "metadata": {
                "eventTimestamp": time,
                "eventType": event_type.as_deref().unwrap_or(default_type),
                "logType": "ZOOM_OPERATION_LOGS",
                "vendorName": "ZOOM",
                "productName": "ZOOM_OPERATION_LOGS",
                "productEventType": field(record, "action"),
                "description": detail_text,
            },
            "additional": {"category_type": field(record, "category_type")},
            "principal": principal,
            "target": self.target(&detail),
            "about": detail.users.iter().skip(1).map(|user| json!({"user": user.udm()})).collect::<Vec<_>>(),
        });
        prune(&mut event);
        Some(event)
    }

    fn target(&self, detail: &Detail) -> Value {
        let value = |key: &str| detail.values.get(key).map(String::as_str).filter(|value| !value.is_empty());

        let mut emails: Vec<&str> = Vec::new();
        for email in detail.emails.iter().map(String::as_str).chain(value("Email Address")) {
            if !emails.iter().any(|known| known.to_lowercase() == email.to_lowercase()) {
                emails.push(email);
            }
        }
        let mut roles: Vec<&str> = Vec::new();
        for role in [value("Role Name"), value("User Role"), detail.role.as_deref()].into_iter().flatten() {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        let mut labels = Vec::new();
        for key in &self.labels {
            labels.extend(value(key).map(|value| json!({"key": key, "value": value})));
        }
        let first = detail.users.first();
        labels.extend(first.into_iter().flat_map(|user| user.labels.clone()));

        let mut target = json!({
            "user": {
                "userid": first.and_then(|user| user.id.as_ref()),
                "emailAddresses": emails,
                "attribute": {
                    "roles": roles.iter().map(|role| json!({"name": role})).collect::<Vec<_>>(),
                    "labels": labels,
                },
            },
        });
        for Field { key, path, is_list } in &self.fields {
            let Some(value) = value(key) else { continue };
            let field = path.iter().fold(&mut target, |object, name| &mut object[name.as_str()]);
            *field = if *is_list { json!([value]) } else { json!(value) };
        }
        target
    }

    fn detail(&self, text: &str) -> Detail {
        let (text, users) = cut_json(text);
        let (head, rest) = split_head(&text);
        let pieces = rest.map(pieces).unwrap_or_default();

        let mut emails: Vec<String> = Vec::new();
        let places = std::iter::once(head).chain(pieces.iter().map(|(key, value)| key.unwrap_or(value)));
        for found in places.flat_map(|place| self.email.find_iter(place)) {
            if !emails.iter().any(|known| known.to_lowercase() == found.as_str().to_lowercase()) {
                emails.push(found.as_str().to_owned());
            }
        }
        emails.truncate(2);

        let mut values = HashMap::new();
        let (mut changed_role, mut given_role) = (None, None);
        for (key, value) in &pieces {
            let Some(key) = key else { continue };
            let value = new_value(value);
            if matches!(*key, "Role" | "role") {
                given_role = Some(value.to_owned());
            }
            if changed_role.is_none() && !value.is_empty() && self.whole_email.is_match(key) {
                changed_role = Some(value.to_owned());
            }
            values.insert((*key).to_owned(), value.to_owned());
        }
        if !head.to_ascii_lowercase().starts_with("change role") {
            changed_role = None;
        }
        let role = changed_role.or(given_role.filter(|role| !role.is_empty()));
        Detail { emails, values, role, users }
    }
}

/// The contents of an `operation_detail`.
struct Detail {
    emails: Vec<String>,
    values: HashMap<String, String>,
    role: Option<String>,
    users: Vec<User>,
}

/// A user in the JSON of an `operation_detail`.
struct User {
    id: Option<String>,
    labels: Vec<Value>,
}

impl User {
    fn new(object: &Map<String, Value>) -> Self {
        let mut labels = Vec::new();
        for key in ["assistant", "options"] {
            labels.extend(texts(object.get(key)).iter().map(|text| json!({"key": key, "value": text})));
        }
        Self { id: texts(object.get("userId")).first().map(|id| id.trim().to_owned()), labels }
    }

    fn udm(&self) -> Value {
        json!({"userid": self.id, "attribute": {"labels": self.labels}})
    }
}

/// Returns the texts of a member, one per element if it is a list.
fn texts(member: Option<&Value>) -> Vec<String> {
    let elements = match member {
        Some(Value::Array(elements)) => elements.iter().collect(),
        other => Vec::from_iter(other),
    };
    elements.into_iter().filter_map(text).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        other => Some(other.to_string()),
    }
}

fn field(record: &Map<String, Value>, name: &str) -> Option<String> {
    record.get(name).filter(|value| !value.is_object() && !value.is_array()).and_then(text)
}

/// Removes the leftmost JSON object, or array whose first element is an object. Returns the remaining text, and the
/// users in the JSON.
fn cut_json(detail: &str) -> (String, Vec<User>) {
    for (start, _) in detail.match_indices(['[', '{']) {
        let mut values = serde_json::Deserializer::from_str(&detail[start..]).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { continue };
        let end = start + values.byte_offset();
        let elements = match value {
            Value::Array(elements) if elements.first().is_some_and(Value::is_object) => elements,
            // An object must start with `{"` or `{}`, not with `{ "`.
            Value::Object(_) if detail[start + 1..].starts_with(['"', '}']) => vec![value],
            _ => continue,
        };
        let users = elements.iter().filter_map(Value::as_object).map(User::new).collect();
        return (format!("{}{}", &detail[..start], &detail[end..]), users);
    }
    (detail.to_owned(), Vec::new())
}

fn split_head(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("- ") {
        return ("", Some(rest));
    }
    match text.split_once("  - ").or_else(|| text.split_once(" - ")) {
        Some((head, rest)) => (head.trim(), Some(rest)),
        None => (text, None),
    }
}

/// Returns the key and the value of each change. The first may have no key.
fn pieces(rest: &str) -> Vec<(Option<&str>, String)> {
    let mut pieces: Vec<(Option<&str>, String)> = Vec::new();
    for part in rest.split(" - ") {
        match (change(part), pieces.last_mut()) {
            (Some((key, value)), _) => pieces.push((Some(key), value.to_owned())),
            (None, Some((_, value))) => {
                value.push_str(" - ");
                value.push_str(part);
            }
            (None, None) => pieces.push((None, part.to_owned())),
        }
    }
    pieces
}

/// Parses `KEY: VALUE` or `KEY:`.
fn change(part: &str) -> Option<(&str, &str)> {
    let (key, value) = part.split_once(':')?;
    let key = key.trim();
    (!key.is_empty() && (value.is_empty() || value.starts_with(' '))).then_some((key, value))
}

fn new_value(value: &str) -> &str {
    let value = value.trim();
    if value == "set to" {
        return "";
    }
    if let Some(new) = value.strip_prefix("set to ") {
        return new.trim();
    }
    if let Some(phrase) = value.strip_prefix("from ") {
        if let Some((_, new)) = phrase.split_once(" to ") {
            return new.trim();
        }
        if phrase.ends_with(" to") {
            return "";
        }
    }
    value
}

fn timestamp(text: &str) -> Option<String> {
    let time: DateTime<Utc> = match (text.parse::<i64>(), text.len()) {
        (Ok(seconds), 10) => DateTime::from_timestamp(seconds, 0)?,
        (Ok(milliseconds), 13) => DateTime::from_timestamp_millis(milliseconds)?,
        _ => {
            let text = text.to_ascii_uppercase().replacen(' ', "T", 1);
            let with_zone = DateTime::parse_from_rfc3339(&text)
                .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"))
                .map(|time| time.to_utc());
            let without = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
            with_zone.or_else(|_| without().map(|time| time.and_utc())).ok()?
        }
    };
    (1..=9999).contains(&time.year()).then(|| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Removes `null` and empty strings, lists and objects. Returns whether the value is still non-empty.
fn prune(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => {
            elements.retain_mut(prune);
            !elements.is_empty()
        }
        Value::Object(members) => {
            members.retain(|_, member| prune(member));
            !members.is_empty()
        }
        Value::Bool(_) | Value::Number(_) => true,
    }
}
