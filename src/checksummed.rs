//! SHA-256 as text and as a UUID, and a checksummed envelope for stored bytes.

use sha2::{Digest as _, Sha256};

/// Returns bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

/// Returns the SHA-256 of bytes as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns a UUID of version 8 (RFC 9562) made of the first 16 bytes of a digest.
pub(crate) fn uuid(digest: &[u8; 32]) -> String {
    let mut bytes: [u8; 16] = std::array::from_fn(|at| digest[at]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A type of envelope: a line `MAGIC VERSION SHA256-OF-THE-BODY`, then the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) magic: &'static str,
    /// The version of the format; other versions are refused.
    pub(crate) version: &'static str,
    /// The name of the content in messages.
    pub(crate) label: &'static str,
}

impl Envelope {
    /// Wraps a body.
    pub(crate) fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\n", self.magic, self.version, sha256(body)).into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Returns the body if the checksum matches, otherwise what is wrong.
    pub(crate) fn decode<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8], String> {
        let Self { magic, version, label: noun } = self;
        let end = memchr::memchr(b'\n', bytes).ok_or_else(|| format!("not a {noun}, or truncated"))?;
        let (head, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 1..]);
        match head.split(' ').collect::<Vec<_>>()[..] {
            [found, format, sum] if (found, format) == (magic, version) => {
                let whole = sum == sha256(body);
                if whole { Ok(body) } else { Err(format!("the {noun} is corrupt (checksum mismatch)")) }
            }
            [found, format, _] if found == *magic => Err(format!(
                "the {noun} has format {format}, but this program reads {version}; use the zoom-udm that wrote it"
            )),
            _ => Err(format!("not a {noun}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Envelope, sha256};

    #[test]
    fn modified_envelope_fails_to_decode() {
        let kind = Envelope { magic: "zoom-udm-test", version: "2", label: "test" };
        assert_eq!(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for body in [&b""[..], b"x", b"a\nb\n"] {
            let sealed = kind.encode(body);
            assert_eq!(kind.decode(&sealed), Ok(body));
            for length in 0..sealed.len() {
                assert!(kind.decode(&sealed[..length]).is_err(), "{length} of {body:?}");
            }
        }
        let sealed = String::from_utf8(kind.encode(b"body")).unwrap();
        for (changed, told) in [
            (sealed.replace("body", "bodi"), "corrupt"),
            (sealed.replace("test 2", "test 3"), "the test has format 3, but this program reads 2"),
            (sealed.replace("test 2", "toast 2"), "not a test"),
            (sealed.replace('\n', ""), "truncated"),
        ] {
            assert!(kind.decode(changed.as_bytes()).is_err_and(|why| why.contains(told)), "{changed}");
        }
    }
}
