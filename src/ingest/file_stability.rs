//! Decides whether a local file may still be written to.

use crate::clock::duration_millis;
use crate::store::ObjectMeta;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a file must be unchanged before it counts as finished.
#[derive(Debug, Clone)]
pub struct StabilityCheck {
    after: Duration,
    /// The files that are watched from run to run; `None` for a single run.
    watched: Option<Arc<Mutex<HashMap<String, LastSeen>>>>,
}

/// A file that was seen to change lately.
#[derive(Debug)]
struct LastSeen {
    tag: String,
    since: Instant,
    /// Whether it was listed since the last [`StabilityCheck::begin_run`].
    listed: bool,
}

/// A file from further ahead of the clock than this, in milliseconds, does not tell when it was written.
const MAX_CLOCK_SKEW: i64 = 60_000;

impl StabilityCheck {
    /// For a single run.
    #[must_use]
    pub fn once(after: Duration) -> Self {
        Self { after, watched: None }
    }

    /// For runs one after the other. Clones watch together.
    #[must_use]
    pub fn following(after: Duration) -> Self {
        Self { after, watched: Some(Arc::default()) }
    }

    fn watched(&self) -> Option<MutexGuard<'_, HashMap<String, LastSeen>>> {
        self.watched.as_ref().map(|watched| watched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets files that the last run did not list.
    pub(super) fn begin_run(&self) {
        if let Some(mut watched) = self.watched() {
            watched.retain(|_, file| std::mem::replace(&mut file.listed, false));
        }
    }

    /// Returns whether to leave a file for a later run: it changed lately, by its time of modification. A clock that was set, or
    /// that differs from that of the file's machine, says nothing; so it is enough if the file is seen unchanged for as
    /// long.
    pub(super) fn still_being_written(&self, listed: &ObjectMeta, now: i64) -> bool {
        let Some(mut watched) = self.watched() else { return false };
        let age = now.saturating_sub(listed.modified);
        if self.after.is_zero() || age >= duration_millis(self.after) {
            watched.remove(&listed.name);
            return false;
        }
        let seen = || LastSeen { tag: listed.tag.clone(), since: Instant::now(), listed: true };
        let file = watched.entry(listed.name.clone()).or_insert_with(seen);
        if file.tag != listed.tag {
            *file = seen();
        }
        file.listed = true;
        file.since.elapsed() < self.after
    }

    /// Returns whether a file that is read counts as finished, so that its last line is read though it has no end. A run that
    /// follows reads no others.
    pub(super) fn is_settled(&self, modified: i64, now: i64) -> bool {
        let age = now.saturating_sub(modified);
        self.watched.is_some() || age >= duration_millis(self.after) || age < -MAX_CLOCK_SKEW
    }
}

impl Default for StabilityCheck {
    /// One run, 10 seconds: writers that flush less often are rare.
    fn default() -> Self {
        Self::once(Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, ObjectMeta, StabilityCheck};

    fn file(modified: i64, tag: &str) -> ObjectMeta {
        ObjectMeta { name: "a".into(), size: 1, modified, tag: tag.into() }
    }

    #[test]
    fn changing_file_is_skipped_until_stable() {
        let settle = StabilityCheck::following(Duration::from_millis(40));
        assert!(!settle.still_being_written(&file(1000, "1"), 1040), "old enough");
        // A clock that stands, or is wrong: what counts is how long it was seen unchanged.
        for now in [1039, 0] {
            assert!(settle.still_being_written(&file(1000, "1"), now));
            std::thread::sleep(Duration::from_millis(50));
            assert!(settle.still_being_written(&file(1000, "2"), now), "it changed");
            std::thread::sleep(Duration::from_millis(50));
            assert!(!settle.still_being_written(&file(1000, "2"), now), "it stood still");
        }
        assert!(!StabilityCheck::once(Duration::from_secs(10)).still_being_written(&file(1000, "1"), 1001));
    }

    #[test]
    fn deleted_files_are_no_longer_watched() {
        let settle = StabilityCheck::following(Duration::from_secs(10));
        assert!(settle.still_being_written(&file(1000, "1"), 1000));
        settle.begin_run();
        assert_eq!(settle.watched().unwrap().len(), 1);
        settle.begin_run();
        assert_eq!(settle.watched().unwrap().len(), 0);
    }

    #[test]
    fn recent_file_is_unsettled_in_a_single_run() {
        let settle = StabilityCheck::once(Duration::from_secs(10));
        assert!(!settle.is_settled(100_000, 105_000) && !settle.is_settled(100_000, 99_000));
        assert!(settle.is_settled(100_000, 110_000) && settle.is_settled(100_000, 0));
    }
}
