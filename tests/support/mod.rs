//! What the feed's tests share: the stand-in, made-up objects, the program.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

pub mod gcs;
pub mod proxy;
pub mod stall;

use flate2::Compression;
use flate2::write::GzEncoder;
use gcs::Gcs;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// Two days after the stand-in's objects are made.
pub const NOW: &str = "2023-11-16T00:00:00Z";

/// Record lines, the same for the same seed.
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

pub fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// Where the program is: as the tests are told, or beside who asks.
pub fn binary() -> PathBuf {
    let told = option_env!("CARGO_BIN_EXE_zoom-udm").map(PathBuf::from);
    told.unwrap_or_else(|| {
        let examples = std::env::current_exe().unwrap();
        examples.ancestors().nth(2).unwrap().join("zoom-udm")
    })
}

/// Has the program trust one authority instead of the machine's many: each client reads all of them, which takes longer
/// than most tests' requests.
pub fn trust_single_root(command: &mut Command) {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let all = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").ok()?;
        let end = "-----END CERTIFICATE-----\n";
        let file =
            Path::new(option_env!("CARGO_TARGET_TMPDIR")?).join(format!("root-{}.pem", std::process::id()));
        std::fs::write(&file, &all[..all.find(end)? + end.len()]).ok()?;
        Some(file)
    });
    if let Some(root) = root {
        command.env("SSL_CERT_FILE", root);
    }
}

/// The program, set up to see the stand-in and little else.
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

/// Flags that keep pauses short.
pub const FAST_RETRIES: [&str; 8] =
    ["--first-pause", "1ms", "--checkpoint", "40ms", "--summary", "json", "--retries", "6"];

pub fn ingest(server: Option<&Gcs>, arguments: &[&str]) -> Output {
    program(server, &[&["ingest"], &FAST_RETRIES[..], arguments].concat()).output().unwrap()
}

pub fn start(server: Option<&Gcs>, arguments: &[&str]) -> Child {
    program(server, &[&["ingest"], &FAST_RETRIES[..], arguments].concat()).spawn().unwrap()
}

/// The exit code and the summary of a run.
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

/// Names and bytes of all files below a directory, but for what the program keeps there for itself.
pub fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries =
        walkdir::WalkDir::new(directory).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    let named = entries.map(|entry| {
        let name = entry.path().strip_prefix(directory).unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.collect()
}
