//! Parsers for values of flags and variables, with errors that say what was expected.

use crate::store::Location;
use std::str::FromStr;
use std::time::Duration;

/// Returns a variable of the environment, unless it is empty.
pub(super) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Parses a positive number.
pub(super) fn count<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "expected a number of at least 1".to_owned())
}

/// An age, or none.
pub(super) type MaxAge = Option<Duration>;

pub(super) fn age(text: &str) -> Result<MaxAge, String> {
    if text == "none" { Ok(None) } else { duration(text).map(Some) }
}

/// Parses a duration like 500ms, 60s, 15m, 12h or 180d.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let wrong = || "expected a number and a unit, like 60s, 15m, 12h or 180d".to_owned();
    let number: u64 = text[..text.len() - unit.len()].parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
}

/// Parses a duration greater than zero.
pub(super) fn nonzero_duration(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    if span.is_zero() { Err("expected a duration greater than zero, like 60s".into()) } else { Ok(span) }
}

/// Parses a lease duration of at most one day.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    let day = Duration::from_secs(24 * 60 * 60);
    if lease <= day { Ok(lease) } else { Err("expected at most one day, like 2m or 24h".into()) }
}

/// Parses `TIMEOUT`: how long Zoom or storage may be silent.
pub(super) fn timeout(text: Option<String>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(Duration::from_secs(30)) };
    let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
    let wrong = || format!("TIMEOUT is {text:?}; expected a number of seconds from 1 to 600");
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Parses a location that outlives the program.
pub(super) fn location(text: &str) -> Result<Location, String> {
    match text.parse()? {
        Location::Memory(_) => Err(format!(
            "{text:?} does not outlive the program; expected gs://BUCKET/PREFIX/, file:///DIRECTORY/ or a directory"
        )),
        place => Ok(place),
    }
}
