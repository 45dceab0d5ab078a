//! Recognizes hosts that are reached without a network or a proxy.

use std::net::IpAddr;

/// Google's metadata server, by name and by address.
const METADATA: [&str; 2] = ["metadata.google.internal", "169.254.169.254"];

/// Returns whether a host name or address without a port is this machine; a name that only begins like a loopback
/// address is not.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether requests to a host never use a proxy: this machine and the metadata server.
pub(crate) fn bypasses_proxy(host: &str) -> bool {
    let named = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|named| named.rsplit_once(':').map_or(&*named, |(name, _)| name).eq_ignore_ascii_case(host));
    named || METADATA.contains(&host) || is_loopback_host(host)
}

/// Returns whether the environment configures a proxy.
pub(crate) fn proxy_configured() -> bool {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].into_iter().any(|name| {
        [name.to_owned(), name.to_lowercase()].iter().any(|name| std::env::var_os(name).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::is_loopback_host;

    #[test]
    fn only_loopback_hosts_are_local() {
        for here in ["localhost", "LocalHost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"] {
            assert!(is_loopback_host(here), "{here}");
        }
        for there in
            ["", "[", "[]", "0.0.0.0", "[::]", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com"]
        {
            assert!(!is_loopback_host(there), "{there}");
        }
    }
}
