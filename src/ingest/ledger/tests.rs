use super::codec;
use super::entry::backoff;
use super::segment::{Segment, cas_loop, merge, rewrite};
use super::{Decision, Entry, Feed, Ledger, LedgerOptions, State, entries, forget, manifest, segment_of};
use crate::clock::Clock;
use crate::error::RunError;
use crate::ingest::fingerprint::fingerprint;
use crate::ingest::shard::Shard;
use crate::store::{Location, Store, StoreConfig};
use chrono::DateTime;
use futures::StreamExt as _;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

const NOW: i64 = 1_706_745_599_000;

async fn memory() -> Store {
    Store::open(&Location::Memory(String::new()), &StoreConfig::default()).await.unwrap()
}

fn feed(from: &str) -> Feed {
    Feed { from: from.into(), to: "-".into(), rejects: None }
}

fn terms() -> LedgerOptions {
    LedgerOptions {
        shard: Shard::default(),
        lease: Duration::from_secs(120),
        oldest: 0,
        feed: feed("gs://one/"),
        is_local: false,
        read_only: false,
        objects: None,
    }
}

async fn open(store: &Store, terms: &LedgerOptions) -> Result<Ledger, RunError> {
    let clock = Clock::at(DateTime::from_timestamp_millis(NOW).unwrap());
    Ledger::open(store.clone(), clock, terms).await
}

fn entry(object: &str, state: State) -> Entry {
    let told = serde_json::json!({
        "object": object, "tag": "1", "size": 7, "modified": 100, "state": state, "at": 200,
    });
    serde_json::from_value(told).unwrap()
}

fn done(object: &str) -> Entry {
    entry(object, State::Done)
}

fn troubled(object: &str, attempts: u64, retry_at: i64) -> Entry {
    Entry { attempts, retry_at, reason: "bad".into(), ..entry(object, State::Quarantined) }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("gs://one/{number}.json")).collect()
}

async fn all(store: &Store) -> Vec<Entry> {
    let mut found = Vec::new();
    entries(store, &mut |entry| found.push(entry)).await.unwrap();
    found.sort_by(|one, other| one.object.cmp(&other.object));
    found
}

fn message<T>(outcome: Result<T, RunError>) -> String {
    outcome.err().unwrap().to_string()
}

#[tokio::test]
async fn saved_entries_are_known_to_the_next_run() {
    let store = memory().await;
    let names = names(40);
    let ledger = open(&store, &terms()).await.unwrap();
    assert_eq!((ledger.segments(), ledger.other_holder()), (16, None));
    assert_eq!(ledger.feeds(), &[feed("gs://one/")][..]);
    for name in &names {
        assert_eq!(ledger.lookup(name, "1"), Decision::Process { attempts: 0 });
        ledger.record(done(name));
        assert_eq!(ledger.lookup(name, "1"), Decision::Done);
        assert_eq!(ledger.lookup(name, "2"), Decision::Process { attempts: 0 });
    }
    assert!(all(&store).await.is_empty());
    ledger.save().await.unwrap();
    assert_eq!(all(&store).await.len(), 40);
    ledger.close().await.unwrap();

    let next = open(&store, &terms()).await.unwrap();
    assert!(names.iter().all(|name| next.lookup(name, "1") == Decision::Done));
    assert_eq!(next.lookup("gs://one/other", "1"), Decision::Process { attempts: 0 });
}

#[tokio::test]
async fn failed_object_backs_off_but_a_new_version_does_not() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    ledger.record(troubled("later", 3, NOW + 60_000));
    ledger.record(troubled("now", 2, NOW - 1));
    ledger.record(troubled("fixed", 2, NOW + 60_000));
    ledger.record(done("fixed"));
    ledger.close().await.unwrap();
    let ledger = open(&store, &terms()).await.unwrap();
    assert_eq!(ledger.lookup("later", "1"), Decision::Backoff);
    assert_eq!(ledger.lookup("later", "2"), Decision::Process { attempts: 0 });
    assert_eq!(ledger.lookup("now", "1"), Decision::Process { attempts: 2 });
    assert_eq!(ledger.lookup("fixed", "1"), Decision::Done);
    assert_eq!(ledger.failure_of("later"), Some(troubled("later", 3, NOW + 60_000)));
    assert_eq!((ledger.failure_of("fixed"), ledger.failure_of("unknown")), (None, None));
    assert_eq!(all(&store).await.len(), 3);
}

#[test]
fn backoff_doubles_up_to_one_day() {
    let minutes = |attempts| backoff(attempts).map(|rest| rest / 60_000);
    assert_eq!([0, 1].map(minutes), [None, None]);
    assert_eq!([2, 3, 4, 8].map(minutes), [15, 30, 60, 960].map(Some));
    assert_eq!([9, 10, 12, 13, u64::MAX].map(minutes), [Some(1440); 5]);
}

#[tokio::test]
async fn other_destination_of_the_same_source_is_found() {
    let store = memory().await;
    let to = |from: &str, to: &str| LedgerOptions { feed: Feed { to: to.into(), ..feed(from) }, ..terms() };
    for terms in [to("gs://one/", "a"), to("gs://two/", "b"), to("gs://one/", "c")] {
        open(&store, &terms).await.unwrap().close().await.unwrap();
    }
    for (from, ours, other) in
        [("gs://one/", "a", Some("c")), ("gs://one/", "c", Some("a")), ("gs://two/", "b", None)]
    {
        let ledger = open(&store, &to(from, ours)).await.unwrap();
        assert_eq!(ledger.other_destination(), other, "{from} to {ours}");
        ledger.close().await.unwrap();
    }
}

#[tokio::test]
async fn saved_entries_are_fetched_by_object() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    let names = names(40);
    assert!(names.iter().all(|name| ledger.record(done(name))));
    let asked = || names[..7].iter().cloned().chain(["unknown".to_owned()]).collect();
    assert!(ledger.fetch_entries(asked()).await.unwrap().is_empty(), "what is not saved does not stand");
    ledger.save().await.unwrap();
    let recalled = ledger.fetch_entries(asked()).await.unwrap();
    assert_eq!(recalled, names[..7].iter().map(|name| (name.clone(), done(name))).collect());
}

#[tokio::test]
async fn shard_uses_only_its_own_segments() {
    let store = memory().await;
    let names = names(60);
    let half = |index| LedgerOptions { shard: Shard { index, count: 2 }, ..terms() };
    let (one, two) = (open(&store, &half(0)).await.unwrap(), open(&store, &half(1)).await.unwrap());
    for name in &names {
        let asked = [one.lookup(name, "1"), two.lookup(name, "1")];
        let ours = usize::from(segment_of(name, 16) % 2);
        assert_eq!(asked[ours], Decision::Process { attempts: 0 });
        assert_eq!(asked[1 - ours], Decision::Elsewhere);
        // What is another's is not taken note of.
        one.record(done(name));
    }
    one.close().await.unwrap();
    let of_one = names.iter().filter(|name| segment_of(name, 16).is_multiple_of(2)).count();
    assert!(of_one > 10 && of_one < 50);
    assert_eq!(all(&store).await.len(), of_one);
}

#[tokio::test]
async fn only_segments_of_named_objects_are_acquired() {
    let store = memory().await;
    let ledger = open(&store, &LedgerOptions { objects: Some(vec!["a".into()]), ..terms() }).await.unwrap();
    let there: Vec<_> = (0..16).filter(|number| ledger.lock()[usize::from(*number)].is_some()).collect();
    assert_eq!(there, [segment_of("a", 16)]);
}

#[test]
fn segment_number_of_a_name_is_stable() {
    let found = ["gs://zoom/a.json.gz", "gs://zoom/b.json.gz", ""].map(|object| segment_of(object, 16));
    assert_eq!(found, [2, 4, 4]);
    assert_eq!(segment_of("anything", 0), 0);
    assert_eq!(segment_of("anything", 1), 0);
}

#[tokio::test]
async fn read_only_ledger_writes_nothing() {
    let store = memory().await;
    let ledger = open(&store, &LedgerOptions { read_only: true, ..terms() }).await.unwrap();
    assert_eq!((ledger.segments(), ledger.feeds().len()), (16, 0));
    assert_eq!(ledger.lookup("a", "1"), Decision::Process { attempts: 0 });
    let listed: Vec<_> = store.list().collect().await;
    assert!(listed.is_empty());
}

/// Has another run hold the lease of each of these segments until a time.
async fn leased_by_another(store: &Store, segments: impl Iterator<Item = u16>, until: i64) {
    for number in segments {
        let holder = serde_json::json!({"run": "other", "pid": 7, "place": "elsewhere 1 2", "started": "3"});
        let lease = serde_json::json!({"holder": holder, "until": until}).to_string();
        let name = format!("lease-{number:04}");
        let version = store.read(&name).await.unwrap().map(|(_, version)| version);
        store.compare_and_swap(&name, lease.into_bytes().into(), version).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn segments_leased_by_others_wait_until_expiry() {
    let store = memory().await;
    leased_by_another(&store, 0..8, NOW + 1_000_000).await;
    let ledger = open(&store, &terms()).await.unwrap();
    let others = ledger.other_holder().unwrap().to_owned();
    assert!(
        others.contains("process 7 on elsewhere; its lease is valid until at least 2024-02-01T00:16:39Z"),
        "{others}"
    );
    let name = names(60).into_iter().find(|name| segment_of(name, 16) < 8).unwrap();
    assert_eq!(ledger.lookup(&name, "1"), Decision::Elsewhere);
    ledger.close().await.unwrap();

    leased_by_another(&store, 0..16, NOW + 1_000_000).await;
    assert!(message(open(&store, &terms()).await).contains("another run is active: process 7"));
    leased_by_another(&store, 0..16, NOW - 1).await;
    assert_eq!(open(&store, &terms()).await.unwrap().other_holder(), None);
}

#[tokio::test]
async fn run_renews_leases_and_drops_lost_segments() {
    let store = memory().await;
    let ledger = open(&store, &LedgerOptions { lease: Duration::from_secs(1000), ..terms() }).await.unwrap();
    let until = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["until"].as_i64();
    let (before, _) = store.read("lease-0003").await.unwrap().unwrap();
    // The clock goes on meanwhile, a little.
    assert!((NOW + 1_000_000..NOW + 1_600_000).contains(&until(&before).unwrap()));
    ledger.renew().await.unwrap();
    ledger.renew().await.unwrap();
    let (after, _) = store.read("lease-0003").await.unwrap().unwrap();
    assert!(until(&after).unwrap() >= until(&before).unwrap());

    leased_by_another(&store, 0..15, NOW + 1_000_000).await;
    ledger.renew().await.unwrap();
    let ours: Vec<_> = (0..16).filter(|number| ledger.lock()[*number].is_some()).collect();
    assert_eq!(ours, [15]);
    leased_by_another(&store, 15..16, NOW + 1_000_000).await;
    assert!(message(ledger.renew().await).contains("another run took over"));
}

#[tokio::test]
async fn lost_segment_is_released_at_the_next_renewal() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    let late = names(60).into_iter().find(|name| segment_of(name, 16) == 3).unwrap();
    // As a renewal leaves it that lost the lease while something was marked.
    ledger.lock()[3].as_mut().unwrap().lease = None;
    assert!(ledger.record(done(&late)));
    ledger.renew().await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
    assert_eq!((ledger.lookup(&late, "1"), ledger.record(done(&late))), (Decision::Elsewhere, false));
}

#[tokio::test]
async fn implausible_future_times_are_ignored() {
    let store = memory().await;
    leased_by_another(&store, 0..16, NOW + 2 * DAY).await;
    let ledger = open(&store, &terms()).await.unwrap();
    ledger.record(troubled("far", 3, NOW + 2 * DAY));
    ledger.record(troubled("near", 3, NOW + DAY));
    assert_eq!(ledger.lookup("far", "1"), Decision::Process { attempts: 3 });
    assert_eq!(ledger.lookup("near", "1"), Decision::Backoff);
    ledger.close().await.unwrap();
    leased_by_another(&store, 0..16, NOW + DAY).await;
    let held = message(open(&store, &terms()).await);
    assert!(held.contains("if you are sure that it is dead, delete memory://lease-*"), "{held}");
}

#[tokio::test]
async fn only_entries_recorded_before_takeover_are_saved() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    let names = names(60);
    assert!(names.iter().all(|name| ledger.record(done(name))));
    leased_by_another(&store, 0..8, NOW + 1_000_000).await;
    ledger.renew().await.unwrap();
    assert_eq!(all(&store).await.len(), 60);
    let ours = |name: &str| segment_of(name, 16) >= 8;
    let newer = |name: &str| Entry { tag: "2".into(), ..troubled(name, 1, 0) };
    assert!(names.iter().all(|name| ledger.record(newer(name)) == ours(name)));
    ledger.close().await.unwrap();
    let all = all(&store).await;
    assert!(all.iter().all(|entry| (entry.state == State::Quarantined) == ours(&entry.object)));
    assert_eq!(all.len(), 60);
}

#[tokio::test]
async fn contended_segment_is_not_reported_as_corrupt() {
    let store = memory().await;
    let contended = cas_loop(&store, 0, |_| async {
        let version = store.read("segment-0000").await?.map(|(_, version)| version);
        store.compare_and_swap("segment-0000", "theirs".into(), version).await?;
        Ok(b"ours".to_vec())
    });
    let contended = contended.await;
    assert!(
        matches!(&contended, Err(RunError::Storage(why)) if why.what.contains("run again")),
        "{contended:?}"
    );
}

/// How many of the leases that stand are nobody's, and how many there are.
async fn given_back(store: &Store) -> (usize, usize) {
    let listed: Vec<_> = store.list().map(|listed| listed.unwrap().name).collect().await;
    let (mut free, mut all) = (0, 0);
    for name in listed.iter().filter(|name| name.contains("lease")) {
        let (lease, _) = store.read(name).await.unwrap().unwrap();
        free += usize::from(lease == r#"{"holder":null,"until":0}"#);
        all += 1;
    }
    (free, all)
}

#[tokio::test]
async fn close_releases_every_lease() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    assert_eq!(given_back(&store).await, (0, 16));
    ledger.close().await.unwrap();
    assert_eq!(given_back(&store).await, (16, 16));
}

#[tokio::test]
async fn failed_open_releases_every_acquired_lease() {
    // Whether it is a segment or a lease that cannot be read, the first or the last.
    for damaged in ["segment-0000", "segment-0015", "lease-0000", "lease-0015"] {
        let store = memory().await;
        store.compare_and_swap(damaged, "no such thing".into(), None).await.unwrap();
        let told = message(open(&store, &terms()).await);
        assert!(told.contains(&format!("memory://{damaged}")), "{told}");
        let leases = 16 - usize::from(damaged.contains("lease"));
        assert_eq!(given_back(&store).await, (leases, 16), "{damaged}");
    }
}

#[tokio::test]
async fn old_entries_are_evicted_once_numerous() {
    let aged = |object: &str, modified| Entry { modified, ..done(object) };
    for (old, fresh, left) in [(1, 7, 7), (1, 8, 9), (0, 3, 3), (3, 0, 0)] {
        let store = memory().await;
        // All in one segment.
        let names: Vec<_> =
            names(400).into_iter().filter(|name| segment_of(name, 16) == 5).take(old + fresh).collect();
        let ledger = open(&store, &terms()).await.unwrap();
        for (number, name) in names.iter().enumerate() {
            ledger.record(aged(name, if number < old { 49 } else { 50 }));
        }
        ledger.close().await.unwrap();
        let ledger = open(&store, &LedgerOptions { oldest: 50, ..terms() }).await.unwrap();
        for (number, name) in names.iter().enumerate() {
            let known = if number < old { Decision::Process { attempts: 0 } } else { Decision::Done };
            assert_eq!(ledger.lookup(name, "1"), known);
        }
        let before = segments(&store).await;
        ledger.close().await.unwrap();
        assert_eq!(all(&store).await.len(), left, "{old} old, {fresh} not");
        let kept = left == old + fresh;
        assert_eq!(segments(&store).await == before, kept, "segments are written only to let go");
    }
}

#[tokio::test]
async fn entry_round_trips_and_omits_defaults() {
    let full = Entry {
        generation: "9".into(),
        events: 1,
        rejects: 2,
        output: "out".into(),
        attempts: 3,
        reason: "r".into(),
        retry_at: 4,
        ..entry("full", State::Quarantined)
    };
    let text = serde_json::to_string(&full).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), full);
    let short = serde_json::to_string(&done("short")).unwrap();
    assert_eq!(short, r#"{"object":"short","tag":"1","size":7,"modified":100,"state":"done","at":200}"#);
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    ledger.record(full.clone());
    ledger.close().await.unwrap();
    assert_eq!(all(&store).await, [full]);
}

#[tokio::test]
async fn corrupt_segment_is_reported_and_unchanged() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    ledger.record(done("a"));
    ledger.close().await.unwrap();
    let name = format!("segment-{:04}", segment_of("a", 16));
    let (good, version) = store.read(&name).await.unwrap().unwrap();
    let head = |version: &str, body: &[u8]| {
        let sum = crate::checksummed::sha256(body);
        [format!("zoom-udm-ledger {version} {sum}\n").as_bytes(), body].concat()
    };
    let body = &good[memchr::memchr(b'\n', &good).unwrap() + 1..];
    let cases: [(Vec<u8>, &str); 7] = [
        (good[..good.len() - 1].to_vec(), "checksum mismatch"),
        (good[..20].to_vec(), "not a ledger, or truncated"),
        (Vec::new(), "not a ledger, or truncated"),
        (head("2", body), "the ledger has format 2, but this program reads 1"),
        (b"{}\n".to_vec(), "not a ledger"),
        (head("1", &body[..body.len() - 9]), "the ledger is corrupt ("),
        (head("1", b"no gzip"), "the ledger is corrupt ("),
    ];
    let mut version = Some(version);
    for (bytes, expected) in cases {
        version = store.compare_and_swap(&name, bytes.clone().into(), version).await.unwrap();
        // A run that only looks leaves no lease.
        let told = message(open(&store, &LedgerOptions { read_only: true, ..terms() }).await);
        assert!(told.contains(expected) && told.contains(&format!("memory://{name}")), "{told}");
        assert!(message(entries(&store, &mut |_| ()).await).contains(expected));
        assert_eq!(store.read(&name).await.unwrap().unwrap().0, bytes);
    }
    store.compare_and_swap(&name, head("1", body).into(), version).await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
}

#[tokio::test]
async fn manifest_lists_each_feed_once_and_the_shard_count() {
    let store = memory().await;
    assert!(message(manifest(&store).await).contains("memory://: ledger not found"));
    let other = LedgerOptions { feed: feed("gs://two/"), ..terms() };
    for terms in [&terms(), &other, &terms()] {
        open(&store, terms).await.unwrap().close().await.unwrap();
    }
    let found = manifest(&store).await.unwrap();
    assert_eq!((found.version, found.segments), (1, 16));
    assert_eq!(found.feeds, [feed("gs://one/"), feed("gs://two/")]);
    let of = |count| LedgerOptions { shard: Shard { index: 0, count }, ..terms() };
    assert!(message(open(&store, &of(17)).await).contains("this ledger has 16 segments"));
    open(&store, &of(16)).await.unwrap();
    let wide = memory().await;
    assert_eq!(open(&wide, &of(20)).await.unwrap().segments(), 20);

    for (text, expected) in [
        (r#"{"version":2,"segments":16,"feeds":[]}"#, "format 2 is not supported (expected 1)"),
        (r#"{"version":1,"segments":0,"feeds":[]}"#, "no segments"),
        ("{", "not a ledger"),
    ] {
        let (_, version) = store.read("ledger.json").await.unwrap().unwrap();
        store.compare_and_swap("ledger.json", text.into(), Some(version)).await.unwrap().unwrap();
        assert!(message(manifest(&store).await).contains(expected));
        assert!(
            message(open(&store, &LedgerOptions { read_only: true, ..terms() }).await).contains(expected)
        );
    }
}

#[tokio::test]
async fn only_selected_entries_are_forgotten() {
    let store = memory().await;
    let ledger = open(&store, &terms()).await.unwrap();
    for name in names(30) {
        ledger.record(done(&name));
    }
    ledger.close().await.unwrap();
    let before = segments(&store).await;
    assert!(forget(&store, &|_| false).await.unwrap().is_empty());
    assert_eq!(segments(&store).await, before, "nothing is written where nothing is forgotten");
    let forgotten = forget(&store, &|entry| entry.object.ends_with("7.json")).await.unwrap();
    assert_eq!(forgotten.len(), 3);
    let left = all(&store).await;
    assert!(left.len() == 27 && left.iter().all(|entry| !forgotten.contains(&entry.object)));
}

/// Name and version of every segment that stands.
async fn segments(store: &Store) -> Vec<(String, String)> {
    let listed: Vec<_> = store.list().map(|listed| listed.unwrap()).collect().await;
    listed.into_iter().filter(|one| one.name.contains("segment")).map(|one| (one.name, one.tag)).collect()
}

#[tokio::test]
async fn merge_replaces_inserts_sorted_and_evicts_old() {
    let store = memory().await;
    let by_name = |entries: &[Entry]| -> Arc<HashMap<String, Entry>> {
        Arc::new(entries.iter().map(|entry| (entry.object.clone(), entry.clone())).collect())
    };
    let old = Entry { modified: 10, ..done("old") };
    merge(&store, 0, &by_name(&[troubled("b", 1, 0), done("d"), old]), 0).await.unwrap();
    merge(&store, 0, &by_name(&[done("e"), done("b"), done("a"), done("c")]), 100).await.unwrap();
    let (bytes, _) = store.read("segment-0000").await.unwrap().unwrap();
    let mut found = Vec::new();
    codec::decode("url", &bytes, &mut |header| {
        found.push((header.object.clone().into_owned(), header.state));
        Ok(())
    })
    .unwrap();
    let expected = ["b", "d", "a", "c", "e"].map(|name| (name.to_owned(), State::Done));
    assert_eq!(found, expected);

    // An entry that stands twice is written once.
    let twice = codec_of(&[done("x"), done("x")]);
    let more = by_name(&[troubled("x", 1, 0)]);
    let again = rewrite("url", Some(&twice), &|_| Ok(true), &more).unwrap();
    // A success of the same version is a fact, which a later failure does not replace.
    assert_eq!(again, codec_of(&[done("x")]));
}

fn codec_of(entries: &[Entry]) -> Vec<u8> {
    let mut encoder = codec::EntryEncoder::new();
    entries.iter().for_each(|entry| encoder.entry(entry));
    encoder.finish()
}

#[test]
fn requeued_entries_do_not_replace_newer_ones() {
    let mut segment = Segment::empty(0, None);
    segment.record(troubled("a", 1, 0));
    segment.record(troubled("b", 1, 0));
    let pending = segment.drain_pending();
    assert!(!segment.is_dirty() && pending.len() == 2);
    segment.record(done("a"));
    segment.requeue(pending);
    let pending = segment.drain_pending();
    assert_eq!((pending["a"].state, pending["b"].state), (State::Done, State::Quarantined));
}

#[test]
fn fingerprints_differ_by_object_and_version() {
    let all = [("a", "1"), ("a", "2"), ("b", "1"), ("a1", ""), ("", "a1")]
        .map(|(object, tag)| fingerprint(object, tag));
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 5);
    assert_eq!(fingerprint("a", "1"), all[0]);
}
