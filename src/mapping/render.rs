//! Renders the mapping table as Markdown (`mapping.md`) and as JSON.

use super::row::{Profile, Provenance, Row, Source};
use super::table::ROWS;
use crate::json::escape_into;
use crate::record::RecordKind;
use std::fmt::Write as _;

/// The text before the tables.
static BEFORE: &str = include_str!("mapping_header.md");
/// The text between the tables.
static ENRICHED_HEADER: &str = include_str!("mapping_enriched_header.md");
/// The text after the tables.
static AFTER: &str = include_str!("mapping_footer.md");

impl Source {
    /// Returns the kind of source and its name.
    pub(crate) fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Constant => ("constant", ""),
            Self::Field(field) => ("field", field.name()),
            Self::Detail(name) => ("detail", name),
            Self::Key(key) => ("key", key),
            Self::FirstUser(member) => ("json_data, first object", member.name()),
            Self::FurtherUser(member) => ("json_data, each further object", member.name()),
            Self::Payload { field, .. } => ("payload", field.path()),
            Self::Settings(of) => ("payload", of.path()),
            Self::Enriched { name, .. } => ("enriched", name),
        }
    }
}

impl Row {
    /// Returns the kinds of records that the row applies to, in words.
    pub(crate) fn kind(&self) -> String {
        let kinds = self.kinds();
        if kinds.len() == RecordKind::ALL.len() {
            return "all".to_owned();
        }
        let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        names.join(", ")
    }
}

impl Provenance {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Google => "Google",
            Self::Project => "decided",
        }
    }
}

/// Returns the mapping as Markdown: the text of `mapping.md`.
#[must_use]
pub fn markdown() -> String {
    markdown_of(None)
}

/// Returns the rows of a profile as Markdown, or the whole mapping.
pub(crate) fn markdown_of(profile: Option<Profile>) -> String {
    let mut out = String::from(BEFORE);
    if profile != Some(Profile::Enriched) {
        table(Profile::Google, &mut out);
    }
    if profile != Some(Profile::Google) {
        out.push_str(ENRICHED_HEADER);
        table(Profile::Enriched, &mut out);
    }
    out.push_str(AFTER);
    out
}

/// Appends the rows of a profile.
fn table(profile: Profile, out: &mut String) {
    out.push_str("| kind | from | UDM | rule | example | basis |\n|---|---|---|---|---|---|\n");
    for row in ROWS.iter().filter(|row| row.profile() == profile) {
        let (kind, name) = row.source.parts();
        let from = if name.is_empty() { kind.to_owned() } else { format!("{kind} `{name}`") };
        let (text, value) = row.example;
        let example = if text.is_empty() { format!("`{value}`") } else { format!("`{text}` → `{value}`") };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {from} | `{}` | {} | {example} | {} |",
            row.kind(),
            row.path,
            row.rule,
            row.basis.text()
        );
    }
}

/// Returns the table as JSON: an array of `{"kind","source","name","path","list","rule","example":{"text","value"},"basis","profile"}`.
#[must_use]
pub fn json() -> String {
    json_of(None)
}

/// Returns the rows of a profile, or all rows, as JSON.
pub(crate) fn json_of(profile: Option<Profile>) -> String {
    let rows: Vec<_> = ROWS
        .iter()
        .filter(|row| profile.is_none_or(|profile| row.profile() == profile))
        .map(|row| {
            let (kind, name) = row.source.parts();
            let [kind, name, path, rule, text, value] =
                [kind, name, row.path, row.rule, row.example.0, row.example.1].map(quoted);
            let [basis, profile] = [row.basis.text(), row.profile().name()].map(quoted);
            let record = quoted(&row.kind());
            // Paths mark lists of objects with [], but not lists of strings.
            let list = row.is_element();
            format!(
                "  {{\"kind\":{record},\"source\":{kind},\"name\":{name},\"path\":{path},\"list\":{list},\"rule\":{rule},\"example\":{{\"text\":{text},\"value\":{value}}},\"basis\":{basis},\"profile\":{profile}}}"
            )
        })
        .collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

fn quoted(text: &str) -> String {
    let mut out = vec![b'"'];
    escape_into(&mut out, text);
    out.push(b'"');
    String::from_utf8(out).unwrap_or_default()
}
