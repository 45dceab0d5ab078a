//! Decides which push waits for which run of ingest.
//!
//! There is one run at a time, for named objects or for the whole source, and the two kinds take turns. A push waits
//! for a run that starts after it arrived. It joins the current run only if that processes exactly the version that it
//! names. Pushes for the same thing share one entry, and all of them get the response of its run.

use super::push::ObjectRef;
use crate::serve::response::ApiResponse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The maximum number of objects per run. Callers that disconnect leave their entries in the queue, and each response
/// is kept until its run ends.
const MAX_OBJECTS: usize = 1000;

/// The callers that wait for one thing.
pub(crate) type ObjectWaiters = Vec<oneshot::Sender<ApiResponse>>;

/// The scope of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunScope {
    /// These names.
    Objects(Vec<String>),
    Whole,
}

/// The callers that wait for one run.
#[derive(Default)]
pub(crate) struct RunWaiters {
    pub(crate) objects: BTreeMap<ObjectRef, ObjectWaiters>,
    pub(crate) whole: ObjectWaiters,
}

/// No more objects can wait.
#[derive(Debug)]
pub(crate) struct QueueFull;

/// The callers that wait, and which run comes next.
#[derive(Default)]
pub(crate) struct IngestQueue(Mutex<QueueState>);

#[derive(Default)]
struct QueueState {
    /// Whether a task is starting runs.
    working: bool,
    /// Whether the last run was for named objects.
    objects_last: bool,
    /// For the current run, and for later ones.
    now: RunWaiters,
    next: RunWaiters,
}

impl IngestQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an object, or for the whole source. Also returns whether the caller must start the runs.
    pub(crate) fn enqueue(
        &self,
        object: Option<ObjectRef>,
    ) -> Result<(oneshot::Receiver<ApiResponse>, bool), QueueFull> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.add(object)?.push(sender);
        Ok((receiver, !std::mem::replace(&mut state.working, true)))
    }

    /// Returns the scope of the next run, or `None` if nobody waits; the next caller then starts runs again.
    pub(crate) fn next_run(&self) -> Option<RunScope> {
        self.lock().next()
    }

    /// Drops all waiting callers, whose channels close; the next caller starts runs again.
    pub(crate) fn abandon(&self) {
        *self.lock() = QueueState::default();
    }

    /// Returns the callers that waited for the run that just ended.
    pub(crate) fn take_waiters(&self) -> RunWaiters {
        std::mem::take(&mut self.lock().now)
    }
}

impl QueueState {
    fn add(&mut self, object: Option<ObjectRef>) -> Result<&mut ObjectWaiters, QueueFull> {
        let Some(object) = object else { return Ok(&mut self.next.whole) };
        // Without a generation, the caller may mean a newer version than the one that was read.
        let joins = !object.generation.is_empty() && self.now.objects.contains_key(&object);
        let waiters = if joins { &mut self.now } else { &mut self.next };
        if waiters.objects.len() >= MAX_OBJECTS && !waiters.objects.contains_key(&object) {
            return Err(QueueFull);
        }
        Ok(waiters.objects.entry(object).or_default())
    }

    fn next(&mut self) -> Option<RunScope> {
        let objects = !self.next.objects.is_empty();
        if !self.next.whole.is_empty() && (self.objects_last || !objects) {
            self.objects_last = false;
            self.now = RunWaiters { whole: std::mem::take(&mut self.next.whole), ..RunWaiters::default() };
            return Some(RunScope::Whole);
        }
        if !objects {
            self.working = false;
            return None;
        }
        self.objects_last = true;
        self.now = RunWaiters { objects: std::mem::take(&mut self.next.objects), ..RunWaiters::default() };
        let mut names: Vec<_> = self.now.objects.keys().map(|object| object.object.clone()).collect();
        // Sorted by name, so that the versions of an object are adjacent.
        names.dedup();
        Some(RunScope::Objects(names))
    }
}

#[cfg(test)]
mod tests {
    use super::{IngestQueue, MAX_OBJECTS, RunScope};
    use crate::serve::triggers::push::ObjectRef;
    use tokio::sync::oneshot::error::TryRecvError;

    fn named(object: &str, generation: &str) -> ObjectRef {
        ObjectRef { bucket: "b".into(), object: object.into(), generation: generation.into() }
    }

    fn objects(names: &[&str]) -> RunScope {
        RunScope::Objects(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn full_run_requests_during_a_run_share_the_next() {
        let queue = IngestQueue::default();
        assert!(queue.enqueue(None).unwrap().1, "the first begins");
        assert_eq!(queue.next_run(), Some(RunScope::Whole));
        for _ in 0..5 {
            assert!(!queue.enqueue(None).unwrap().1);
        }
        assert_eq!(queue.take_waiters().whole.len(), 1);
        assert_eq!(queue.next_run(), Some(RunScope::Whole));
        assert_eq!((queue.take_waiters().whole.len(), queue.next_run()), (5, None));
        assert!(queue.enqueue(None).unwrap().1, "the next caller starts runs again");
    }

    #[test]
    fn only_the_same_generation_joins_the_current_run() {
        let queue = IngestQueue::default();
        let _ = queue.enqueue(Some(named("a", "1")));
        assert_eq!(queue.next_run(), Some(objects(&["a"])));
        for object in [named("a", "1"), named("a", "2"), named("a", ""), named("a", "")] {
            let _ = queue.enqueue(Some(object));
        }
        assert_eq!(
            queue.take_waiters().objects.into_values().map(|callers| callers.len()).collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(queue.next_run(), Some(objects(&["a"])));
        assert_eq!(
            queue.take_waiters().objects.into_values().map(|callers| callers.len()).collect::<Vec<_>>(),
            [2, 1]
        );
    }

    #[test]
    fn full_and_object_runs_alternate() {
        let queue = IngestQueue::default();
        let mut turns = Vec::new();
        for _ in 0..4 {
            let _ = (queue.enqueue(None), queue.enqueue(Some(named("a", ""))));
            turns.push(queue.next_run() == Some(RunScope::Whole));
        }
        assert_eq!(turns, [false, true, false, true]);
    }

    #[test]
    fn abandoned_waiters_are_released() {
        let queue = IngestQueue::default();
        let (mut response, _) = queue.enqueue(Some(named("a", "1"))).unwrap();
        assert_eq!(queue.next_run(), Some(objects(&["a"])));
        queue.abandon();
        assert!(response.try_recv().is_err_and(|error| error == TryRecvError::Closed));
        assert!(queue.enqueue(None).unwrap().1, "the next to come begins");
    }

    #[test]
    fn queue_is_bounded_by_object_count() {
        let queue = IngestQueue::default();
        for number in 0..MAX_OBJECTS {
            assert!(queue.enqueue(Some(named(&number.to_string(), "1"))).is_ok());
        }
        assert!(queue.enqueue(Some(named("one more", "1"))).is_err());
        assert!(
            queue.enqueue(Some(named("7", "1"))).is_ok() && queue.enqueue(None).is_ok(),
            "they are no more"
        );
    }
}
