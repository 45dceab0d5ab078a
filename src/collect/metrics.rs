//! The metrics of runs: one table of names, for `/metrics` of the service and for `collect --metrics FILE`.

use super::log_kind::LogKind;
use super::report::Report;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The prefix of all names.
pub(crate) const METRICS_PREFIX: &str = "zoom_udm";

/// One metric: its name without the prefix, its help text, and its value after a run.
struct Row {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Report) -> u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What one run did. A service adds these up.
    PerRun,
    /// What holds after a run.
    State,
}

const fn per_run(name: &'static str, help: &'static str, value: fn(&Report) -> u64) -> Row {
    Row { name, help, kind: Kind::PerRun, value }
}

const fn state(name: &'static str, help: &'static str, value: fn(&Report) -> u64) -> Row {
    Row { name, help, kind: Kind::State, value }
}

static TABLE: [Row; 14] = [
    per_run("collect_records_read", "Records read from Zoom", |run| run.records_read),
    per_run("collect_records_written", "New records", |run| run.records_written),
    per_run("collect_duplicates_suppressed", "Repeated records that were not written again", |run| {
        run.duplicates_suppressed
    }),
    per_run("collect_late_records", "Records that appeared late, in a period already read", |run| run.late),
    per_run("collect_malformed_records", "New records that are not valid UTF-8 or JSON", |run| {
        run.malformed_records
    }),
    per_run("collect_unknown_members", "Unknown members of pages", |run| run.unknown_members),
    per_run("collect_objects_written", "Objects written", |run| run.objects_written),
    per_run("zoom_requests", "Requests to Zoom for pages", |run| run.requests),
    per_run("zoom_token_requests", "Requests to Zoom for tokens", |run| run.token_requests),
    per_run("zoom_throttled", "Rate-limited responses from Zoom (429)", |run| run.throttled),
    state("collect_days_deferred", "Deferred days", |run| run.days_deferred),
    state("collect_gaps", "Ranges of lost days", |run| run.gaps.len() as u64),
    state("collect_stopped", "Whether the last run stopped early", |run| u64::from(run.stopped.is_some())),
    state("collect_state_bytes", "Size of the state", |run| run.state_bytes),
];

const LAG: &str = "collect_lag";
const LAG_HELP: &str = "Collection lag; before the first run, the time since the service started";

/// A series for each kind of log: with the label `log`, or without labels if only operation logs are collected, as in
/// version 0.1.
pub(crate) enum Series<M> {
    Single(M),
    ByLog(Family<[(&'static str, &'static str); 1], M>),
}

impl<M: EncodeMetric + TypedMetric + Metric + Clone + Default> Series<M> {
    /// Registers a metric for these kinds of logs; a series with a label is written once it was used.
    pub(crate) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        kinds: &[LogKind],
    ) -> Self {
        if kinds.iter().all(LogKind::is_default) {
            let metric = M::default();
            register(registry, name, help, unit, metric.clone());
            return Self::Single(metric);
        }
        let family = Family::default();
        register(registry, name, help, unit, family.clone());
        Self::ByLog(family)
    }

    /// Has each series written before it was used, so that its first increase is seen.
    fn prepared(self, kinds: &[LogKind]) -> Self {
        kinds.iter().for_each(|logs| drop(self.of(*logs)));
        self
    }

    pub(crate) fn of(&self, logs: LogKind) -> M {
        match self {
            Self::Single(metric) => metric.clone(),
            Self::ByLog(family) => family.get_or_create_owned(&[("log", logs.metric_label())]),
        }
    }
}

fn register(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, metric: impl Metric) {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

/// Metrics of the runs of a service: what a run did adds up in counters.
pub(crate) struct CollectMetrics {
    /// One for each row of the table.
    values: Vec<Value>,
    /// The lag in seconds, which grows between runs.
    pub(crate) lag: Series<Gauge>,
}

enum Value {
    Counter(Series<Counter>),
    Gauge(Series<Gauge>),
}

impl CollectMetrics {
    /// Registers all metrics, with series for these kinds of logs.
    pub(crate) fn register(registry: &mut Registry, kinds: &[LogKind]) -> Self {
        let values = TABLE.iter().map(|Row { name, help, kind, .. }| match kind {
            Kind::PerRun => {
                Value::Counter(Series::register(registry, name, help, None, kinds).prepared(kinds))
            }
            Kind::State => Value::Gauge(Series::register(registry, name, help, None, kinds).prepared(kinds)),
        });
        let values = values.collect();
        let lag = Series::register(registry, LAG, LAG_HELP, Some(Unit::Seconds), kinds).prepared(kinds);
        Self { values, lag }
    }

    /// Adds a run, however it ended.
    pub(crate) fn observe(&self, run: &Report) {
        for (row, value) in TABLE.iter().zip(&self.values) {
            let number = (row.value)(run);
            match value {
                Value::Counter(counter) => drop(counter.of(run.logs).inc_by(number)),
                Value::Gauge(gauge) => drop(gauge.of(run.logs).set(saturating_i64(number))),
            }
        }
        self.lag.of(run.logs).set(run.lag_seconds);
    }
}

/// A gauge of the last run of each kind of log.
pub(crate) struct RunGauge {
    /// The name without the prefix and the unit.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) unit: Option<Unit>,
    row: Option<&'static Row>,
}

impl RunGauge {
    pub(crate) fn value(&self, run: &Report) -> i64 {
        self.row.map_or(run.lag_seconds, |row| saturating_i64((row.value)(run)))
    }

    /// Returns the name in the output.
    pub(crate) fn full_name(&self) -> String {
        let unit = self.unit.as_ref().map_or(String::new(), |unit| format!("_{}", unit.as_str()));
        format!("{METRICS_PREFIX}_{}{unit}", self.name)
    }
}

/// Returns the gauges of runs, in the order of the output.
pub(crate) fn run_gauges() -> impl Iterator<Item = RunGauge> {
    let rows =
        TABLE.iter().map(|row| RunGauge { name: row.name, help: row.help, unit: None, row: Some(row) });
    let lag = RunGauge { name: LAG, help: LAG_HELP, unit: Some(Unit::Seconds), row: None };
    rows.chain([lag])
}

fn saturating_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn written(kinds: &[LogKind], runs: u64) -> String {
        let mut registry = Registry::with_prefix(METRICS_PREFIX);
        let metrics = CollectMetrics::register(&mut registry, kinds);
        for _ in 0..runs {
            for logs in kinds {
                let records_written = if logs.is_default() { 3 } else { 5 };
                metrics.observe(&Report {
                    logs: *logs,
                    records_written,
                    state_bytes: 7,
                    ..Report::default()
                });
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes everything");
        text
    }

    #[test]
    fn counts_of_runs_add_up() {
        let text = written(&[LogKind::Operation], 2);
        assert!(text.contains("\nzoom_udm_collect_records_written_total 6\n"), "{text}");
        assert!(text.contains("\nzoom_udm_collect_state_bytes 7\n"), "{text}");
    }

    #[test]
    fn several_kinds_of_logs_are_labelled() {
        let text = written(&LogKind::ALL, 2);
        for line in [
            "zoom_udm_collect_records_written_total{log=\"operation\"} 6",
            "zoom_udm_collect_records_written_total{log=\"sign_in\"} 10",
            "zoom_udm_collect_state_bytes{log=\"sign_in\"} 7",
            "zoom_udm_collect_lag_seconds{log=\"operation\"} 0",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
        assert_eq!(text.matches("# TYPE zoom_udm_collect_state_bytes ").count(), 1);
        assert!(written(&LogKind::ALL, 0).contains("_written_total{log=\"sign_in\"} 0\n"));
    }

    #[test]
    fn gauge_names_are_those_of_the_output() {
        let names: Vec<_> = run_gauges().map(|gauge| gauge.full_name()).collect();
        assert!(names.contains(&"zoom_udm_collect_lag_seconds".to_owned()), "{names:?}");
        assert!(names.contains(&"zoom_udm_zoom_throttled".to_owned()), "{names:?}");
    }
}
