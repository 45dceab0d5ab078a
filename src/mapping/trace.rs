//! Observes how an event is filled.

use super::row::Row;

/// Observes which row filled the event with which value.
pub trait Trace {
    /// Whether the observer is active; if not, texts that only it needs are not built.
    const ENABLED: bool = true;

    /// `row` wrote `value` to the event. The value is a slice of the record or its detail unless it had to be built.
    fn on_fill(&mut self, row: &'static Row, value: &str);

    /// The following values go to the next entry of `about`.
    #[inline]
    fn on_about_entry(&mut self) {}

    /// The value that `row` wrote was cut to `value`.
    #[inline]
    fn on_clip(&mut self, _row: &'static Row, _value: &str) {}
}

/// Observes nothing.
impl Trace for () {
    const ENABLED: bool = false;

    #[inline]
    fn on_fill(&mut self, _: &'static Row, _: &str) {}
}
