//! Whether a host is this very machine: what goes there crosses no network.

use std::net::IpAddr;

/// By its name or address without a port; an address, not a name that begins like one.
pub(crate) fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
