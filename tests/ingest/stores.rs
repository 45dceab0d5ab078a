//! Tests the contract of all stores: memory, a directory, and a fake Cloud Storage.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use std::io::{Read as _, Write as _};
use std::time::Duration;
use testkit::gcs::{Act, Gcs, Refusal};
use zoom_udm::store::{Body, Error, MAX_BUFFERED_BYTES, Payload, PutOutcome, Store, StoreConfig};

async fn read(store: &Store, name: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match store.get(name).await?.body {
        Body::File(mut file) => drop(file.read_to_end(&mut bytes).unwrap()),
        Body::Stream(mut stream) => {
            while let Some(chunk) = stream.try_next().await? {
                bytes.extend_from_slice(&chunk);
            }
        }
    }
    Ok(bytes)
}

fn bytes(text: &str) -> Payload {
    Payload::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

fn file(size: usize, byte: u8) -> Payload {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![byte; size]).unwrap();
    Payload::File(file, size as u64)
}

/// 33 MB, which Cloud Storage uploads in parts.
const LARGE: usize = 33 << 20;

/// With `lossy`, responses may get lost, so a retry may find the object that the first attempt created.
async fn assert_store_contract(store: &Store, lossy: bool) {
    let made = |put: PutOutcome| put == PutOutcome::Created || (lossy && put == PutOutcome::AlreadyIdentical);
    let names = |listed: Vec<zoom_udm::store::ObjectMeta>| {
        listed.into_iter().map(|object| object.name).collect::<Vec<_>>()
    };
    assert!(matches!(store.get("a/none").await, Err(Error::NotFound { .. })));
    assert!(store.read("a/none").await.unwrap().is_none());
    assert!(!store.exists("a/none").await.unwrap());

    assert!(made(store.put_if_absent("a/one", bytes("1")).await.unwrap()));
    assert_eq!(store.put_if_absent("a/one", bytes("1")).await.unwrap(), PutOutcome::AlreadyIdentical);
    assert_eq!(store.put_if_absent("a/one", bytes("2")).await.unwrap(), PutOutcome::Conflict);
    assert_eq!(read(store, "a/one").await.unwrap(), b"1");
    let generation = store.get("a/one").await.unwrap().generation;
    assert_eq!(store.get("a/one").await.unwrap().generation, generation);

    assert!(made(store.put_if_absent("large", file(LARGE, b'x')).await.unwrap()));
    assert_eq!(store.put_if_absent("large", file(LARGE, b'x')).await.unwrap(), PutOutcome::AlreadyIdentical);
    assert_eq!(store.put_if_absent("large", file(LARGE, b'y')).await.unwrap(), PutOutcome::Conflict);
    assert_eq!(store.put_if_absent("large", file(LARGE + 1, b'x')).await.unwrap(), PutOutcome::Conflict);
    assert_eq!(store.get("large").await.unwrap().size, LARGE as u64);

    let first = store.compare_and_swap("state", "1".into(), None).await.unwrap().unwrap();
    assert!(store.compare_and_swap("state", "x".into(), None).await.unwrap().is_none(), "the object exists");
    let second = store.compare_and_swap("state", "2".into(), Some(first.clone())).await.unwrap().unwrap();
    assert!(
        store.compare_and_swap("state", "3".into(), Some(first)).await.unwrap().is_none(),
        "the version has changed"
    );
    let (text, version) = store.read("state").await.unwrap().unwrap();
    assert_eq!((&text[..], version), (&b"2"[..], second.clone()));
    assert!(store.compare_and_swap("state", "3".into(), Some(second)).await.unwrap().is_some());

    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(names(listed.clone()), ["a/one", "large", "state"]);
    assert_eq!(listed, store.list().try_collect::<Vec<_>>().await.unwrap(), "tags are stable");
    let one = listed[0].clone();
    let other = zoom_udm::store::ObjectMeta { tag: "another".into(), ..one.clone() };
    assert!(!store.delete_version(&other).await.unwrap(), "another version is not deleted");
    assert!(store.delete_version(&one).await.unwrap());
    assert!(!store.delete_version(&one).await.unwrap());
    store.prune_empty_parents("a/one").await.unwrap();
    store.delete("large").await.unwrap();
    store.delete("large").await.unwrap();
    store.remove_stale_temp_files().await.unwrap();
    let left: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(names(left), ["state"]);
}

fn settings(server: Option<&Gcs>) -> StoreConfig {
    let brisk = Duration::from_millis(1);
    StoreConfig { first_pause: brisk, retries: 12, emulator: server.map(Gcs::host), ..StoreConfig::default() }
}

async fn open(url: &str, server: Option<&Gcs>) -> Store {
    Store::open(&url.parse().unwrap(), &settings(server)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_meets_the_contract() {
    assert_store_contract(&open("memory://some/where/", None).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_store_meets_the_contract() {
    let at = tempfile::tempdir().unwrap();
    assert_store_contract(&open(&at.path().join("deep/down").display().to_string(), None).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_storage_meets_the_contract() {
    let server = Gcs::start();
    server.lock().page = 2;
    // One part of the upload is corrupted, and only this part is sent again.
    let damaged = Refusal { times: 1, ..Refusal::acting("PUT", "large.part", Act::Garbled) };
    server.lock().faults.refusals.push(damaged);
    assert_store_contract(&open("gs://bucket/some/where/", Some(&server)).await, false).await;
    assert_eq!(server.lock().fault_hits, 1);
    assert_eq!(server.all("bucket", "").len(), 1, "no temporary object is left");
    let odd = open("gs://bucket/odd/", Some(&server)).await;
    assert_eq!(
        odd.put_if_absent("/../large\u{f8ff} ", file(LARGE, b'x')).await.unwrap(),
        PutOutcome::Created
    );
    assert_eq!(server.get("bucket", "odd//../large\u{f8ff} ").unwrap().len(), LARGE);
    assert_eq!(server.all("bucket", "odd/").len(), 1, "no temporary object is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_storage_meets_the_contract_under_faults() {
    for seed in 0..3 {
        let server = Gcs::start();
        {
            let mut state = server.lock();
            (state.page, state.clock) = (2, 1_700_000_000_000 + seed);
            for _ in 0..seed {
                state.put("other", "x", Bytes::new(), None);
            }
            let faults = &mut state.faults;
            (faults.too_many, faults.unavailable, faults.reset, faults.cut) = (0.05, 0.05, 0.05, 0.05);
            faults.garbled = 0.15;
        }
        assert_store_contract(&open("gs://bucket/some/where/", Some(&server)).await, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_covers_all_pages_and_special_names() {
    let server = Gcs::start();
    server.lock().page = 7;
    for number in 0..100 {
        server.seed("bucket", &format!("in/{number:03} & <more>.gz"), "x");
    }
    let odd = [
        "in/a//b",
        "in/c/",
        "in/./d",
        "in/e/../f",
        "in/ü+%2F",
        "in/tab\there",
        "in/\u{1}\u{7f}",
        "in/\u{7}/",
        "in/ends with a space ",
        "in/\u{f8ff}",
        "in/\u{f8ff}\u{f601}",
        "in/x\u{f8fe}/\u{f8ff}\u{f8fe}5/",
    ];
    for odd in odd {
        server.seed("bucket", odd, odd);
    }
    server.lock().faults.cut = 0.2;
    let store = open("gs://bucket/in/", Some(&server)).await;
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.len(), 100 + odd.len());
    for object in listed.iter().filter(|object| !object.name.contains("more")) {
        assert_eq!(read(&store, &object.name).await.unwrap(), format!("in/{}", object.name).into_bytes());
    }
    server.lock().faults.cut = 0.0;
    for object in &listed {
        assert!(store.delete_version(object).await.unwrap(), "{object:?}");
    }
    assert!(server.all("bucket", "").is_empty());
    // The prefix may have an unusual name, too.
    let store = open("gs://bucket/\u{1}/..//", Some(&server)).await;
    assert_eq!(store.put_if_absent("\u{2} ", bytes("x")).await.unwrap(), PutOutcome::Created);
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    assert_eq!(listed[0].name, "\u{2} ");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn directory_lists_only_files_and_removes_stale_temps() {
    let at = tempfile::tempdir().unwrap();
    let store = open(&at.path().display().to_string(), None).await;
    assert_eq!(store.put_if_absent("sub/file", bytes("1")).await.unwrap(), PutOutcome::Created);
    let made = std::process::Command::new("mkfifo").arg(at.path().join("pipe")).status().unwrap();
    assert!(made.success());
    for name in ["pipe", "sub"] {
        let got = tokio::time::timeout(Duration::from_secs(10), store.get(name)).await.unwrap();
        assert!(got.unwrap_err().to_string().ends_with("not a regular file"), "{name}");
    }
    let (listed, got) =
        (store.head("sub/file").await.unwrap().unwrap(), store.get("sub/file").await.unwrap());
    assert_eq!(got.modified, listed.modified);
    assert!(matches!(store.exists("sub/file/none").await, Ok(false) | Err(Error::Io { .. })));
    std::os::unix::fs::symlink("nowhere", at.path().join("dangling")).unwrap();
    let long = "x".repeat(300);
    assert!(matches!(store.head(&long).await, Err(Error::Invalid { .. })));
    assert!(matches!(store.put_if_absent(&long, bytes("1")).await, Err(Error::Invalid { .. })));
    let listed: Vec<_> = store.list().collect().await;
    let told: Vec<_> =
        listed.iter().filter_map(|item| item.as_ref().err().map(ToString::to_string)).collect();
    assert!(
        matches!(&told[..], [one] if one.ends_with("dangling: broken symbolic link; fix or remove it")),
        "{told:?}"
    );
    std::fs::remove_file(at.path().join("dangling")).unwrap();
    std::fs::File::create(at.path().join("long")).unwrap().set_len(MAX_BUFFERED_BYTES + 1).unwrap();
    let long = store.read("long").await.unwrap_err().to_string();
    assert!(long.contains("/long: it exceeds"), "{long}");
    std::fs::remove_file(at.path().join("long")).unwrap();
    std::os::unix::fs::symlink("loop", at.path().join("loop")).unwrap();
    assert!(store.exists("loop").await.is_err(), "an inaccessible entry is not reported as absent");
    for name in ["sub/.zoom-udm-put-1.part", "sub/.zoom-udm-other"] {
        std::fs::write(at.path().join(name), "x").unwrap();
    }
    store.remove_stale_temp_files().await.unwrap();
    assert!(!at.path().join("sub/.zoom-udm-put-1.part").exists());
    assert!(at.path().join("sub/.zoom-udm-other").exists(), "another component uses this file");
}
