//! Tests who may call `zoom-udm serve`: valid and invalid tokens, available and unavailable Google keys, and public
//! addresses.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::ingest::program;
use testkit::serve::{Answer, Server, TEST_TIMEOUT};

const AUDIENCE: &str = "https://zoom.example.com";
const EMAIL: &str = "pusher@project.iam.gserviceaccount.com";
/// 2023-11-16T00:00:00Z, the current time of the program.
const NOW: i64 = 1_700_092_800;

fn key() -> RsaPrivateKey {
    RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(kid: &str, key: &RsaPrivateKey) -> Value {
    let public = key.to_public_key();
    json!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
        "n": base64(public.n().to_bytes_be()), "e": base64(public.e().to_bytes_be()),
    })
}

/// A server of public keys in place of Google's.
struct Certs {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    status: Arc<Mutex<u16>>,
    asked: Arc<Mutex<u32>>,
    /// The delay of responses.
    pause: Arc<Mutex<Duration>>,
}

impl Certs {
    fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let certs = Self {
            url,
            keys: Arc::new(Mutex::new(keys)),
            status: Arc::new(Mutex::new(200)),
            asked: Arc::default(),
            pause: Arc::default(),
        };
        let (keys, status, asked) =
            (Arc::clone(&certs.keys), Arc::clone(&certs.status), Arc::clone(&certs.asked));
        let pause = Arc::clone(&certs.pause);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                *asked.lock().unwrap() += 1;
                let pause = *pause.lock().unwrap();
                std::thread::sleep(pause);
                let body = json!({"keys": *keys.lock().unwrap()}).to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {} X\r\nCache-Control: public, max-age=19845, must-revalidate\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    status.lock().unwrap(),
                    body.len()
                );
            }
        });
        certs
    }

    fn server(&self) -> Server {
        self.server_with(&[])
    }

    fn server_with(&self, flags: &[&str]) -> Server {
        let arguments =
            ["serve", "--require-oidc", AUDIENCE, "--allow", "other@example.com", "--allow", EMAIL];
        let mut command = program(None, &[&arguments[..], flags].concat());
        command.env("ZOOM_UDM_JWKS_URL", &self.url);
        Server::start(command)
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

fn claims() -> Value {
    json!({
        "aud": AUDIENCE, "azp": "113774264463038321964", "email": EMAIL, "email_verified": true,
        "exp": NOW + 3600, "iat": NOW - 10, "iss": "https://accounts.google.com", "sub": "113774264463038321964",
    })
}

fn with(change: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn signed(key: &RsaPrivateKey, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
    let signature = key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(&text)).unwrap();
    format!("{text}.{}", base64(signature))
}

fn token(key: &RsaPrivateKey, claims: &Value) -> String {
    signed(key, &json!({"alg": "RS256", "kid": "one", "typ": "JWT"}), claims)
}

fn ask(server: &Server, authorization: &str) -> u16 {
    let answer = server.post("/normalize", &[("Authorization", authorization)], b"");
    assert_eq!(answer.status == 401, answer.header("www-authenticate") == Some("Bearer"));
    answer.status
}

#[test]
fn only_valid_tokens_of_allowed_callers_are_accepted() {
    let key = key();
    let certs = Certs::start(vec![jwk("one", &key), json!({"kty": "EC", "kid": "curve"})]);
    let server = certs.server();
    let bearer = |token: &str| ask(&server, &format!("Bearer {token}"));
    let changed = |change: Value| bearer(&token(&key, &with(&change)));
    assert_eq!(bearer(&token(&key, &claims())), 200);
    assert_eq!(ask(&server, &format!("bearer {}", token(&key, &claims()))), 200);
    assert_eq!(changed(json!({"iss": "accounts.google.com"})), 200);
    assert_eq!(changed(json!({"exp": NOW - 30})), 200, "small clock differences are tolerated");
    assert_eq!(changed(json!({"aud": ["x", AUDIENCE]})), 200);
    for (change, status) in [
        (json!({"exp": NOW - 120}), 401),
        (json!({"exp": null}), 401),
        (json!({"exp": "soon"}), 401),
        (json!({"exp": i64::MAX, "iat": NOW + 600}), 401),
        (json!({"nbf": NOW + 600}), 401),
        (json!({"aud": "https://other.example.com"}), 401),
        (json!({"aud": format!("{AUDIENCE}/")}), 401),
        (json!({"aud": null}), 401),
        (json!({"iss": "https://accounts.google.com.evil.example"}), 401),
        (json!({"iss": null}), 401),
        (json!({"email": "somebody@project.iam.gserviceaccount.com"}), 403),
        (json!({"email": null}), 403),
        (json!({"email_verified": false}), 403),
        (json!({"email_verified": null}), 403),
    ] {
        assert_eq!(changed(change.clone()), status, "{change}");
    }
    // No token, and malformed ones.
    assert_eq!(server.post("/normalize", &[], b"").status, 401);
    for nonsense in ["", "Bearer", "Bearer ", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "Bearer ...", "Bearer {}"]
    {
        assert_eq!(ask(&server, nonsense), 401, "{nonsense}");
    }
    // An unsigned token, one signed with another key, and one modified after signing.
    let claims = claims();
    let unsigned = |alg: &str| {
        format!("{}.{}.", base64(json!({"alg": alg, "kid": "one"}).to_string()), base64(claims.to_string()))
    };
    for alg in ["none", "None", "RS256", "HS256"] {
        assert_eq!(bearer(&unsigned(alg)), 401, "{alg}");
    }
    assert_eq!(bearer(&token(&self::key(), &claims)), 401);
    let good = token(&key, &claims);
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let forged = base64(with(&json!({"email": "other@example.com"})).to_string());
    assert_eq!(bearer(&format!("{head}.{forged}.{signature}")), 401);
    assert_eq!(bearer(&format!("{head}.{}.SIGNATURE_REMOVED_BY_GOOGLE", base64(claims.to_string()))), 401);
    // The log explains that Cloud Run removes signatures.
    server.wait_for("--allow-unauthenticated");
    // The log contains no part of a token.
    assert!(!server.said().contains(signature) && !server.said().contains("eyJ"));
    assert_eq!(certs.asked(), 1, "keys are cached");
    // Health checks are open, everything else is not.
    assert_eq!((server.get("/healthz").status, server.get("/readyz").status), (200, 200));
    assert_eq!(
        (server.get("/metrics").status, server.get("/").status, server.get("/nowhere").status),
        (401, 401, 401)
    );
}

#[test]
fn hs256_token_signed_with_public_key_is_rejected() {
    // A known attack: the public key is used as the HS256 secret.
    let key = key();
    let certs = Certs::start(vec![jwk("one", &key)]);
    let server = certs.server();
    let pem = key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
    for secret in
        [pem.clone().into_bytes(), pem.trim().as_bytes().to_vec(), key.to_public_key().n().to_bytes_be()]
    {
        let text = format!(
            "{}.{}",
            base64(json!({"alg": "HS256", "kid": "one"}).to_string()),
            base64(claims().to_string())
        );
        let token = format!("{text}.{}", base64(hmac(&secret, text.as_bytes())));
        assert_eq!(ask(&server, &format!("Bearer {token}")), 401);
    }
    for header in [
        json!({"alg": "RS512", "kid": "one"}),
        json!({"alg": "PS256", "kid": "one"}),
        json!({"alg": "RS256"}),
    ] {
        assert_eq!(ask(&server, &format!("Bearer {}", signed(&key, &header, &claims()))), 401, "{header}");
    }
}

/// Returns the HMAC-SHA256 (RFC 2104).
fn hmac(secret: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let secret = if secret.len() > 64 { Sha256::digest(secret).to_vec() } else { secret.to_vec() };
    block[..secret.len()].copy_from_slice(&secret);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn unknown_key_ids_cause_at_most_one_key_fetch() {
    let one = key();
    let certs = Certs::start(vec![jwk("one", &one)]);
    *certs.status.lock().unwrap() = 503;
    let server = certs.server();
    let good = format!("Bearer {}", token(&one, &claims()));
    // Without keys, no token can be verified, so Pub/Sub must retry.
    let answer = server.post("/normalize", &[("Authorization", &good)], b"");
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    *certs.status.lock().unwrap() = 200;
    let until = Instant::now() + TEST_TIMEOUT;
    while ask(&server, &good) != 200 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(100));
    }
    let asked = certs.asked();
    for number in 0..20 {
        let made_up = signed(&one, &json!({"alg": "RS256", "kid": format!("made-up-{number}")}), &claims());
        assert_eq!(ask(&server, &format!("Bearer {made_up}")), 401);
    }
    assert_eq!(certs.asked(), asked, "fresh keys are not fetched again");
    assert_eq!(ask(&server, &good), 200);
}

#[test]
fn new_key_is_accepted_and_unknown_ids_block_nobody() {
    let (one, two) = (key(), key());
    let certs = Certs::start(vec![jwk("one", &one)]);
    let server = certs.server_with(&["--keys-apart", "0s"]);
    let good = format!("Bearer {}", token(&one, &claims()));
    let with = |key: &RsaPrivateKey, kid: &str| {
        let token = signed(key, &json!({"alg": "RS256", "kid": kid, "typ": "JWT"}), &claims());
        ask(&server, &format!("Bearer {token}"))
    };
    assert_eq!((ask(&server, &good), with(&two, "two")), (200, 401));
    certs.keys.lock().unwrap().push(jwk("two", &two));
    assert_eq!((with(&two, "two"), ask(&server, &good)), (200, 200));
    assert_eq!((with(&one, "two"), with(&two, "one")), (401, 401), "each key ID requires its own key");
    *certs.pause.lock().unwrap() = Duration::from_secs(6);
    let asked = certs.asked();
    std::thread::scope(|scope| {
        let made_up = scope.spawn(|| with(&one, "made-up"));
        while certs.asked() == asked {
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        assert_eq!((ask(&server, &good), with(&two, "two")), (200, 200));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(made_up.join().unwrap(), 401);
    });
}

#[test]
fn public_address_without_auth_flag_is_rejected() {
    let refused = |arguments: &[&str], port: Option<&str>| {
        let mut command = program(None, &[&["serve"], arguments].concat());
        if let Some(port) = port {
            command.env("PORT", port);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, port) in
        [(&["--listen", "0.0.0.0:0"][..], None), (&["--listen", "[::]:0"], None), (&[], Some("0"))]
    {
        let (code, said) = refused(arguments, port);
        assert!(
            code == Some(2) && said.contains("--require-oidc") && said.contains("--allow-unauthenticated"),
            "{said}"
        );
    }
    for arguments in [
        &["--require-oidc", "x"][..],
        &["--allow", "x"],
        &["--require-oidc", "x", "--allow", "y", "--allow-unauthenticated"],
    ] {
        assert_eq!(refused(arguments, None).0, Some(2), "{arguments:?}");
    }
    assert_eq!(refused(&[], Some("eighty")).0, Some(2));
    let mut command = program(None, &["serve", "--listen", "0.0.0.0:0", "--allow-unauthenticated"]);
    command.env("ZOOM_UDM_LOG", "info");
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("accepting unauthenticated requests") && said.contains("\"severity\":\"WARNING\""),
        "{said}"
    );
}

#[test]
fn cross_origin_requests_are_rejected() {
    let server = Server::start(program(None, &["serve"]));
    let own = format!("http://{}", server.address);
    assert_eq!(server.post("/normalize", &[("Origin", &own)], b"").status, 200);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(server.post("/normalize", &[("Origin", origin)], b"").status, 403, "{origin}");
    }
    // A host name that an attacker resolved to this address.
    let mut stream = server.connect();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut stream).status, 403);
}
