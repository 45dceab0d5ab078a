//! Properties of the fast readers against the reference reader; used by property tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::{Field, Record, Scratch, fingerprint, reference};
use crate::json::{minify, unescaped_prefix_len};

/// What a reader found, in comparable form: the texts of all fields, and the kind.
type Found = Option<Vec<Option<String>>>;

/// Checks all properties for `text` and for each line of it.
pub(crate) fn text(text: &str) {
    read_alike(text);
    text.split('\n').for_each(usual_alike);
    same_id(text);
}

/// The fast reader equals the reference reader, or returns nothing.
pub(crate) fn read_alike(text: &str) {
    if let Some(fast) = fast(text) {
        assert_eq!(Some(fast), plain(text), "{text:?}");
    }
}

/// The readers of Zoom's exact layouts equal the reference reader, or return nothing.
pub(crate) fn usual_alike(line: &str) {
    if let Some(usual) = usual(line) {
        assert_eq!(Some(usual), plain(line), "{line:?}");
    }
}

/// A record has an ID, which does not depend on insignificant whitespace.
pub(crate) fn same_id(text: &str) {
    let (Ok(told), mut short) = (fingerprint(text), String::new()) else { return };
    if minify(text, &mut short) == 0 {
        assert_eq!(fingerprint(&short), Ok(told), "{text:?}");
    }
}

pub(super) fn plain(text: &str) -> Found {
    let mut scratch = Scratch::default();
    let object = reference::object(text).ok()?;
    let record = object.record(&mut scratch).ok()?;
    Some(owned(&record))
}

pub(super) fn fast(text: &str) -> Found {
    Some(owned(&Record::read_fast(text, &mut Scratch::default())?))
}

/// Returns what the readers of Zoom's exact layouts make of a line in the middle of a text.
pub(super) fn usual(line: &str) -> Found {
    let text = format!("{{}}\n{line}\n{{\"time\":\"\"}}");
    let (found, end) = canonical(&text, 3)?;
    assert_eq!(end, 3 + line.len());
    assert!(canonical(line, 0).is_some_and(|(_, end)| end == line.len()));
    found
}

/// Returns what is read from the line that begins at `start`, and where the line ends.
fn canonical(text: &str, start: usize) -> Option<(Found, usize)> {
    let [mut operation, mut sign_in] = <[Scratch; 2]>::default();
    let (record, end) = Record::read_canonical(text, start, &mut operation)
        .or_else(|| Record::read_canonical_sign_in(text, start, &mut sign_in))?;
    Some((Some(owned(&record)), end))
}

fn owned(record: &Record<'_>) -> Vec<Option<String>> {
    let texts = Field::ALL.map(|field| record.get(field));
    let plain = texts.iter().flatten().all(|text| unescaped_prefix_len(text.as_bytes()) == text.len());
    assert!(plain || !record.verbatim, "{record:?}");
    let kind = Some(record.kind.name());
    texts.into_iter().chain([kind]).map(|text| text.map(str::to_owned)).collect()
}
