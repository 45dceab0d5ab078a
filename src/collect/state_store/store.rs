//! Opens and saves the state, and commits objects.

use super::recovery_advice::{
    self, decode_or_explain, refuse_lost_state, refuse_moved_logs, refuse_other_state,
};
use crate::clock::{Clock, format_utc};
use crate::collect::batch::Object;
use crate::collect::config::{Mode, Options};
use crate::collect::date::Date;
use crate::collect::state::{CollectorState, PendingWrite, StoredState};
use crate::collector_files::{self, BACKFILL};
use crate::error::{Failure, RunError};
use crate::lease::{LeaseHandle, LeaseOwner};
use crate::progress::Observer;
use crate::store::{Payload, PutOutcome, Store, Version};
use bytes::Bytes;
use futures::TryStreamExt as _;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state that a run started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitialState {
    Absent,
    Legacy,
    Existing,
}

/// The state of a run, and the objects that it names.
pub(crate) struct StateStore {
    pub(super) store: Store,
    /// Staged objects and counts; nothing else is stored here.
    pub(super) work: Store,
    pub(super) to: Store,
    pub(super) name: String,
    pub(super) clock: Clock,
    pub(super) ttl: Duration,
    pub(super) holder: LeaseOwner,
    pub(super) lease: Option<LeaseHandle>,
    /// The lease on records without a time, which both kinds of run share.
    pub(super) undated_lease: Option<LeaseHandle>,
    pub(super) renewed: i64,
    pub(super) dry_run: bool,
    pub(super) observer: Arc<dyn Observer>,
    /// The state that was last read or written.
    pub(super) current: Option<(Bytes, Version)>,
    /// The copy before the state as it was when the state was read.
    previous: Option<(Bytes, Version)>,
    /// Whether this run has written the state, and with it the previous copy.
    pub(super) written: bool,
    /// What was found at the location of the state.
    pub(crate) found: InitialState,
    pub(crate) state: CollectorState,
    /// When the last commit began.
    last_commit: Instant,
}

/// Returns the name of the state for a task.
pub(crate) fn state_name(options: &Options) -> String {
    match options.mode {
        Mode::Live { .. } => options.state.name.clone(),
        Mode::Backfill { .. } => BACKFILL.into(),
    }
}

impl StateStore {
    /// Acquires the lease, reads the state, and completes the work of a killed run. Without a state, the collection
    /// starts at `began`.
    pub(crate) async fn open(
        options: &Options,
        stores: (Store, Store),
        observer: Arc<dyn Observer>,
        began: Date,
    ) -> Result<Self, RunError> {
        let (store, to) = stores;
        let name = state_name(options);
        let work = store.subdir(&collector_files::work_dir(&name));
        let mut opened = Self {
            work,
            to,
            clock: options.clock.clone(),
            ttl: options.lease,
            holder: LeaseOwner::current(),
            lease: None,
            undated_lease: None,
            renewed: 0,
            dry_run: options.dry_run,
            observer,
            current: None,
            previous: None,
            written: false,
            found: InitialState::Absent,
            last_commit: Instant::now(),
            state: CollectorState {
                logs: options.logs,
                ..CollectorState::new(collection_id(options, began), began)
            },
            name,
            store,
        };
        opened.acquire().await?;
        match opened.load(options).await {
            Ok(()) => Ok(opened),
            Err(error) => {
                // The first error matters more than a lease that expires by itself.
                let _ = opened.release().await;
                Err(error)
            }
        }
    }

    async fn load(&mut self, options: &Options) -> Result<(), RunError> {
        // Read before the state: a copy that a run made which took over since is not replaced.
        self.previous = self.store.read(&collector_files::previous_state_name(&self.name)).await?;
        let found = match self.store.read(&self.name).await? {
            Some(_) if options.new_state => {
                let url = self.store.location().url(&self.name);
                let hint = "omit the flag, or move that state away first";
                return Err(RunError::Usage(Failure::new(format!("--new-state: {url} exists"), hint)));
            }
            Some((bytes, version)) => {
                let (logs, now) = (options.logs, self.clock.now());
                let found = decode_or_explain(&self.store, &self.name, &bytes, logs, now).await?;
                self.check_clock_skew(&self.store, &self.name, &found, options).await?;
                if let StoredState::Ours(state) = &found {
                    refuse_moved_logs(options, &self.store.location().url(&self.name), state).await?;
                }
                self.current = Some((bytes, version));
                Some(found)
            }
            None => self.without_state(options).await?,
        };
        match found {
            Some(StoredState::Ours(state)) => (self.state, self.found) = (*state, InitialState::Existing),
            Some(StoredState::Legacy(legacy)) => {
                self.found = InitialState::Legacy;
                self.import_legacy_cursor(legacy.cursor_date, options.look_back);
            }
            None => {}
        }
        self.state.destination = options.destination();
        self.recover().await
    }

    /// Returns the state of a first run.
    async fn without_state(&mut self, options: &Options) -> Result<Option<StoredState>, RunError> {
        if !options.new_state {
            refuse_lost_state(&self.store, &self.name, self.clock.now()).await?;
            refuse_other_state(options, &self.store).await?;
            return self.load_legacy_state(options).await;
        }
        // What the lost state named is older than what this one will name, and is swept.
        self.state.revision =
            self.listed().await?.iter().map(|name| collector_files::revision_of(name)).max().unwrap_or(0);
        Ok(None)
    }

    /// The names of all objects of the work.
    pub(super) async fn listed(&self) -> Result<Vec<String>, RunError> {
        match self.work.list().map_ok(|listed| listed.name).try_collect().await {
            // A directory that nothing was put into yet.
            Err(crate::store::Error::NotFound { .. }) => Ok(Vec::new()),
            listed => Ok(listed?),
        }
    }

    /// Refuses a state of the live collection that was written under a clock ahead of this one.
    async fn check_clock_skew(
        &self,
        store: &Store,
        name: &str,
        found: &StoredState,
        options: &Options,
    ) -> Result<(), RunError> {
        let now = self.clock.now();
        match (found, options.mode) {
            (StoredState::Ours(state), Mode::Live { .. }) => match state.clock_skew(now) {
                Some(why) => {
                    let why = format!("{why}; correct the clock if it is wrong");
                    Err(recovery_advice::state_error(store, name, &why, now).await)
                }
                None => Ok(()),
            },
            (StoredState::Legacy(legacy), _)
                if legacy.cursor_date > Some(Date::from_millis(now).add_days(1)) =>
            {
                Err(RunError::Corrupt(
                    format!(
                        "{}: the state of Google's reference collector is ahead of the local clock ({}); \
                     correct the clock or edit cursor_date",
                        store.location().url(name),
                        format_utc(now)
                    )
                    .into(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Reads the state of Google's reference collector, if it is a separate object.
    async fn load_legacy_state(&self, options: &Options) -> Result<Option<StoredState>, RunError> {
        let (Some((location, name)), Mode::Live { .. }) = (&options.state.legacy, options.mode) else {
            return Ok(None);
        };
        let store = Store::open(location, &options.retry).await?;
        let Some((bytes, _)) = store.read(name).await? else { return Ok(None) };
        let found = decode_or_explain(&store, name, &bytes, options.logs, self.clock.now()).await?;
        if matches!(found, StoredState::Ours(_)) {
            // The objects that it names are next to it, not here.
            let (there, here) = (store.location(), self.store.location());
            return Err(RunError::Usage(format!(
                "{} is a state of zoom-udm, but the configured state is {}: name it with --state or STATE_KEY (inside the data prefix also pass --state-in-data-prefix), or move it to {here} together with {there}{}",
                there.url(name),
                here.url(&self.name),
                collector_files::work_dir(name),
            ).into()));
        }
        self.check_clock_skew(&store, name, &found, options).await?;
        Ok(Some(found))
    }

    fn import_legacy_cursor(&mut self, cursor: Option<Date>, look_back: i64) {
        let Some(cursor) = cursor else { return };
        let began = cursor.add_days(-look_back);
        let note = format!(
            "imported the state of Google's reference collector at {cursor}: collecting from {began}. It \
             does not record what it wrote, so records from {began} to {cursor} may be stored twice"
        );
        self.observer.warn(&note);
        (self.state.first_day, self.state.cursor, self.state.imported_from) = (began, began, Some(note));
    }

    /// Replaces the stored state with the current one. Fails if another run has changed it.
    pub(crate) async fn save(&mut self) -> Result<(), RunError> {
        let saved = |(bytes, _): &(Bytes, Version)| *bytes == self.state.encode();
        if self.dry_run || self.current.as_ref().is_some_and(saved) {
            return Ok(());
        }
        if !self.written {
            self.keep_previous().await?;
        }
        self.state.revision += 1;
        let bytes = Bytes::from(self.state.encode());
        let read = self.current.as_ref().map(|(_, version)| version.clone());
        match self.store.compare_and_swap(&self.name, bytes.clone(), read).await? {
            Some(version) => (self.current, self.written) = (Some((bytes, version)), true),
            None => return Err(self.lost_lease()),
        }
        Ok(())
    }

    /// Makes the state that this run read the copy before the one that it is about to write.
    async fn keep_previous(&mut self) -> Result<(), RunError> {
        let Some((before, _)) = &self.current else { return Ok(()) };
        let (copy, version) = self.previous.take().unzip();
        if copy.as_ref() != Some(before) {
            // Where another run has replaced it since, that run has the state, too: saving will tell.
            self.store
                .compare_and_swap(&collector_files::previous_state_name(&self.name), before.clone(), version)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn put(&self, store: &Store, name: &str, bytes: Bytes) -> Result<(), RunError> {
        match store.put_if_absent(name, Payload::Bytes(bytes)).await? {
            PutOutcome::Created | PutOutcome::AlreadyIdentical => Ok(()),
            PutOutcome::Conflict => Err(RunError::Storage(
                format!(
                    "{}: another object exists that zoom-udm did not write; move it away and run again",
                    store.location().url(name)
                )
                .into(),
            )),
        }
    }

    /// Writes an object of the work. A run that took over removes such objects.
    pub(super) async fn put_work(&mut self, name: &str, bytes: Bytes) -> Result<(), RunError> {
        let Err(error) = self.put(&self.work, name, bytes).await else { return Ok(()) };
        Err(if self.still_holds_lease().await.unwrap_or(true) { error } else { self.lost_lease() })
    }

    /// Returns the time since the last commit began.
    pub(crate) fn since_commit(&self) -> Duration {
        self.last_commit.elapsed()
    }

    /// Notes that a commit begins.
    pub(crate) fn mark_commit(&mut self) {
        self.last_commit = Instant::now();
    }

    /// Writes objects and their manifest atomically.
    pub(crate) async fn commit(&mut self, objects: &[Object], manifest: Vec<u8>) -> Result<(), RunError> {
        if self.dry_run {
            return Ok(());
        }
        let (sequence, revision) = (self.state.sequence, self.state.revision + 1);
        let about = Object::manifest(&self.name, Date::from_millis(self.clock.now()), sequence, manifest);
        let mut ready = VecDeque::new();
        // The manifest is the first: nothing is pending any more once the last object is made.
        for (number, object) in [&about].into_iter().chain(objects).enumerate() {
            let pending = PendingWrite {
                name: object.name.clone(),
                beside_state: number == 0,
                staged: collector_files::staged_name(revision, &object.sha256),
                sha256: object.sha256.clone(),
            };
            self.put_work(&pending.staged, object.bytes.clone()).await?;
            self.state.pending.push(pending);
            ready.push_back(object.bytes.clone());
        }
        self.state.sequence += 1;
        self.save().await?;
        self.write_pending(ready).await
    }
}

/// Returns what makes this collection's object names unique. A run that is killed before there is a state derives the
/// same value again.
/// same again.
fn collection_id(options: &Options, began: Date) -> String {
    let text = format!("{}\n{}\n{}\n{began}", options.to, options.state.location, state_name(options));
    crate::checksummed::sha256(text)[..32].to_owned()
}
