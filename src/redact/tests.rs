//! Secrets at every place of texts, in every encoding.

use super::*;
use proptest::prelude::*;

/// Ways in which a server writes what it was sent.
pub(crate) const ENCODINGS: usize = 12;

/// Returns the secret as a server may write it.
pub(crate) fn encoded(secret: &str, way: usize) -> String {
    let each = |form: &dyn Fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let special = |byte: u8| !byte.is_ascii_alphanumeric();
    match way % ENCODINGS {
        0 => secret.to_owned(),
        1 => each(&|byte| if special(byte) { format!("%{byte:02X}") } else { char::from(byte).into() }),
        2 => each(&|byte| format!("%{byte:02x}")),
        3 => each(&|byte| format!("\\u{byte:04x}")),
        4 => serde_json::to_string(secret).unwrap().replace('/', "\\/"),
        5 => base64::engine::general_purpose::STANDARD.encode(secret),
        6 => {
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("client:{secret}")))
        }
        7 => format!("Bearer {secret}"),
        8 => each(&|byte| format!("{byte:02x}")),
        9 => each(&|byte| format!("{byte:02X}")),
        // In hexadecimal, as a server cuts it that writes so many digits.
        10 => format!("0x{:.40}", each(&|byte| format!("{byte:02x}"))),
        // Two encodings side by side, as where one program passes on what another has escaped in part.
        _ => each(&|byte| match (special(byte), byte % 2) {
            (false, _) => char::from(byte).into(),
            (true, 0) => format!("%25{byte:02X}"),
            (true, _) => format!("&#{byte};"),
        }),
    }
}

/// Registers a secret; others do not push it out of the registry while the guard lives.
pub(crate) fn registered(secret: &str) -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    register_short_lived(secret);
    guard
}

/// Panics if eight bytes in a row of the secret, or of its hexadecimal or Base64 form, are in the text, in whatever
/// escapes.
pub(crate) fn assert_silent(text: &str, secret: &str) {
    let mut signs: Vec<Vec<u8>> = secret.as_bytes().windows(8).map(<[u8]>::to_vec).collect();
    let lower = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    for digits in [lower.to_ascii_uppercase(), lower] {
        signs.extend(digits.as_bytes().windows(8).map(<[u8]>::to_vec));
    }
    for prefix in ["", "x", "xy", "client:"] {
        let whole = base64::engine::general_purpose::STANDARD.encode(format!("{prefix}{secret}"));
        let own = (prefix.len() * 4).div_ceil(3)..(prefix.len() + secret.len()) * 4 / 3;
        signs.extend(whole.as_bytes()[own].windows(8).map(<[u8]>::to_vec));
    }
    let mut level = text.to_owned();
    for _ in 0..3 {
        for sign in &signs {
            let found = memchr::memmem::find(level.as_bytes(), sign);
            assert!(found.is_none(), "{:?} in {text}", String::from_utf8_lossy(sign));
        }
        level = plain(&level);
    }
}

/// The text without percent and JSON escapes, by other code than that which is tested.
fn plain(text: &str) -> String {
    let escape = regex::Regex::new(r#"%([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\(["\\/])"#).unwrap();
    let resolved = escape.replace_all(text, |found: &regex::Captures<'_>| {
        let hex =
            found.get(1).or_else(|| found.get(2)).map(|hex| u32::from_str_radix(hex.as_str(), 16).unwrap());
        hex.map_or_else(|| found[3].to_owned(), |code| char::from_u32(code).unwrap_or('?').to_string())
    });
    resolved.into_owned()
}

/// A secret as the servers make them.
pub(crate) fn secrets() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{32}",
        "[A-Za-z0-9]{8,12}",
        "[A-Za-z0-9_-]{20,40}\\.[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,40}",
        "[A-Za-z0-9+/=%&\"\\\\:;.]{16,40}",
    ]
}

proptest! {
    // PROPTEST_CASES sets how many cases there are.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn registered_secret_is_removed_anywhere(
        secret in secrets(),
        way in 0..ENCODINGS,
        before in "[ -~é\u{202e}\n]{0,40}",
        after in "[ -~é\n]{0,40}",
    ) {
        let _guard = registered(&secret);
        let shown = encoded(&secret, way);
        let clean = redact(&format!("{before}{shown}{after}")).into_owned();
        assert_silent(&clean, &secret);
        prop_assert_eq!(redact(&clean), clean.as_str(), "redacting twice changes nothing");
        let value = redact_json(serde_json::json!({"a": [format!("{before}{shown}")], shown: 1}));
        assert_silent(&value.to_string(), &secret);
    }

    #[test]
    fn truncation_never_leaves_part_of_a_secret(
        secret in secrets(),
        way in 0..ENCODINGS,
        pad in 0_usize..60,
        most in 0_usize..120,
    ) {
        let _guard = registered(&secret);
        assert_silent(&redact_and_truncate(&format!("{}{} and more", "é".repeat(pad), encoded(&secret, way)), most), &secret);
    }

    #[test]
    fn partial_secret_is_removed(secret in secrets(), from in 0_usize..20, length in 8_usize..30) {
        let _guard = registered(&secret);
        let end = (from + length).min(secret.len());
        let part = &secret[from.min(end)..end];
        assert_silent(&redact(&format!("given: {part}... is wrong")), &secret);
    }
}

#[test]
fn ordinary_texts_are_unchanged() {
    for plain in [
        "",
        "gs://bucket/a%20b@c: object not found",
        "operation logs from 2024-01-31 to 2024-02-01, the first page: HTTP 403, code 200: No permission.",
        "basic authentication and bearer authentication are not supported",
        "check ZOOM_CLIENT_SECRET: it is empty; access_token= is missing",
        "é\u{202e}%zz \\u12 &nosuch; &#; &#x; \\",
    ] {
        assert_eq!(redact(plain), plain);
    }
}

#[test]
fn patterns_of_unknown_secrets_are_removed() {
    for (text_with, secret) in [
        ("Authorization: Bearer abcDEF123456.x", "abcDEF123456"),
        ("sent Basic dXNlcjpwYXNzd29yZA== to", "dXNlcjpwYXNz"),
        ("Bearer%20abcDEF123456 and", "abcDEF123456"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl", "eyJhbGci"),
        ("via http://user:hush-hush@proxy:3128/", "hush-hush"),
        (r#"{"refresh_token":"1//hush-hush"}"#, "hush-hush"),
        (r#"{\"access_token\" : \"hush-hush\"}"#, "hush-hush"),
        ("grant_type=x&client_secret=hush-hush&a=b", "hush-hush"),
        ("https://host/o?X-Goog-Signature=0123456789abcdef&b", "0123456789"),
        ("ya29.a0Ahush-hush", "a0Ahush"),
    ] {
        let clean = redact(text_with);
        assert!(!clean.contains(secret) && clean.contains(PLACEHOLDER), "{clean}");
    }
}

#[test]
fn only_latest_short_lived_secrets_are_registered() {
    let secret = |number: usize| format!("short-lived-{}", "x".repeat(40 + number));
    let _guard = registered(&secret(0));
    (1..100).for_each(|number| register_short_lived(&secret(number)));
    assert!(registry(|registry| registry.short_lived.len()) <= MAX_SHORT_LIVED);
    register("lasting-secret-of-a-test");
    (1..100).for_each(|number| register_short_lived(&secret(number)));
    assert_silent(&redact("so lasting-secret-of-a-test it is"), "lasting-secret-of-a-test");
}
