//! Recognizes bodies that were stored recently, because Zoom sends an event again if it missed the response.

use sha2::{Digest as _, Sha256};
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a stored body is remembered.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// The maximum number of remembered bodies: 218 a second for ten minutes, in about 12 MB. Beyond it, the oldest are
/// forgotten first.
const MAX_BODIES: usize = 1 << 17;

/// Identifies a body by its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BodyHash([u8; 32]);

impl BodyHash {
    pub(super) fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

/// Bodies that were stored recently.
#[derive(Debug, Default)]
pub(super) struct RecentBodies {
    stored: HashSet<BodyHash>,
    /// The same, with the time of each, oldest first.
    order: VecDeque<(Instant, BodyHash)>,
}

impl RecentBodies {
    /// Returns whether a body was stored in the last ten minutes.
    pub(super) fn contains(&mut self, body: &BodyHash, now: Instant) -> bool {
        self.forget(now, MAX_BODIES);
        self.stored.contains(body)
    }

    /// Remembers a stored body.
    pub(super) fn insert(&mut self, body: BodyHash, now: Instant) {
        self.forget(now, MAX_BODIES - 1);
        if self.stored.insert(body) {
            self.order.push_back((now, body));
        }
    }

    /// Forgets bodies that are too old, and the oldest beyond a number.
    fn forget(&mut self, now: Instant, most: usize) {
        while let Some((stored_at, body)) = self.order.front() {
            if self.order.len() <= most && now.duration_since(*stored_at) <= REMEMBERED {
                return;
            }
            self.stored.remove(body);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyHash, Duration, Instant, MAX_BODIES, RecentBodies};

    #[test]
    fn stored_body_is_remembered_for_ten_minutes() {
        let (mut recent, start) = (RecentBodies::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let [one, two] = [b"one", b"two"].map(|body| BodyHash::of(body));
        recent.insert(one, at(0));
        recent.insert(two, at(300));
        // Storing it again does not extend the time.
        recent.insert(one, at(400));
        assert!(recent.contains(&one, at(600)) && recent.contains(&two, at(600)));
        assert!(!recent.contains(&one, at(601)) && recent.contains(&two, at(601)));
        assert!(!recent.contains(&two, at(901)));
        assert!(recent.stored.is_empty() && recent.order.is_empty());
    }

    #[test]
    fn number_of_remembered_bodies_is_bounded() {
        let (mut recent, now) = (RecentBodies::default(), Instant::now());
        let hash = |number: usize| BodyHash::of(&number.to_le_bytes());
        (0..MAX_BODIES + 2).for_each(|number| recent.insert(hash(number), now));
        assert_eq!((recent.stored.len(), recent.order.len()), (MAX_BODIES, MAX_BODIES));
        assert!(!recent.contains(&hash(1), now) && recent.contains(&hash(2), now));
    }
}
