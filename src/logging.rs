//! Logging to standard error: one line per event, as Cloud Logging JSON or for people.

use crate::clock::Clock;
use crate::polling_stdio;
use crate::redact;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The field that becomes `httpRequest` in Cloud Logging, as JSON.
pub(crate) const REQUEST: &str = "http_request";
/// The field with the trace of a request.
pub(crate) const TRACE: &str = "trace";

/// The format of log lines.
#[derive(Debug)]
struct CloudLogFormat {
    json: bool,
    clock: Option<Clock>,
}

/// The filter from `ZOOM_UDM_LOG`; by default it omits retries of storage requests.
fn filter(said: &str) -> Result<EnvFilter, String> {
    let parts: Vec<_> = said.split(',').map(str::trim).collect();
    if parts == [""] {
        return Ok(EnvFilter::new("info,object_store=error"));
    }
    let wrong = || {
        format!(
            "ZOOM_UDM_LOG is {said:?}; expected off, error, warn, info, debug or trace, or per-module \
             levels like info,object_store=debug"
        )
    };
    // A single word that is not a level would enable one target and silence all others.
    let understood = |part: &&str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    if !parts.iter().all(understood) {
        return Err(wrong());
    }
    EnvFilter::try_new(parts.join(",")).map_err(|_| wrong())
}

/// Sends all log events to standard error from now on, with times from `clock` or the system clock.
///
/// # Errors
/// What is wrong with `ZOOM_UDM_LOG`.
pub(crate) fn init(json: bool, clock: Option<Clock>) -> Result<(), String> {
    let filter = filter(&std::env::var("ZOOM_UDM_LOG").unwrap_or_default())?;
    let logs = tracing_subscriber::fmt().event_format(CloudLogFormat { json, clock }).with_env_filter(filter);
    // If another subscriber is installed already, it receives the events.
    let _ = logs.with_writer(polling_stdio::stderr).try_init();
    log_panics();
    Ok(())
}

/// Has panics logged like anything else, so that a log of JSON lines stays one.
fn log_panics() {
    let unlogged = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(Level::ERROR) {
            tracing::error!("internal error: {panic}; please report it");
        } else {
            unlogged(panic);
        }
    }));
}

impl<S, N> FormatEvent<S, N> for CloudLogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = FieldVisitor(Map::new());
        event.record(&mut fields);
        let FieldVisitor(mut fields) = fields;
        let now = self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now);
        let time = DateTime::from_timestamp_millis(now).unwrap_or_default();
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        if self.json {
            let request = fields.remove(REQUEST);
            if let Some(request) = request.as_ref().and_then(Value::as_str) {
                fields.insert("httpRequest".into(), serde_json::from_str(request).unwrap_or_default());
            }
            if let Some(trace) = fields.remove(TRACE) {
                fields.insert("logging.googleapis.com/trace".into(), trace);
            }
            fields.insert("severity".into(), severity(*event.metadata().level()).into());
            fields.insert("time".into(), time.into());
            return writeln!(writer, "{}", Value::Object(fields));
        }
        let message = fields.remove("message").unwrap_or_default();
        let mut line = format!(
            "{time} {:7} {}",
            severity(*event.metadata().level()),
            message.as_str().unwrap_or_default()
        );
        for (name, value) in fields.iter().filter(|(name, _)| *name != REQUEST && *name != TRACE) {
            line.push_str(&format!(" {name}={value}"));
        }
        // Text from outside must not control the terminal.
        writeln!(writer, "{}", crate::sanitize::single_line(&line))
    }
}

/// The severity names of Cloud Logging.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

struct FieldVisitor(Map<String, Value>);

impl FieldVisitor {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for FieldVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, redact::redact(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, redact::redact(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn log_filter_accepts_levels_and_targets() {
        for (said, filters) in [
            ("", "object_store=error,info"),
            (" ", "object_store=error,info"),
            ("off", "off"),
            (" WARN\n", "warn"),
            ("info, hyper=warn", "hyper=warn,info"),
            ("zoom_udm=debug,hyper=warn", "zoom_udm=debug,hyper=warn"),
        ] {
            assert_eq!(filter(said).unwrap().to_string(), filters, "{said:?}");
        }
        for said in ["inof", "banana", "zoom_udm", "info,inof", "a=b=c", "a=loud", "=["] {
            let told = filter(said).err().unwrap_or_else(|| panic!("{said:?} is taken"));
            assert!(told.contains("ZOOM_UDM_LOG") && told.contains("expected off, error"), "{told}");
        }
    }
}
