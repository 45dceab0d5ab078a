//! The metrics for Prometheus.

use super::webhook::Refusal;
use crate::collect::{self, CollectMetrics, LogKind, METRICS_PREFIX};
use crate::normalize::Summary;
use crate::record::RecordKind;
use crate::reject::RejectReason;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A label with its value.
type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;
type DurationHistograms = Family<Label, Histogram, fn() -> Histogram>;

/// Counters of `POST /webhook`. Each received delivery is accepted, a duplicate, a URL validation or refused.
#[derive(Clone, Default)]
pub(super) struct WebhookMetrics {
    pub(super) received: Counter,
    /// Counted when they are durable.
    pub(super) accepted: Counter,
    pub(super) duplicates: Counter,
    pub(super) validations: Counter,
    pub(super) refused: Counters,
    pub(super) objects_written: Counter,
    pub(super) written: Counter,
}

impl WebhookMetrics {
    fn register(&self, all: &mut Registry) {
        all.register("webhook_received", "Deliveries to /webhook", self.received.clone());
        all.register("webhook_accepted", "Events stored", self.accepted.clone());
        let duplicates = "Repeated deliveries of stored events";
        all.register("webhook_duplicates", duplicates, self.duplicates.clone());
        all.register("webhook_validations", "URL validations answered", self.validations.clone());
        all.register("webhook_refused", "Deliveries refused, by reason", self.refused.clone());
        let objects = "Objects of events written";
        all.register("webhook_objects_written", objects, self.objects_written.clone());
        let written = "Size of the objects of events written";
        all.register_with_unit("webhook_written", written, Unit::Bytes, self.written.clone());
        // Rates of a reason that occurs for the first time need its zero.
        Refusal::ALL.into_iter().for_each(|refusal| self.refused(refusal, 0));
    }

    pub(super) fn refused(&self, refusal: Refusal, deliveries: u64) {
        self.refused.get_or_create(&[("reason", refusal.name())]).inc_by(deliveries);
    }
}

pub(super) struct Metrics {
    registry: Registry,
    records: Counters,
    events: Counters,
    events_by_kind: Counters,
    rejects: Counters,
    objects: Counters,
    runs: Family<[(&'static str, &'static str); 2], Counter>,
    run_time: DurationHistograms,
    collect: CollectMetrics,
    /// The lag of each kind of log that is collected, and when it was measured.
    lag: Mutex<BTreeMap<LogKind, (i64, Instant)>>,
    pub(super) ledger: Gauge,
    requests: Family<[(&'static str, String); 2], Counter>,
    request_time: DurationHistograms,
    pub(super) in_flight: Gauge,
    pub(super) key_fetches: Counters,
    pub(super) webhook: WebhookMetrics,
}

/// From a millisecond to more than a minute.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 14))
}

impl Metrics {
    pub(super) fn new(collected: &[LogKind], receives_webhooks: bool) -> Self {
        let mut registry = Registry::with_prefix(METRICS_PREFIX);
        let mut metrics = Self {
            collect: CollectMetrics::register(&mut registry, collected),
            registry,
            records: Family::default(),
            events: Family::default(),
            events_by_kind: Family::default(),
            rejects: Family::default(),
            objects: Family::default(),
            runs: Family::default(),
            run_time: Family::new_with_constructor(duration_histogram),
            // Until a run reports it, the lag is at least the time since the start.
            lag: Mutex::new(collected.iter().map(|logs| (*logs, (0, Instant::now()))).collect()),
            ledger: Gauge::default(),
            requests: Family::default(),
            request_time: Family::new_with_constructor(duration_histogram),
            in_flight: Gauge::default(),
            key_fetches: Family::default(),
            webhook: WebhookMetrics::default(),
        };
        metrics.register();
        if receives_webhooks {
            metrics.webhook.register(&mut metrics.registry);
        }
        metrics
    }

    fn register(&mut self) {
        let Self { registry: all, .. } = self;
        all.register("records", "Records read for normalization, by caller", self.records.clone());
        all.register("events", "Events written, by type", self.events.clone());
        let kind = "Events written, by kind of record";
        all.register("events_by_kind", kind, self.events_by_kind.clone());
        all.register("rejects", "Records rejected, by reason", self.rejects.clone());
        all.register("objects", "Objects listed by ingest, by outcome", self.objects.clone());
        all.register("runs", "Runs of collect and ingest, by outcome", self.runs.clone());
        let time = "Duration of runs and normalizations";
        all.register_with_unit("run_duration", time, Unit::Seconds, self.run_time.clone());
        all.register_with_unit("ledger", "Size of the ledger", Unit::Bytes, self.ledger.clone());
        all.register("http_requests", "Requests, by route and status", self.requests.clone());
        let time = "From a request's head to the end of its response";
        all.register_with_unit("http_request_duration", time, Unit::Seconds, self.request_time.clone());
        all.register("http_requests_in_flight", "Active requests", self.in_flight.clone());
        all.register("oidc_key_fetches", "Fetches of Google's keys, by outcome", self.key_fetches.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The program", build);
    }

    pub(super) fn text(&self) -> String {
        for (logs, (lag, measured_at)) in &*self.lag() {
            let lag = lag.saturating_add_unsigned(measured_at.elapsed().as_secs());
            self.collect.lag.of(*logs).set(lag);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn lag(&self) -> MutexGuard<'_, BTreeMap<LogKind, (i64, Instant)>> {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the counts of a normalization.
    pub(super) fn normalized(&self, by: &'static str, summary: &Summary) {
        self.records.get_or_create(&[("by", by)]).inc_by(summary.records);
        for (event_type, count) in &summary.events_by_type {
            self.events.get_or_create(&[("type", event_type.name())]).inc_by(*count);
        }
        for kind in RecordKind::ALL {
            let count = summary.events_of(kind);
            if count > 0 {
                self.events_by_kind.get_or_create(&[("kind", kind.name())]).inc_by(count);
            }
        }
        for reason in RejectReason::ALL {
            let count = summary.rejects_for(reason);
            if count > 0 {
                self.rejects.get_or_create(&[("reason", reason.name())]).inc_by(count);
            }
        }
    }

    pub(super) fn objects(&self, outcome: &'static str, count: u64) {
        self.objects.get_or_create(&[("outcome", outcome)]).inc_by(count);
    }

    /// Adds a run of collect, however it ended.
    pub(super) fn collected(&self, report: &collect::Report) {
        self.collect.observe(report);
        self.lag().insert(report.logs, (report.lag_seconds, Instant::now()));
    }

    /// Adds a run of a command, and how it ended.
    pub(super) fn run(&self, verb: &'static str, outcome: &'static str, took: Duration) {
        self.runs.get_or_create(&[("verb", verb), ("outcome", outcome)]).inc();
        self.run_time.get_or_create(&[("verb", verb)]).observe(took.as_secs_f64());
    }

    pub(super) fn request(&self, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&[("route", route.to_owned()), ("status", status.to_string())]).inc();
        self.request_time.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
    }
}
