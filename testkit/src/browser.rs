//! A running service and a headless Chromium, each on its own port.

use crate::process::binary;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A child process that is killed when dropped.
struct ChildProcess(Child);

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the first line that contains `wanted`.
fn line_with(stream: impl Read + Send + 'static, wanted: &str) -> String {
    let mut lines = BufReader::new(stream).lines();
    let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(wanted));
    // Drains the stream, so that the writer never blocks.
    std::thread::spawn(move || lines.for_each(drop));
    found.unwrap_or_else(|| panic!("no line contains {wanted}"))
}

/// `zoom-udm serve`.
pub struct Service {
    _program: ChildProcess,
    pub address: String,
}

impl Service {
    pub fn start() -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().env("ZOOM_UDM_LOG", "info");
        let mut child =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = child.stderr.take().unwrap();
        let program = ChildProcess(child);
        let line: Value = serde_json::from_str(&line_with(said, "listening")).unwrap();
        Self { _program: program, address: line["address"].as_str().unwrap().to_owned() }
    }
}

/// A command of the Chrome DevTools Protocol.
#[derive(Debug)]
struct Chromium(&'static str, Value);

type Url = reqwest::Url;

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

pub struct Browser {
    pub client: Client,
    _driver: ChildProcess,
    _profile: TempDir,
    pub downloads: TempDir,
    address: String,
}

/// A script that records everything that the page must never do.
const VIOLATION_RECORDER: &str = "
    window.told = [];
    for (const name of ['alert', 'confirm', 'prompt', 'open', 'print']) { window[name] = (text) => window.told.push(`${name}: ${text}`); }
    document.addEventListener('securitypolicyviolation', (report) => window.told.push(`${report.violatedDirective}: ${report.blockedURI}`));
    window.addEventListener('error', (fault) => window.told.push(`error: ${fault.message}`));
    window.addEventListener('unhandledrejection', (fault) => window.told.push(`rejection: ${fault.reason}`));
";

impl Browser {
    /// Starts Chromium and opens the page.
    pub async fn open(service: &Service) -> Self {
        let mut command = Command::new("chromedriver");
        command.args(["--port=0", "--allowed-ips=127.0.0.1"]).stdin(Stdio::null());
        let mut driver = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("chromedriver");
        let said = driver.stdout.take().unwrap();
        let driver = ChildProcess(driver);
        let line = line_with(said, "successfully on port ");
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
        let (profile, downloads) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &data,
        ];
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({"args": arguments}));
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        let browser = Self {
            client,
            _driver: driver,
            _profile: profile,
            downloads,
            address: format!("http://{}/", service.address),
        };
        browser
            .run_cdp_command("Page.addScriptToEvaluateOnNewDocument", json!({"source": VIOLATION_RECORDER}))
            .await;
        let path = browser.downloads.path().to_owned();
        browser
            .run_cdp_command(
                "Browser.setDownloadBehavior",
                json!({"behavior": "allow", "downloadPath": path}),
            )
            .await;
        browser.set_viewport(1400, 900).await;
        browser.client.goto(&browser.address).await.unwrap();
        browser
    }

    pub async fn run_cdp_command(&self, name: &'static str, parameters: Value) -> Value {
        self.client.issue_cmd(Chromium(name, parameters)).await.unwrap()
    }

    pub async fn set_viewport(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.run_cdp_command("Emulation.setDeviceMetricsOverride", size).await;
    }

    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.run_cdp_command("Emulation.setEmulatedMedia", media).await;
    }

    /// Runs a script and returns its result.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    pub async fn click(&self, selector: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Pastes records into the text box and explains them.
    pub async fn paste(&self, records: &str) {
        let paste = "document.getElementById('records').value = arguments[0]";
        self.client.execute(paste, vec![records.into()]).await.unwrap();
        self.click("#explain").await;
        self.until(
            "return !document.querySelector('[aria-busy]') && document.querySelector('.card') !== null",
        )
        .await;
    }

    /// Waits until a script returns true.
    pub async fn until(&self, script: &str) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.run(script).await != json!(true) {
            assert!(Instant::now() < patience, "timed out waiting for: {script}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Presses keys in order, while holding down another key if given.
    pub async fn press(&self, held: Option<char>, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        let down = |value| KeyAction::Down { value };
        let up = |value| KeyAction::Up { value };
        actions = held.into_iter().fold(actions, |actions, key| actions.then(down(key)));
        for &key in keys {
            actions = actions.then(down(key)).then(up(key));
        }
        actions = held.into_iter().fold(actions, |actions, key| actions.then(up(key)));
        self.client.perform_actions(actions).await.unwrap();
    }

    pub async fn status(&self) -> String {
        let status = self.run("return document.getElementById('status').textContent").await;
        status.as_str().unwrap().to_owned()
    }

    /// Asserts that the page did nothing that it must never do.
    pub async fn assert_no_violations(&self) {
        assert_eq!(self.run("return window.told").await, json!([]));
    }

    /// Saves a screenshot to the directory in `ZOOM_UDM_PICTURES`, if that is set.
    pub async fn save_screenshot(&self, name: &str) {
        let Some(directory) = std::env::var_os("ZOOM_UDM_PICTURES") else { return };
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(Path::new(&directory).join(name), png).unwrap();
    }

    pub async fn close(self) {
        self.assert_no_violations().await;
        self.client.close().await.unwrap();
    }
}
