//! IP addresses in records.

use crate::json::trim;
use std::net::IpAddr;

/// Returns a text, trimmed, if it is an IPv4 or IPv6 address.
pub(super) fn ip_address(text: &str) -> Option<&str> {
    let text = trim(text);
    (is_usual_ipv4(text) || is_usual_ipv6(text) || text.parse::<IpAddr>().is_ok()).then_some(text)
}

// The parser of the standard library is the most expensive part of a sign-in, so these check the usual forms in a
// quarter of its instructions. They return `true` only if they are certain.

/// Returns whether a text is an IPv4 address.
fn is_usual_ipv4(text: &str) -> bool {
    let (mut dots, mut digits, mut value) = (0, 0, 0);
    for byte in text.bytes() {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit < 10 {
            value = value * 10 + digit;
            // A leading zero is invalid, because some programs read it as octal.
            if value > 255 || digits == 1 && value < 10 {
                return false;
            }
            digits += 1;
        } else if byte == b'.' && digits > 0 {
            dots += 1;
            (digits, value) = (0, 0);
        } else {
            return false;
        }
    }
    dots == 3 && digits > 0
}

/// Returns whether a text is an IPv6 address of eight groups, or of fewer with `::` between two of them.
fn is_usual_ipv6(text: &str) -> bool {
    let (mut groups, mut gaps, mut digits) = (0, 0, 0);
    for byte in text.bytes() {
        if byte.is_ascii_hexdigit() {
            groups += u32::from(digits == 0);
            digits += 1;
            if digits > 4 {
                return false;
            }
        } else if byte == b':' && groups > 0 {
            gaps += u32::from(digits == 0);
            digits = 0;
        } else {
            return false;
        }
    }
    digits > 0 && (groups == 8 && gaps == 0 || groups < 8 && gaps == 1)
}

#[cfg(test)]
mod tests {
    use super::ip_address;
    use proptest::prelude::*;
    use std::net::IpAddr;

    #[test]
    fn usual_and_unusual_addresses_are_checked() {
        for (text, valid) in [
            ("192.0.2.8", true),
            ("0.0.0.0", true),
            ("255.255.255.255", true),
            ("256.0.0.1", false),
            ("01.2.3.4", false),
            ("00.2.3.4", false),
            ("1.2.3", false),
            ("1.2.3.4.", false),
            ("1.2.3.4.5", false),
            ("1..3.4", false),
            ("2001:db8::1", true),
            ("1:2:3:4:5:6:7:8", true),
            ("1::2:3:4:5:6:7", true),
            ("::1", true),
            ("1::", true),
            ("::", true),
            ("::ffff:192.0.2.8", true),
            ("1:2:3:4:5:6:7", false),
            ("1::2::3", false),
            (":1::2", false),
            ("1:::2", false),
            ("1:2:3:4:5:6:7:8:9", false),
            ("12345::1", false),
            ("fe80::1%eth0", false),
            ("-", false),
            ("", false),
        ] {
            assert_eq!(ip_address(text).is_some(), valid, "{text}");
        }
        assert_eq!(ip_address(" 192.0.2.8\n"), Some("192.0.2.8"));
    }

    proptest! {
        #[test]
        fn validity_is_that_of_the_standard_library(
            text in "([0-9]{1,3}|[0-2]{0,2}[0-9])(\\.[0-9]{0,3}){2,4}|(:?[0-9a-fA-F]{0,5}:{0,2}){0,9}|[0-9a-f:.]{0,20}"
        ) {
            prop_assert_eq!(ip_address(&text).is_some(), text.parse::<IpAddr>().is_ok());
        }

        #[test]
        fn every_address_as_it_is_printed_is_valid(four in any::<u32>(), six in any::<[u16; 8]>(), gap in 0..8usize) {
            let mut groups = six;
            groups[gap..].iter_mut().take(3).for_each(|group| *group = 0);
            for address in [IpAddr::from(four.to_be_bytes()), six.into(), groups.into()] {
                prop_assert!(ip_address(&address.to_string()).is_some());
            }
        }
    }
}
