//! One reading of a window, page after page.

use super::collector::{Collector, Halt, Slot};
use super::state::Resume;
use super::zoom::{Id, Page, Trouble, Window};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};

/// How often a window is begun again because the token of a page ran out.
const RESTARTS: u32 = 2;
/// A server that says "go on" for ever is not believed.
pub(super) const EMPTY_PAGES: u32 = 100;

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) window: Window,
    /// Enough is read where a page holds nothing new and reaches back to this time.
    pub(crate) floor: Option<i64>,
    /// Enough is read where a page is older than this time.
    pub(crate) oldest: Option<i64>,
    /// Tries after the first for each page.
    pub(crate) tries: Option<usize>,
    /// Whether it is the newest records that are wanted.
    pub(crate) tail: bool,
    /// Where an earlier run stopped.
    pub(crate) resume: Option<Resume>,
}

impl Ask {
    pub(crate) fn of(window: Window) -> Self {
        Self { window, floor: None, oldest: None, tries: None, tail: false, resume: None }
    }
}

/// What a reading came to.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// When it began.
    pub(crate) began: i64,
    pub(crate) pages: u64,
    /// Whether the window was read to its end, rather than as far as was asked for.
    pub(crate) whole: bool,
    /// The newest time that was met.
    pub(crate) newest: Option<i64>,
    /// Records of which there may be more than are counted, with the last page that they were met on.
    pub(crate) unsure: HashMap<(Slot, Id), usize>,
    /// A hash of each page.
    pub(crate) prints: Vec<Id>,
}

/// Whether pages come newest first, as they do in practice: only then is it known what a page without news means.
struct Order {
    newest_first: bool,
    last: i64,
}

impl Order {
    /// Takes note of a page; returns its newest and oldest time.
    fn look(&mut self, page: &Page) -> Option<(i64, i64)> {
        let times = || page.items.iter().filter_map(|item| item.time);
        for time in times() {
            self.newest_first &= time <= self.last;
            self.last = time;
        }
        Some((times().max()?, times().min()?))
    }
}

/// A hash of the records of a page, in their order.
pub(crate) fn print(page: &Page) -> Id {
    let mut hash = Sha256::new();
    page.items.iter().for_each(|item| hash.update(item.id));
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}

/// A hash of a page and of the token of the next: met twice, the pages go round. A token alone may come with each page.
pub(super) fn step(page: &Page, token: &str) -> Id {
    let digest = Sha256::new().chain_update(print(page)).chain_update(token).finalize();
    std::array::from_fn(|at| digest[at])
}

impl Collector {
    /// Reads a window and takes what is new.
    pub(crate) async fn read(&mut self, ask: &Ask) -> Result<Passed, Halt> {
        let mut restarts = 0;
        let mut resume = ask.resume.clone();
        loop {
            match self.read_once(ask, resume.take()).await {
                Err(Halt::Zoom(Trouble::Expired(message))) if restarts < RESTARTS => {
                    restarts += 1;
                    self.observer.detail(&message);
                }
                outcome => return outcome,
            }
        }
    }

    async fn read_once(&mut self, ask: &Ask, resume: Option<Resume>) -> Result<Passed, Halt> {
        self.pass += 1;
        let mut passed = Passed { began: self.now(), ..Passed::default() };
        let mut order = Order { newest_first: true, last: i64::MAX };
        let (mut next, mut empty, mut met) = (None::<String>, 0, HashSet::new());
        if let Some(resume) = resume {
            self.prime(&resume).await?;
            (passed.began, passed.pages) = (resume.began, resume.pages);
            passed.prints = vec![Id::default(); usize::try_from(resume.pages).unwrap_or(0)];
            self.zoom.page_size = resume.page_size;
            next = Some(resume.token);
        }
        loop {
            let page = match self.zoom.page(ask.window, next.as_deref(), ask.tries).await {
                Ok(page) => page,
                Err(trouble) => return Err(Halt::Zoom(trouble)),
            };
            let new = self.note(ask, &page, &mut passed).await?;
            let span = order.look(&page);
            let Some(token) = page.next.clone() else {
                passed.whole = true;
                return Ok(passed);
            };
            let read_enough = |(newest, oldest): (i64, i64)| {
                (new == 0 && ask.floor.is_some_and(|floor| oldest <= floor))
                    || ask.oldest.is_some_and(|limit| newest < limit)
            };
            if order.newest_first && span.is_some_and(read_enough) {
                return Ok(passed);
            }
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            if empty > EMPTY_PAGES || !met.insert(step(&page, &token)) {
                let message = format!(
                    "operation logs from {} to {}: Zoom goes on without an end after page {}: the same page came with the \
                     same token, or only empty ones; try another PAGE_SIZE",
                    ask.window.from, ask.window.to, passed.pages
                );
                return Err(Halt::Zoom(Trouble::Refused(message)));
            }
            // A token with a secret in it would bring that into the state.
            let resume = self.resume(ask, &page, &passed, token.clone());
            self.journal.state.resume =
                Some(resume).filter(|resume| !crate::redact::holds_secret(&resume.token));
            self.flush_now_and_then().await?;
            next = Some(token);
        }
    }

    /// Takes a page, and notes what is to be known of it.
    async fn note(&mut self, ask: &Ask, page: &Page, passed: &mut Passed) -> Result<u64, Halt> {
        let index = passed.prints.len();
        passed.pages += 1;
        let taken = self.take(page, ask.window, passed.pages).await?;
        passed.prints.push(print(page));
        passed.unsure.extend(taken.unsure.into_iter().map(|unsure| (unsure, index)));
        passed.newest = passed.newest.into_iter().chain(page.items.iter().filter_map(|item| item.time)).max();
        self.journal.state.resume = None;
        Ok(taken.new)
    }

    fn resume(&self, ask: &Ask, page: &Page, passed: &Passed, token: String) -> Resume {
        Resume {
            from: ask.window.from,
            to: ask.window.to,
            page_size: self.zoom.page_size,
            token,
            issued: self.now(),
            began: passed.began,
            tail: ask.tail,
            pages: passed.pages,
            last: page.items.iter().map(|item| crate::sealed::hex(&item.id)).collect(),
        }
    }

    /// Counts the records of the last page before a break as met in this pass: a twin may be on the next page.
    async fn prime(&mut self, resume: &Resume) -> Result<(), Halt> {
        let ids: Vec<Id> = resume.last.iter().filter_map(|hex| unhex(hex)).collect();
        let days: Vec<_> = self.journal.state.days.keys().copied().collect();
        let window = Window { from: resume.from, to: resume.to };
        for day in days.into_iter().filter(|day| (window.from..=window.to).contains(day)) {
            if self.is_ours(day) {
                self.prime_slot(Slot::Day(day), &ids).await?;
            }
        }
        Ok(())
    }

    async fn prime_slot(&mut self, slot: Slot, ids: &[Id]) -> Result<(), Halt> {
        self.load(slot).await?;
        let pass = self.pass;
        if let Some(seen) = self.seen.get_mut(&slot) {
            for id in ids.iter().filter(|id| seen.knows(id)).collect::<Vec<_>>() {
                seen.count(*id, 1, pass);
            }
        }
        Ok(())
    }
}

fn unhex(text: &str) -> Option<Id> {
    let mut id = Id::default();
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
