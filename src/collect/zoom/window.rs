//! The range of days of a request.

use crate::collect::date::Date;

/// A range of days. Zoom does not document whether the last day is inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Date,
    pub(crate) to: Date,
    /// The minute of the last day that the window ends with, in milliseconds since the epoch; otherwise it has all of it.
    pub(crate) until: Option<i64>,
}

impl Window {
    /// A window of whole days.
    pub(crate) fn days(from: Date, to: Date) -> Self {
        Self { from, to, until: None }
    }

    /// A window that ends with a minute of its last day.
    pub(crate) fn until(from: Date, minute: i64) -> Self {
        Self { from, to: Date::from_millis(minute), until: Some(minute) }
    }

    /// `from` and `to` as the API takes them: both dates, or both with a time of day.
    pub(crate) fn bounds(self) -> (String, String) {
        match self.until {
            None => (self.from.to_string(), self.to.to_string()),
            Some(minute) => (format!("{} 00:00", self.from), crate::clock::minute(minute)),
        }
    }
}
