//! Properties of locations and names from outside; used by property tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::gcs::parse_endpoint;
use super::location::Location;
use super::name_escape::{escape, escape_listing_keys, unescape, unescape_uri, with_generation};
use object_store::path::Path;

/// A location reads back as it prints, or is refused.
pub(crate) fn location(text: &str) {
    let Ok(place) = text.parse::<Location>() else { return };
    let printed = place.to_string();
    assert_eq!(printed.parse(), Ok(place.clone()), "{text:?}");
    assert!(printed.ends_with('/'), "{printed:?}");
    if let Location::Gcs { bucket, .. } = &place {
        assert!(!bucket.contains('/') && text.starts_with("gs://"), "{text:?}");
    }
    let beside = place.sibling(".ledger");
    assert_eq!(beside.to_string().parse(), Ok(beside.clone()), "{text:?}");
    assert_ne!(beside, place);
    // Sibling locations do not contain each other, except for a whole bucket, which has no sibling.
    let within = beside.relative_prefix(&place).is_some_and(|part| part.is_empty());
    let all = matches!(&place, Location::Gcs { prefix, .. } | Location::Memory(prefix) if prefix.is_empty());
    assert!(!within || all || printed == "file:///", "{printed:?} {beside}");
    assert_eq!(place.relative_prefix(&place), Some(String::new()));
    assert_eq!(place.url("x"), format!("{printed}x"));
}

/// The address of an emulator is an origin (scheme, host, no path), or is refused.
pub(crate) fn emulator(host: &str) {
    let origin = match parse_endpoint("HOST", host, "http") {
        Ok(origin) => origin,
        Err(error) => return assert!(error.to_string().starts_with("HOST: "), "{host:?}"),
    };
    let (_, host) = origin.split_once("://").unwrap();
    assert!(!host.contains(['/', '@']), "{origin:?}");
    origin.parse::<http::Uri>().unwrap();
    origin.parse::<reqwest::Url>().unwrap();
    assert_eq!(parse_endpoint("HOST", &origin, "http").unwrap(), origin);
}

/// An escaped name passes `object_store` and unescapes to itself.
pub(crate) fn name(name: &str) {
    let marked = escape(name);
    assert_eq!(&*unescape(&marked), name);
    // XML trims whitespace on the way, and nothing else.
    assert_eq!(marked.trim_matches([' ', '\t', '\r', '\n']), &*marked);
    if !name.is_empty() {
        let path = Path::parse(&*marked).unwrap();
        assert_eq!(path.as_ref(), &*marked);
    }
    match unescape_uri(&escaped(&marked)) {
        Some(unmarked) => assert_eq!(unmarked, (escaped(name), None)),
        None => assert_eq!(&*marked, name),
    }
    let deleted = unescape_uri(&escaped(&with_generation(&marked, "17")));
    assert_eq!(deleted, Some((escaped(name), Some(escaped("17")))), "{name:?}");
}

/// A listing page keeps its keys, each escaped like a single name.
pub(crate) fn listing(page: &str) {
    let keys = |page: &str| page.split("<Key>").count();
    if let Some(marked) = escape_listing_keys(page) {
        assert_eq!(keys(&marked), keys(page), "{page:?}");
        assert_eq!(marked.split('<').count(), page.split('<').count(), "{page:?}");
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect()
}
