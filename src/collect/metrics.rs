//! The metrics of runs: one table of names, for `/metrics` of the service and for `collect --metrics FILE`.

use super::report::Report;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

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

/// Metrics of runs, registered.
pub(crate) struct CollectMetrics {
    /// One for each row of the table.
    values: Vec<Value>,
    /// The lag in seconds, which grows between runs.
    pub(crate) lag: Gauge,
}

enum Value {
    Counter(Counter),
    Gauge(Gauge),
}

/// What becomes of the counts of several runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// They add up in counters.
    Total,
    /// Each run replaces those of the previous one, in gauges.
    LastRefetch,
}

impl CollectMetrics {
    /// Registers all metrics.
    pub(crate) fn register(registry: &mut Registry, counts: Counts) -> Self {
        let values = TABLE.iter().map(|row| {
            if (row.kind, counts) == (Kind::PerRun, Counts::Total) {
                let counter = Counter::default();
                registry.register(row.name, row.help, counter.clone());
                Value::Counter(counter)
            } else {
                let gauge = Gauge::default();
                registry.register(row.name, row.help, gauge.clone());
                Value::Gauge(gauge)
            }
        });
        let values = values.collect();
        let lag = Gauge::default();
        let help = "Collection lag; before the first run, the time since the service started";
        registry.register_with_unit("collect_lag", help, Unit::Seconds, lag.clone());
        Self { values, lag }
    }

    /// Adds a run, however it ended.
    pub(crate) fn observe(&self, run: &Report) {
        for (row, value) in TABLE.iter().zip(&self.values) {
            let number = (row.value)(run);
            match value {
                Value::Counter(counter) => drop(counter.inc_by(number)),
                Value::Gauge(gauge) => drop(gauge.set(saturating_i64(number))),
            }
        }
        self.lag.set(run.lag_seconds);
    }
}

fn saturating_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{CollectMetrics, Counts, METRICS_PREFIX};
    use crate::collect::Report;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    fn written(counts: Counts, runs: u64) -> String {
        let mut registry = Registry::with_prefix(METRICS_PREFIX);
        let metrics = CollectMetrics::register(&mut registry, counts);
        for _ in 0..runs {
            metrics.observe(&Report { records_written: 3, state_bytes: 7, ..Report::default() });
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes everything");
        text
    }

    #[test]
    fn counts_add_up_or_describe_the_last_run() {
        let total = written(Counts::Total, 2);
        assert!(total.contains("\nzoom_udm_collect_records_written_total 6\n"), "{total}");
        let last = written(Counts::LastRefetch, 2);
        assert!(last.contains("\nzoom_udm_collect_records_written 3\n"), "{last}");
        for text in [total, last] {
            assert!(text.contains("\nzoom_udm_collect_state_bytes 7\n"), "{text}");
        }
    }
}
