//! Tests of `deploy/setup.sh --webhook`.

use crate::{ALL, Cloud, NEEDED, SECRET};
use std::fs;

#[test]
fn webhook_service_is_public_and_separate() {
    let cloud = Cloud::new();
    fs::write(cloud.path("token"), "hush-token\n").unwrap();
    let token = format!("--zoom-webhook-secret-file={}", cloud.path("token").display());
    // The secret is missing, or both are standard input: nothing is created.
    for (file, told) in [(None, "zoom-udm-webhook-secret"), (Some("-"), "are both standard input")] {
        let mut arguments = [&NEEDED[..], &["--webhook", "--zoom-client-secret-file=-"]].concat();
        arguments.extend(file.map(|_| "--zoom-webhook-secret-file=-"));
        let ran = cloud.run(&arguments, &[], SECRET);
        assert!(ran.code == 2 && ran.stderr.contains(told), "{}", ran.stderr);
        assert_eq!(cloud.changes(), [""; 0]);
    }
    let ran = cloud.set_up(&["--notify", "--webhook", &token]);
    assert!(
        ran.stdout.contains("https://zoom-udm-webhook-123456789.us-central1.run.app/webhook"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("hush"), "{}", ran.stdout);
    let changes = cloud.changes();
    let public: Vec<_> = changes.iter().filter(|call| call.contains("allUsers")).collect();
    assert!(
        matches!(public[..], [call] if call.starts_with("run services add-iam-policy-binding zoom-udm-webhook ")),
        "{public:?}"
    );
    let deployed = changes.iter().find(|call| call.starts_with("run deploy zoom-udm-webhook ")).unwrap();
    assert!(
        deployed.contains("--args=serve,--webhook,--webhook-to=gs://my-logs/zoom/webhooks/ "),
        "{deployed}"
    );
    assert!(deployed.contains("--ingress=all") && !deployed.contains("ZOOM_CLIENT_SECRET"), "{deployed}");
    let private = changes.iter().find(|call| call.starts_with("run deploy zoom-udm ")).unwrap();
    assert!(private.contains("--ingress=internal") && !private.contains("ZOOM_WEBHOOK"), "{private}");
    assert!(private.contains("INGEST_FROM=gs://my-logs/zoom/|"), "{private}");
    assert_eq!(cloud.state()["versions"]["zoom-udm-webhook-secret"], serde_json::json!(["hush-token"]));
    let notified = changes.iter().filter(|call| call.starts_with("storage buckets notifications create"));
    let notified: Vec<_> = notified.filter(|call| call.contains("--object-prefix=zoom/webhooks/")).collect();
    assert_eq!(notified.len(), 1, "{changes:#?}");
    // The secret is stored now.
    cloud.set_up(&["--notify", "--webhook"]);
    assert_eq!(cloud.changes(), [""; 0]);
    fs::write(cloud.path("token"), "hush-token-2\n").unwrap();
    let rotated =
        cloud.run(&[&NEEDED[..], &["--notify", "--webhook", &token, "--rotate-secret"]].concat(), &[], "");
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let versions = &cloud.state()["versions"];
    assert_eq!(versions["zoom-udm-webhook-secret"], serde_json::json!(["hush-token", "hush-token-2"]));
    assert_eq!(versions["zoom-udm-client-secret"], serde_json::json!([SECRET]));
    // A new revision reads the new token; the other service is not deployed again.
    let changes = cloud.changes();
    assert_eq!(changes.len(), 2, "{changes:#?}");
    assert!(changes[1].starts_with("run deploy zoom-udm-webhook "), "{changes:#?}");
    assert!(changes[1].contains("zoom-udm-webhook-secret:2"), "{changes:#?}");
    cloud.set_up(&["--notify", "--webhook"]);
    assert_eq!(cloud.changes(), [""; 0]);
}

#[test]
fn existing_webhook_service_requires_the_flag() {
    let cloud = Cloud::new();
    fs::write(cloud.path("token"), "hush-token\n").unwrap();
    let token = format!("--zoom-webhook-secret-file={}", cloud.path("token").display());
    // The flag is not ignored without --webhook; the variable is.
    let ran = cloud.run(&[&NEEDED[..], &[&token, "--zoom-client-secret-file=-"]].concat(), &[], SECRET);
    assert!(
        ran.code == 2 && ran.stderr.contains("--zoom-webhook-secret-file requires --webhook"),
        "{}",
        ran.stderr
    );
    assert!(cloud.calls().is_empty());
    cloud.set_up(&["--webhook", &token]);
    cloud.changes();
    let ran = cloud.run(&NEEDED, &[("ZOOM_WEBHOOK_SECRET_TOKEN_FILE", "/nonexistent")], "");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("gcloud run services delete zoom-udm-webhook"), "{}", ran.stderr);
    assert_eq!(cloud.changes(), [""; 0]);
}

#[test]
fn refused_public_access_stops_only_the_webhooks() {
    let (cloud, whole) = (Cloud::new(), Cloud::new());
    fs::write(cloud.path("token"), "hush-token\n").unwrap();
    let token = format!("--zoom-webhook-secret-file={}", cloud.path("token").display());
    let client = format!("--zoom-client-secret-file={}", cloud.path("secret").display());
    let arguments = [&NEEDED[..], &ALL, &["--webhook", &token, &client]].concat();
    let fault = "run services add-iam-policy-binding zoom-udm-webhook: FAILED_PRECONDITION: not in permitted organization";
    let ran = cloud.run(&arguments, &[("GCLOUD_FAULT", fault)], "");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    whole.set_up(&ALL);
    let resources = |cloud: &Cloud| cloud.state()["resources"].as_object().unwrap().clone();
    let created = resources(&cloud);
    for name in resources(&whole).keys() {
        assert!(created.contains_key(name), "{name} is missing");
    }
}
