//! The state in its place: who may write it, how a change of it becomes durable, and what a killed run left to do.
//!
//! A commit is: bytes of the new objects and the new lists of what was seen go below the state's location (1); the state
//! is swapped for one that names them (2): from now on they are written; the objects are made in the bucket, each only
//! if there is none of its name (3); the state is swapped for one with nothing pending (4). Killed before (2) nothing has
//! happened. Killed behind it, the next run does (3) and (4): from the same bytes, under the same names. A run that was
//! thought dead fails at (2), since the state is not the one that it read.

mod left;

use super::batch::Object;
use super::date::Date;
use super::options::{Options, Task};
use super::seen::Seen;
use super::state::{Pending, SeenRef, Standing, State, decode};
use super::{Error, Observer};
use crate::clock::{Clock, instant, millis};
use crate::kept::{self, BACKFILL};
use crate::lease::{Asked, Held, Holder, Terms};
use crate::store::{Payload, Put, Store, Version};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// With what a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Recipe,
    Ours,
}

pub(crate) struct Journal {
    store: Store,
    /// Staged objects and lists of what was seen; nothing else is in it.
    work: Store,
    to: Store,
    name: String,
    clock: Clock,
    ttl: Duration,
    holder: Holder,
    lease: Option<Held>,
    renewed: i64,
    dry_run: bool,
    observer: Arc<dyn Observer>,
    /// What was read or written last.
    standing: Option<(Bytes, Version)>,
    /// Whether this run has written the state, and kept the copy before that.
    written: bool,
    /// What stood where the state is to be.
    pub(crate) found: Found,
    pub(crate) state: State,
}

/// The name of the state that a task has.
pub(crate) fn state_name(options: &Options) -> String {
    match options.task {
        Task::Live { .. } => options.state.name.clone(),
        Task::Backfill { .. } => BACKFILL.into(),
    }
}

impl Journal {
    /// Takes the lease, reads the state, and does what a killed run left to do. Without a state `begin` says how to begin.
    pub(crate) async fn open(
        options: &Options,
        stores: (Store, Store),
        observer: Arc<dyn Observer>,
        began: Date,
    ) -> Result<Self, Error> {
        let (store, to) = stores;
        let name = state_name(options);
        let work = store.below(&kept::work(&name));
        let mut journal = Self {
            work,
            to,
            clock: options.clock.clone(),
            ttl: options.lease,
            holder: Holder::this(),
            lease: None,
            renewed: 0,
            dry_run: options.dry_run,
            observer,
            standing: None,
            written: false,
            found: Found::Nothing,
            state: State::new(lineage(options, began), began),
            name,
            store,
        };
        journal.acquire().await?;
        match journal.load(options).await {
            Ok(()) => Ok(journal),
            Err(error) => {
                // What went wrong matters more than a lease that runs out by itself.
                let _ = journal.release().await;
                Err(error)
            }
        }
    }

    async fn load(&mut self, options: &Options) -> Result<(), Error> {
        let found = match self.store.read(&self.name).await? {
            Some((bytes, version)) => {
                let found = self.understood(&self.store, &self.name, &bytes).await?;
                self.not_ahead(&self.store, &self.name, &found, options).await?;
                self.standing = Some((bytes, version));
                Some(found)
            }
            None => self.recipe(options).await?,
        };
        match found {
            Some(Standing::Ours(state)) => (self.state, self.found) = (*state, Found::Ours),
            Some(Standing::Recipe(recipe)) => {
                self.found = Found::Recipe;
                self.take_over(recipe.cursor_date, options.look_back);
            }
            None => {}
        }
        self.recover().await
    }

    /// The state that stands in `store` under a name.
    async fn understood(&self, store: &Store, name: &str, bytes: &[u8]) -> Result<Standing, Error> {
        match decode(bytes) {
            Ok(standing) => Ok(standing),
            Err(why) => Err(unusable(store, name, &why, self.clock.now()).await),
        }
    }

    /// Refuses a state of the live collection that was written under a clock that was ahead, or this one is behind.
    async fn not_ahead(
        &self,
        store: &Store,
        name: &str,
        found: &Standing,
        options: &Options,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        match (found, options.task) {
            (Standing::Ours(state), Task::Live { .. }) => match state.ahead(now) {
                Some(why) => {
                    Err(unusable(store, name, &format!("{why}; put the clock right if that is wrong"), now)
                        .await)
                }
                None => Ok(()),
            },
            (Standing::Recipe(recipe), _) if recipe.cursor_date > Some(Date::of(now).plus(1)) => {
                Err(Error::Damaged(format!(
                    "{}: the state of the recipe's collector is ahead of this machine's clock, which shows {}; put the \
                     clock right, or mend cursor_date",
                    store.location().url(name),
                    instant(now)
                )))
            }
            _ => Ok(()),
        }
    }

    /// The state of the recipe's collector, where that is another object.
    async fn recipe(&self, options: &Options) -> Result<Option<Standing>, Error> {
        let (Some((location, name)), Task::Live { .. }) = (&options.state.recipe, options.task) else {
            return Ok(None);
        };
        let store = Store::open(location, &options.retry).await?;
        let Some((bytes, _)) = store.read(name).await? else { return Ok(None) };
        let found = self.understood(&store, name, &bytes).await?;
        if matches!(found, Standing::Ours(_)) {
            // What it names is beside it, and not here.
            let (there, here) = (store.location(), self.store.location());
            return Err(Error::Usage(format!(
                "{} is this program's own state, and was to be {}: name it with --state or STATE_KEY (where it lies among the data with \
                 --state-in-data-prefix, too), or move it to {here}, with {there}{}",
                there.url(name),
                here.url(&self.name),
                kept::work(name),
            )));
        }
        self.not_ahead(&store, name, &found, options).await?;
        Ok(Some(found))
    }

    fn take_over(&mut self, cursor: Option<Date>, look_back: i64) {
        let Some(cursor) = cursor else { return };
        let began = cursor.plus(-look_back);
        let note = format!(
            "took over from the recipe's collector, which stood at {cursor}: collecting from {began}. It kept no record of \
             what it wrote, so records of {began} to {cursor} may be in the bucket once more"
        );
        self.observer.warn(&note);
        (self.state.began, self.state.cursor, self.state.taken_over) = (began, began, Some(note));
    }

    async fn acquire(&mut self) -> Result<(), Error> {
        if self.dry_run {
            return Ok(());
        }
        let now = self.clock.now();
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: now + millis(self.ttl) };
        match terms.acquire(&kept::lease(&self.name)).await? {
            Asked::Got(held) => (self.lease, self.renewed) = (Some(held), now),
            Asked::Taken(by) => {
                return Err(Error::Held(format!("{}: {}", self.store.location(), at_work(&by))));
            }
        }
        Ok(())
    }

    /// Holds on to the lease; to be called now and then.
    pub(crate) async fn keep(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let Some(held) = self.lease.as_mut().filter(|_| now - self.renewed > millis(self.ttl) / 3) else {
            return Ok(());
        };
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: now + millis(self.ttl) };
        if !terms.renew(held).await? {
            return Err(self.overtaken());
        }
        self.renewed = now;
        Ok(())
    }

    fn overtaken(&self) -> Error {
        Error::Held(format!(
            "{}: another run took over, since this one stood still; it has what this one had not written",
            self.store.location()
        ))
    }

    pub(crate) async fn release(&mut self) -> Result<(), Error> {
        let Some(held) = self.lease.take() else { return Ok(()) };
        let now = self.clock.now();
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: 0 };
        terms.release(held).await
    }

    /// Swaps the state for what it is now. Fails where another run has changed it.
    pub(crate) async fn save(&mut self) -> Result<(), Error> {
        let bytes = Bytes::from(self.state.encode());
        if self.dry_run || self.standing.as_ref().is_some_and(|(standing, _)| *standing == bytes) {
            return Ok(());
        }
        if let Some((before, _)) = self.standing.as_ref().filter(|_| !self.written) {
            let before = before.clone();
            self.overwrite(&kept::previous(&self.name), before).await?;
        }
        let read = self.standing.as_ref().map(|(_, version)| version.clone());
        match self.store.update(&self.name, bytes.clone(), read).await? {
            Some(version) => (self.standing, self.written) = (Some((bytes, version)), true),
            None => return Err(self.overtaken()),
        }
        Ok(())
    }

    async fn overwrite(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let version = match self.store.read(name).await? {
            Some((standing, _)) if standing == bytes => return Ok(()),
            standing => standing.map(|(_, version)| version),
        };
        self.store.update(name, bytes, version).await?;
        Ok(())
    }

    /// Makes a list of what was seen durable, for the next state to name.
    pub(crate) async fn put_seen(&self, slot: &str, seen: &Seen) -> Result<SeenRef, Error> {
        let bytes = seen.encode();
        let name = kept::seen(slot, &crate::sealed::sha256(&bytes));
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        if !self.dry_run {
            self.put(&self.work, &name, bytes.into()).await?;
        }
        Ok(SeenRef { name, bytes: size })
    }

    /// Reads such a list.
    pub(crate) async fn seen(&self, seen: &SeenRef) -> Result<Seen, Error> {
        let url = self.work.location().url(&seen.name);
        let damaged = |why: &str| {
            Error::Damaged(format!(
                "{url}: {why}; nothing was collected. The state names it: restore it from a backup"
            ))
        };
        let (bytes, _) = self.work.read(&seen.name).await?.ok_or_else(|| damaged("it is not there"))?;
        Seen::decode(&bytes).map_err(|why| damaged(&why))
    }

    /// What the other kind of run remembers, if there is such a state; it is only looked at.
    pub(crate) async fn other(&self, options: &Options) -> Result<Option<(State, Option<Seen>)>, Error> {
        let name = match options.task {
            Task::Live { .. } => BACKFILL,
            Task::Backfill { .. } => &options.state.name,
        };
        let Some((bytes, _)) = self.store.read(name).await? else { return Ok(None) };
        let Standing::Ours(state) = self.understood(&self.store, name, &bytes).await? else {
            return Ok(None);
        };
        let work = self.store.below(&kept::work(name));
        let undated = match &state.undated {
            Some(seen) => work.read(&seen.name).await?.and_then(|(bytes, _)| Seen::decode(&bytes).ok()),
            None => None,
        };
        Ok(Some((*state, undated)))
    }

    async fn put(&self, store: &Store, name: &str, bytes: Bytes) -> Result<(), Error> {
        match store.put_new(name, Payload::Bytes(bytes)).await? {
            Put::Created | Put::Same => Ok(()),
            Put::Other => Err(Error::Store(format!(
                "{}: something else stands there, which this program did not write; move it away and run again",
                store.location().url(name)
            ))),
        }
    }

    /// Writes objects and their manifest as one: all of them, or none.
    pub(crate) async fn commit(&mut self, objects: &[Object], manifest: Vec<u8>) -> Result<(), Error> {
        if self.dry_run {
            return Ok(());
        }
        let sequence = self.state.sequence;
        let about = Object::manifest(&self.name, Date::of(self.clock.now()), sequence, manifest);
        for (number, object) in objects.iter().chain([&about]).enumerate() {
            let pending = Pending {
                name: object.name.clone(),
                beside_state: number == objects.len(),
                staged: kept::staged(sequence, &object.sha256),
                sha256: object.sha256.clone(),
            };
            self.put(&self.work, &pending.staged, object.bytes.clone()).await?;
            self.state.pending.push(pending);
        }
        self.state.sequence += 1;
        self.save().await?;
        for (number, object) in objects.iter().chain([&about]).enumerate() {
            let place = if number == objects.len() { &self.store } else { &self.to };
            self.put(place, &object.name, object.bytes.clone()).await?;
        }
        self.state.pending.clear();
        Ok(())
    }

    /// Who is at work, where the lease is another run's.
    pub(crate) async fn held_by_another(&self) -> Result<Option<String>, Error> {
        let now = self.clock.now();
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: now };
        Ok(terms.holder_of(&kept::lease(&self.name)).await?.map(|by| at_work(&by)))
    }
}

/// Says what is wrong with the state under a name, and what can take its place.
async fn unusable(store: &Store, name: &str, why: &str, now: i64) -> Error {
    let previous = kept::previous(name);
    let copy = store.read(&previous).await.ok().flatten();
    let cure = match copy.map(|(bytes, _)| decode(&bytes)) {
        Some(Ok(Standing::Ours(copy))) if copy.ahead(now).is_none() => format!(
            "The copy before it is {}: put it in its place, and at most what was written since then comes once more",
            store.location().url(&previous)
        ),
        _ => "No copy that could take its place is beside it; a backup of it could".to_owned(),
    };
    let url = store.location().url(name);
    Error::Damaged(format!("{url}: {why}; it was left as it is, and nothing was collected. {cure}"))
}

fn at_work(by: &str) -> String {
    format!("another run is at work: {by}")
}

/// What sets this collection's objects apart from any other's. A run that is killed before there is a state draws the
/// same again.
fn lineage(options: &Options, began: Date) -> String {
    let text = format!("{}\n{}\n{}\n{began}", options.to, options.state.location, state_name(options));
    crate::sealed::sha256(text)[..32].to_owned()
}
