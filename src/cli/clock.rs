//! The clock, which `ZOOM_UDM_NOW` can set.

use super::error::CliError;
use crate::timestamp::Timestamp;
use chrono::{DateTime, Utc};

/// Returns the clock, set to `ZOOM_UDM_NOW` if given.
pub(super) fn now() -> Result<DateTime<Utc>, CliError> {
    let text = std::env::var_os("ZOOM_UDM_NOW").filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(Utc::now()) };
    let text = text.to_string_lossy();
    let instant = Timestamp::parse(&text).and_then(|time| {
        let (seconds, nanos) = time.seconds_and_nanos();
        DateTime::from_timestamp(seconds, nanos)
    });
    instant.ok_or_else(|| {
        CliError::Usage(format!("ZOOM_UDM_NOW is {text:?}; expected a time like 2024-01-31T00:00:00Z"))
    })
}
