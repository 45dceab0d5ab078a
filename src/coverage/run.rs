//! Reads inputs and reports on their records.

use super::observer::Observer;
use super::report::Report;
use super::tables::Tables;
use crate::normalize::{Error, Input, Options, Summary, observe_each};

/// Reads the records of all inputs as [`normalize::run`](crate::normalize::run) does, and reports how much of their text is
/// mapped. Of the options, those of the mapping and of the output have no effect. `redact` hides what comes from records.
///
/// # Errors
/// [`Error::Threads`]. Read errors are listed in [`Summary::failures`].
pub fn run<'r>(
    inputs: impl Iterator<Item = Input<'r>> + Send,
    options: &Options,
    redact: bool,
) -> Result<(Report, Summary), Error> {
    let mut tables = Tables::default();
    let summary =
        observe_each(inputs, options, |observer: &mut Observer| tables.merge(&mut observer.tables))?;
    Ok((Report::new(tables, &summary, redact), summary))
}

/// Reports on records in memory.
///
/// ```
/// let record = br#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","operation_detail":"Security  - Passcode: from On to Off"}"#;
/// let report = zoom_udm::coverage::slice(record, &Default::default(), false);
/// assert_eq!(report.records, 1);
/// assert!(report.text.default.percent < Some(100.0));
/// assert_eq!(report.text.enriched.percent, Some(100.0));
/// let mapped: Vec<_> = report.keys.iter().filter(|row| row.key == "Passcode").map(|row| &row.mapped).collect();
/// assert_eq!(mapped, [&zoom_udm::coverage::Mapped { default: 0, enriched: 1 }]);
/// ```
#[must_use]
pub fn slice(bytes: &[u8], options: &Options, redact: bool) -> Report {
    let options = Options { threads: 1, ..options.clone() };
    let input = Input::new("memory", bytes);
    // One thread needs no pool, which is all that can fail.
    run(std::iter::once(input), &options, redact).map(|(report, _)| report).unwrap_or_default()
}
