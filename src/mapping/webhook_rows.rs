//! The rows that take a value in the payload of a webhook event.

use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::ip_address::ip_address;
use super::row::{Setter, SettingsOf, Source, Take};
use super::row_lookup;
use super::row_values::{is_version, put_text};
use super::table::ROWS;
use super::trace::Trace;
use crate::email;
use crate::json::{leaf_text, trim};
use crate::record::{Field, Record};
use crate::udm::{Event, LeafLabels};
use crate::webhook::{Payload, PayloadField};
use smallvec::SmallVec;

/// The values of a payload that rows used, a bit for each [`PayloadField`].
pub(super) type UsedFields = u64;

const _: () = assert!(PayloadField::ALL.len() <= UsedFields::BITS as usize, "widen UsedFields");

/// What `--enrich` fills instead of the rows here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replaced {
    pub(super) settings: bool,
    /// The path of a field.
    pub(super) path: Option<&'static str>,
}

/// The paths of the fields that were filled; on the stack for most events.
type FilledPaths = SmallVec<[&'static str; 24]>;

/// Writes the values of a webhook event, and returns which were used. If several rows have a value for one field, the first
/// one counts.
pub(super) fn put_webhook<'a>(
    record: &Record<'a>,
    payload: &'a Payload<'_>,
    replaced: Replaced,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut impl Trace,
) -> UsedFields {
    let name = trim(record.get(Field::Event).unwrap_or_default());
    let mut filled = FilledPaths::from_iter(replaced.path);
    let mut used = 0;
    for index in row_lookup::WEBHOOKS {
        let row = &ROWS[index];
        let text = match row.source {
            Source::Field(Field::Event) => record.get(Field::Event),
            Source::Payload { events, field, take } => {
                let text = payload.get(field).filter(|_| name.starts_with(events));
                text.and_then(|text| take.of(text))
            }
            Source::Settings(of) if !replaced.settings => {
                put_settings(index, of, payload, event, notes, trace);
                None
            }
            _ => None,
        };
        if let Some(text) = text
            && !filled.contains(&row.path)
        {
            filled.push(row.path);
            put_text(index, text, event, trace);
            if let Source::Payload { field, .. } = row.source {
                used |= 1 << field as u32;
            }
        }
    }
    notes.add(Diagnostic::FieldNotText, payload.non_text_fields);
    notes.add(Diagnostic::SurrogateReplaced, payload.surrogates_replaced);
    used
}

impl Take {
    /// Returns what the row takes of a value, if it takes it.
    pub(crate) fn of(self, text: &str) -> Option<&str> {
        match self {
            Self::Email => Some(trim(text)).filter(|text| email::is_email(text)),
            Self::NotEmail => Some(trim(text)).filter(|text| !email::is_email(text)),
            Self::Ip => ip_address(text),
            Self::Version => Some(text).filter(|text| is_version(text)),
            Self::LoginType if trim(text) == "101" => Some("Native Login (Non-SSO)"),
            Self::Any | Self::LoginType => Some(text),
        }
    }
}

/// Makes labels of the settings of one object.
fn put_settings<'a, T: Trace>(
    index: usize,
    of: SettingsOf,
    payload: &'a Payload<'_>,
    event: &mut Event<'a>,
    notes: &mut DiagnosticCounts,
    trace: &mut T,
) {
    let (row, Some(settings)) = (&ROWS[index], payload.settings[of as usize]) else { return };
    let Setter::Leaves(put) = row.put else { return };
    let labels = LeafLabels::new(of.prefix(), settings);
    let mut leaves = labels.leaves();
    let mut is_empty = true;
    while let Some(leaf) = leaves.next() {
        is_empty = false;
        if T::ENABLED {
            trace.on_fill(row, &leaf_text(leaf));
        }
    }
    notes.add(Diagnostic::LabelsCut, u32::from(leaves.is_cut()));
    if !is_empty {
        put(event, labels);
    }
}
