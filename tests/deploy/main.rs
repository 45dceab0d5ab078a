//! Tests `deploy/setup.sh` with a fake gcloud that records all calls and resources.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod webhook;

use testkit::fake_gcloud;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;

const SECRET: &str = "hush-hush";
const NEEDED: [&str; 6] = [
    "--project=my-project",
    "--region=us-central1",
    "--image=us-docker.pkg.dev/p/r/zoom-udm@sha256:00",
    "--bucket=my-logs",
    "--zoom-account-id=account",
    "--zoom-client-id=client",
];
/// gcloud verbs that change nothing.
const LOOKS: [&str; 4] = ["describe", "get-iam-policy", "list", "service-agent"];

struct CliOutput {
    code: i32,
    stdout: String,
    stderr: String,
}

/// An empty project with a fake gcloud.
struct Cloud(TempDir);

impl Cloud {
    fn new() -> Self {
        let at = tempfile::tempdir().unwrap();
        fs::write(at.path().join("secret"), format!("{SECRET}\n")).unwrap();
        Self(at)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> CliOutput {
        let mut command = fake_gcloud::setup(self.0.path());
        command.args(arguments).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The script reads its input only for the secret.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        CliOutput {
            code: output.status.code().unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Runs with all required settings and the given ones. The run must succeed.
    fn set_up(&self, more: &[&str]) -> CliOutput {
        let file = format!("--zoom-client-secret-file={}", self.path("secret").display());
        let ran = self.run(&[&NEEDED[..], &[&file], more].concat(), &[], "");
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Returns the calls since the last time.
    fn calls(&self) -> Vec<Vec<String>> {
        let calls = fake_gcloud::calls(self.0.path());
        let _ = fs::remove_file(self.path("calls"));
        calls
    }

    /// Returns the calls that change something, as text.
    fn changes(&self) -> Vec<String> {
        let changes = |call: &Vec<String>| !call.iter().any(|word| LOOKS.contains(&word.as_str()));
        self.calls().into_iter().filter(changes).map(|call| call.join(" ")).collect()
    }

    fn state(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path("state.json")).unwrap()).unwrap()
    }
}

const ALL: [&str; 2] = ["--notify", "--feed-service-account=feed@secops.iam.gserviceaccount.com"];

#[test]
fn second_run_changes_nothing() {
    let cloud = Cloud::new();
    cloud.set_up(&ALL);
    let changes = cloud.changes();
    let order = [
        "services enable",
        "storage buckets create gs://my-logs",
        "iam service-accounts create zoom-udm-run",
        "iam service-accounts create zoom-udm-push",
        "storage buckets add-iam-policy-binding",
        "secrets create",
        "secrets versions add",
        "secrets add-iam-policy-binding",
        "run deploy zoom-udm",
        "run services add-iam-policy-binding zoom-udm",
        "pubsub topics create zoom-udm-dead-letter",
        "pubsub topics add-iam-policy-binding zoom-udm-dead-letter",
        "pubsub topics create zoom-udm-collect",
        "pubsub subscriptions create zoom-udm-collect",
        "pubsub subscriptions add-iam-policy-binding zoom-udm-collect",
        "pubsub subscriptions create zoom-udm-objects",
        "pubsub topics add-iam-policy-binding zoom-udm-objects",
        "storage buckets notifications create gs://my-logs",
        "scheduler jobs create pubsub zoom-udm-objects",
        "scheduler jobs create pubsub zoom-udm-collect",
        "run jobs create zoom-udm-backfill",
    ];
    let mut rest = changes.iter();
    for wanted in order {
        assert!(
            rest.any(|call| call.starts_with(wanted)),
            "{wanted} is missing or out of order: {changes:#?}"
        );
    }
    assert!(changes.iter().any(|call| call.contains("--schedule=*/15 * * * *")), "{changes:#?}");
    // A run must continue after its caller has disconnected.
    let deployed = changes.iter().find(|call| call.starts_with("run deploy zoom-udm")).unwrap();
    assert!(deployed.contains("--no-cpu-throttling"), "{deployed}");
    // Nothing is public without --webhook.
    assert!(
        !changes.iter().any(|call| call.contains("allUsers") || call.contains("webhook")),
        "{changes:#?}"
    );

    let again = cloud.set_up(&ALL);
    assert_eq!(cloud.changes(), [""; 0]);
    assert!(!again.stdout.lines().any(|line| line.starts_with('+')), "{}", again.stdout);
}

#[test]
fn interrupted_first_run_is_completed_by_the_next() {
    let whole = Cloud::new();
    whole.set_up(&ALL);
    // A full run makes about sixty calls, so only a few of them are tested.
    for cut in ["secrets versions add", "pubsub topics add-iam-policy-binding", "run jobs create"] {
        let cloud = Cloud::new();
        let file = format!("--zoom-client-secret-file={}", cloud.path("secret").display());
        let fault = format!("once {cut}: INTERNAL: try later");
        let ran = cloud.run(&[&NEEDED[..], &[&file], &ALL].concat(), &[("GCLOUD_FAULT", &fault)], "");
        assert_eq!(ran.code, 3, "{cut}: {}", ran.stderr);
        assert!(ran.stderr.contains("run setup.sh again"), "{}", ran.stderr);
        cloud.set_up(&ALL);
        let (mut left, mut right) = (cloud.state(), whole.state());
        for state in [&mut left, &mut right] {
            state.as_object_mut().unwrap().remove("faults");
        }
        assert_eq!(left, right, "{cut}");
    }
}

#[test]
fn only_differing_settings_are_changed() {
    let cloud = Cloud::new();
    cloud.set_up(&[]);
    cloud.changes();
    cloud.set_up(&["--schedule=0 * * * *", "--tasks=8"]);
    let changes = cloud.changes();
    assert_eq!(changes.len(), 2, "{changes:#?}");
    assert!(changes[0].starts_with("scheduler jobs update pubsub zoom-udm-collect"), "{changes:#?}");
    assert!(changes[1].starts_with("run jobs update zoom-udm-backfill"), "{changes:#?}");
    cloud.set_up(&["--schedule=0 * * * *", "--tasks=8", "--image=us-docker.pkg.dev/p/r/zoom-udm@sha256:01"]);
    let changes = cloud.changes();
    assert!(changes.len() == 2 && changes[0].starts_with("run deploy zoom-udm "), "{changes:#?}");
}

#[test]
fn dry_run_prints_every_command_and_changes_nothing() {
    let cloud = Cloud::new();
    let dry = cloud.set_up(&[&ALL[..], &["--dry-run"]].concat());
    assert_eq!(cloud.changes(), [""; 0]);
    let real = cloud.set_up(&ALL);
    let printed = |ran: &CliOutput| {
        ran.stdout.lines().filter(|line| line.starts_with("+ ")).map(String::from).collect()
    };
    let (planned, done): (Vec<String>, Vec<String>) = (printed(&dry), printed(&real));
    assert_eq!(planned, done);
    assert_eq!(done.len(), cloud.changes().len());
}

#[test]
fn secret_reaches_only_secret_manager() {
    let cloud = Cloud::new();
    let mut said = vec![cloud.set_up(&[])];
    let standard_input = [&NEEDED[..], &["--zoom-client-secret-file", "-", "--rotate-secret"]].concat();
    said.push(cloud.run(&standard_input, &[], "hush-hush-2\n"));
    said.push(cloud.run(
        &standard_input,
        &[("GCLOUD_FAULT", "secrets versions add: INTERNAL: no")],
        "hush-hush-3\n",
    ));
    assert_eq!(said.iter().map(|ran| ran.code).collect::<Vec<_>>(), [0, 0, 3]);
    let all: String = said.iter().flat_map(|ran| [ran.stdout.as_str(), &ran.stderr]).collect();
    assert!(!all.contains("hush"), "{all}");
    let calls = cloud.calls();
    assert!(!calls.iter().flatten().any(|argument| argument.contains("hush")), "{calls:#?}");
    assert_eq!(
        cloud.state()["versions"]["zoom-udm-client-secret"],
        serde_json::json!([SECRET, "hush-hush-2"])
    );
}

#[test]
fn rotated_client_secret_is_deployed() {
    let cloud = Cloud::new();
    cloud.set_up(&ALL);
    cloud.changes();
    let rotate = [&NEEDED[..], &ALL, &["--rotate-secret", "--zoom-client-secret-file=-"]].concat();
    let dry = cloud.run(&[&rotate[..], &["--dry-run"]].concat(), &[], "hush-2");
    // The version is stored, but the deployment fails: the next run completes it.
    let fault = [("GCLOUD_FAULT", "run deploy: UNAVAILABLE: try later")];
    assert_eq!((dry.code, cloud.run(&rotate, &fault, "hush-2").code), (0, 3));
    cloud.changes();
    cloud.set_up(&ALL);
    let changes = cloud.changes();
    assert_eq!(changes.len(), 2, "{changes:#?}");
    for (change, beginning) in
        changes.iter().zip(["run deploy zoom-udm ", "run jobs update zoom-udm-backfill "])
    {
        assert!(change.starts_with(beginning) && change.contains("client-secret:2"), "{changes:#?}");
        assert!(dry.stdout.contains("client-secret:2"), "{}", dry.stdout);
    }
}

#[test]
fn all_missing_or_invalid_settings_are_reported() {
    let cloud = Cloud::new();
    let ran = cloud.run(&[], &[], "");
    assert_eq!(ran.code, 2);
    for (flag, variable) in [
        ("--project", "GOOGLE_CLOUD_PROJECT"),
        ("--region", "GOOGLE_CLOUD_REGION"),
        ("--image", "IMAGE"),
        ("--bucket", "GCS_BUCKET"),
        ("--zoom-account-id", "ZOOM_ACCOUNT_ID"),
        ("--zoom-client-id", "ZOOM_CLIENT_ID"),
        ("--zoom-client-secret-file", "ZOOM_CLIENT_SECRET_FILE"),
    ] {
        assert!(ran.stderr.contains(&format!("{flag} or {variable} is required")), "{}", ran.stderr);
    }
    let wrong = [&NEEDED[..], &["--tasks=17", "--state-key=zoom/operationlogs/state.json", "--ingress=some"]]
        .concat();
    let above = cloud.run(&[&NEEDED[..], &["--state-key=zoom/state.json"]].concat(), &[], "");
    let told = "--prefix zoom/operationlogs/ is inside the directory of --state-key zoom/state.json";
    assert!(above.code == 2 && above.stderr.contains(told), "{}", above.stderr);
    let ran = cloud.run(&wrong, &[("ZOOM_CLIENT_SECRET_FILE", "/nonexistent")], "");
    assert_eq!(ran.code, 2);
    for flag in [
        "--tasks is '17'; expected a number from 1 to 16",
        "--state-key zoom/operationlogs/state.json is inside",
        "--ingress is",
        "cannot be read",
    ] {
        assert!(ran.stderr.contains(flag), "{flag}: {}", ran.stderr);
    }
    assert!(cloud.calls().is_empty(), "settings are validated before the first call");
    // All settings but the secret: whether one is stored is only known now.
    let ran = cloud.run(&NEEDED, &[], "");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("--zoom-client-secret-file"), "{}", ran.stderr);
    assert_eq!(cloud.changes(), [""; 0]);
    let unknown = cloud.run(&["--frobnicate"], &[], "");
    assert!(unknown.code == 2 && unknown.stderr.contains("--frobnicate"), "{}", unknown.stderr);
    assert_eq!(cloud.run(&["--help"], &[], "").code, 0);
}

#[test]
fn sign_ins_are_added_to_an_existing_deployment() {
    let cloud = Cloud::new();
    cloud.set_up(&ALL);
    cloud.changes();
    cloud.set_up(&[&ALL[..], &["--logs=operation,sign-in"]].concat());
    let changes = cloud.changes();
    let told = |beginning: &str| {
        let found = changes.iter().find(|call| call.starts_with(beginning));
        found.unwrap_or_else(|| panic!("{beginning} is missing: {changes:#?}"))
    };
    let service = told("run deploy zoom-udm");
    for variable in [
        "COLLECT_LOGS=operation,sign-in|",
        "GCS_PREFIX=zoom/operationlogs/|",
        "STATE_KEY=zoom/collector/state.json|",
        "INGEST_FROM=gs://my-logs/zoom/|",
    ] {
        assert!(service.contains(variable), "{variable}: {service}");
    }
    assert!(told("run jobs update zoom-udm-backfill").contains("--args=ingest,gs://my-logs/zoom/,"));
    assert!(told("storage buckets notifications create").contains("--object-prefix=zoom/signins/"));
    assert_eq!(changes.len(), 3, "{changes:#?}");
    cloud.set_up(&[&ALL[..], &["--logs=operation,sign-in"]].concat());
    assert_eq!(cloud.changes(), [""; 0]);
    // An existing notification about another prefix is reported, as without sign-ins.
    let moved = [&NEEDED[..], &ALL, &["--logs=operation,sign-in", "--prefix=raw/of/zoom/"]].concat();
    let ran = cloud.run(&moved, &[], "");
    assert!(ran.code == 2 && ran.stderr.contains("a prefix other than"), "{}", ran.stderr);
}

#[test]
fn sign_ins_need_a_place_of_their_own() {
    let cloud = Cloud::new();
    for (flags, told) in [
        (&["--logs=sign-in"][..], "--logs is 'sign-in'; expected operation or operation,sign-in"),
        (&["--logs=operation,sign-in", "--prefix=raw/"], "--prefix raw/ has no parent directory"),
        (
            &["--logs=operation,sign-in", "--state-key=zoom/signins/state.json"],
            "--state-key zoom/signins/state.json is inside --prefix zoom/signins/",
        ),
        (
            &["--logs=operation,sign-in", "--output-prefix=zoom/signins/udm/"],
            "--output-prefix zoom/signins/udm/ is inside --prefix zoom/signins/",
        ),
    ] {
        let ran = cloud.run(&[&NEEDED[..], flags].concat(), &[], "");
        assert!(ran.code == 2 && ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert!(cloud.calls().is_empty());
}

#[test]
fn failed_lookup_is_not_treated_as_missing() {
    let cloud = Cloud::new();
    cloud.set_up(&[]);
    cloud.changes();
    for (message, code) in [("PERMISSION_DENIED: or it may not be found", 4), ("UNAVAILABLE: try later", 3)] {
        for what in ["storage buckets describe", "run services describe", "pubsub topics get-iam-policy"] {
            let ran = cloud.run(&NEEDED, &[("GCLOUD_FAULT", &format!("{what}: {message}"))], "");
            assert_eq!(ran.code, code, "{what}: {}", ran.stderr);
            assert_eq!(cloud.changes(), [""; 0], "{what}: {message}");
        }
    }
}

#[test]
fn new_service_account_is_waited_for() {
    let cloud = Cloud::new();
    let file = format!("--zoom-client-secret-file={}", cloud.path("secret").display());
    let fault = "once storage buckets add-iam-policy-binding: INVALID_ARGUMENT: Service account zoom-udm-run does not exist.";
    let ran = cloud.run(&[&NEEDED[..], &[&file]].concat(), &[("GCLOUD_FAULT", fault)], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn existing_bucket_access_is_not_changed_silently() {
    let cloud = Cloud::new();
    let state = r#"{"resources":{"storage buckets gs://my-logs":{}},"apis":["run.googleapis.com"]}"#;
    fs::write(cloud.path("state.json"), state).unwrap();
    let file = format!("--zoom-client-secret-file={}", cloud.path("secret").display());
    let ran = cloud.run(&[&NEEDED[..], &[&file]].concat(), &[], "");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("gcloud storage buckets update gs://my-logs"), "{}", ran.stderr);
}
