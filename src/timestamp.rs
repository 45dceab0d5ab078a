//! Timestamps: the forms that a record may use, and the one form that an event carries.

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc,
};
use std::fmt;
use wide::u8x16;

/// A point in time as UDM writes it: RFC 3339 in UTC with `Z` and 0, 3, 6 or 9 fractional digits, the fewest that lose
/// nothing; years 0001 to 9999 (`google.protobuf.Timestamp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// The text, padded with zeros.
    text: [u8; 30],
    length: u8,
}

impl Timestamp {
    /// Parses the `time` of a record (docs/mapping-rules.md, section 1): RFC 3339; the same with a space for the `T`,
    /// without a zone (then UTC), with `+hhmm`, with up to 9 fractional digits; or 10 digits (seconds since the epoch)
    /// or 13 (milliseconds). Returns `None` for anything else and for impossible dates.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_common_layout(text).or_else(|| Self::parse_reference(text))
    }

    /// Parses the layout that nearly every record has, `YYYY-MM-DD?hh:mm:ss` with or without `Z`, by checking and
    /// copying. `None` means undecided.
    fn parse_common_layout(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (layout, zone) = bytes.split_first_chunk::<19>()?;
        if !matches!(zone, [] | [b'Z'])
            || !matches!(layout[10], b'T' | b' ')
            || !is_valid_common_layout(layout)
        {
            return None;
        }
        let mut out = *b"0000-00-00T00:00:00Z\0\0\0\0\0\0\0\0\0\0";
        out[..10].copy_from_slice(&layout[..10]);
        out[11..19].copy_from_slice(&layout[11..]);
        Some(Self { text: out, length: 20 })
    }

    /// Parses every form with `chrono`; defines the result of [`Self::parse_common_layout`].
    fn parse_reference(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: i64 = text.parse().ok()?;
            return match text.len() {
                10 => Self::from_chrono(DateTime::from_timestamp(number, 0)?),
                13 => Self::from_chrono(DateTime::from_timestamp_millis(number)?),
                _ => None,
            };
        }
        let (date, rest) = text.split_at_checked(10)?;
        let clock = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, zone) = clock.split_at(clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len()));
        let local = NaiveDateTime::new(parse_date(date)?, parse_clock(clock)?);
        let utc = local.checked_sub_signed(TimeDelta::seconds(parse_zone(zone)?))?;
        Self::from_chrono(utc.and_utc())
    }

    /// Converts a `chrono` instant; returns `None` outside the years 0001 to 9999.
    #[must_use]
    pub fn from_chrono(instant: DateTime<Utc>) -> Option<Self> {
        if !(1..=9999).contains(&instant.year()) {
            return None;
        }
        let written = instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut text = [0; 30];
        text.get_mut(..written.len())?.copy_from_slice(written.as_bytes());
        Some(Self { text, length: u8::try_from(written.len()).ok()? })
    }

    /// Returns the RFC 3339 text, 20 to 30 bytes of ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the text padded with zeros, and its length.
    #[inline]
    pub(crate) fn padded(&self) -> (&[u8; 30], usize) {
        (&self.text, usize::from(self.length))
    }

    /// Returns the text as bytes.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Returns seconds since the epoch, and nanoseconds within the second.
    #[must_use]
    pub fn seconds_and_nanos(&self) -> (i64, u32) {
        let instant = DateTime::<FixedOffset>::parse_from_rfc3339(self.as_str()).unwrap_or_default();
        (instant.timestamp(), instant.timestamp_subsec_nanos())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns whether a `YYYY-MM-DD?hh:mm:ss` is certainly a valid time. Leap days and the year 0 are left to the
/// calendar.
fn is_valid_common_layout(layout: &[u8; 19]) -> bool {
    // The minimum and maximum of each byte.
    const LEAST: [u8; 16] = *b"0000-00-00 00:00";
    const MOST: [u8; 16] = *b"9999-19-39T29:59";
    // The days that each month, from 1, has in every year.
    const DAYS: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let [minutes @ .., colon, tens, ones] = layout;
    let Some(minutes) = minutes.first_chunk::<16>() else { return false };
    let bytes = u8x16::new(*minutes);
    let within = bytes.max(u8x16::new(LEAST)).min(u8x16::new(MOST)).simd_eq(bytes).to_bitmask() == 0xFFFF;
    let number = |at: usize| (layout[at] - b'0') * 10 + (layout[at + 1] - b'0');
    within
        && *colon == b':'
        && matches!(tens, b'0'..=b'5')
        && ones.is_ascii_digit()
        && minutes[..4] != *b"0000"
        && number(11) < 24
        && DAYS.get(usize::from(number(5))).is_some_and(|&days| (1..=days).contains(&number(8)))
}

/// Parses `YYYY-MM-DD`.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = fields(text, "-", [4, 2, 2])?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// Parses `hh:mm:ss` with up to 9 fractional digits. Leap seconds are invalid, because UDM has none.
fn parse_clock(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let [hour, minute, second] = fields(whole, ":", [2, 2, 2])?;
    let nanos = digits(fraction, 1..=9)? * 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?);
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
}

/// Parses a zone as seconds east of UTC: nothing, `Z`, `+hh:mm` or `+hhmm`.
fn parse_zone(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let (east, offset) = match text.split_at(1) {
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let [hours, minutes] = fields(offset, if offset.len() == 4 { "" } else { ":" }, [2, 2])?;
    (hours < 24 && minutes < 60).then_some(east * i64::from(hours * 60 + minutes) * 60)
}

/// Parses numbers of fixed widths with a separator between them.
fn fields<const N: usize>(mut text: &str, separator: &str, widths: [usize; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    for (index, width) in widths.into_iter().enumerate() {
        if index > 0 {
            text = text.strip_prefix(separator)?;
        }
        let (field, rest) = text.split_at_checked(width)?;
        numbers[index] = digits(field, width..=width)?;
        text = rest;
    }
    text.is_empty().then_some(numbers)
}

/// Parses exactly this many ASCII digits.
fn digits(text: &str, widths: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let fits = widths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Properties of the fast parser against `chrono`; used by property tests and fuzz targets.
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants {
    use super::Timestamp;
    use chrono::{DateTime, Utc};
    use once_cell::sync::Lazy;
    use regex::Regex;

    /// The accepted forms, with any digits.
    static FORMS: Lazy<Regex> = Lazy::new(|| {
        let form = r"\A(?:[0-9]{10}|[0-9]{13}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)\z";
        Regex::new(form).expect("it is a pattern")
    });

    /// Checks all properties for `text`.
    pub(crate) fn text(text: &str) {
        plain_layout(text);
        let Some(time) = Timestamp::parse(text) else { return };
        assert!(FORMS.is_match(text), "{text:?}");
        assert_eq!(Timestamp::parse(time.as_str()), Some(time), "{text:?}");
        let (seconds, nanos) = time.seconds_and_nanos();
        let instant = DateTime::from_timestamp(seconds, nanos);
        assert_eq!(instant.and_then(Timestamp::from_chrono), Some(time), "{text:?}");
        // RFC 3339 text gives the instant that `chrono` reads.
        if let Ok(twin) = DateTime::parse_from_rfc3339(text) {
            assert_eq!(instant, Some(twin.with_timezone(&Utc)), "{text:?}");
        }
    }

    /// The fast parser never accepts what the calendar rejects.
    pub(crate) fn plain_layout(text: &str) {
        if let Some(time) = Timestamp::parse_common_layout(text) {
            assert_eq!(Timestamp::parse_reference(text), Some(time), "{text:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_documented_time_format_is_parsed() {
        for (text, expected) in [
            ("2019-08-20T19:09:01Z", "2019-08-20T19:09:01Z"),
            ("2022-12-16 18:15:38", "2022-12-16T18:15:38Z"),
            ("2021-11-17 00:37:24Z", "2021-11-17T00:37:24Z"),
            ("2021-06-27 00:08:28.792Z", "2021-06-27T00:08:28.792Z"),
            ("2022-01-25T17:52:16.0000000+00:00", "2022-01-25T17:52:16Z"),
            ("2022-01-25t17:52:16z", "2022-01-25T17:52:16Z"),
            ("2022-01-25T17:52:16+0530", "2022-01-25T12:22:16Z"),
            ("2022-01-25T17:52:16-05:30", "2022-01-25T23:22:16Z"),
            ("2022-01-25T17:52:16.1", "2022-01-25T17:52:16.100Z"),
            ("2022-01-25T17:52:16.1234", "2022-01-25T17:52:16.123400Z"),
            ("2022-01-25T17:52:16.123456789Z", "2022-01-25T17:52:16.123456789Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("1566328141", "2019-08-20T19:09:01Z"),
            ("1566328141007", "2019-08-20T19:09:01.007Z"),
            ("0000000000", "1970-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::parse(text).as_ref().map(Timestamp::as_str), Some(expected), "{text}");
        }
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in [
            "",
            "now",
            "2019-08-20",
            "2019-08-20T19:09Z",
            "2023-02-29T00:00:00Z",
            "2019-13-01T00:00:00Z",
            "2019-08-20T24:00:00Z",
            "2019-08-20T23:59:60Z",
            "2019-08-20T19:09:01.Z",
            "2019-08-20T19:09:01.0123456789Z",
            "2019-08-20T19:09:01 Z",
            "2019-08-20T19:09:01+5:00",
            "2019-08-20T19:09:01+24:00",
            "2019-08-20T19:09:01+0060",
            "2019-8-20T19:09:01Z",
            "2019-08-20T19:09:01ZZ",
            "2019-08-20T19:09:01Z0530",
            "2019-08-20 19:09:01.5z05:30",
            "123456789",
            "12345678901",
            "12345678901234",
            "1566328141.0",
            "-156632814",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "２019-08-20T19:09:01Z",
            "2019-08-20T19:09:0１Z",
            "+019-08-20T19:09:01Z",
            "2019-08-20X19:09:01Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_and_nanos_match_the_text() {
        let time = Timestamp::parse("1969-12-31T23:59:59.5Z").unwrap();
        assert_eq!(time.seconds_and_nanos(), (-1, 500_000_000));
        assert_eq!(time.to_string(), "1969-12-31T23:59:59.500Z");
    }

    #[test]
    fn padded_time_is_text_then_zeros() {
        let time = Timestamp::parse("1969-12-31T23:59:59.5Z").unwrap();
        let (padded, length) = time.padded();
        assert_eq!(padded[..length], *time.as_str().as_bytes());
        assert!(length == 24 && padded[length..].iter().all(|byte| *byte == 0));
    }

    proptest! {
        #[test]
        fn common_layout_never_accepts_invalid_dates(
            text in "[0-9]{4}-[0-3][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z?"
        ) {
            invariants::plain_layout(&text);
        }

        #[test]
        fn common_times_parse_by_common_layout(
            (year, month, day, second) in (1u32..=9999, 1u32..=12, 1u32..=28, 0u32..86400)
        ) {
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
            let time = Timestamp::parse_common_layout(&text).unwrap();
            prop_assert_eq!(time.as_str(), &text);
        }

        #[test]
        fn any_time_text_is_parsed_or_rejected(text in "\\PC{0,40}") {
            invariants::text(&text);
        }
    }
}
