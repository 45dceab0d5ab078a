//! Tests that the settings from `deploy/setup.sh` are sufficient for the program, and that its roles allow every write
//! that the program makes.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use testkit::collect::{DAY, World, spread, spread_sign_ins};
use testkit::fake_gcloud;
use testkit::zoom;

const NOW: &str = "2023-11-16T12:00:00Z";
const DATA: [&str; 2] = ["zoom/operationlogs/", "zoom/signins/"];

/// Unescapes the path of a request. The program escapes everything except letters and digits.
fn plain(path: &str) -> String {
    let escapes = regex::Regex::new("%([0-9A-F]{2})").unwrap();
    let character =
        |found: &regex::Captures<'_>| char::from(u8::from_str_radix(&found[1], 16).unwrap()).to_string();
    escapes.replace_all(path, character).into_owned()
}

/// The settings of a Cloud Run service or job: arguments, variables, and the name prefixes below which its account may
/// overwrite objects.
struct DeployedSettings {
    /// Contains the secret.
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    own: Vec<String>,
}

/// Runs setup.sh with a fake gcloud, and returns the settings in its call of `run deploy` or `run jobs`.
fn deployed_settings(what: &str, more: &[&str]) -> DeployedSettings {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("secret"), zoom::SECRET).unwrap();
    let secret = format!("--zoom-client-secret-file={}", at.path().join("secret").display());
    let account = format!("--zoom-account-id={}", zoom::ACCOUNT);
    let client = format!("--zoom-client-id={}", zoom::CLIENT);
    let done = fake_gcloud::setup(at.path())
        .args(["--project=my-project", "--region=us-central1", "--image=x/y:1", "--bucket=my-logs"])
        .args([&account, &client, &secret])
        .args(more)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let calls = fake_gcloud::calls(at.path());
    let flag =
        |call: &[String], name: &str| call.iter().find_map(|flag| flag.strip_prefix(name).map(String::from));
    let call = calls.iter().find(|call| call.join(" ").starts_with(what)).unwrap();
    let variables = flag(call, "--set-env-vars=^|^").unwrap();
    let condition =
        calls.iter().find_map(|call| flag(call, "--condition=title=zoom-udm,expression=")).unwrap();
    let own = condition.split("/objects/").skip(1).map(|part| part.split('"').next().unwrap().to_owned());
    DeployedSettings {
        directory: at,
        arguments: flag(call, "--args=").unwrap().split(',').map(String::from).collect(),
        variables: variables
            .split('|')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        own: own.collect(),
    }
}

fn world() -> World {
    let world = World::new(NOW);
    let now = world.now();
    world.zoom.add(spread(0, 300, now - 2 * DAY..now));
    world.zoom.add_sign_ins(spread_sign_ins(0, 300, now - 2 * DAY..now));
    world
}

/// Returns a command that runs the program as Cloud Run would, but with the fakes of Zoom and Cloud Storage.
fn program(world: &World, told: &DeployedSettings, arguments: &[String]) -> Command {
    let mut command = world.program(&[]);
    command.args(arguments).env_remove("ZOOM_CLIENT_SECRET").env_remove("GCS_PREFIX").env_remove("STATE_KEY");
    command
        .env("ZOOM_UDM_LOG", "info")
        .envs(&told.variables)
        .env("ZOOM_CLIENT_SECRET_FILE", told.directory.path().join("secret"));
    command
}

fn run(world: &World, told: &DeployedSettings, arguments: &[String], variables: &[(&str, String)]) {
    let output = program(world, told, arguments).envs(variables.iter().cloned()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Asserts that data objects are only created, and that overwrites and deletions stay within the prefixes that the
/// roles allow.
fn assert_writes_within_roles(world: &World, own: &[String]) {
    let log = world.gcs.lock().log.clone();
    let mut added = HashSet::new();
    for line in log.iter().filter(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ")) {
        let (method, path) = line.split_once(' ').unwrap();
        let path = plain(path.split('?').next().unwrap());
        let name = path.strip_prefix("/my-logs/").unwrap_or_else(|| panic!("{line}"));
        if own.iter().any(|beginning| name.starts_with(beginning)) {
            continue;
        }
        let is_data = DATA.iter().any(|data| name.starts_with(data));
        assert!(method == "PUT" && is_data && added.insert(name.to_owned()), "{line}");
    }
    assert!(!added.is_empty(), "nothing was collected");
}

#[test]
fn deployed_settings_are_sufficient() {
    check_deployment(&[]);
}

#[test]
fn deployed_settings_suffice_for_sign_ins() {
    let world = check_deployment(&["--logs=operation,sign-in"]);
    assert!(!world.gcs.all("my-logs", "zoom/signins/").is_empty());
    assert!(!world.gcs.all("my-logs", "zoom/udm/signins/").is_empty());
}

fn check_deployment(more: &[&str]) -> World {
    let service = deployed_settings("run deploy", more);
    let job = deployed_settings("run jobs create", more);
    assert_eq!(service.variables, job.variables);
    assert_eq!(service.own, ["zoom/collector/", "zoom/udm/", "zoom/udm."]);
    let world = world();
    for _ in 0..2 {
        run(&world, &service, &["collect".into()], &[]);
        for task in 0..4 {
            let variables =
                [("CLOUD_RUN_TASK_INDEX", format!("{task}")), ("CLOUD_RUN_TASK_COUNT", "4".into())];
            run(&world, &job, &job.arguments, &variables);
        }
        world.advance(900);
        world.zoom.add(spread(300, 50, world.now() - 600..world.now()));
    }
    assert_writes_within_roles(&world, &service.own);
    assert!(!world.gcs.all("my-logs", "zoom/udm/").is_empty());
    world
}

fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn scheduled_messages_collect_and_ingest() {
    let service = deployed_settings("run deploy", &[]);
    let world = world();
    if !world.program(&["serve", "--help"]).output().unwrap().status.success() {
        eprintln!("not tried: this program does not serve");
        return;
    }
    let mut command = program(&world, &service, &service.arguments);
    let mut serving = command.env("PORT", "0").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
    let port = regex::Regex::new(r"0\.0\.0\.0:(\d+)").unwrap();
    let address = said.find_map(|line| port.captures(&line).map(|found| format!("127.0.0.1:{}", &found[1])));
    let rest = std::thread::spawn(move || said.count());
    // The message that Pub/Sub delivers for the schedule's `--attributes=run=all`.
    let message = r#"{"message":{"attributes":{"run":"all"},"messageId":"1","publishTime":"2023-11-16T12:00:00Z"},"subscription":"projects/my-project/subscriptions/zoom-udm-collect"}"#;
    let answers = address.map(|address| ["/collect", "/ingest"].map(|path| post(&address, path, message)));
    serving.kill().unwrap();
    serving.wait().unwrap();
    rest.join().unwrap();
    for answer in answers.expect("the log names the address") {
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("done"), "{answer}");
    }
    assert_writes_within_roles(&world, &service.own);
    assert!(!world.gcs.all("my-logs", "zoom/udm/").is_empty());
}
