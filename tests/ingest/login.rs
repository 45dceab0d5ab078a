//! Tests the kinds of Google application default credentials, and that no output reveals them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::sha2::{Digest as _, Sha256};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use testkit::gcs::{Act, Gcs, Refusal};
use testkit::ingest::{FAST_RETRIES, program, records};

/// Runs with a credentials file and all logs enabled. Returns the exit code, the number of events and the log.
fn run(server: &Gcs, credentials: &Value) -> (Option<i32>, usize, String) {
    run_feed(server, credentials, &["gs://zoom/", "--to", "-", "--no-ledger"])
}

fn run_feed(server: &Gcs, credentials: &Value, feed: &[&str]) -> (Option<i32>, usize, String) {
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let host = server.host();
    let mut command = program(None, &[&["ingest"], &FAST_RETRIES[..], feed].concat());
    let output = command
        .env("GOOGLE_APPLICATION_CREDENTIALS", file)
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("http://{host}/"))
        .env("CLOUDSDK_AUTH_TOKEN_HOST", format!("http://{host}/o/oauth2/token"))
        .env("ZOOM_UDM_LOG", "trace")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let events = String::from_utf8_lossy(&output.stdout).lines().count();
    (output.status.code(), events, said)
}

fn server() -> Gcs {
    let server = Gcs::start();
    server.seed("zoom", "a.json", records(2, 1));
    server
}

#[test]
fn gcloud_user_credentials_are_accepted() {
    let server = server();
    server.lock().bearer = Some("access-hush".into());
    server.lock().refresh = Some("refresh-hush".into());
    let credentials = |refresh: &str| {
        json!({
            "type": "authorized_user", "client_id": "somebody", "client_secret": "secret-hush",
            "refresh_token": refresh, "quota_project_id": "project",
        })
    };
    let (code, events, said) = run(&server, &credentials("refresh-hush"));
    assert_eq!((code, events), (Some(0), 2), "{said}");
    assert!(!said.contains("hush"), "{said}");
    let (code, events, said) = run(&server, &credentials("revoked-hush"));
    assert_eq!((code, events), (Some(4), 0), "{said}");
    assert!(!said.contains("hush") && said.contains("gcloud auth application-default login"), "{said}");
    let mut lacking = credentials("refresh-hush");
    lacking["client_secret"] = json!({"hush": 1});
    let (code, _, said) = run(&server, &lacking);
    assert!(code == Some(4) && said.contains("no string client_secret") && !said.contains("hush"), "{said}");
}

/// Returns whether a token is signed with the key, for the service account and for Cloud Storage.
fn is_signed(token: &str, key: &RsaPublicKey) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let json = |text: &str| serde_json::from_slice::<Value>(&part(text)).unwrap_or_default();
    let (head, claims) =
        signed.split_once('.').map(|(head, claims)| (json(head), json(claims))).unwrap_or_default();
    let padding = Pkcs1v15Sign::new::<Sha256>();
    key.verify(padding, &Sha256::digest(signed), &part(signature)).is_ok()
        && head["alg"] == "RS256"
        && head["kid"] == "a-key"
        && claims["iss"] == "feed@project.iam.gserviceaccount.com"
        && claims["scope"].as_str().is_some_and(|scope| scope.contains("googleapis.com/auth/"))
}

#[test]
fn service_account_key_signs_the_token_request() {
    let server = server();
    let key = RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
    let public = key.to_public_key();
    server.lock().allows = Some(Box::new(move |token| is_signed(token, &public)));
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
    let credentials = |key: &str| {
        json!({
            "type": "service_account", "project_id": "project", "private_key_id": "a-key", "private_key": key,
            "client_email": "feed@project.iam.gserviceaccount.com", "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        })
    };
    let (code, events, said) = run(&server, &credentials(&pem));
    assert_eq!((code, events), (Some(0), 2), "{said}");
    let silent = |said: &str| !said.contains("eyJ") && !pem.lines().any(|line| said.contains(line));
    assert!(silent(&said), "{said}");
    let other = RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
    let (code, events, said) = run(&server, &credentials(&other.to_pkcs8_pem(LineEnding::LF).unwrap()));
    assert_eq!((code, events), (Some(4), 0), "{said}");
    assert!(silent(&said) && said.contains("rejected"), "{said}");
    let broken = pem.replacen('M', "hush", 3);
    let (code, _, said) = run(&server, &credentials(&broken));
    assert!(code == Some(4) && !said.contains("hush") && silent(&said), "{said}");
}

#[test]
fn credentials_are_not_sent_unencrypted_to_others() {
    let server = server();
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("credentials.json");
    let login = json!({
        "type": "authorized_user", "client_id": "somebody", "client_secret": "secret-hush", "refresh_token": "refresh-hush",
    });
    std::fs::write(&file, login.to_string()).unwrap();
    // The address reaches the fake, but is not a loopback address.
    let elsewhere = format!("http://0.0.0.0:{}", server.address.port());
    let here = format!("http://{}", server.host());
    let names = ["CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "CLOUDSDK_AUTH_TOKEN_HOST"];
    for (storage, tokens, named) in [(&elsewhere, &here, names[0]), (&here, &elsewhere, names[1])] {
        let mut command = program(None, &["ingest", "gs://zoom/", "--to", "-", "--no-ledger"]);
        command.env("GOOGLE_APPLICATION_CREDENTIALS", &file).env(names[0], storage).env(names[1], tokens);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{named}: it would send credentials unencrypted")), "{said}");
    }
    assert_eq!(server.lock().requests, 0);
}

#[test]
fn failed_destination_open_leaves_no_lease() {
    let server = server();
    server.lock().bearer = Some("access-hush".into());
    server.lock().refresh = Some("refresh-hush".into());
    // The source, the events and the rejects each need a token. The third request is rejected.
    let refused = Refusal { after: 2, ..Refusal::acting("POST", "token", Act::Status(400)) };
    server.lock().faults.refusals.push(refused);
    let login = json!({
        "type": "authorized_user", "client_id": "somebody", "client_secret": "secret-hush", "refresh_token": "refresh-hush",
    });
    let feed = ["gs://zoom/", "--to", "gs://udm/out/", "--rejects", "gs://udm/rejects/"];
    let (code, _, said) = run_feed(&server, &login, &feed);
    assert_eq!((code, server.lock().fault_hits), (Some(4), 1), "{said}");
    let leases = server.all("udm", "out.ledger/lease");
    assert!(leases.values().all(|lease| lease == r#"{"holder":null,"until":0}"#), "{leases:?}");
}
