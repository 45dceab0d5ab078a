//! Twins on two pages, told from one record that moved from one page to the next while newer ones came in above.
//!
//! Within one page there is no doubt. Across pages a record that was met twice is met again in another reading: if it is
//! on one page then, or met no more often than is counted, that settles it. Where it is still on several pages, and those
//! pages are, record by record, what they were in the reading before, nothing moved between the first page's two
//! readings; so the pages stood side by side when the last of them was read, and their records are all true.
//!
//! What stays open is counted too low rather than too high, and settled by a later run: pages lie otherwise then.

use super::collector::{Collector, Halt, Slot};
use super::pass::{Ask, EMPTY_PAGES, Passed, print};
use super::zoom::Id;
use std::collections::{HashMap, HashSet};

/// So many pages are worth reading again at once, where it is the newest records that are read, and where it is not.
const FEW: usize = 12;
const SOME: usize = 100;
/// How often a window is read again.
const READINGS: u32 = 3;

/// Where a record in question was met in a reading: page, how often, the record.
#[derive(Debug, Default)]
struct Meetings {
    pages: Vec<(usize, u32)>,
    raw: String,
    time: Option<i64>,
}

type Met = HashMap<(Slot, Id), Meetings>;

impl Collector {
    /// Settles what a reading left open, where that is cheap or where the record's day is about to be sealed.
    pub(crate) async fn settle(
        &mut self,
        ask: &Ask,
        passed: &Passed,
        sealing: &dyn Fn(Slot) -> bool,
    ) -> Result<(), Halt> {
        let deepest = passed.unsure.values().max().copied().unwrap_or(0);
        let few = match (ask.tail || ask.oldest.is_some(), self.options.full) {
            (_, true) => usize::MAX,
            (true, false) => FEW,
            (false, false) => SOME,
        };
        let wanted =
            |(key, page): (&(Slot, Id), &usize)| (deepest < few || sealing(key.0)).then_some((*key, *page));
        let mut open: HashMap<(Slot, Id), usize> = passed.unsure.iter().filter_map(wanted).collect();
        let mut before = passed.prints.clone();
        for _ in 0..READINGS {
            open.retain(|key, _| self.is_open(key));
            if open.is_empty() {
                return Ok(());
            }
            let (prints, met) = self.read_again(ask, &open).await?;
            for (key, meetings) in &met {
                let stood = |page: usize| before.get(page).is_some() && before.get(page) == prints.get(page);
                let pages = || meetings.pages.iter().map(|(page, _)| *page);
                let (Some(first), Some(last)) = (pages().min(), pages().max()) else { continue };
                if (first..=last).all(stood) {
                    self.accept(*key, meetings);
                }
            }
            open = met.iter().filter_map(|(key, meetings)| Some((*key, meetings.pages.last()?.0))).collect();
            before = prints;
        }
        open.retain(|key, _| self.is_open(key));
        self.report.unsettled += u64::try_from(open.len()).unwrap_or(0);
        Ok(())
    }

    /// Whether there may be more of a record than are counted.
    fn is_open(&self, (slot, id): &(Slot, Id)) -> bool {
        self.seen.get(slot).is_some_and(|seen| seen.is_unsure(id, self.pass))
    }

    /// Reads as far as the records in question reach.
    async fn read_again(
        &mut self,
        ask: &Ask,
        open: &HashMap<(Slot, Id), usize>,
    ) -> Result<(Vec<Id>, Met), Halt> {
        self.pass += 1;
        let deepest = open.values().max().copied().unwrap_or(0);
        let (mut prints, mut met, mut next) = (Vec::new(), Met::new(), None::<String>);
        let (mut tokens, mut empty) = (HashSet::new(), 0);
        loop {
            let page = self.zoom.page(ask.window, next.as_deref(), ask.tries).await.map_err(Halt::Zoom)?;
            let index = prints.len();
            let taken = self.take(&page, ask.window, index as u64 + 1).await?;
            prints.push(print(&page));
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            let mut here = false;
            for (key, places) in taken.groups.iter().filter(|(key, _)| open.contains_key(key)) {
                here = true;
                let meetings = met.entry(*key).or_default();
                meetings.pages.push((index, u32::try_from(places.len()).unwrap_or(u32::MAX)));
                if let Some(item) = places.first().and_then(|place| page.items.get(*place)) {
                    meetings.raw.clone_from(&item.raw);
                    meetings.time = item.time;
                }
            }
            let behind = index > deepest && !here && open.keys().all(|key| met.contains_key(key));
            self.flush_now_and_then().await?;
            match page.next {
                Some(further) if !behind && empty <= EMPTY_PAGES && tokens.insert(further.clone()) => {
                    next = Some(further);
                }
                _ => return Ok((prints, met)),
            }
        }
    }

    /// All that were met are true.
    fn accept(&mut self, (slot, id): (Slot, Id), meetings: &Meetings) {
        let count = meetings.pages.iter().map(|(_, count)| count).sum();
        let Some(seen) = self.seen.get_mut(&slot) else { return };
        let new = seen.settle(id, count);
        let today = self.today();
        self.report.duplicates_suppressed = self.report.duplicates_suppressed.saturating_sub(u64::from(new));
        self.add(slot, today, &meetings.raw, meetings.time, new);
    }
}
