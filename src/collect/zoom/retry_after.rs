//! Parses `Retry-After`: seconds, an HTTP date, or ISO 8601.

use crate::timestamp::Timestamp;
use chrono::{DateTime, NaiveDateTime};
use std::time::Duration;

/// The maximum pause; if Zoom asks for a longer one, the run ends.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Returns the milliseconds to wait from `now` (milliseconds since the epoch); 0 for a time in the past.
pub(crate) fn retry_after(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // Capped at one day.
        #[expect(clippy::cast_possible_truncation, reason = "it is within the range")]
        return seconds.is_finite().then(|| (seconds.clamp(0.0, 86_400.0) * 1000.0) as i64);
    }
    let http = |text: &str| NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok();
    let at = match Timestamp::parse(text) {
        Some(time) => time.seconds_and_nanos().0 * 1000,
        None => http(text)
            .map(|time| time.and_utc().timestamp_millis())
            .or_else(|| Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis()))?,
    };
    Some((at - now).max(0))
}

#[cfg(test)]
mod tests {
    use super::retry_after;

    #[test]
    fn every_retry_after_format_is_parsed() {
        let now = 1_706_745_600_000; // 2024-02-01T00:00:00Z
        for (text, wait) in [
            ("3", Some(3000)),
            (" 0.5 ", Some(500)),
            ("2024-02-01T00:00:02Z", Some(2000)),
            ("2024-01-01T00:00:02Z", Some(0)),
            ("Thu, 01 Feb 2024 00:01:00 GMT", Some(60_000)),
            ("Thu, 1 Feb 2024 00:01:00 +0000", Some(60_000)),
            ("-1", Some(0)),
            ("soon", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(retry_after(text, now), wait, "{text}");
        }
    }
}
