//! The writer of UDM JSON: proto3 JSON of `google.backstory.UDM`, one event per line.
//!
//! Every member is written with a trailing comma. Closing an object or array overwrites the last comma, so that no code needs to
//! track whether a member came before.

use super::case::Case;
use super::event::{About, Authentication, Event, Metadata, SecurityResult};
use super::field_names::{Camel, FieldNames, Snake};
use super::flavor::{BigQuery, JsonFlavor};
use super::ingestion_metadata::IngestionMetadata;
use super::output_shape::OutputShape;
use crate::json::escape_into;
use std::marker::PhantomData;

/// Writes events in one output shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    shape: OutputShape,
    feed: IngestionMetadata,
    /// The namespace member of every noun, as JSON with its comma; empty without a namespace.
    namespace: String,
    /// The labels member of every metadata, the same.
    labels: String,
}

impl Writer {
    /// Creates a writer for a shape and added values.
    #[must_use]
    pub fn new(shape: OutputShape, feed: &IngestionMetadata) -> Self {
        let snake = !matches!(shape, OutputShape::Udm(Case::Camel) | OutputShape::Parser(Case::Camel));
        let name = if snake { Snake::INGESTION_LABELS } else { Camel::INGESTION_LABELS };
        let namespace =
            feed.namespace.as_ref().map(|namespace| format!("{}{}\",", Camel::NAMESPACE, escaped(namespace)));
        let labels: Vec<_> = feed
            .labels
            .iter()
            .map(|(key, value)| format!("{{\"key\":\"{}\",\"value\":\"{}\"}}", escaped(key), escaped(value)))
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{name}{}],", labels.join(",")) };
        Self { shape, feed: feed.clone(), namespace: namespace.unwrap_or_default(), labels }
    }

    /// Returns the output shape.
    pub(crate) fn shape(&self) -> OutputShape {
        self.shape
    }

    /// Returns the values that are added to every event.
    pub(crate) fn ingestion_metadata(&self) -> &IngestionMetadata {
        &self.feed
    }

    /// Returns a writer for events without a wrapper; only the case of the shape is kept.
    pub(crate) fn bare(&self) -> Self {
        match self.shape {
            OutputShape::Udm(_) => self.clone(),
            OutputShape::Parser(case) => Self::new(OutputShape::Udm(case), &self.feed),
            OutputShape::BigQuery => Self::new(OutputShape::Udm(Case::Snake), &self.feed),
        }
    }

    /// Returns the member that every noun has, as JSON with its comma; may be empty.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the member that every metadata has, as JSON with its comma; may be empty.
    pub(crate) fn labels(&self) -> &str {
        &self.labels
    }

    /// Appends one event and a newline to `out`.
    #[inline]
    pub fn write(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.write_in_parts(event, StreamTarget { about: &mut std::iter::empty(), out, spill: &mut |_| {} });
    }

    /// The same for an event that is still being built and may be too long for memory.
    #[inline]
    pub(crate) fn write_in_parts(&self, event: &Event<'_>, parts: StreamTarget<'_, '_>) {
        match (self.shape, event.verbatim) {
            (OutputShape::Udm(Case::Camel), true) => JsonWriter::<Camel, true>::new(self, parts).event(event),
            (OutputShape::Udm(Case::Camel), false) => {
                JsonWriter::<Camel, false>::new(self, parts).event(event);
            }
            (OutputShape::Udm(Case::Snake), _) => JsonWriter::<Snake, false>::new(self, parts).event(event),
            (OutputShape::Parser(Case::Camel), _) => {
                JsonWriter::<Camel, false>::new(self, parts).parser_envelope(event);
            }
            (OutputShape::Parser(Case::Snake), _) => {
                JsonWriter::<Snake, false>::new(self, parts).parser_envelope(event);
            }
            (OutputShape::BigQuery, _) => JsonWriter::<BigQuery, false>::new(self, parts).event(event),
        }
    }
}

/// The destination of an event.
pub(crate) struct StreamTarget<'p, 'a> {
    /// Further entries of `about`, after those that the event holds.
    pub(crate) about: &'p mut dyn Iterator<Item = About<'a>>,
    pub(crate) out: &'p mut Vec<u8>,
    /// Takes everything but the last byte whenever the buffer reaches [`FLUSH_THRESHOLD`].
    pub(crate) spill: &'p mut dyn FnMut(&mut Vec<u8>),
}

/// Bytes to buffer before a flush: more than usual events need, and few enough to stay in the cache. Tests and fuzz targets use
/// a small value.
pub(crate) const FLUSH_THRESHOLD: usize = if cfg!(any(test, fuzzing)) { 100 } else { 1 << 20 };

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    escape_into(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Writes one event. If `VERBATIM`, no text needs an escape.
pub(super) struct JsonWriter<'w, 'p, 'a, D, const VERBATIM: bool> {
    pub(super) writer: &'w Writer,
    about: &'p mut dyn Iterator<Item = About<'a>>,
    pub(super) out: &'p mut Vec<u8>,
    spill: &'p mut dyn FnMut(&mut Vec<u8>),
    /// Bytes flushed so far.
    spilled: usize,
    dialect: PhantomData<D>,
}

impl<'w, 'p, 'a, D: JsonFlavor, const VERBATIM: bool> JsonWriter<'w, 'p, 'a, D, VERBATIM> {
    fn new(writer: &'w Writer, StreamTarget { about, out, spill }: StreamTarget<'p, 'a>) -> Self {
        Self { writer, about, out, spill, spilled: 0, dialect: PhantomData }
    }

    fn parser_envelope(mut self, event: &Event<'_>) {
        self.raw("{\"events\":[{\"event\":{\"timestamp\":\"");
        self.raw(event.metadata.event_timestamp.as_str());
        self.raw("\",\"idm\":{");
        self.raw(D::Names::READ_ONLY_UDM);
        self.members(event);
        self.close("}}}}]}\n");
    }

    #[inline]
    fn event(mut self, event: &Event<'_>) {
        self.members(event);
        self.close("}\n");
    }

    /// Writes the members of an event; the last one is followed by a comma.
    #[inline]
    fn members(&mut self, event: &Event<'_>) {
        self.metadata(&event.metadata);
        if !event.additional.is_empty() || !event.unread.is_empty() {
            self.additional(event);
        }
        self.noun(D::Names::PRINCIPAL, &event.principal);
        // Only `--enrich` fills these.
        if event.src.has_data() {
            self.noun(D::Names::SRC, &event.src);
        }
        self.noun(D::Names::TARGET, &event.target);
        let before = self.position();
        self.raw(D::Names::ABOUT);
        let empty = self.position();
        event.about.iter().for_each(|about| self.about(about));
        while let Some(about) = self.about.next() {
            self.about(&about);
        }
        self.close_unless(empty, before, "],");
        if event.security_result.has_data() {
            self.security_result(&event.security_result);
        }
        if let Some(auth) = &event.auth {
            self.auth(auth);
        }
    }

    #[inline]
    fn additional(&mut self, event: &Event<'_>) {
        self.raw(D::Names::ADDITIONAL);
        self.raw(D::ADDITIONAL.0);
        for (name, text) in &event.additional {
            [D::MEMBER.0, name, D::MEMBER.1].into_iter().for_each(|part| self.raw(part));
            self.string_contents(text);
            self.raw(D::MEMBER.2);
        }
        for member in &event.unread {
            self.raw(D::MEMBER.0);
            escape_into(self.out, &member.name);
            self.raw(D::MEMBER.1);
            escape_into(self.out, &member.text());
            self.raw(D::MEMBER.2);
            self.flush_if_full();
        }
        self.close(D::ADDITIONAL.1);
    }

    #[inline]
    fn security_result(&mut self, result: &SecurityResult<'_>) {
        self.raw(D::Names::SECURITY_RESULT);
        if !result.detection_fields.is_empty() {
            self.raw(D::Names::DETECTION_FIELDS);
            for (key, value) in &result.detection_fields {
                self.key_value(key, value);
            }
            self.close("],");
        }
        self.text(D::Names::SUMMARY, result.summary);
        self.only_element(D::Names::CATEGORY_DETAILS, result.category);
        self.only_element(D::Names::ACTION, result.action);
        self.close("}],");
    }

    fn auth(&mut self, auth: &Authentication) {
        self.raw(D::Names::EXTENSIONS);
        self.raw(D::Names::AUTH);
        // An object that is present even if it is empty.
        match auth.mechanism {
            Some(mechanism) => self.only_element(D::Names::MECHANISM, Some(mechanism)),
            None => self.raw(","),
        }
        self.close("}},");
    }

    #[inline]
    fn metadata(&mut self, metadata: &Metadata<'_>) {
        self.raw(D::TIMESTAMP.0);
        D::timestamp(&metadata.event_timestamp, self.out);
        self.raw(D::TIMESTAMP.1);
        D::event_type(metadata.event_type, self.out);
        self.raw(D::EVENT_TYPE_END);
        self.text(D::Names::LOG_TYPE, metadata.log_type);
        self.text(D::Names::PRODUCT_NAME, metadata.product_name);
        self.text(D::Names::VENDOR_NAME, metadata.vendor_name);
        self.text(D::Names::PRODUCT_EVENT_TYPE, metadata.product_event_type);
        self.text(D::Names::PRODUCT_VERSION, metadata.product_version);
        self.text(D::Names::PRODUCT_LOG_ID, metadata.product_log_id.as_deref());
        self.text(D::Names::DESCRIPTION, metadata.description);
        self.raw(&self.writer.labels);
        self.close("},");
    }

    /// Writes a list of one string, if it is present; `name` opens it.
    #[inline]
    pub(super) fn only_element(&mut self, name: &str, element: Option<&str>) {
        if let Some(element) = element {
            self.raw(name);
            self.string_contents(element);
            self.raw("\"],");
        }
    }

    /// Writes one string member, if it is present.
    #[inline]
    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.raw(name);
            self.string_contents(value);
            self.raw("\",");
        }
    }

    /// Writes the contents of a string.
    #[inline]
    pub(super) fn string_contents(&mut self, text: &str) {
        if VERBATIM {
            self.raw(text);
        } else {
            escape_into(self.out, text);
        }
    }

    #[inline]
    pub(super) fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// Closes a container: `end` replaces the comma after its last member.
    #[inline]
    pub(super) fn close(&mut self, end: &str) {
        self.out.pop();
        self.raw(end);
    }

    /// Closes a container, or restores `before` if nothing was written since `empty`.
    #[inline]
    pub(super) fn close_unless(&mut self, empty: usize, before: usize, end: &str) {
        if self.position() == empty {
            // Nothing was flushed since: flushing happens only after a value.
            self.out.truncate(before - self.spilled);
        } else {
            self.close(end);
        }
    }

    /// Bytes written since the start of the event, or of the text that it is appended to.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.spilled + self.out.len()
    }

    #[inline]
    pub(super) fn flush_if_full(&mut self) {
        if self.out.len() >= FLUSH_THRESHOLD {
            let length = self.out.len();
            (self.spill)(self.out);
            self.spilled += length - self.out.len();
        }
    }
}
