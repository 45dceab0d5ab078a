//! Identical records on two pages, told from one record that was on both.
//!
//! A page is one answer, so how often it has a record is certain. Records of equal time that lie on both sides of a page
//! border (a tie) are not: while newer records come in, one moves to the next page; and a server may order a tie
//! differently for each offset, so that one record is on two pages and another is on none.
//!
//! The window is therefore read again with page sizes that put the borders elsewhere. A tie is settled
//! - when one page has all of it: then its counts are certain;
//! - when the certain counts of its records add up to its length;
//! - when no page size can hold it, and several readings with different borders met the same records as often.
//!
//! What stays open is counted too low rather than too high, and a later run settles it.

use super::collector::{CollectError, Collector};
use super::dedup::{DayKey, PositionsByRecord, RecordKey};
use super::window_query::{EndlessPages, WindowQuery, WindowScan};
use super::zoom::{MAX_PAGE, Page, PageRecord, ZoomErrorKind};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// The maximum number of pages that are scanned again at once, for the newest records and otherwise.
const MAX_PAGES_RECENT: usize = 12;
const MAX_PAGES_PAST: usize = 100;
/// How often a window is scanned again.
const MAX_RESCANS: u32 = 4;
/// Maximum rescans if this is the last chance or `--full` is given. With 700 tied records, about one rescan in eight
/// has both copies of a record on one page.
const MOST_READINGS: u32 = 12;
/// So many readings that met the same records settle a tie that no page holds.
const AGREEING: u32 = 3;
/// How far around a page border a tie may reach, as long as its length is not known.
const GUESS: usize = 20;
/// Records beyond the last record in question that are read at most: it may have moved down.
const BEYOND: usize = 2 * MAX_PAGE as usize;

/// A record of a tie: how often it was met, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    count: u32,
    item: PageRecord,
}

/// Records of equal time in a row in one reading.
#[derive(Debug, Default)]
struct Tie {
    time: Option<i64>,
    /// How many records of the reading come before it.
    start: usize,
    length: usize,
    /// How many pages it is on.
    pages: u32,
    members: HashMap<RecordKey, Sighting>,
}

impl Tie {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.length
    }
}

/// The result of the rescans.
#[derive(Default)]
struct Evidence {
    /// All records of an open tie that any reading met, by their time.
    members: HashMap<Option<i64>, HashSet<RecordKey>>,
    /// The records of a tie in the last reading, and in how many readings in a row they were the same.
    agreeing: HashMap<Option<i64>, (HashMap<RecordKey, u32>, u32)>,
    /// Page sizes of the readings.
    sizes: Vec<u16>,
    /// Whether two readings of the same tie differed: then agreement proves nothing.
    reordered: bool,
}

impl Collector {
    /// Settles ambiguous records, if that is cheap or if their day is about to be finalized.
    pub(crate) async fn resolve_ambiguous(
        &mut self,
        query: &WindowQuery,
        scan: &WindowScan,
        sealing: &dyn Fn(DayKey) -> bool,
    ) -> Result<(), CollectError> {
        let deepest = scan.ambiguous.values().max().copied().unwrap_or(0);
        let few = match (query.recent || query.oldest.is_some(), self.options.full) {
            (_, true) => usize::MAX,
            (true, false) => MAX_PAGES_RECENT,
            (false, false) => MAX_PAGES_PAST,
        };
        let wanted = |key: &RecordKey| (deepest < few || sealing(key.0)) && self.dedup.is_ambiguous(key);
        let met = || scan.ambiguous.iter().filter(|(key, _)| wanted(key));
        let mut open: HashSet<RecordKey> = met().map(|(key, _)| *key).collect();
        let mut size = self.zoom.page_size;
        let border = |page: usize| page * usize::from(size);
        let mut ranges: Vec<_> =
            met().map(|(_, page)| border(*page).saturating_sub(GUESS)..border(*page) + GUESS).collect();
        let mut evidence = Evidence { sizes: vec![size], ..Evidence::default() };
        let last_chance = deepest < MAX_PAGES_PAST && open.iter().any(|key| sealing(key.0));
        let readings = if self.options.full || last_chance { MOST_READINGS } else { MAX_RESCANS };
        for _ in 0..readings {
            if open.is_empty() {
                break;
            }
            let deepest = ranges.iter().map(|range| range.end).max().unwrap_or(0);
            let limit = self.zoom.page_limit;
            self.zoom.page_size = page_size(&ranges, &evidence.sizes, limit);
            evidence.sizes.push(self.zoom.page_size);
            let ties = self.rescan(query, &open, deepest).await;
            size = size.min(self.zoom.page_limit);
            self.zoom.page_size = size;
            let ties = match ties {
                // A page was too long: the next reading has shorter ones.
                Err(CollectError::Zoom(error))
                    if error.kind == ZoomErrorKind::PageTokenExpired && self.zoom.page_limit < limit =>
                {
                    continue;
                }
                ties => ties?,
            };
            let mut places: HashMap<RecordKey, u32> = HashMap::new();
            ties.iter()
                .flat_map(|tie| tie.members.keys())
                .for_each(|key| *places.entry(*key).or_default() += 1);
            ranges.clear();
            for tie in &ties {
                // A record in two ties moved in this reading.
                let once = tie.members.keys().all(|key| places.get(key) == Some(&1));
                if once && self.is_settled(tie, &mut evidence) {
                    open.retain(|key| !tie.members.contains_key(key));
                } else {
                    ranges.push(tie.range());
                }
            }
        }
        self.report.ambiguous_records += u64::try_from(open.len()).unwrap_or(0);
        Ok(())
    }

    /// Reads as far as the records in question reach; returns the ties that they are in.
    async fn rescan(
        &mut self,
        query: &WindowQuery,
        open: &HashSet<RecordKey>,
        deepest: usize,
    ) -> Result<Vec<Tie>, CollectError> {
        self.dedup.begin_scan();
        let (mut ties, mut tie, mut next) = (Vec::new(), Tie::default(), None::<String>);
        let (mut endless, mut missing) = (EndlessPages::default(), open.clone());
        let is_open = |tie: &Tie| tie.members.keys().any(|key| open.contains(key));
        for number in 1.. {
            let page = self.zoom.page(query.window, next.as_deref(), query.tries).await?;
            let records = self.deduplicate(&page, query.window).await?;
            self.enqueue_new(&page, &records.new, query.window, number);
            missing.retain(|key| !records.positions.contains_key(key));
            ties.extend(extend(&mut tie, &page, &records.positions).into_iter().filter(is_open));
            let read = tie.range().end;
            let enough = read > deepest && (missing.is_empty() || read > deepest + BEYOND) && !is_open(&tie);
            self.commit_if_due().await?;
            match page.next {
                Some(further) if !enough && !endless.is_endless(&page, &further) => {
                    next = Some(further);
                }
                // Where the pages end the last tie ends, too.
                None => {
                    ties.extend(Some(tie).filter(is_open));
                    break;
                }
                Some(_) => break,
            }
        }
        Ok(ties)
    }

    /// Whether the counts of a tie's records are certain now. See the module's documentation.
    fn is_settled(&mut self, tie: &Tie, evidence: &mut Evidence) -> bool {
        if tie.pages == 1 {
            return true;
        }
        let members = evidence.members.entry(tie.time).or_default();
        members.extend(tie.members.keys());
        let certain = |key: &RecordKey| u64::from(self.dedup.certain(key));
        if members.iter().map(certain).sum::<u64>() >= tie.length as u64 {
            return true;
        }
        let counts: HashMap<RecordKey, u32> =
            tie.members.iter().map(|(key, met)| (*key, met.count)).collect();
        let (before, times) = evidence.agreeing.entry(tie.time).or_default();
        if *before == counts {
            *times += 1;
        } else {
            evidence.reordered |= *times > 0;
            (*before, *times) = (counts, 1);
        }
        if *times < AGREEING
            || evidence.reordered
            || sizes_for(&tie.range(), self.zoom.page_limit).next().is_some()
        {
            return false;
        }
        tie.members.iter().for_each(|(key, met)| self.confirm_all(*key, met));
        true
    }

    /// Counts a record as often as it was met.
    fn confirm_all(&mut self, key: RecordKey, met: &Sighting) {
        let new = self.dedup.confirm(key, met.count);
        let today = self.today();
        self.report.duplicates_suppressed = self.report.duplicates_suppressed.saturating_sub(u64::from(new));
        self.enqueue(key.0, today, &met.item, new);
    }
}

/// Goes on with the tie that the pages before ended in; returns those that end on this page, and leaves the last.
fn extend(tie: &mut Tie, page: &Page, groups: &PositionsByRecord) -> Vec<Tie> {
    let mut keys = vec![None; page.items.len()];
    for (key, places) in groups {
        places.iter().for_each(|place| keys[*place] = Some(*key));
    }
    let (mut ended, mut fresh) = (Vec::new(), true);
    for (item, key) in page.items.iter().zip(keys) {
        if tie.length > 0 && tie.time != item.time {
            let start = tie.range().end;
            ended.push(std::mem::replace(tie, Tie { start, ..Tie::default() }));
            fresh = true;
        }
        tie.time = item.time;
        tie.length += 1;
        tie.pages += u32::from(std::mem::take(&mut fresh));
        if let Some(key) = key {
            tie.members.entry(key).or_insert_with(|| Sighting { count: 0, item: item.clone() }).count += 1;
        }
    }
    ended
}

/// Page sizes that put all of a range on one page, the largest first.
fn sizes_for(range: &Range<usize>, limit: u16) -> impl Iterator<Item = u16> + use<> {
    let (first, last) = (range.start, range.end.saturating_sub(1));
    (1..=limit).rev().filter(move |size| first / usize::from(*size) == last / usize::from(*size))
}

/// The page size that puts most of the ranges on one page each; of those the largest that no reading had. Where none fits,
/// any: another run then sees another order.
fn page_size(ranges: &[Range<usize>], used: &[u16], limit: u16) -> u16 {
    let mut fitting = vec![0_u32; usize::from(MAX_PAGE) + 1];
    for range in ranges {
        sizes_for(range, limit).for_each(|size| fitting[usize::from(size)] += 1);
    }
    let free = || (1..=limit).filter(|size| !used.contains(size));
    match free().max_by_key(|size| (fitting[usize::from(*size)], *size)) {
        Some(size) if fitting[usize::from(size)] > 0 => size,
        _ => fastrand::u16(limit / 2..limit).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are the input")]
    fn page_size_keeps_ties_within_one_page() {
        for ranges in [vec![290..310], vec![299..301, 598..604, 880..930], vec![0..250], vec![300..302; 3]] {
            let size = usize::from(page_size(&ranges, &[300], MAX_PAGE));
            assert!(
                ranges.iter().all(|range| range.start / size == (range.end - 1) / size),
                "{ranges:?} {size}"
            );
        }
        assert_eq!(page_size(&[2..5], &[1], MAX_PAGE), MAX_PAGE);
        assert_eq!((page_size(&[2..5], &[1], 7), page_size(&[0..5], &[1], 1)), (7, 1));
        // Too long for a page at its place.
        assert!(sizes_for(&(100..350), MAX_PAGE).next().is_none());
        assert!((150..300).contains(&page_size(&[100..350], &[300], MAX_PAGE)));
    }
}
