//! Whether a host is this very machine: what goes there crosses no network, and no proxy.

use std::net::IpAddr;

/// Google's metadata server, by name and by address.
const METADATA: [&str; 2] = ["metadata.google.internal", "169.254.169.254"];

/// By its name or address without a port; an address, not a name that begins like one.
pub(crate) fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether no proxy is asked for a host: this machine, and what gives tokens to whoever runs on it.
pub(crate) fn is_near(host: &str) -> bool {
    let named = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|named| named.rsplit_once(':').map_or(&*named, |(name, _)| name).eq_ignore_ascii_case(host));
    named || METADATA.contains(&host) || is_here(host)
}

/// Whether the environment names a proxy.
pub(crate) fn is_proxied() -> bool {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].into_iter().any(|name| {
        [name.to_owned(), name.to_lowercase()].iter().any(|name| std::env::var_os(name).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn this_machine_is_known_by_its_loopback_addresses_and_no_other() {
        for here in ["localhost", "LocalHost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"] {
            assert!(is_here(here), "{here}");
        }
        for there in
            ["", "[", "[]", "0.0.0.0", "[::]", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com"]
        {
            assert!(!is_here(there), "{there}");
        }
    }
}
