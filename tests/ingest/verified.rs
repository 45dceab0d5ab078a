//! Tests that objects and listings from Cloud Storage are either intact or errors.

use futures::TryStreamExt as _;
use std::time::Duration;
use testkit::files::gzip;
use testkit::gcs::{Act, Gcs, Refusal};
use testkit::ingest::{ingest, outcome, records};
use zoom_udm::store::{Body, Error, Store, StoreConfig};

async fn open(server: &Gcs, url: &str) -> Store {
    let settings = StoreConfig {
        first_pause: Duration::from_millis(1),
        retries: 1,
        emulator: Some(server.host()),
        ..StoreConfig::default()
    };
    Store::open(&url.parse().unwrap(), &settings).await.unwrap()
}

fn inject_fault(server: &Gcs, method: &'static str, act: &Act, times: u32) {
    let refusal = Refusal { times, ..Refusal::acting(method, "", act.clone()) };
    server.lock().faults.refusals = vec![refusal];
}

const DAMAGES: [Act; 6] = [Act::Flipped, Act::Short, Act::Long, Act::WrongHash, Act::Partial, Act::NoHeaders];

#[tokio::test(flavor = "multi_thread")]
async fn corrupted_download_is_not_returned() {
    let server = Gcs::start();
    let object = records(50, 1);
    server.seed("bucket", "in/plain", object.clone());
    server.seed_encoded("bucket", "in/packed", gzip(&object), Some("gzip"));
    let store = open(&server, "gs://bucket/in/").await;
    for (name, stored) in [("plain", object.clone().into_bytes()), ("packed", gzip(&object))] {
        for act in &DAMAGES {
            inject_fault(&server, "GET", act, 1);
            let (bytes, _) = store.read(name).await.unwrap().unwrap();
            assert_eq!(bytes, stored, "{name}, {act:?} once");
            inject_fault(&server, "GET", act, u32::MAX);
            let error = store.read(name).await.unwrap_err();
            assert!(error.is_transient(), "{name}, {act:?}: {error}");
        }
        // Emulators send no checksums, but the length is still verified.
        inject_fault(&server, "GET", &Act::NoHash, 1);
        assert_eq!(store.read(name).await.unwrap().unwrap().0, stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupted_stream_ends_with_an_error() {
    let server = Gcs::start();
    server.seed("bucket", "in/x", records(50, 1));
    let store = open(&server, "gs://bucket/in/").await;
    for act in [Act::Flipped, Act::Short, Act::Long, Act::WrongHash] {
        inject_fault(&server, "GET", &act, u32::MAX);
        let Body::Stream(chunks) = store.get("x").await.unwrap().body else { panic!("no stream") };
        let read: Result<Vec<_>, _> = chunks.try_collect().await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{act:?}: {read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_or_foreign_listing_fails() {
    let server = Gcs::start();
    server.lock().page = 3;
    for number in 0..9 {
        server.seed("bucket", &format!("in/{number}"), "x");
    }
    let store = open(&server, "gs://bucket/in/").await;
    let faults = [
        Act::Page("NextContinuationToken>", "NextMarker>"),
        Act::Page("<Name>bucket", "<Name>bucket2"),
        Act::Page("<Prefix>in/", "<Prefix>"),
        Act::Page("<Key>in/", "<Key>out/"),
        Act::Page("in/2", "in/0"),
        Act::Page("</ListBucketResult>", ""),
        Act::Twice,
        Act::Body(200, "<ListBucketResult/>"),
        Act::Body(200, "<html><body>Please log in</body></html>"),
    ];
    for fault in &faults {
        inject_fault(&server, "LIST", fault, 1);
        let names: Vec<_> = store.list().map_ok(|listed| listed.name).try_collect().await.unwrap();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7", "8"], "{fault:?}");
        inject_fault(&server, "LIST", fault, u32::MAX);
        let error = store.list().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(
            error.is_transient() && error.to_string().contains("not from Cloud Storage"),
            "{fault:?}: {error}"
        );
        assert!(store.head("2").await.is_err(), "{fault:?}");
    }
    // An endless listing: the same token with every page, and no objects.
    let endless = "<ListBucketResult><Name>bucket</Name><Prefix>in/</Prefix><IsTruncated>true</IsTruncated>\
                   <NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
    inject_fault(&server, "LIST", &Act::Body(200, endless), u32::MAX);
    assert!(store.list().try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn overlong_name_error_names_the_object() {
    let server = Gcs::start();
    let store = open(&server, "gs://bucket/in/").await;
    for name in ["x".repeat(1025), "\u{fc}".repeat(30_000)] {
        assert!(matches!(store.head(&name).await, Err(Error::Invalid { .. })));
        assert!(matches!(store.get(&name).await, Err(Error::Invalid { .. })));
        assert!(matches!(store.compare_and_swap(&name, "x".into(), None).await, Err(Error::Invalid { .. })));
    }
    server.seed("bucket", &format!("in/{}", "\u{1}".repeat(1021)), "x");
    assert_eq!(store.list().try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert!(store.read(&"\u{1}".repeat(1021)).await.unwrap().is_some());
}

/// A corrupted object is neither converted nor recorded, whether it is read into memory or streamed.
#[test]
fn corrupted_download_is_not_recorded_and_retried() {
    let small = records(50, 1);
    let large = records(30_000, 2);
    assert!(large.len() > 5 << 20);
    for (name, object) in [("small.json", small), ("large.json", large)] {
        let lines = object.lines().count();
        let server = Gcs::start();
        server.seed("zoom", &format!("logs/{name}"), object);
        for act in DAMAGES.iter().chain([&Act::Empty]) {
            inject_fault(&server, "GET", act, u32::MAX);
            // The fault affects only the object, not the ledger.
            server.lock().faults.refusals[0].part = "logs/".into();
            let run =
                || ingest(Some(&server), &["gs://zoom/logs/", "--to", "-", "--ledger", "gs://udm/ledger/"]);
            let output = run();
            let (code, summary) = outcome(&output);
            assert_eq!(
                (code, &summary["failed"], &summary["done"]),
                (1, &1.into(), &0.into()),
                "{name}, {act:?}: {summary}"
            );
            assert!(output.stdout.is_empty(), "{name}, {act:?}");
            server.lock().faults.refusals[0].times = 1;
            let (code, summary) = outcome(&run());
            assert_eq!((code, &summary["events"]), (0, &lines.into()), "{name}, {act:?} once: {summary}");
            let state = &mut server.lock().objects;
            state.retain(|(bucket, _), _| bucket == "zoom");
        }
    }
}

/// The part of the object after the last needed byte is verified, too.
#[test]
fn corruption_that_looks_like_bad_data_is_transient() {
    let server = Gcs::start();
    server.seed("zoom", "logs/a.json.gz", gzip(records(100_000, 1)));
    let mut refusal = Refusal::acting("GET", "logs/", Act::Short);
    refusal.times = u32::MAX;
    server.lock().faults.refusals.push(refusal);
    let run = ["gs://zoom/logs/", "--to", "gs://udm/out/"];
    let (code, summary) = outcome(&ingest(Some(&server), &run));
    let failures = summary["failures"].to_string();
    assert!(code == 1 && failures.contains("received only"), "{summary}");
    server.lock().faults.refusals.clear();
    let (code, summary) = outcome(&ingest(Some(&server), &run));
    assert_eq!((code, &summary["events"]), (0, &100_000.into()), "{summary}");
}
