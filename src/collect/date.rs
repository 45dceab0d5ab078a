//! Days in UTC, as used in windows and states.

use chrono::{DateTime, Days, NaiveDate, TimeDelta};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A day in milliseconds.
pub(crate) const DAY: i64 = 86_400_000;

const FIRST: NaiveDate = day(0, 1, 1);
const LAST: NaiveDate = day(9999, 12, 31);

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(day) => day,
        None => NaiveDate::MIN,
    }
}

/// A day in UTC: `yyyy-mm-dd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(NaiveDate);

impl Date {
    /// Returns the day of an instant in milliseconds since the epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(DateTime::from_timestamp_millis(millis).unwrap_or_default().date_naive())
    }

    /// Returns when it begins, in milliseconds since the epoch.
    #[must_use]
    pub fn start(self) -> i64 {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
    }

    /// Returns when the next day begins.
    #[must_use]
    pub fn end(self) -> i64 {
        self.start() + DAY
    }

    /// Returns the day this many days later (or earlier), limited to years of four digits.
    #[must_use]
    pub fn add_days(self, days: i64) -> Self {
        let number = Days::new(days.unsigned_abs());
        let (moved, end) = if days < 0 {
            (self.0.checked_sub_days(number), FIRST)
        } else {
            (self.0.checked_add_days(number), LAST)
        };
        Self(moved.unwrap_or(end).clamp(FIRST, LAST))
    }

    /// Returns how many days this is after `other`.
    #[must_use]
    pub fn days_since(self, other: Self) -> i64 {
        self.0.signed_duration_since(other.0).num_days()
    }

    /// Returns the day as a directory name: `yyyy/mm/dd`.
    #[must_use]
    pub fn path(self) -> String {
        self.0.format("%Y/%m/%d").to_string()
    }

    /// Returns the days from this one to `last`, inclusive.
    #[must_use]
    pub fn range_to(self, last: Self) -> impl DoubleEndedIterator<Item = Self> {
        let count = if last < self { 0 } else { last.days_since(self) + 1 };
        (0..count).map(move |days| Self(self.0 + TimeDelta::days(days)))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // chrono also accepts signs and fewer digits, which would not read back as they print.
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self);
        date.filter(|date| date.to_string() == text)
            .ok_or_else(|| format!("{text:?}: expected a date like 2024-01-31"))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_round_trips_and_day_arithmetic_saturates() {
        let date: Date = "2024-02-28".parse().unwrap();
        assert_eq!(date.add_days(2).to_string(), "2024-03-01");
        assert_eq!(date.add_days(-59).to_string(), "2023-12-31");
        assert_eq!([i64::MIN, -800_000].map(|days| date.add_days(days).to_string()), ["0000-01-01"; 2]);
        assert_eq!([i64::MAX, 3_000_000].map(|days| date.add_days(days).to_string()), ["9999-12-31"; 2]);
        assert_eq!(Date::from_millis(date.end() - 1), date);
        assert_eq!(date.range_to(date.add_days(2)).count(), 3);
        assert_eq!(date.range_to(date.add_days(-1)).count(), 0);
        assert_eq!(date.path(), "2024/02/28");
        for bad in ["2024-2-28", "2024-02-30", "", "today", "+2024-1-01", "-001-01-01", " 2024-1-1"] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }
}
