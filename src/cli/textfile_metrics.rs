//! `--metrics FILE`: the counts of a run of collect in Prometheus text format, also after a failure.

use super::CliError;
use super::atomic_file::{Destination, OnInterrupt};
use super::output_target::{Identity, OutputTarget};
use super::parsers::env_var;
use crate::collect::{Options, Report};
use crate::store::Location;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

const FAILED: &str = "zoom_udm_collect_failed";
const SUCCESS: &str = "zoom_udm_collect_last_success_timestamp_seconds";

/// Refuses a file that `write` would replace although it is something else: an object, a state or a secret.
pub(super) fn check(path: &Path, options: &Options) -> Result<(), CliError> {
    // What cannot be looked at cannot be written either, and is reported then.
    let Ok(OutputTarget::File(file)) = OutputTarget::of(Some(path)) else { return Ok(()) };
    let path = path.display();
    for place in [&options.to, &options.state.location] {
        if matches!(place.canonicalized(), Location::File(directory) if file.starts_with(&directory)) {
            return Err(CliError::Usage(format!(
                "--metrics {path} lies within {place}, where what is collected or its state is kept; give a file elsewhere"
            )));
        }
    }
    for name in ["ZOOM_CLIENT_SECRET_FILE", "GOOGLE_APPLICATION_CREDENTIALS"] {
        let secret = env_var(name).and_then(|secret| Identity::of(Path::new(&secret)));
        if secret.is_some() && secret == Identity::of(&file) {
            return Err(CliError::Usage(format!(
                "--metrics {path} is the file that {name} names, which it would replace; give another file"
            )));
        }
    }
    Ok(())
}

/// Replaces the file. If a run failed before it had counts, those of the previous run stay; the time of the last
/// success stays until the next one. `now` is in seconds since the epoch.
pub(super) fn write(path: &Path, report: Option<&Report>, failed: bool, now: i64) -> Result<(), CliError> {
    // A device or pipe has no previous contents, or no end.
    let regular = path.metadata().is_ok_and(|meta| meta.is_file());
    let before = if regular { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let of = |name: &str, line: &str| line.trim_start_matches("# TYPE ").split(' ').next() == Some(name);
    let mut text = match report {
        Some(report) => counts(report),
        None => before
            .lines()
            .filter(|line| !of(FAILED, line) && !of(SUCCESS, line))
            .flat_map(|line| [line, "\n"])
            .collect(),
    };
    let _ = writeln!(text, "# TYPE {FAILED} gauge\n{FAILED} {}", u8::from(failed));
    let last = before.lines().find_map(|line| line.strip_prefix(SUCCESS)?.trim().parse::<i64>().ok());
    let done = !failed && report.is_some_and(|report| report.stopped.is_none());
    if let Some(last) = if done { Some(now) } else { last } {
        let _ = writeln!(text, "# TYPE {SUCCESS} gauge\n{SUCCESS} {last}");
    }
    let put = || -> anyhow::Result<()> {
        let mut file = Destination::open(OutputTarget::of(Some(path))?, OnInterrupt::Remove)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    Ok(put().map_err(|error| error.context(format!("--metrics {}", path.display())))?)
}

/// Each file describes one run; nothing is accumulated.
fn counts(report: &Report) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("records_read", report.records_read),
        ("records_written", report.records_written),
        ("duplicates_suppressed", report.duplicates_suppressed),
        ("late", report.late),
        ("objects_written", report.objects_written),
        ("requests", report.requests),
        ("token_requests", report.token_requests),
        ("throttled", report.throttled),
        ("unknown_members", report.unknown_members),
        ("malformed_records", report.malformed_records),
        ("windows_parked", report.days_deferred),
        ("gaps", report.gaps.len() as u64),
        ("state_bytes", report.state_bytes),
        ("lag_seconds", u64::try_from(report.lag_seconds).unwrap_or(0)),
        ("stopped", u64::from(report.stopped.is_some())),
    ] {
        let _ = writeln!(text, "# TYPE zoom_udm_collect_{name} gauge\nzoom_udm_collect_{name} {value}");
    }
    text
}
