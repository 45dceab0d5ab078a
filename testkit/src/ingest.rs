//! Helpers for the tests of `ingest`: the program and generated objects.

use crate::gcs::Gcs;
use crate::process::{binary, trust_single_root};
use std::process::{Child, Command, Output, Stdio};

/// About a day after the fake's objects are created.
pub const NOW: &str = "2023-11-16T00:00:00Z";

/// Returns record lines. The same seed yields the same lines.
pub fn records(count: u64, seed: u64) -> String {
    let line = |number: u64| {
        format!(
            "{{\"time\":\"2023-11-{:02}T10:00:00Z\",\"operator\":\"admin{seed}@duff.io\",\"category_type\":\"User\",\"action\":\"Update\",\
             \"operation_detail\":\"Update User homer{number}@duff.io  - Job Title: set to Inspector {number}\"}}\n",
            1 + (number + seed) % 14
        )
    };
    (0..count).map(line).collect()
}

/// Returns a command that runs the program with an environment limited to the fake.
pub fn program(server: Option<&Gcs>, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("ZOOM_UDM_NOW", NOW)
        .env("HOME", "/nonexistent")
        .env("ZOOM_UDM_LOG", "error");
    trust_single_root(&mut command);
    if let Some(server) = server {
        command.env("STORAGE_EMULATOR_HOST", server.host());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Flags that shorten pauses.
pub const FAST_RETRIES: [&str; 8] =
    ["--first-pause", "1ms", "--checkpoint", "40ms", "--summary", "json", "--retries", "6"];

pub fn ingest(server: Option<&Gcs>, arguments: &[&str]) -> Output {
    program(server, &[&["ingest"], &FAST_RETRIES[..], arguments].concat()).output().unwrap()
}

pub fn start(server: Option<&Gcs>, arguments: &[&str]) -> Child {
    program(server, &[&["ingest"], &FAST_RETRIES[..], arguments].concat()).spawn().unwrap()
}

/// Returns the exit code and the summary of a run.
pub fn outcome(output: &Output) -> (i32, serde_json::Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    let summary = said.lines().rev().find_map(|line| {
        serde_json::from_str::<serde_json::Value>(line).ok().filter(|json| json["listed"].is_u64())
    });
    (
        output.status.code().unwrap_or(-1),
        summary.unwrap_or_else(|| serde_json::Value::from(said.into_owned())),
    )
}
