//! Collects several kinds of logs at once. Each has its own state, lease and budget, so that trouble of one does not stop
//! another; the access token and the pace of requests are shared.

use super::config::Options;
use super::log_kind::LogKind;
use super::report::Report;
use super::run::run_with;
use super::zoom::ZoomSession;
use crate::error::RunError;
use crate::progress::Observer;
use futures::future::join_all;
use std::sync::Arc;

/// How the run of one kind of log ended.
#[derive(Debug)]
pub struct LogRun {
    /// What was collected.
    pub logs: LogKind,
    /// The counts, unless the run could not start.
    pub report: Option<Report>,
    /// The error that ended the run, if one did; new records are still written if possible.
    pub outcome: Result<(), RunError>,
}

/// Collects what is new of one kind of log. Returns the report, unless the run could not start, and the error that ended
/// the run, if one did; new records are still written if possible.
pub async fn run(options: Options, observer: Arc<dyn Observer>) -> (Option<Report>, Result<(), RunError>) {
    run_with(options, Arc::default(), observer).await
}

/// Collects what is new of several kinds of logs at once, with one access token; messages name the kind if there are
/// several.
pub async fn run_all(all: Vec<Options>, observer: Arc<dyn Observer>) -> Vec<LogRun> {
    let session = Arc::<ZoomSession>::default();
    let several = all.len() > 1;
    let runs = all.into_iter().map(|options| {
        let (logs, session) = (options.logs, Arc::clone(&session));
        let observer: Arc<dyn Observer> = match Arc::clone(&observer) {
            inner if several => Arc::new(LogObserver { logs, inner }),
            observer => observer,
        };
        async move {
            let (report, outcome) = run_with(options, session, observer).await;
            LogRun { logs, report, outcome }
        }
    });
    join_all(runs).await
}

/// Says which kind of log a message is about.
struct LogObserver {
    logs: LogKind,
    inner: Arc<dyn Observer>,
}

impl Observer for LogObserver {
    fn warn(&self, message: &str) {
        self.inner.warn(&format!("{}: {message}", self.logs));
    }

    fn info(&self, message: &str) {
        self.inner.info(&format!("{}: {message}", self.logs));
    }

    // The URL of a request shows the report.
    fn trace(&self, message: &str) {
        self.inner.trace(message);
    }
}
