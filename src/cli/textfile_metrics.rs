//! `--metrics FILE`: the counts of a run of collect in Prometheus text format, also after a failure.

use super::atomic_file::{Destination, OnInterrupt};
use super::error::CliError;
use super::output_target::{Identity, OutputTarget};
use super::parsers::env_var;
use crate::collect::{CollectMetrics, Counts, METRICS_PREFIX, Options, Report};
use crate::store::Location;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::io::Write as _;
use std::path::Path;

/// The names of the metrics that say how the run ended.
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
                "--metrics {path} is inside {place}, which holds collected data or state; use another path"
            )));
        }
    }
    for name in ["ZOOM_CLIENT_SECRET_FILE", "GOOGLE_APPLICATION_CREDENTIALS"] {
        let secret = env_var(name).and_then(|secret| Identity::of(Path::new(&secret)));
        if secret.is_some() && secret == Identity::of(&file) {
            return Err(CliError::Usage(format!(
                "--metrics {path} would overwrite the file set by {name}; use another path"
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
    let mut text = if let Some(report) = report {
        encoded(|registry| CollectMetrics::register(registry, Counts::LastRefetch).observe(report))
    } else {
        let counts = before.lines().filter(|line| ![FAILED, SUCCESS].contains(&metric_name(line)));
        counts.flat_map(|line| [line, "\n"]).collect()
    };
    let last = before.lines().find_map(|line| line.strip_prefix(SUCCESS)?.trim().parse::<i64>().ok());
    let done = !failed && report.is_some_and(|report| report.stopped.is_none());
    text += &encoded(|registry| {
        let gauge = |value: i64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            gauge
        };
        registry.register("collect_failed", "Whether the last run failed", gauge(i64::from(failed)));
        if let Some(last) = if done { Some(now) } else { last } {
            let help = "When a run last read everything, in seconds since the epoch";
            registry.register("collect_last_success_timestamp_seconds", help, gauge(last));
        }
    });
    let put = || -> anyhow::Result<()> {
        let mut file = Destination::open(OutputTarget::of(Some(path))?, OnInterrupt::Remove)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    Ok(put().map_err(|error| error.context(format!("--metrics {}", path.display())))?)
}

/// Returns metrics as text, without the mark at the end of OpenMetrics.
fn encoded(register: impl FnOnce(&mut Registry)) -> String {
    let mut registry = Registry::with_prefix(METRICS_PREFIX);
    register(&mut registry);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text.trim_end_matches("# EOF\n").to_owned()
}

/// Returns the name of the metric that a line describes or samples.
fn metric_name(line: &str) -> &str {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    if first == "#" { words.nth(1).unwrap_or_default() } else { first }
}
