//! Removes secrets from texts that leave the process: messages, logs, traces, the state, the ledger, HTTP answers.
//!
//! Clients register the secrets that they use. A text is searched as it is and with its escapes resolved, so that a secret
//! is found percent-encoded, escaped as in JSON or HTML, in hexadecimal, and as Base64 in any alignment, such as in a Basic
//! header. Any 8 bytes in a row of a secret, or 8 digits of its Base64 or hexadecimal form, are removed, so that a secret
//! that somebody else has cut is found too. Shapes of secrets that nobody registered, such as JWTs and Bearer headers,
//! are removed as well.
//!
//! Redact before cutting a text: what is left of a secret after a cut may be too short to be found.

mod escapes;
mod shapes;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use escapes::Unit;
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Replaces a secret.
pub(crate) const PLACEHOLDER: &str = "(secret)";
/// Length in bytes of the shortest part of a secret that is removed.
const WINDOW: usize = 8;
/// Secrets shorter than this are not registered: they could be part of any word.
const MIN_SECRET: usize = 4;
/// Bytes of a secret that are searched for, so that a long one takes little memory.
const MAX_SECRET: usize = 16 << 10;
/// Number of short-lived secrets that are kept: access tokens live an hour, and a service runs for months.
const MAX_SHORT_LIVED: usize = 16;
/// Number of escapings on top of each other that are resolved.
const MAX_ESCAPE_LEVELS: usize = 3;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { lasting: None, short_lived: VecDeque::new() });

/// What to search for.
#[derive(Default)]
struct Needles {
    windows: HashSet<[u8; WINDOW]>,
    /// Whole secrets that are shorter than a window.
    short: HashSet<Vec<u8>>,
}

struct Registry {
    lasting: Option<Needles>,
    /// The latest is last.
    short_lived: VecDeque<(String, Needles)>,
}

/// Has a secret removed from all texts from now on.
pub(crate) fn register(secret: &str) {
    let secret = secret.trim();
    if secret.len() >= MIN_SECRET {
        registry(|registry| registry.lasting.get_or_insert_default().add(secret));
    }
}

/// The same for a secret that others replace soon, such as an access token: only the latest are kept.
pub(crate) fn register_short_lived(secret: &str) {
    let secret = secret.trim();
    registry(|registry| {
        let known = registry.short_lived.iter().any(|(known, _)| known == secret);
        if known || secret.len() < MIN_SECRET {
            return;
        }
        let mut needles = Needles::default();
        needles.add(secret);
        registry.short_lived.push_back((secret.to_owned(), needles));
        if registry.short_lived.len() > MAX_SHORT_LIVED {
            registry.short_lived.pop_front();
        }
    });
}

fn registry<T>(use_it: impl FnOnce(&mut Registry) -> T) -> T {
    use_it(&mut REGISTRY.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Returns the text with [`PLACEHOLDER`] in place of each secret.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let found = find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for range in found {
        clean.push_str(&text[at..range.start]);
        clean.push_str(PLACEHOLDER);
        at = range.end;
    }
    clean.push_str(&text[at..]);
    Cow::Owned(clean)
}

/// Whether there is a secret in the text.
pub(crate) fn holds_secret(text: &str) -> bool {
    !find(text).is_empty()
}

/// Returns the first `most` characters of the redacted text.
pub(crate) fn redact_and_truncate(whole: &str, most: usize) -> String {
    redact(whole).chars().take(most).collect()
}

/// Redacts every text in a JSON value, names of members too.
pub(crate) fn redact_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(string) => redact(&string).into_owned().into(),
        Value::Array(list) => list.into_iter().map(redact_json).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (redact(&name).into_owned(), redact_json(value)))
            .collect(),
        value => value,
    }
}

/// Returns JSON with each of its texts redacted; as it is, member by member, if there is no secret in it.
pub(crate) fn redact_json_text(whole: &str) -> Cow<'_, str> {
    if find(whole).is_empty() {
        return Cow::Borrowed(whole);
    }
    match serde_json::from_str(whole) {
        Ok(value) => Cow::Owned(redact_json(value).to_string()),
        Err(_) => redact(whole),
    }
}

/// Where secrets are: ranges on character boundaries, in order, apart from each other.
fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut units: Vec<Unit> = escapes::units(text);
    for level in 0..=MAX_ESCAPE_LEVELS {
        let bytes: Vec<u8> = units.iter().map(|unit| unit.byte).collect();
        let mut mark = |range: Range<usize>| {
            if let (Some(first), Some(last)) = (units.get(range.start), units.get(range.end - 1)) {
                found.push(first.start..last.end);
            }
        };
        registry(|registry| registry.search(&bytes, &mut mark));
        shapes::search(&bytes, &mut mark);
        match escapes::resolve(&units) {
            Some(resolved) if level < MAX_ESCAPE_LEVELS => units = resolved,
            _ => break,
        }
    }
    merge(text, found)
}

fn merge(text: &str, mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    for range in &mut found {
        while !text.is_char_boundary(range.start) {
            range.start -= 1;
        }
        while !text.is_char_boundary(range.end) {
            range.end += 1;
        }
    }
    found.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

impl Registry {
    fn search(&self, bytes: &[u8], mark: &mut dyn FnMut(Range<usize>)) {
        for needles in self.lasting.iter().chain(self.short_lived.iter().map(|(_, needles)| needles)) {
            needles.search(bytes, mark);
        }
    }
}

impl Needles {
    /// Adds a secret as it is, in hexadecimal and as Base64.
    fn add(&mut self, secret: &str) {
        let secret = &secret.as_bytes()[..secret.len().min(MAX_SECRET)];
        self.add_bytes(secret);
        let digits = secret.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hexadecimal: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        self.add_bytes(hexadecimal.as_bytes());
        self.add_bytes(hexadecimal.to_ascii_uppercase().as_bytes());
        // What stands before a secret decides which 6 bits make a character: three alignments.
        for skip in 0..3 {
            let shifted = [&b"   "[..skip], secret].concat();
            // The first and the last character may hold bits of what is beside the secret.
            let sure = (8 * skip).div_ceil(6)..8 * shifted.len() / 6;
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                self.add_bytes(&engine.encode(&shifted).as_bytes()[sure.clone()]);
            }
        }
    }

    fn add_bytes(&mut self, secret: &[u8]) {
        match secret.len() {
            0..MIN_SECRET => {}
            MIN_SECRET..WINDOW => _ = self.short.insert(secret.to_vec()),
            _ => self.windows.extend(secret.windows(WINDOW).filter_map(|part| part.first_chunk().copied())),
        }
    }

    fn search(&self, bytes: &[u8], mark: &mut dyn FnMut(Range<usize>)) {
        for (at, part) in bytes.windows(WINDOW).enumerate() {
            if part.first_chunk().is_some_and(|part| self.windows.contains(part)) {
                mark(at..at + WINDOW);
            }
        }
        for secret in &self.short {
            for at in memchr::memmem::find_iter(bytes, secret) {
                mark(at..at + secret.len());
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
