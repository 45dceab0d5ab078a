//! Properties of locations and names from outside; used by property tests and fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::gcs::parse_endpoint;
use super::location::Location;
use super::name_escape::{escape, escape_listing_keys, unescape, unescape_uri, with_generation};
use object_store::path::Path;

/// A location reads back as it prints, or is refused.
pub(crate) fn location(text: &str) {
    let Ok(location) = text.parse::<Location>() else { return };
    let printed = location.to_string();
    assert_eq!(printed.parse(), Ok(location.clone()), "{text:?}");
    assert!(printed.ends_with('/'), "{printed:?}");
    if let Location::Gcs { bucket, .. } = &location {
        assert!(!bucket.contains('/') && text.starts_with("gs://"), "{text:?}");
    }
    let sibling = location.sibling(".ledger");
    assert_eq!(sibling.to_string().parse(), Ok(sibling.clone()), "{text:?}");
    assert_ne!(sibling, location);
    // Sibling locations do not contain each other, except for a whole bucket, which has no sibling.
    let within = sibling.relative_prefix(&location).is_some_and(|part| part.is_empty());
    let all =
        matches!(&location, Location::Gcs { prefix, .. } | Location::Memory(prefix) if prefix.is_empty());
    assert!(!within || all || printed == "file:///", "{printed:?} {sibling}");
    assert_eq!(location.relative_prefix(&location), Some(String::new()));
    assert_eq!(location.url("x"), format!("{printed}x"));
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
    let escaped_name = escape(name);
    assert_eq!(&*unescape(&escaped_name), name);
    // XML trims whitespace on the way, and nothing else.
    assert_eq!(escaped_name.trim_matches([' ', '\t', '\r', '\n']), &*escaped_name);
    if !name.is_empty() {
        let path = Path::parse(&*escaped_name).unwrap();
        assert_eq!(path.as_ref(), &*escaped_name);
    }
    match unescape_uri(&escaped(&escaped_name)) {
        Some(unmarked) => assert_eq!(unmarked, (escaped(name), None)),
        None => assert_eq!(&*escaped_name, name),
    }
    let deleted = unescape_uri(&escaped(&with_generation(&escaped_name, "17")));
    assert_eq!(deleted, Some((escaped(name), Some(escaped("17")))), "{name:?}");
}

/// A listing page keeps its keys, each escaped like a single name.
pub(crate) fn listing(page: &str) {
    let keys = |page: &str| page.split("<Key>").count();
    if let Some(escaped_name) = escape_listing_keys(page) {
        assert_eq!(keys(&escaped_name), keys(page), "{page:?}");
        assert_eq!(escaped_name.split('<').count(), page.split('<').count(), "{page:?}");
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect()
}
