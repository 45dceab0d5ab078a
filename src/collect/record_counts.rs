//! Counts each record of a day, so that identical records are written exactly as often as Zoom returns them. The
//! reasoning is in docs/design/identical-records.md.
//!
//! Records have no ID, and three identical records in one second are three operations. A page is one response, so
//! identical records on one page are certainly several: whatever a page holds beyond the count is new
//! ([`RecordCounts::observe`]). Identical records on different pages are either several, or one that moved while newer records
//! arrived; `resolve_ties` scans again to decide. Counts grow only to what is proven, so a record is never written
//! more often than Zoom returns it.
//!
//! Stored as a line `zoom-udm-seen 1 SHA256-OF-THE-REST`, then 12 bytes and a count (LEB128) per record, sorted.

use super::zoom::RecordHash;
use crate::checksummed::Envelope;
use std::collections::HashMap;

pub(super) const FORMAT: Envelope =
    Envelope { magic: "zoom-udm-seen", version: "1", label: "list of record counts" };

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// How many there certainly are.
    count: u32,
    /// How many the pages of one scan contained together.
    sum: u32,
    /// The scan.
    pass: u32,
}

/// The counts of a day.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecordCounts {
    counts: HashMap<RecordHash, Count>,
    /// Counts from elsewhere, adopted when the record is seen here and dropped otherwise.
    hints: HashMap<RecordHash, u32>,
    /// Whether it differs from what is stored.
    pub(crate) dirty: bool,
}

impl RecordCounts {
    /// Adds `on_page` identical records on one page of a scan. Returns how many of them are new, and whether the record
    /// is ambiguous: there may be more than are counted.
    pub(crate) fn observe(&mut self, id: RecordHash, on_page: u32, pass: u32) -> (u32, bool) {
        self.apply_hint(id);
        let tally = self.counts.entry(id).or_default();
        if tally.pass != pass {
            (tally.pass, tally.sum) = (pass, 0);
        }
        tally.sum = tally.sum.saturating_add(on_page);
        let new = on_page.saturating_sub(tally.count);
        tally.count += new;
        let unsure = tally.sum > tally.count;
        self.dirty |= new > 0;
        (new, unsure)
    }

    /// Whether `on_page` equal records on one page are more than are known, from elsewhere too.
    pub(crate) fn is_new(&self, id: &RecordHash, on_page: usize) -> bool {
        let known = self.counts.get(id).map_or(0, |tally| tally.count);
        let known = known.max(self.hints.get(id).copied().unwrap_or(0));
        u32::try_from(on_page).is_ok_and(|on_page| on_page > known)
    }

    /// Returns whether the pages of that scan contained more than are certain.
    pub(crate) fn is_ambiguous(&self, id: &RecordHash, pass: u32) -> bool {
        self.counts.get(id).is_some_and(|tally| tally.pass == pass && tally.sum > tally.count)
    }

    /// How many of a record there are for certain.
    pub(crate) fn certain(&self, id: &RecordHash) -> u32 {
        self.counts.get(id).map_or(0, |tally| tally.count)
    }

    pub(crate) fn knows(&self, id: &RecordHash) -> bool {
        self.counts.contains_key(id)
    }

    /// Raises the count to `count`, which is now certain; returns how many of them are new.
    pub(crate) fn confirm(&mut self, id: RecordHash, count: u32) -> u32 {
        let tally = self.counts.entry(id).or_default();
        let new = count.saturating_sub(tally.count);
        tally.count += new;
        self.dirty |= new > 0;
        new
    }

    /// Uses the counts of another list as hints; hints for records that are not seen here are not stored.
    pub(crate) fn merge_hints(&mut self, other: &Self) {
        for (id, tally) in &other.counts {
            let known = self.hints.entry(*id).or_default();
            *known = tally.count.max(*known);
        }
    }

    fn apply_hint(&mut self, id: RecordHash) {
        if self.hints.is_empty() {
            return;
        }
        if let Some(count) = self.hints.remove(&id) {
            let tally = self.counts.entry(id).or_default();
            self.dirty |= count > tally.count;
            tally.count = tally.count.max(count);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut known: Vec<_> = self.counts.iter().map(|(id, tally)| (*id, tally.count)).collect();
        known.sort_unstable();
        let mut body = Vec::with_capacity(known.len() * 13);
        for (id, mut count) in known {
            body.extend_from_slice(&id);
            while count >= 0x80 {
                body.push(u8::try_from(count & 0x7F).unwrap_or(0) | 0x80);
                count >>= 7;
            }
            body.push(u8::try_from(count).unwrap_or(0));
        }
        FORMAT.encode(&body)
    }

    /// The error says what is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let body = FORMAT.decode(bytes)?;
        let mut seen = Self::default();
        let mut rest = body;
        while !rest.is_empty() {
            let entry = rest.split_first_chunk::<12>();
            let (id, (count, behind)) = entry
                .and_then(|(id, behind)| Some((id, leb128(behind)?)))
                .ok_or("not a list of record counts: invalid entry")?;
            seen.counts.insert(*id, Count { count, ..Count::default() });
            rest = behind;
        }
        Ok(seen)
    }
}

/// Decodes a count; returns it with the rest.
fn leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let (digits, behind) = bytes.split_at(end + 1);
    let count = digits.iter().rev().fold(0_u64, |count, digit| count << 7 | u64::from(digit & 0x7F));
    // Five digits are enough for any count.
    (digits.len() <= 5).then(|| u32::try_from(count).ok()).flatten().map(|count| (count, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeated_page_adds_no_identical_records() {
        let mut seen = RecordCounts::default();
        assert_eq!(seen.observe([1; 12], 3, 1), (3, false));
        assert_eq!(seen.observe([1; 12], 3, 2), (0, false));
        assert_eq!(seen.observe([1; 12], 1, 3), (0, false));
        assert_eq!(seen.observe([1; 12], 4, 4), (1, false));
    }

    #[test]
    fn malformed_counts_with_valid_checksum_are_rejected() {
        let entry = [&[7; 12][..], &[3]].concat();
        assert_eq!(RecordCounts::decode(&FORMAT.encode(&entry)).unwrap().counts[&[7; 12]].count, 3);
        let long = [&[7; 12][..], &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]].concat();
        for body in [&entry[..5], &entry[..12], &[&entry[..], &[0]].concat(), &long] {
            assert!(RecordCounts::decode(&FORMAT.encode(body)).is_err(), "{body:?}");
        }
    }

    #[test]
    fn identical_records_on_two_pages_are_ambiguous() {
        let mut seen = RecordCounts::default();
        assert_eq!(seen.observe([1; 12], 1, 1), (1, false));
        assert_eq!(seen.observe([1; 12], 1, 1), (0, true));
        assert!(seen.is_ambiguous(&[1; 12], 1) && !seen.is_ambiguous(&[1; 12], 2));
        assert_eq!((seen.confirm([1; 12], 2), seen.confirm([1; 12], 2)), (1, 0));
        assert!(!seen.is_ambiguous(&[1; 12], 1));
    }

    #[test]
    fn hint_counts_only_once_observed() {
        let mut other = RecordCounts::default();
        other.confirm([1; 12], 2);
        other.confirm([2; 12], 1);
        let mut seen = RecordCounts::default();
        seen.merge_hints(&other);
        assert_eq!(seen.observe([1; 12], 3, 1), (1, false));
        assert!(seen.dirty && seen.knows(&[1; 12]) && !seen.knows(&[2; 12]));
    }

    #[test]
    fn only_unsaved_counts_make_it_dirty() {
        let [ours, theirs] = [[1; 12], [2; 12]];
        let mut other = RecordCounts::default();
        other.confirm(theirs, 2);
        let mut seen = RecordCounts::default();
        seen.merge_hints(&other);
        let mut wrote = |what: &dyn Fn(&mut RecordCounts)| {
            what(&mut seen);
            // It stays dirty until it is stored.
            let dirty = seen.dirty;
            seen.confirm(ours, 0);
            assert_eq!(seen.dirty, dirty);
            std::mem::take(&mut seen.dirty)
        };
        assert!(wrote(&|seen| assert_eq!(seen.observe(ours, 1, 1), (1, false))));
        assert!(!wrote(&|seen| assert_eq!(seen.observe(ours, 1, 2), (0, false))));
        assert!(wrote(&|seen| assert_eq!(seen.confirm(ours, 2), 1)));
        assert!(!wrote(&|seen| assert_eq!(seen.confirm(ours, 1), 0)));
        // Adopted, so it must be stored, although no record of it is new.
        assert!(wrote(&|seen| assert_eq!(seen.observe(theirs, 2, 2), (0, false))));
        seen.merge_hints(&other);
        assert_eq!(seen.observe(theirs, 2, 3), (0, false));
        assert!(!seen.dirty);
    }

    #[test]
    fn encoding_is_stable_and_mismatch_is_named() {
        let mut seen = RecordCounts::default();
        seen.confirm([7; 12], 3);
        seen.confirm([6; 12], 300);
        let body = [&[6; 12][..], &[0xAC, 0x02], &[7; 12], &[3]].concat();
        // Computed with another implementation of SHA-256.
        let sum = "6d13975f01cd16698309c90815263ac088508788be183e275e10134bb00fc23d";
        let bytes = [format!("zoom-udm-seen 1 {sum}\n").as_bytes(), &body].concat();
        assert_eq!(seen.encode().escape_ascii().to_string(), bytes.escape_ascii().to_string());
        for (wrong, told) in [
            (bytes[..bytes.len() - 1].to_vec(), "checksum mismatch"),
            ([&b"zoom-udm-seen 2 "[..], &bytes[16..]].concat(), "has format 2, but this program reads 1"),
            (b"zoom-udm-seen 1".to_vec(), "truncated"),
        ] {
            let why = RecordCounts::decode(&wrong).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
    }

    proptest! {
        #[test]
        fn counts_round_trip(counts in proptest::collection::vec((any::<[u8; 12]>(), 1_u32..1 << 20), 0..50)) {
            let mut seen = RecordCounts::default();
            counts.iter().for_each(|(id, count)| { seen.confirm(*id, *count); });
            let bytes = seen.encode();
            let read = RecordCounts::decode(&bytes).unwrap();
            prop_assert_eq!(read.encode(), bytes.clone());
            prop_assert!(seen.counts.iter().all(|(id, tally)| read.counts[id].count == tally.count));
            for cut in [0, 5, bytes.len() - 1] {
                prop_assert!(RecordCounts::decode(&bytes[..cut]).is_err());
            }
        }
    }
}
