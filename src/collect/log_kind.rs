//! The kinds of logs that Zoom reports: everything that distinguishes the collection of one from that of another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A kind of log. Each is collected on its own, from its own report to its own objects, with its own state and lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKind {
    /// Operation logs: who changed which user, group, role or setting.
    #[default]
    Operation,
    /// Sign-ins and sign-outs.
    SignIn,
}

/// The facts about a kind of log.
pub(crate) struct LogSpec {
    /// The value of `--logs`, also in JSON.
    pub(crate) name: &'static str,
    /// The value of the label `log` of metrics.
    pub(crate) label: &'static str,
    /// What messages call the records.
    pub(crate) title: &'static str,
    /// The path of the report below the URL of the API.
    pub(crate) path: &'static str,
    /// The member of a page that lists the records.
    pub(crate) list: &'static str,
    /// The scope that the report requires.
    pub(crate) scope: &'static str,
    /// The same scope for an app of a master account.
    pub(crate) master_scope: &'static str,
    /// The permissions that the role of the app's owner requires.
    pub(crate) permissions: &'static str,
    /// The directory of the objects, next to those of the other kinds.
    pub(crate) directory: &'static str,
    /// What names of objects begin with.
    pub(crate) object_stem: &'static str,
}

static OPERATION: LogSpec = LogSpec {
    name: "operation",
    label: "operation",
    title: "operation logs",
    path: "/v2/report/operationlogs",
    list: "operation_logs",
    scope: "report:read:operation_logs:admin",
    master_scope: "report:read:operation_logs:master",
    permissions: r#""Usage Reports" and "Operation Logs" (view)"#,
    directory: "operationlogs",
    object_stem: "zoom-operationlogs",
};

static SIGN_IN: LogSpec = LogSpec {
    name: "sign-in",
    label: "sign_in",
    title: "sign-ins",
    path: "/v2/report/activities",
    list: "activity_logs",
    scope: "report:read:user_activities:admin",
    master_scope: "report:read:user_activities:master",
    permissions: r#""Usage Reports" and "Sign In / Sign Out" (view)"#,
    directory: "signins",
    object_stem: "zoom-signins",
};

impl LogKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Operation, Self::SignIn];

    pub(crate) fn spec(self) -> &'static LogSpec {
        match self {
            Self::Operation => &OPERATION,
            Self::SignIn => &SIGN_IN,
        }
    }

    /// Returns the name in metrics and responses.
    pub(crate) fn metric_label(self) -> &'static str {
        self.spec().label
    }

    /// Returns whether this is the kind that is collected by default. The variables of Google's reference collector and
    /// the states of version 0.1 are about this kind; others are stored next to it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().name)
    }
}

impl FromStr for LogKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|logs| logs.spec().name == text.trim());
        found.ok_or_else(|| {
            format!("unknown kind of log {text:?}; expected operation, sign-in or operation,sign-in")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LogKind;

    #[test]
    fn log_kind_round_trips() {
        for logs in LogKind::ALL {
            assert_eq!(logs.to_string().parse(), Ok(logs));
            let json = serde_json::to_string(&logs).unwrap();
            assert_eq!(json, format!("\"{logs}\""));
            assert_eq!(serde_json::from_str::<LogKind>(&json).unwrap(), logs);
        }
        assert!("signin".parse::<LogKind>().unwrap_err().contains("expected operation, sign-in"));
    }

    #[test]
    fn kinds_share_no_name() {
        let [one, other] = LogKind::ALL.map(LogKind::spec);
        for (one, other) in [
            (one.label, other.label),
            (one.path, other.path),
            (one.list, other.list),
            (one.scope, other.scope),
            (one.directory, other.directory),
            (one.object_stem, other.object_stem),
        ] {
            assert!(!one.starts_with(other) && !other.starts_with(one), "{one} {other}");
        }
    }
}
