//! The owner of a lease, and whether its run is known to have died.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The active runs of this process: one for each kind of log that is collected, or one.
static LIVE_RUNS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn register_live_run() -> MutexGuard<'static, BTreeSet<String>> {
    LIVE_RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Marks a run as active until dropped.
#[derive(Debug, PartialEq, Eq)]
struct LiveRunGuard(String);

impl Drop for LiveRunGuard {
    fn drop(&mut self) {
        register_live_run().remove(&self.0);
    }
}

/// A run of this program. Two runs are never equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseOwner {
    /// A random value.
    run: String,
    pid: u32,
    /// The scope in which a process ID is valid: host, boot and process namespace. Empty if unknown.
    place: String,
    /// The start time of the process, in the system's ticks.
    started: String,
    #[serde(skip)]
    at_work: Option<Arc<LiveRunGuard>>,
}

impl LeaseOwner {
    /// Returns the owner for this process.
    pub(crate) fn current() -> Self {
        let pid = std::process::id();
        let run = format!("{:016x}", fastrand::Rng::new().u64(..) ^ u64::from(pid));
        register_live_run().insert(run.clone());
        Self {
            pid,
            place: machine_id().unwrap_or_default(),
            started: process_start_time(pid).unwrap_or_default(),
            at_work: Some(Arc::new(LiveRunGuard(run.clone()))),
            run,
        }
    }

    /// Returns whether this run is known to have ended without releasing its lease. A wrong answer costs double work
    /// only, because the ledger is written by compare-and-swap and outputs are created only if absent.
    pub(crate) fn is_dead(&self) -> bool {
        !self.place.is_empty()
            && machine_id().as_deref() == Some(&self.place)
            && (process_start_time(self.pid).as_deref() != Some(&self.started)
                || (self.pid == std::process::id() && !register_live_run().contains(&self.run)))
    }

    pub(crate) fn same_run(&self, other: &Self) -> bool {
        self.run == other.run
    }

    pub(crate) fn describe(&self) -> String {
        let host = self.place.split(' ').next().filter(|host| !host.is_empty()).unwrap_or("another machine");
        format!("process {} on {host}", self.pid)
    }
}

fn machine_id() -> Option<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {} {}", host.trim(), boot.trim(), namespace.display()))
}

/// The 22nd field of the process status; the second one, its name, may contain spaces and ends at the last `)`. A
/// zombie process counts as ended.
fn process_start_time(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = status.rsplit_once(") ")?.1.split(' ');
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18).map(str::to_owned)
}
