//! Reads a record with the fastest reader that is certain.

use super::field_spans::FieldSpans;
use super::kind::RecordKind;
use super::record::{Record, Scratch};
use super::{fast, reference, zoom_layout};
use crate::reject::Rejection;

impl<'a> Record<'a> {
    /// Reads one record from the JSON object in `text`.
    ///
    /// # Errors
    /// [`NotJson`](crate::RejectReason::NotJson), [`NotObject`](crate::RejectReason::NotObject), or
    /// [`UnknownRecord`](crate::RejectReason::UnknownRecord). A record without a usable time is rejected later, where the
    /// default time is known.
    pub fn read(text: &'a str, scratch: &'a mut Scratch) -> Result<Self, Rejection> {
        let mut found = FieldSpans::default();
        match read_quickly(text, &mut found, scratch) {
            Some(kind) => Ok(found.record(kind, &scratch.0)),
            None => reference::object(text)?.record(scratch),
        }
    }

    /// The same if the text is sure to be a record and no page, and `None` otherwise.
    pub(crate) fn read_quickly(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        let mut found = FieldSpans::default();
        let kind = read_quickly(text, &mut found, scratch)?;
        Some(found.record(kind, &scratch.0))
    }

    /// The same for ordinary records; returns `None` if the reference reader must decide.
    pub(crate) fn read_fast(text: &'a str, scratch: &'a mut Scratch) -> Option<Self> {
        let mut found = FieldSpans::default();
        fast::scan(text, &mut found, scratch.cleared())?;
        Some(found.record(found.kind(&scratch.0)?, &scratch.0))
    }

    /// Reads the operation log on the line that begins at `start`, and returns where the line ends; returns `None` for
    /// any other layout.
    #[expect(clippy::inline_always, reason = "moving a record from call to call costs as much as reading it")]
    #[inline(always)]
    pub(crate) fn read_canonical(
        text: &'a str,
        start: usize,
        scratch: &'a mut Scratch,
    ) -> Option<(Self, usize)> {
        let mut found = FieldSpans::default();
        let end = zoom_layout::operation(text, start, &mut found, scratch.cleared())?;
        // This layout has the fields of an operation log.
        let kind = if found.maybe_blank { found.kind(&scratch.0)? } else { RecordKind::Operation };
        Some((found.record(kind, &scratch.0), end))
    }

    /// The same for a sign-in.
    #[inline]
    pub(crate) fn read_canonical_sign_in(
        text: &'a str,
        start: usize,
        scratch: &'a mut Scratch,
    ) -> Option<(Self, usize)> {
        let mut found = FieldSpans::default();
        let end = zoom_layout::sign_in(text, start, &mut found, scratch.cleared())?;
        let kind = if found.maybe_blank { found.kind(&scratch.0)? } else { RecordKind::SignIn };
        Some((found.record(kind, &scratch.0), end))
    }
}

/// Reads a record with one of the fast readers, and returns its kind; `None` if both are undecided, or if it is of no
/// kind, which the reference reader rejects.
fn read_quickly<'a>(text: &'a str, found: &mut FieldSpans<'a>, scratch: &mut Scratch) -> Option<RecordKind> {
    if zoom_layout::operation(text, 0, found, scratch.cleared()) != Some(text.len()) {
        *found = FieldSpans::default();
        fast::scan(text, found, scratch.cleared())?;
    }
    found.kind(&scratch.0)
}
