//! An independent reimplementation of Google's reference collector, with its defects. The tests of `collect` run it as
//! a control: a test that it passes detects nothing.

use super::{BUCKET, DAY, MINUTE, PREFIX, Run, STATE_KEY, World, iso};
use crate::files::gzip;
use crate::zoom;
use serde_json::{Value, json};
use std::fmt::Write as _;

type Failure = String;

struct Function<'a> {
    world: &'a World,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    said: String,
    pages: u64,
}

/// Runs the collector once.
pub fn run(world: &World) -> Run {
    world.zoom.behavior(|behavior| behavior.hostile &= world.hostile);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut function = Function {
        world,
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        said: String::new(),
        pages: 0,
    };
    let code = match function.main() {
        Ok(()) => 0,
        Err(error) => {
            function.said.push_str(&error);
            1
        }
    };
    Run::new(code, function.said)
}

impl Function<'_> {
    fn setting(&self, name: &str, default: &str) -> String {
        self.world.environment.get(name).cloned().unwrap_or_else(|| default.into())
    }

    fn today(&self) -> String {
        let zone: i64 = self.setting("ZONE_OF_THE_REFERENCE", "0").parse().unwrap();
        iso(self.world.now() + zone)[..10].into()
    }

    fn main(&mut self) -> Result<(), Failure> {
        if ["GCS_BUCKET", "ZOOM_ACCOUNT_ID"].iter().any(|name| self.setting(name, "set").is_empty()) {
            self.said.push_str("Missing required environment variables");
            return Ok(());
        }
        let (mut day, mut token) = self.load_state();
        let bearer = self.token()?;
        loop {
            let page = self.page(&bearer, &day, &token)?;
            // Treats a renamed key, an error and an empty page alike.
            let logs = page["operation_logs"].as_array().cloned().unwrap_or_default();
            if !logs.is_empty() {
                self.write(&logs)?;
            }
            token = page["next_page_token"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                break;
            }
        }
        let today = self.today();
        let next = iso(zoom::at(&format!("{day}T00:00:00Z")) + DAY)[..10].to_owned();
        day = if day < today { next } else { today };
        self.save_state(&day);
        self.said.push_str("Successfully processed");
        Ok(())
    }

    fn load_state(&mut self) -> (String, String) {
        let key = self.setting("STATE_KEY", STATE_KEY);
        let state = self.get(&key).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let read = state.and_then(|state| state["cursor_date"].as_str().map(str::to_owned));
        (read.unwrap_or_else(|| self.today()), String::new())
    }

    fn save_state(&mut self, day: &str) {
        let state = json!({"cursor_date": day, "next_page_token": null, "updated_at": "now"}).to_string();
        let key = self.setting("STATE_KEY", STATE_KEY);
        if self.put(&key, state.into_bytes()).is_err() {
            self.said.push_str("Warning: could not save state. ");
        }
    }

    fn token(&self) -> Result<String, Failure> {
        let body = format!("grant_type=account_credentials&account_id={}", zoom::ACCOUNT);
        let request =
            self.http.post(self.world.zoom.token_url()).basic_auth(zoom::CLIENT, Some(zoom::SECRET));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let (status, body) = self.send(request)?;
        if status != 200 {
            return Err(format!("Token error: {status} {body}"));
        }
        let json: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        Ok(json["access_token"].as_str().unwrap_or_default().into())
    }

    fn page(&mut self, bearer: &str, day: &str, token: &str) -> Result<Value, Failure> {
        self.pages += 1;
        if self.world.request_budget.is_some_and(|most| self.pages > most) {
            return Err("out of time".into());
        }
        let mut url = format!(
            "{}/v2/report/operationlogs?from={day}&to={day}&page_size={}",
            self.world.zoom.base(),
            self.setting("PAGE_SIZE", "300")
        );
        if !token.is_empty() {
            let _ = write!(url, "&next_page_token={token}");
        }
        let (status, body) = self.send(self.http.get(url).bearer_auth(bearer))?;
        if status != 200 {
            return Err(format!("API error: {status} {body}"));
        }
        serde_json::from_str(&body).map_err(|error| error.to_string())
    }

    fn write(&mut self, logs: &[Value]) -> Result<(), Failure> {
        let text: String = logs.iter().map(|record| format!("{}\n", ascii(&record.to_string()))).collect();
        let day = self.today().replace('-', "/");
        let name = format!("{PREFIX}{day}/zoom-operationlogs-{:032x}.json.gz", fastrand::u128(..));
        self.put(&name, gzip(text))
    }

    fn get(&self, name: &str) -> Option<String> {
        let url = format!("http://{}/{BUCKET}/{name}", self.world.gcs.host());
        let (status, body) = self.send(self.http.get(url)).ok()?;
        (status == 200).then_some(body)
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let url = format!("http://{}/{BUCKET}/{name}", self.world.gcs.host());
        match self.send(self.http.put(url).body(bytes))? {
            (200, _) => Ok(()),
            (status, _) => Err(format!("upload failed: {status}")),
        }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, String), Failure> {
        let limit = std::time::Duration::from_secs(MINUTE.unsigned_abs());
        let answer = self.runtime.block_on(async {
            let response = request.timeout(limit).send().await?;
            let status = response.status().as_u16();
            Ok((status, String::from_utf8_lossy(&response.bytes().await?).into_owned()))
        });
        answer.map_err(|error: reqwest::Error| error.to_string())
    }
}

/// Escapes characters outside ASCII, as Python's `json.dumps` does.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for unit in text.chars() {
        if unit.is_ascii() {
            out.push(unit);
        } else {
            unit.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(out, "\\u{unit:04x}");
            });
        }
    }
    out
}
