//! Observes how an event is filled.

use super::row::Row;

/// Observes which row filled the event with which value.
pub trait Trace {
    /// Whether the observer is active; if not, texts that only it needs are not built.
    const ENABLED: bool = true;

    /// `row` wrote `value` to the event. The value is a slice of the record or its detail unless it had to be built.
    fn on_fill(&mut self, row: &'static Row, value: &str);

    /// `row` wrote a value to the event under a key: as a label, or as a member of `additional`.
    #[inline]
    fn on_keyed(&mut self, _row: &'static Row, _entry: KeyedValue<'_>) {}

    /// The following values go to the next entry of `about`: one of a user in the detail's JSON, or another one.
    #[inline]
    fn on_about_entry(&mut self, _is_json_user: bool) {}

    /// The value that `row` wrote was cut to `value`.
    #[inline]
    fn on_clip(&mut self, _row: &'static Row, _value: &str) {}
}

/// A value with its key.
#[derive(Debug, Clone, Copy)]
pub struct KeyedValue<'t> {
    /// The key.
    pub key: &'t str,
    /// The value.
    pub value: &'t str,
    /// The value as the record has it: a slice of it, in JSON if the value had to be read from JSON.
    pub written: &'t str,
}

impl<'t> KeyedValue<'t> {
    /// Returns a value that the record has as it is.
    pub(super) fn new(key: &'t str, value: &'t str) -> Self {
        Self { key, value, written: value }
    }
}

/// Observes nothing.
impl Trace for () {
    const ENABLED: bool = false;

    #[inline]
    fn on_fill(&mut self, _: &'static Row, _: &str) {}
}
