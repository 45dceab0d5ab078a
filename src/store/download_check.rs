//! Checks that an object arrives as it is stored: its whole length, with the checksum that Cloud Storage keeps for it.
//!
//! The HTTP client reads what to expect from the headers of an answer ([`Expected::from_metadata`]); [`verify_chunks`] counts and
//! sums the bytes as they arrive. Every read of an object passes through here.

use super::error::{Error, UNEXPECTED_SERVER_HINT};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, StatusCode};
use md5::{Digest as _, Md5};

const HASH: &str = "x-goog-hash";
const STORED_LENGTH: &str = "x-goog-stored-content-length";
const STORED_ENCODING: &str = "x-goog-stored-content-encoding";
pub(super) const GENERATION: &str = "x-goog-generation";

/// The bytes of an object as they arrive.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Error>>;

/// The length of an object as stored and its checksum, where the store keeps one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    length: u64,
    checksum: Option<Checksum>,
}

/// CRC32C is what every object has; MD5 counts only where there is none, because it is ten times slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checksum {
    Crc32c([u8; 4]),
    Md5([u8; 16]),
}

impl Expected {
    /// An object of this length, of a store that keeps no checksums.
    pub(super) fn length(length: u64) -> Self {
        Self { length, checksum: None }
    }

    /// Reads the headers of a successful answer to a GET of a whole object, or of the rest of one (`ranged`). Emulators
    /// may know no checksums (`lenient`): then the length alone is checked.
    ///
    /// # Errors
    /// Why this is not an answer of Cloud Storage with the stored bytes.
    pub(super) fn from_metadata(
        status: StatusCode,
        headers: &HeaderMap,
        ranged: bool,
        lenient: bool,
    ) -> Result<Self, String> {
        from_cloud_storage(headers)?;
        if status == StatusCode::PARTIAL_CONTENT && !ranged {
            return Err("partial response (status 206) instead of the whole object".into());
        }
        // The checksum is of the stored bytes: nothing on the way may pack or unpack them.
        let gzip = |name: &str| text(headers, name).map(|value| value.contains("gzip"));
        let packed = gzip(CONTENT_ENCODING.as_str()).unwrap_or(false);
        if gzip(STORED_ENCODING).is_some_and(|stored| stored != packed) {
            let what = if packed { "packed" } else { "unpacked" };
            return Err(format!(
                "the object was {what} in transit and cannot be verified; disable gzip handling in the proxy"
            ));
        }
        let [sent, stored] =
            [CONTENT_LENGTH.as_str(), STORED_LENGTH].map(|name| text(headers, name)?.parse().ok());
        if !ranged && sent.is_some() && stored.is_some() && sent != stored {
            let (sent, stored): (u64, u64) = (sent.unwrap_or(0), stored.unwrap_or(0));
            return Err(format!("Content-Length is {sent}, but the object has {stored} bytes"));
        }
        let checksum = checksum(headers)?;
        if checksum.is_none() && !lenient {
            return Err(format!("the answer has no checksum ({HASH}): {UNEXPECTED_SERVER_HINT}"));
        }
        Ok(Self { length: stored.or(sent).unwrap_or(0), checksum })
    }
}

/// Checks that a response about an object is from Cloud Storage: it contains the generation.
///
/// # Errors
/// Why it is not.
pub(super) fn from_cloud_storage(headers: &HeaderMap) -> Result<(), String> {
    let numbered = text(headers, GENERATION).is_some_and(|value| value.parse::<u64>().is_ok());
    if numbered {
        Ok(())
    } else {
        Err(format!("the answer has no generation ({GENERATION}): {UNEXPECTED_SERVER_HINT}"))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The checksum to hold an object against. There may be several headers, or several checksums in one.
fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, String> {
    let (mut crc32c, mut md5) = (None, None);
    for value in headers.get_all(HASH) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let wrong = || format!("the checksum is malformed ({HASH}: {part:?}): {UNEXPECTED_SERVER_HINT}");
            let (name, sum) = part.trim().split_once('=').ok_or_else(wrong)?;
            let sum = STANDARD.decode(sum).map_err(|_| wrong())?;
            match name {
                "crc32c" => crc32c = Some(Checksum::Crc32c(sum.try_into().map_err(|_| wrong())?)),
                "md5" => md5 = Some(Checksum::Md5(sum.try_into().map_err(|_| wrong())?)),
                _ => {}
            }
        }
    }
    Ok(crc32c.or(md5))
}

/// A checksum that is being computed.
enum Sum {
    Crc32c(u32),
    Md5(Box<Md5>),
    None,
}

impl Sum {
    fn from_metadata(expected: &Expected) -> Self {
        match expected.checksum {
            Some(Checksum::Crc32c(_)) => Self::Crc32c(0),
            Some(Checksum::Md5(_)) => Self::Md5(Box::default()),
            None => Self::None,
        }
    }

    fn add(&mut self, chunk: &[u8]) {
        match self {
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, chunk),
            Self::Md5(sum) => sum.update(chunk),
            Self::None => {}
        }
    }

    fn finish(self) -> Option<Checksum> {
        match self {
            Self::Crc32c(sum) => Some(Checksum::Crc32c(sum.to_be_bytes())),
            Self::Md5(sum) => Some(Checksum::Md5(sum.finalize().into())),
            Self::None => None,
        }
    }
}

/// Returns the same bytes; ends with [`Error::Corrupt`] unless all of them arrived as they are stored.
pub(super) fn verify_chunks(chunks: Chunks, expected: Expected, url: String) -> Chunks {
    let state = (chunks, Sum::from_metadata(&expected), 0);
    let next = move |(mut chunks, mut sum, mut length): (Chunks, Sum, u64)| {
        let (expected, url) = (expected.clone(), url.clone());
        async move {
            let Some(chunk) = chunks.try_next().await? else {
                return check(&expected, length, sum.finish(), url).map(|()| None);
            };
            length += chunk.len() as u64;
            if length > expected.length {
                let message = format!("received more than the object's {} bytes", expected.length);
                return Err(Error::Corrupt { url, message });
            }
            sum.add(&chunk);
            Ok(Some((chunk, (chunks, sum, length))))
        }
    };
    Box::pin(futures::stream::try_unfold(state, next))
}

fn check(expected: &Expected, length: u64, sum: Option<Checksum>, url: String) -> Result<(), Error> {
    if length != expected.length {
        return Err(Error::incomplete(url, length, expected.length));
    }
    match (expected.checksum, sum) {
        (Some(stored), Some(arrived)) if stored != arrived => {
            let message =
                format!("the object was corrupted in transit (received {arrived}, expected {stored})");
            Err(Error::Corrupt { url, message })
        }
        _ => Ok(()),
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crc32c(sum) => write!(f, "CRC32C {}", crate::checksummed::hex(sum)),
            Self::Md5(sum) => write!(f, "MD5 {}", crate::checksummed::hex(sum)),
        }
    }
}

/// Reads an object into memory, to its end, because only there it is known to be complete.
pub(crate) async fn read_to_end(mut chunks: Chunks) -> Result<Bytes, Error> {
    let first = chunks.try_next().await?.unwrap_or_default();
    let Some(second) = chunks.try_next().await? else { return Ok(first) };
    let mut bytes = BytesMut::from(first);
    bytes.extend_from_slice(&second);
    while let Some(chunk) = chunks.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::{Expected, read_to_end, verify_chunks};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use futures::StreamExt as _;
    use http::{HeaderMap, HeaderName, StatusCode};
    use md5::{Digest as _, Md5};

    const BYTES: &[u8] = b"a record\nanother record\n";

    fn crc32c(bytes: &[u8]) -> String {
        format!("crc32c={}", STANDARD.encode(crc32c::crc32c(bytes).to_be_bytes()))
    }

    fn md5(bytes: &[u8]) -> String {
        format!("md5={}", STANDARD.encode(Md5::digest(bytes)))
    }

    fn headers(more: &[(&'static str, &str)]) -> HeaderMap {
        let length = BYTES.len().to_string();
        let usual = [("x-goog-generation", "17"), ("x-goog-stored-content-length", &length)];
        let name = HeaderName::from_static;
        usual.iter().chain(more).map(|(key, value)| (name(key), value.parse().unwrap())).collect()
    }

    fn read(headers: &HeaderMap) -> Result<Expected, String> {
        Expected::from_metadata(StatusCode::OK, headers, false, false)
    }

    async fn arrives(expected: &Expected, bytes: &[u8]) -> Result<Bytes, String> {
        let chunks: Vec<_> = bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let chunks =
            verify_chunks(futures::stream::iter(chunks).boxed(), expected.clone(), "gs://b/x".into());
        read_to_end(chunks).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_the_stored_bytes_are_accepted() {
        for hash in [crc32c(BYTES), md5(BYTES), format!("{},{}", crc32c(BYTES), md5(b"other"))] {
            let expected = read(&headers(&[("x-goog-hash", &hash)])).unwrap();
            assert_eq!(arrives(&expected, BYTES).await.unwrap(), BYTES, "{hash}");
            for length in 0..BYTES.len() {
                let why = arrives(&expected, &BYTES[..length]).await.unwrap_err();
                assert!(why.contains(&format!("{length} of {} bytes", BYTES.len())), "{why}");
            }
            let longer = [BYTES, b"x"].concat();
            assert!(arrives(&expected, &longer).await.unwrap_err().contains("received more"));
            for bit in 0..BYTES.len() * 8 {
                let mut flipped = BYTES.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let why = arrives(&expected, &flipped).await.unwrap_err();
                assert!(why.starts_with("gs://b/x: the object was corrupted in transit ("), "{why}");
            }
        }
    }

    #[tokio::test]
    async fn without_checksum_the_length_is_checked() {
        let expected = Expected::from_metadata(StatusCode::OK, &headers(&[]), false, true).unwrap();
        assert_eq!(expected, Expected::length(BYTES.len() as u64));
        assert!(arrives(&expected, &BYTES[1..]).await.is_err());
        assert!(read(&headers(&[])).unwrap_err().contains("no checksum"));
    }

    #[test]
    fn foreign_responses_are_rejected() {
        let hash = crc32c(BYTES);
        let refused = |more: &[(&'static str, &str)]| {
            read(&headers(&[&[("x-goog-hash", &hash[..])], more].concat())).unwrap_err()
        };
        assert!(refused(&[("content-length", "5")]).contains("Content-Length is 5"));
        assert!(refused(&[("x-goog-stored-content-encoding", "gzip")]).contains("unpacked in transit"));
        let packed = [("x-goog-stored-content-encoding", "identity"), ("content-encoding", "gzip")];
        assert!(refused(&packed).contains("packed in transit"));
        assert!(read(&HeaderMap::new()).unwrap_err().contains("no generation"));
        for wrong in ["crc32c", "crc32c=", "crc32c=AAAA", "md5=AAAAAA==", "crc32c=*"] {
            assert!(read(&headers(&[("x-goog-hash", wrong)])).unwrap_err().contains("malformed"), "{wrong}");
        }
        let part = Expected::from_metadata(
            StatusCode::PARTIAL_CONTENT,
            &headers(&[("x-goog-hash", &hash)]),
            false,
            false,
        );
        assert!(part.unwrap_err().contains("206"));
    }
}
