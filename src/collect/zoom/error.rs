//! Why a request to Zoom gave no page.

use crate::collect::cancellation::StopReason;
use crate::error::Failure;
use std::fmt;
use std::time::Duration;

/// A failed request: its kind, what failed, and what to do.
#[derive(Debug, Clone)]
pub(crate) struct ZoomError {
    pub(crate) kind: ZoomErrorKind,
    pub(crate) failure: Failure,
}

/// The kind of an error, by how a run reacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoomErrorKind {
    /// The run must stop.
    Stopped(StopReason),
    /// Zoom serves no request of this run for now; no window is at fault.
    Unavailable,
    /// No more requests are possible for a long time: Zoom's daily limit, or the request budget.
    QuotaExhausted,
    /// Credentials, scopes or roles are missing.
    PermissionDenied(DeniedBy),
    /// The access token is invalid or has expired.
    Unauthorized,
    /// The page token has expired; the window must be restarted.
    PageTokenExpired,
    /// A transient error, and how long Zoom asks to wait.
    Transient { wait: Option<Duration> },
    /// An invalid response; may be transient.
    InvalidResponse,
    /// The page has more bytes than are held: fewer records on it help.
    TooLong,
    /// Zoom does not accept the dates of the window.
    InvalidDates,
    /// Zoom rejects this request permanently.
    Rejected,
}

/// What lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeniedBy {
    /// The client ID, client secret or account ID.
    Credentials,
    /// The scopes of the app.
    Scope,
    /// The role of the user who owns the app.
    Role,
    /// The credentials for a proxy.
    Proxy,
    /// Zoom does not say what.
    Unknown,
}

impl ZoomError {
    pub(crate) fn new(kind: ZoomErrorKind, failure: impl Into<Failure>) -> Self {
        Self { kind, failure: failure.into() }
    }

    pub(crate) fn stopped(reason: StopReason) -> Self {
        Self::new(ZoomErrorKind::Stopped(reason), reason.to_string())
    }

    pub(crate) fn transient(failure: impl Into<Failure>) -> Self {
        Self::new(ZoomErrorKind::Transient { wait: None }, failure)
    }

    /// Returns whether the run can continue with other windows.
    pub(crate) fn is_window_specific(&self) -> bool {
        use ZoomErrorKind::{InvalidDates, InvalidResponse, PageTokenExpired, Rejected, TooLong, Transient};
        matches!(
            self.kind,
            Transient { .. } | InvalidResponse | TooLong | InvalidDates | Rejected | PageTokenExpired
        )
    }

    /// Returns whether Zoom does not answer this window, at any time.
    pub(crate) fn is_refusal(&self) -> bool {
        use ZoomErrorKind::{InvalidDates, InvalidResponse, Rejected};
        matches!(self.kind, InvalidDates | Rejected | InvalidResponse)
    }

    /// Returns whether credentials or permissions are missing.
    pub(crate) fn is_access(&self) -> bool {
        matches!(self.kind, ZoomErrorKind::PermissionDenied(_) | ZoomErrorKind::Unauthorized)
    }
}

impl fmt::Display for ZoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}
