//! Finds the parts of a record that reached no field of the event except the description.

use super::filled::Filled;
use super::members::{mapped_members, read_members};
use super::origins::{Origins, Span};
use super::parts::{self, Part};
use serde::Serialize;

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordMember {
    /// Its name.
    pub name: String,
    /// Its value: the text of a string, otherwise the JSON. For a field that is read, the text that is read.
    pub text: String,
    /// Whether it is a field that is read, and no later member replaces it.
    pub read: bool,
}

/// A part of the record that was not mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// The kind: `unknown_field`, `not_text`, `change`, `head`, ….
    pub kind: &'static str,
    /// The member of the record that contains it.
    pub field: String,
    /// Its text.
    pub text: String,
    /// The range in the member's text; `None` for the whole text.
    pub at: Vec<Span>,
    /// Why it was not mapped.
    pub why: &'static str,
    /// Whether it has no text: `null`, or an empty or blank text.
    #[serde(skip)]
    pub is_blank: bool,
}

/// Returns the members of the record in `text`, and what was not mapped.
pub(super) fn find(
    text: &str,
    origins: &Origins<'_, '_, '_>,
    filled: &Filled,
) -> (Vec<RecordMember>, Vec<Unmapped>) {
    let sources = origins.sources;
    let mapped = mapped_members(text, filled);
    let (mut all, mut unmapped) = (Vec::new(), Vec::new());
    for (index, member) in read_members(text, sources.record.kind).iter().enumerate() {
        let (name, text) = (member.name().into_owned(), member.text(sources).into_owned());
        if let Some((kind, why)) = member.reason(sources, filled, mapped.contains(&index)) {
            let (field, text, is_blank) = (name.clone(), text.clone(), member.is_blank());
            unmapped.push(Unmapped { kind, field, text, at: Vec::new(), why, is_blank });
        }
        all.push(RecordMember { name, text, read: member.is_read });
    }
    let mut add = |part: Part<'_>| {
        let Some(why) = part.why else { return };
        let text = sources.text_in(part.field, &part.at).into_owned();
        let at = origins.spans(part.field, &part.at);
        let (kind, field, is_blank) = (part.kind, part.field.name().to_owned(), part.is_blank);
        unmapped.push(Unmapped { kind, field, text, at, why, is_blank });
    };
    if let Some(detail) = sources.detail() {
        parts::of_detail(sources, detail, filled, &mut add);
    }
    if let Some(payload) = sources.payload() {
        parts::of_payload(payload, filled, &mut add);
    }
    (all, unmapped)
}
