//! Zoom's signature of a webhook: `x-zm-signature: v0=` and the HMAC-SHA256, with the secret token of the app, of
//! `v0:`, the header `x-zm-request-timestamp`, `:` and the body.

use super::refusal::{Refusal, Refused};
use crate::checksummed::hex;
use crate::collect::Secret;
use crate::serve::response::{ApiResponse, Severity};
use axum::http::HeaderMap;
use ring::hmac;

const SIGNATURE: &str = "x-zm-signature";
const TIMESTAMP: &str = "x-zm-request-timestamp";
/// How far a timestamp may be from the clock, in milliseconds. A request that was captured cannot be replayed later.
const REPLAY_WINDOW: u64 = 5 * 60 * 1000;
/// The most digits of a timestamp, far more than seconds need.
const MAX_TIMESTAMP: usize = 15;

/// The signature headers of a request whose timestamp is within the replay window.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignatureHeaders {
    /// The digits as sent, because they are signed as text.
    timestamp: String,
    signature: [u8; 32],
}

impl SignatureHeaders {
    /// Reads the headers; `now` is in milliseconds since the epoch.
    ///
    /// Refusals are logged as INFO, because scanners of public addresses cause them, except for a timestamp in the
    /// future, because a wrong clock can cause it.
    pub(super) fn read(headers: &HeaderMap, now: i64) -> Result<Self, Refused> {
        let unsigned = |why| (Refusal::Unsigned, ApiResponse::unsigned(Severity::Info, why));
        let timestamp = single(headers, TIMESTAMP)
            .ok_or_else(|| unsigned("x-zm-request-timestamp is missing or repeated"))?;
        let signature =
            single(headers, SIGNATURE).ok_or_else(|| unsigned("x-zm-signature is missing or repeated"))?;
        let signature = signature.strip_prefix("v0=").and_then(decode_hex);
        let signature =
            signature.ok_or_else(|| unsigned("x-zm-signature is not v0= and 64 hexadecimal digits"))?;
        let sent = seconds(timestamp)
            .ok_or_else(|| unsigned("x-zm-request-timestamp is not a number of seconds"))?;
        if now.abs_diff(sent * 1000) > REPLAY_WINDOW {
            let (severity, why) = if sent * 1000 < now {
                (Severity::Info, "x-zm-request-timestamp is more than five minutes old")
            } else {
                let why = "x-zm-request-timestamp is more than five minutes in the future; check the clock";
                (Severity::Warning, why)
            };
            return Err((Refusal::Timestamp, ApiResponse::unsigned(severity, why)));
        }
        Ok(Self { timestamp: timestamp.to_owned(), signature })
    }

    /// Returns the signed prefix of the body.
    pub(super) fn prefix(&self) -> Vec<u8> {
        format!("v0:{}:", self.timestamp).into_bytes()
    }
}

/// Returns the value of a header that is present exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Parses seconds since the epoch. Only digits are accepted, so that the signed text splits in one way
/// only.
fn seconds(text: &str) -> Option<i64> {
    let sound = text.len() <= MAX_TIMESTAMP && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| sound)
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| value.try_into().ok())).collect();
    let digits: [u8; 64] = digits?.try_into().ok()?;
    Some(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1]))
}

/// The secret token of the app. Printing it shows only the algorithm.
#[derive(Debug)]
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Returns whether the signature is that of `signed`, the prefix and the body. Takes the same time for every wrong
    /// signature.
    pub(super) fn verifies(&self, headers: &SignatureHeaders, signed: &[u8]) -> bool {
        hmac::verify(&self.0, signed, &headers.signature).is_ok()
    }

    /// Returns the response to the challenge of a URL validation.
    pub(super) fn encrypt(&self, plain_token: &str) -> String {
        hex(hmac::sign(&self.0, plain_token.as_bytes()).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, Refusal, Secret, SignatureHeaders, SigningKey};
    use axum::http::{HeaderName, HeaderValue};

    const NOW: i64 = 1_700_092_800_000;
    const HEX: &str = "1d17cf3f9ca2bb85cd0fec0ec1a8e8c2a8e5dbd0c77a8e4e9fbd6b2f5b9cbbf3";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect::<Vec<_>>().into_iter().fold(
            HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        )
    }

    fn read(timestamp: &str, signature: &str) -> Result<SignatureHeaders, Refusal> {
        let headers = headers(&[("x-zm-request-timestamp", timestamp), ("x-zm-signature", signature)]);
        SignatureHeaders::read(&headers, NOW).map_err(|(refusal, _)| refusal)
    }

    #[test]
    fn published_challenge_gets_its_published_answer() {
        // The challenge of Zoom's documentation, with the secret and the answer of Elastic's tests of the same protocol.
        let key = SigningKey::new(&Secret::new("secretValueTest"));
        let answer = "70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff";
        assert_eq!(key.encrypt("qgg8vlvZRS6UYooatFL8Aw"), answer);
    }

    #[test]
    fn rfc_4231_vector_verifies_and_changes_do_not() {
        // Test case 2: the key "Jefe".
        let key = SigningKey::new(&Secret::new("Jefe"));
        let tag = "v0=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let data = b"what do ya want for nothing?";
        let sound = read("1700092800", tag).unwrap();
        assert!(
            key.verifies(&sound, data)
                && key.verifies(&read("1700092800", &tag.to_uppercase().replace('V', "v")).unwrap(), data)
        );
        for at in 0..data.len() {
            let mut changed = data.to_vec();
            changed[at] ^= 1;
            assert!(!key.verifies(&sound, &changed), "{at}");
        }
        assert!(!key.verifies(&sound, &data[1..]) && !key.verifies(&sound, b""));
        assert!(!SigningKey::new(&Secret::new("jefe")).verifies(&sound, data));
        assert!(!format!("{key:?}").contains("Jefe"));
    }

    #[test]
    fn timestamp_off_by_five_minutes_is_accepted() {
        let tag = format!("v0={HEX}");
        for (timestamp, expected) in [
            ("1700092800", None),
            ("1700092500", None),
            ("1700093100", None),
            ("1700092499", Some(Refusal::Timestamp)),
            ("1700093101", Some(Refusal::Timestamp)),
            ("0", Some(Refusal::Timestamp)),
            ("999999999999999", Some(Refusal::Timestamp)),
            // Milliseconds, which Zoom does not send.
            ("1700092800000", Some(Refusal::Timestamp)),
            ("9999999999999999999", Some(Refusal::Unsigned)),
            ("-1700092800", Some(Refusal::Unsigned)),
            ("+1700092800", Some(Refusal::Unsigned)),
            ("1700092800.0", Some(Refusal::Unsigned)),
            ("17e8", Some(Refusal::Unsigned)),
            ("", Some(Refusal::Unsigned)),
            ("1700092800:{}", Some(Refusal::Unsigned)),
        ] {
            assert_eq!(read(timestamp, &tag).err(), expected, "{timestamp}");
        }
    }

    #[test]
    fn malformed_or_repeated_headers_are_unsigned() {
        let unsigned = Some(Refusal::Unsigned);
        for signature in
            ["", "v0=", HEX, "v1=00", &format!("v0={}", &HEX[1..]), &format!("v0={HEX}0"), "v0=é"]
        {
            let signature = HeaderValue::from_bytes(signature.as_bytes()).unwrap();
            let mut headers = headers(&[("x-zm-request-timestamp", "1700092800")]);
            headers.insert("x-zm-signature", signature.clone());
            let read = SignatureHeaders::read(&headers, NOW).map_err(|(refusal, _)| refusal);
            assert_eq!(read.err(), unsigned, "{signature:?}");
        }
        let tag = format!("v0={HEX}");
        let (time, sign) = (("x-zm-request-timestamp", "1700092800"), ("x-zm-signature", tag.as_str()));
        for fields in [&[time][..], &[sign], &[], &[time, sign, sign], &[time, time, sign]] {
            let read = SignatureHeaders::read(&headers(fields), NOW).map_err(|(refusal, _)| refusal);
            assert_eq!(read.err(), unsigned, "{fields:?}");
        }
        let sound = SignatureHeaders::read(&headers(&[time, sign]), NOW).unwrap();
        assert_eq!(sound.prefix(), b"v0:1700092800:");
    }
}
