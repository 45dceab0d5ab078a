//! `--metrics FILE`: the counts of a run of collect in Prometheus text format, also after a failure.

use super::atomic_file::{Destination, OnInterrupt};
use super::error::CliError;
use super::output_target::{Identity, OutputTarget};
use super::parsers::env_var;
use crate::collect::{LogKind, LogRun, METRICS_PREFIX, Options, Series, run_gauges};
use crate::store::Location;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::io::Write as _;
use std::path::Path;

/// The names of the metrics that say how the run ended.
const FAILED: &str = "collect_failed";
const SUCCESS: &str = "collect_last_success_timestamp_seconds";

/// Refuses a file that `write` would replace although it is something else: an object, a state or a secret.
pub(super) fn check(path: &Path, all: &[Options]) -> Result<(), CliError> {
    // What cannot be looked at cannot be written either, and is reported then.
    let Ok(OutputTarget::File(file)) = OutputTarget::of(Some(path)) else { return Ok(()) };
    let path = path.display();
    for place in all.iter().flat_map(|options| [&options.to, &options.state.location]) {
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

/// Replaces the file. If a run failed before it had counts, those of the previous run of the same kind of log stay; the
/// time of the last success stays until the next one. `now` is in seconds since the epoch.
pub(super) fn write(path: &Path, runs: &[LogRun], now: i64) -> Result<(), CliError> {
    // A device or pipe has no previous contents, or no end.
    let regular = path.metadata().is_ok_and(|meta| meta.is_file());
    let before = if regular { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let mut file = Samples { registry: Registry::with_prefix(METRICS_PREFIX), runs };
    for gauge in run_gauges() {
        let name = gauge.full_name();
        let of_run = |run: &LogRun| Some(gauge.value(run.report.as_ref()?));
        file.register(gauge.name, gauge.help, gauge.unit.clone(), |run| {
            of_run(run).or_else(|| previous(&before, &name, run.logs))
        });
    }
    file.register(FAILED, "Whether the last run failed", None, |run| Some(i64::from(run.outcome.is_err())));
    let help = "When a run last read everything, in seconds since the epoch";
    file.register(SUCCESS, help, None, |run| {
        let stopped = run.report.as_ref().is_none_or(|report| report.stopped.is_some());
        let name = format!("{METRICS_PREFIX}_{SUCCESS}");
        if run.outcome.is_ok() && !stopped { Some(now) } else { previous(&before, &name, run.logs) }
    });
    let text = file.encode();
    let put = || -> anyhow::Result<()> {
        let mut file = Destination::open(OutputTarget::of(Some(path))?, OnInterrupt::Remove)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    Ok(put().map_err(|error| error.context(format!("--metrics {}", path.display())))?)
}

/// The gauges of a file.
struct Samples<'a> {
    registry: Registry,
    runs: &'a [LogRun],
}

impl Samples<'_> {
    /// Adds a gauge with a value for each run that has one.
    fn register(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl Fn(&LogRun) -> Option<i64>,
    ) {
        let kinds: Vec<_> = self.runs.iter().map(|run| run.logs).collect();
        let values: Vec<_> = self.runs.iter().filter_map(|run| Some((run.logs, value(run)?))).collect();
        if values.is_empty() {
            return;
        }
        let series = Series::<Gauge>::register(&mut self.registry, name, help, unit, &kinds);
        for (logs, value) in values {
            series.of(logs).set(value);
        }
    }

    /// Returns the file, without the mark at the end of OpenMetrics.
    fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text.trim_end_matches("# EOF\n").to_owned()
    }
}

/// Returns the value of a metric in the previous file. Operation logs have no label if nothing else was collected.
fn previous(before: &str, name: &str, logs: LogKind) -> Option<i64> {
    let labelled = format!("{{log=\"{}\"}}", logs.metric_label());
    let mut samples = before.lines().filter_map(|line| line.strip_prefix(name));
    samples.find_map(|rest| {
        let value = match rest.strip_prefix(&labelled) {
            None if logs.is_default() => rest.strip_prefix(' ')?,
            value => value?,
        };
        value.trim().parse().ok()
    })
}
